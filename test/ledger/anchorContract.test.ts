import { bytesToHex, type Hex, hexToBytes, zeroHash } from 'viem'
import { readContract } from 'viem/actions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkpointAnchorAbi } from '../../src/core/abi/index.js'
import {
  type AnchorCandidate,
  type AnchorOutcome,
  anchorLogId,
  anchorSlot,
  type ChainAnchorReceipt,
  type ChainAnchorTrust,
  createAnchorer,
  leafHash,
  logReader,
  noteSigner,
  verifyChainAnchor,
} from '../../src/ledger/index.js'
import {
  anchorCheckpoint,
  anchorCheckpointSync,
  createChainAnchor,
  dryRunAnchorCheckpoint,
  getLatestAnchor,
  isCheckpointAnchored,
  type LogAnchor,
  originHashOf,
  proveAnchor,
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
/** The anchor that was just made, read back. */
const latestOf = async (origin: string): Promise<LogAnchor> => {
  const log = { owner: chain.owner.account.address, origin, addresses: chain.addresses }
  return (await getLatestAnchor(chain.owner, log)) as LogAnchor
}

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
      latest = await latestOf(log.origin)
      const { log: _log, transactionHash: _hash, ...anchored } = event
      expect(latest).toMatchObject(anchored)
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
      await anchorCheckpointSync(owner, parameters)
      const anchor = await latestOf(origin)
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
    await anchorCheckpointSync(owner, first)
    const latest = await latestOf(origin)
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
      [{ root: '0x12' as Hex }, 'root'],
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

describe('createChainAnchor', () => {
  const origin = 'ledger.example/kept'
  const candidateOf = (size: number, forked = false): AnchorCandidate => {
    const kept = entries
      .slice(0, size)
      .map((entry, at) => (forked && at === 0 ? entry.slice(1) : entry))
    const key = noteSigner({ name: origin, seed: new Uint8Array(32).fill(9) })
    const files = writeLog({ entries: kept, signer: key })
    const root = definedRoot(kept.map(leafHash))
    const checkpoint = { origin, size: BigInt(size), root }
    const reader = logReader({ checkpoint, read: async (path) => files.get(path) })
    return { note: new TextDecoder().decode(files.get('checkpoint')), checkpoint, reader }
  }

  test('behavior: anchors what is due, finds what landed, stops at a fork', async () => {
    const { owner, addresses } = chain
    let now = 1_800_000_000_000
    let candidate: AnchorCandidate | undefined
    const receipts: ChainAnchorReceipt[] = []
    let failing = 0
    const make = () =>
      createAnchorer({
        targets: [createChainAnchor({ client: owner, addresses })],
        latest: async () => candidate,
        record: async (receipt) => {
          if (failing-- > 0) throw new TypeError('the ledger is down')
          receipts.push(receipt as ChainAnchorReceipt)
        },
        now: () => now,
      })
    const anchorer = make()
    const tick = async (of = anchorer) => (await of.tick())[0] as AnchorOutcome
    expect(await tick()).toMatchObject({ status: 'waiting' })
    candidate = candidateOf(7)
    failing = 1
    // What was anchored and not recorded is recorded the next time, and anchored once.
    expect(await tick()).toMatchObject({
      status: 'failed',
      error: { message: 'the ledger is down' },
    })
    expect(await tick()).toMatchObject({ status: 'anchored', receipt: { size: 7n, position: 0 } })
    candidate = candidateOf(20)
    expect(await tick()).toEqual({ target: 'chain:31337', status: 'waiting', next: now + 900_000 })
    expect(anchorer.nextDue()).toBe(now + 900_000)
    now += 900_000
    expect(await tick()).toMatchObject({ status: 'anchored', receipt: { size: 20n, position: 1 } })
    // Another process, which knows nothing of it, finds it on the chain.
    const found = await tick(make())
    expect(found).toMatchObject({ status: 'anchored', receipt: { size: 20n, position: 1 } })
    now += 900_000
    candidate = candidateOf(30, true)
    expect(await tick()).toMatchObject({
      status: 'failed',
      error: { code: 'LEDGER_ANCHOR_CONFLICT', anchored: 20n },
    })
    candidate = candidateOf(15)
    expect(await tick(make())).toMatchObject({ error: { code: 'LEDGER_ANCHOR_CONFLICT' } })
    expect(receipts.map(({ size }) => size)).toEqual([7n, 20n, 20n])
  })

  test('behavior: a receipt is proved offline, and no changed field or byte is', async () => {
    const { owner, addresses } = chain
    const target = createChainAnchor({ client: owner, addresses })
    const { signal } = new AbortController()
    const bare = (await target.anchor(candidateOf(40), { signal })) as ChainAnchorReceipt
    await chain.mine(2)
    const receipt = await proveAnchor(owner, { receipt: bare, block: 'latest' })
    const trust: ChainAnchorTrust = {
      ...{ chainId: 31_337, contract: addresses.checkpointAnchor, owner: bare.owner },
      isTrusted: ({ number }) => number > 0n,
    }
    expect(verifyChainAnchor(receipt, trust)).toMatchObject({
      ...{ status: 'verified', time: receipt.time },
      checkpoint: { origin, size: 40n, root: candidateOf(40).checkpoint.root },
    })
    const reason = (change: object, by: Partial<ChainAnchorTrust> = {}) => {
      const verdict = verifyChainAnchor({ ...receipt, ...change }, { ...trust, ...by })
      return verdict.status === 'invalid' ? verdict.reason : verdict.status
    }
    expect(reason({ chainId: 1 })).toBe('chain')
    expect(reason({ contract: addresses.slasher })).toBe('contract')
    expect(reason({ owner: addresses.slasher })).toBe('owner')
    expect(reason({}, { owner: addresses.slasher })).toBe('owner')
    expect(reason({ size: 41n })).toBe('anchor')
    expect(reason({ root: zeroHash })).toBe('anchor')
    expect(reason({ time: receipt.time + 1n })).toBe('anchor')
    expect(reason({ position: receipt.position - 1 })).toBe('proof')
    expect(reason({ origin: 'another' })).toBe('proof')
    expect(reason({ proof: undefined })).toBe('malformed')
    expect(reason({ proof: 'no hex' })).toBe('malformed')
    expect(reason({ position: 96 })).toBe('malformed')
    expect(reason({}, { isTrusted: () => false })).toBe('block')
    expect(reason({}, { isTrusted: () => 1 as never })).toBe('block')
    expect(verifyChainAnchor(null as never, trust)).toMatchObject({ reason: 'malformed' })
    const seen: Hex[] = []
    reason({}, { isTrusted: ({ hash }) => seen.push(hash) > 0 })
    const bytes = hexToBytes(receipt.proof as Hex)
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = bytes.slice()
      changed[at] = (changed[at] as number) ^ 1
      const proof = bytesToHex(changed)
      const verdict = reason({ proof }, { isTrusted: ({ hash }) => hash === seen[0] })
      expect(verdict, `byte ${at}`).not.toBe('verified')
    }
    expect(() => anchorSlot({ ...receipt, position: 96 })).toThrow(/position/)
    await expect(
      proveAnchor(owner, { receipt: { ...bare, size: 41n }, block: 'latest' }),
    ).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
    await expect(proveAnchor(owner, { receipt: {} as never })).rejects.toThrow(/receipt/)
  })
})
