import {
  createPublicClient,
  custom,
  type EIP1193Parameters,
  type Hex,
  http,
  pad,
  toHex,
} from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifySlotProof } from '../../src/core/index.js'
import { headerQuorum, storageSequence } from '../../src/enclave/index.js'
import { getSlotProof } from '../../src/registry/index.js'
import { type Anvil, startAnvil } from '../../src/testing/node/index.js'

const contract = `0x${'c1'.repeat(20)}` as const
const slot = pad(toHex(3n))
let anvil: Anvil

beforeAll(async () => {
  anvil = await startAnvil()
  await anvil.rpc('anvil_setCode', [contract, '0x00'])
  for (let n = 0; n < 20; n++) {
    await anvil.rpc('anvil_setStorageAt', [contract, pad(toHex(n)), pad(toHex(n * 7))])
  }
  await anvil.rpc('anvil_mine', ['0x3'])
}, 60_000)
afterAll(() => anvil?.stop())

const client = (): ReturnType<typeof createPublicClient> =>
  createPublicClient({ transport: http(anvil.url) })

describe('getSlotProof', () => {
  test("a real node's slots, present and absent, at a block", async () => {
    const proven = await getSlotProof(client(), { contract, slot, block: 'latest' })
    expect(proven.value).toBe(21n)
    const { header, ...verdict } = verifySlotProof(proven.proof, { contract, slot }) as {
      header: { hash: Hex; number: bigint }
    }
    expect(verdict).toEqual({ status: 'valid', value: 21n })
    const block = await client().getBlock({ blockNumber: proven.block.number })
    expect([header.hash, header.number]).toEqual([block.hash, block.number])
    const absent = await getSlotProof(client(), { contract, slot: pad(toHex(99)), block: 'latest' })
    expect(absent.value).toBe(0n)
    const other = verifySlotProof(proven.proof, { contract, slot: pad(toHex(4n)) })
    expect(other).not.toMatchObject({ status: 'valid', value: 28n })
    expect(verifySlotProof(proven.proof, { contract: `0x${'c2'.repeat(20)}`, slot }).status).toBe(
      'reject',
    )
    await expect(
      getSlotProof(client(), { contract, slot, block: 1_000_000n }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^(BLOCK_NOT_FOUND|RPC_FAILED)$/) })
  })

  test('every changed byte of a real proof shows nothing, or not this block', async () => {
    const { proof, block } = await getSlotProof(client(), { contract, slot, block: 'latest' })
    for (let at = 0; at < proof.length; at++) {
      const changed = proof.slice()
      changed[at] = (changed[at] as number) ^ (1 << (at % 8))
      const verdict = verifySlotProof(changed, { contract, slot })
      if (verdict.status === 'valid') expect(verdict.header.hash).not.toBe(block.hash)
    }
    for (const wrong of [undefined, null, 'x', new Uint8Array(0), new Uint8Array(2_000_000)]) {
      expect(verifySlotProof(wrong as never, { contract, slot }).status).toBe('reject')
    }
  })

  test('a node that lies about header, value or block is told from an honest one', async () => {
    const lies: Record<string, (answer: Record<string, unknown>) => unknown> = {
      eth_getBlockByNumber: (block) => ({ ...block, stateRoot: pad('0x1') }),
      eth_getProof: (proof) => ({ ...proof, storageProof: [{ proof: [] }] }),
    }
    for (const [method, lie] of Object.entries(lies)) {
      const liar = createPublicClient({
        transport: custom({
          request: async (asked: EIP1193Parameters) => {
            const answer = await client().request(asked as never)
            return asked.method === method ? lie(answer as never) : answer
          },
        }),
      })
      await expect(getSlotProof(liar, { contract, slot, block: 'latest' })).rejects.toMatchObject({
        code: 'RPC_INCONSISTENT',
      })
    }
  })
})

describe('storageSequence', () => {
  const blockHash = async (number: bigint): Promise<Hex> =>
    (await client().getBlock({ blockNumber: number })).hash
  const lying = async (): Promise<Hex> => pad('0x1')
  const failing = async (): Promise<Hex> => Promise.reject(new TypeError('down'))

  test('reads the sequence of a proof whose block enough endpoints know', async () => {
    const { proof, block } = await getSlotProof(client(), { contract, slot, block: 'latest' })
    const now = (): number => Number(block.timestamp) * 1000
    const verify = (
      sources: Parameters<typeof headerQuorum>[0]['sources'],
      quorum: number,
      more: { proof?: Uint8Array | undefined; now?: () => number; contract?: string } = { proof },
    ): Promise<bigint> => {
      const isTrusted = headerQuorum({ sources, quorum, maxHeadAge: 60_000, now, ...more })
      return storageSequence({ slot, isTrusted }).verifySequence({
        contract,
        claimed: 999n,
        proof,
        ...more,
      })
    }
    expect(await verify([blockHash, blockHash, lying], 2)).toBe(21n)
    expect(await verify([blockHash, blockHash, failing], 2)).toBe(21n)
    const refused: [() => Promise<bigint>, string][] = [
      [() => verify([blockHash, lying, failing], 2), 'UNTRUSTED'],
      [() => verify([blockHash], 1, { proof: undefined }), 'MISSING'],
      [() => verify([blockHash], 1, { proof: proof.slice(1) }), 'MALFORMED'],
      [() => verify([blockHash], 1, { now: () => now() + 61_000 }), 'UNTRUSTED'],
      [() => verify([blockHash], 1, { now: () => now() - 61_000 }), 'UNTRUSTED'],
      [() => verify([blockHash], 1, { now: () => Number.NaN }), 'UNTRUSTED'],
      [() => verify([blockHash], 1, { contract: 'nobody' }), 'NO_ACCOUNT'],
    ]
    for (const [work, fault] of refused) {
      await expect(work()).rejects.toMatchObject({ code: 'SEQUENCE_PROOF', fault })
    }
    const truthy = storageSequence({ slot, isTrusted: () => 'yes' as never })
    await expect(truthy.verifySequence({ contract, claimed: 1n, proof })).rejects.toMatchObject({
      fault: 'UNTRUSTED',
    })
  })

  test('a quorum that two blocks could reach is refused', () => {
    const given = { sources: [blockHash, blockHash], maxHeadAge: 1, now: Date.now }
    for (const quorum of [0, 1, 3, 1.5, Number.NaN]) {
      expect(() => headerQuorum({ ...given, quorum })).toThrow('quorum')
    }
    expect(() => headerQuorum({ ...given, quorum: 2, maxHeadAge: 0 })).toThrow('maxHeadAge')
  })
})
