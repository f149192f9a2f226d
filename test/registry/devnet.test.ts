import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { setEnclaveRequired, setEnclaveRequiredSync } from '../../src/registry/index.js'
import { deployContract } from '../../src/testing/contracts.js'
import { startAnvil } from '../../src/testing/node/anvil.js'
import { startChain, type TestChain } from './chain.js'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain?.anvil.stop())

test('error: DeploymentError for a constructor that reverts', async () => {
  await expect(
    deployContract(chain.owner, { abi: [], bytecode: '0x60006000fd', args: [], name: 'Broken' }),
  ).rejects.toMatchObject({ name: 'DeploymentError', code: 'DEPLOYMENT_FAILED' })
})

test('error: EventMissingError for a contract that takes the call and says nothing', async () => {
  const { owner, addresses } = chain
  const silent = await deployContract(owner, {
    abi: [],
    bytecode: '0x60016000f3',
    args: [],
    name: 'Silent',
  })
  const parameters = {
    addresses: { ...addresses, policyRegistry: silent },
    preflight: false,
    required: true,
  }
  await expect(setEnclaveRequiredSync(owner, parameters)).rejects.toMatchObject({
    name: 'EventMissingError',
    code: 'EVENT_MISSING',
    transactionHash: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string,
  })
  // Without waiting nothing can be said about events.
  expect(await setEnclaveRequired(owner, parameters)).toMatch(/^0x/)
})

test('error: AnvilError for arguments and calls it does not know', async () => {
  await expect(startAnvil({ args: ['--no-such-flag'] })).rejects.toMatchObject({
    name: 'AnvilError',
    code: 'ANVIL_FAILED',
  })
  // The chain that answers there would be taken for the new one.
  await expect(startAnvil({ port: chain.anvil.port })).rejects.toMatchObject({
    code: 'ANVIL_FAILED',
    shortMessage: `Port ${chain.anvil.port} is taken.`,
  })
  await expect(chain.anvil.rpc('no_such_method')).rejects.toMatchObject({ code: 'ANVIL_FAILED' })
})

test('behavior: a guarded chain is kept and begun again, blocks of the past too', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'newton-anvil-'))
  const options = { state: join(directory, 'state.json'), timestamp: 1_700_000_000, guarded: true }
  const to = `0x${'11'.repeat(20)}`
  const from = '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'
  try {
    // More than once: what a chain was begun with is in the file as well.
    for (let start = 0; start < 3; start++) {
      const anvil = await startAnvil(options)
      await anvil.rpc('eth_sendTransaction', [{ from, to, value: '0x5' }])
      // It is mined by itself, a little after it is answered for.
      await vi.waitFor(async () =>
        expect(Number(await anvil.rpc('eth_blockNumber', []))).toBe(start + 1),
      )
      for (let block = 1; block <= start + 1; block++) {
        const tag = `0x${block.toString(16)}`
        expect(Number(await anvil.rpc('eth_getBalance', [to, tag]))).toBe(5 * block)
        const [one, before] = (await Promise.all(
          [block, block - 1].map((number) =>
            anvil.rpc('eth_getBlockByNumber', [`0x${number.toString(16)}`, false]),
          ),
        )) as [{ parentHash: string }, { hash: string }]
        expect(one.parentHash).toBe(before.hash)
      }
      await anvil.stop()
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
