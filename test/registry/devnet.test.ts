import { afterAll, beforeAll, expect, test } from 'vitest'
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
  await expect(chain.anvil.rpc('no_such_method')).rejects.toMatchObject({ code: 'ANVIL_FAILED' })
})
