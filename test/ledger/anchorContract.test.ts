import { bytesToHex, type Hex, zeroHash } from 'viem'
import { readContract } from 'viem/actions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkpointAnchorAbi } from '../../src/core/abi/index.js'
import { anchorLogId, leafHash, logReader, noteSigner } from '../../src/ledger/index.js'
import {
  anchorCheckpoint,
  anchorCheckpointSync,
  dryRunAnchorCheckpoint,
  getLatestAnchor,
  isCheckpointAnchored,
  type LogAnchor,
  originHashOf,
  simulateAnchorCheckpoint,
} from '../../src/registry/index.js'
import { startChain, type TestChain } from '../registry/chain.js'
import { definedRoot, writeLog } from './writeLog.js'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain?.anvil.stop())

const signer = noteSigner({ name: 'ledger.example/meta', seed: new Uint8Array(32).fill(9) })
const entries = Array.from({ length: 300 }, (_, at) => new TextEncoder().encode(`entry ${at}`))
const rootOf = (size: number): Hex => bytesToHex(definedRoot(entries.slice(0, size).map(leafHash)))
const readerAt = (size: number) => {
  const files = writeLog({ entries: entries.slice(0, size), signer })
  const checkpoint = {
    ...{ origin: signer.key.name, size: BigInt(size) },
    root: definedRoot(entries.slice(0, size).map(leafHash)),
  }
  return logReader({ checkpoint, read: async (path) => files.get(path) })
}
const proofOf = async (older: number, size: number): Promise<Hex[]> =>
  (await readerAt(size).prefix(BigInt(older))).proof.map((hash) => bytesToHex(hash))
const plain = ({ size, root, time, position }: LogAnchor): LogAnchor => ({
  ...{ size, root, time, position },
})

describe('anchorCheckpoint', () => {
  test('behavior: a log is anchored as it grows, and read back', async () => {
    const { owner, addresses } = chain
    const log = { owner: owner.account.address, origin: 'ledger.example/meta', addresses }
    expect(await getLatestAnchor(owner, log)).toBe(null)
    let latest: LogAnchor | undefined
    let position = 0
    for (const size of [1, 2, 255, 256, 257, 300]) {
      const proof = latest === undefined ? [] : await proofOf(Number(latest.size), size)
      const input = { ...log, size: BigInt(size), root: rootOf(size), latest, proof }
      const { owner: _owner, ...parameters } = input
      await simulateAnchorCheckpoint(owner, parameters)
      const { receipt, ...event } = await anchorCheckpointSync(owner, parameters)
      expect(receipt.status).toBe('success')
      expect(event).toMatchObject({
        ...{ size: BigInt(size), root: rootOf(size), position },
        log: anchorLogId(log),
      })
      latest = (await getLatestAnchor(owner, log)) as LogAnchor
      expect(latest).toEqual(plain(event))
      expect(await isCheckpointAnchored(owner, { ...log, anchor: latest })).toBe(true)
      const wrong = { ...latest, root: zeroHash }
      expect(await isCheckpointAnchored(owner, { ...log, anchor: wrong })).toBe(false)
      position += 1
    }
    // The same origin under another address is another log.
    const stranger = chain.wallet(1).account.address
    expect(await getLatestAnchor(owner, { ...log, owner: stranger })).toBe(null)
  })

  test('behavior: proofs of this package are those of the contract', async () => {
    const { owner, addresses } = chain
    for (const size of [1, 2, 3, 13, 256, 300]) {
      const origin = `proofs/${size}`
      const parameters = { addresses, origin, size: BigInt(size), root: rootOf(size) }
      const anchor = plain(await anchorCheckpointSync(owner, parameters))
      for (const index of new Set([0, size >> 1, size - 1])) {
        const { proof } = await readerAt(size).entry(BigInt(index))
        const leaf = bytesToHex(leafHash(entries[index] as Uint8Array))
        const included = (at: number, of: Hex) =>
          readContract(owner, {
            abi: checkpointAnchorAbi,
            address: addresses.checkpointAnchor,
            functionName: 'verifyInclusion',
            args: [
              owner.account.address,
              originHashOf(origin),
              anchor,
              of,
              BigInt(at),
              proof.map((hash) => bytesToHex(hash)),
            ],
          })
        expect(await included(index, leaf)).toBe(true)
        expect(await included(index, zeroHash)).toBe(false)
        if (size > 1) expect(await included((index + 1) % size, leaf)).toBe(false)
      }
    }
  })

  test('behavior: a wrong proof is refused before anything is signed', async () => {
    const { owner, addresses } = chain
    const origin = 'refused'
    const first = { addresses, origin, size: 7n, root: rootOf(7) }
    const latest = plain(await anchorCheckpointSync(owner, first))
    const next = {
      addresses,
      origin,
      size: 9n,
      root: rootOf(9),
      latest,
      proof: await proofOf(7, 9),
    }
    for (const [change, field] of [
      [{ proof: await proofOf(6, 9) }, /proof/],
      [{ proof: [] }, /proof/],
      [{ proof: ['0x00'] as Hex[] }, /proof\[0\]/],
      [{ proof: 'none' as never }, /proof/],
      [{ root: zeroHash }, /proof/],
      [{ size: 7n }, /proof/],
      [{ size: 6n }, /proof/],
      [{ size: 0n }, /size/],
      [{ size: 2n ** 63n }, /size/],
      [{ size: 9 as never }, /size/],
      [{ origin: '' }, /origin/],
      [{ root: '0x12' as Hex }, /root/],
      [{ latest: { ...latest, position: 96 } }, /latest.position/],
      [{ latest: { ...latest, time: -1n } }, /latest.time/],
      [{ latest: { ...latest, size: 0n } }, /latest.size/],
      [{ latest: undefined }, /proof/],
    ] as const) {
      await expect(anchorCheckpoint(owner, { ...next, ...change })).rejects.toThrow(field)
    }
    const dry = await dryRunAnchorCheckpoint(owner, next)
    expect(dry).toMatchObject({ ok: true, ids: { originHash: originHashOf(origin) } })
    await anchorCheckpointSync(owner, next)
    // What another one anchored meanwhile is said by name.
    await expect(anchorCheckpoint(owner, next)).rejects.toMatchObject({ errorName: 'NotLatest' })
    await expect(anchorCheckpoint(owner, first)).rejects.toMatchObject({
      errorName: 'AlreadyStarted',
    })
    const forged = { ...next, latest: { ...latest, root: rootOf(9) }, size: 12n }
    await expect(anchorCheckpoint(owner, forged)).rejects.toThrow(/proof/)
  })

  test('error: RPC_INCONSISTENT, where the event is older than what is read', async () => {
    const { owner, addresses } = chain
    const log = { owner: owner.account.address, origin: 'old', addresses }
    await anchorCheckpointSync(owner, { addresses, origin: 'old', size: 1n, root: rootOf(1) })
    await chain.mine(3)
    const fromBlock = await chain.height()
    await expect(getLatestAnchor(owner, { ...log, fromBlock })).rejects.toMatchObject({
      code: 'RPC_INCONSISTENT',
    })
    expect(await getLatestAnchor(owner, { ...log, fromBlock: 0n })).toMatchObject({ size: 1n })
  })
})
