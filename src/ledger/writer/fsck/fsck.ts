/**
 * Every file of a ledger derived again, from the entries up: bundles, tiles, roots, checkpoints, the
 * chain, each event, each MetaRoot record. Nothing that a writer keeps beside the logs is believed.
 */
import type { TileReader } from '../../../core/interfaces/tileStore.js'
import { InvalidInputError } from '../../../errors/common.js'
import { bytesEqual, concatAll } from '../../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../../internal/deadline.js'
import { assertCount, assertKnown, assertMembers } from '../../../internal/options.js'
import { eventDomains } from '../../events/event.js'
import { type Checkpoint, verifyCheckpoint } from '../../log/checkpoint.js'
import { edgeRoot, emptyEdge, growLog, type LogEdge } from '../../log/growth.js'
import { hashSize } from '../../log/merkle.js'
import { decodeEntryBundle, tilePath, tileWidth } from '../../log/tiles.js'
import { decodeHead, headPath, type LogState } from '../files/head.js'
import { metaLog } from '../types.js'
import {
  type Add,
  checkChain,
  checkRoots,
  type Found,
  type FsckParameters,
  type FsckReport,
  firstLine,
  readMeta,
} from './chain.js'

/**
 * Checks a ledger that nobody writes meanwhile.
 *
 * @throws {InvalidInputError} without the keys of its logs, and for options that are missing or unknown.
 * @example
 * ```ts
 * import { checkpointSigners, fsck, memoryTiles } from '@newton/policy-sdk/ledger'
 *
 * const signers = checkpointSigners('ledger.example/eval', new Uint8Array(32).fill(1))
 * const keys = new Map([...signers].map(([name, { key }]) => [name, key]))
 * const report = await fsck({ store: memoryTiles(), ledger: 'ledger.example/eval', keys })
 * report.status // 'faulty': there is no ledger
 * ```
 */
export function fsck(parameters: FsckParameters, options: IoOptions = {}): Promise<FsckReport> {
  return withDeadline('Checking a ledger', options, async (signal) => {
    checkParameters(parameters)
    return run(parameters, signal)
  })
}

const knownParameters: readonly (keyof FsckParameters)[] = [
  ...([
    'store',
    'ledger',
    'keys',
    'verify',
    'schemas',
    'requireVerifiedWasm',
    'maxFaults',
  ] as const),
]

function checkParameters(parameters: FsckParameters): void {
  assertMembers('parameters', parameters, ['store', 'ledger', 'keys'])
  assertKnown('parameters', parameters, knownParameters)
  const { keys, maxFaults } = parameters
  if (!(keys instanceof Map) || keys.size === 0) {
    throw new InvalidInputError({ field: 'keys', reason: 'expected a map of keys, by log' })
  }
  if (maxFaults !== undefined) assertCount('maxFaults', maxFaults)
}

async function run(parameters: FsckParameters, signal: AbortSignal): Promise<FsckReport> {
  const found: Found = { faults: [], most: parameters.maxFaults ?? 100 }
  const add = (path: string, fault: string): void => {
    found.faults.push({ path, fault })
  }
  const report = (sizes: Record<string, bigint>, events: bigint): FsckReport => ({
    status: found.faults.length === 0 ? 'clean' : 'faulty',
    faults: found.faults.slice(0, found.most),
    sizes,
    events,
  })
  const file = await parameters.store.read(headPath)
  const head = file && decodeHead(file.bytes)
  if (head === undefined) {
    add(headPath, file === undefined ? 'is not there' : 'is no commit point')
    return report({}, 0n)
  }
  const sizes: Record<string, bigint> = {}
  for (const [name, state] of head.sizes) {
    sizes[name] = state.size
    try {
      await checkLog(parameters, { name, state, add, signal })
    } catch (error) {
      signal.throwIfAborted()
      add(name, firstLine(error))
    }
  }
  for (const name of [...eventDomains, metaLog]) {
    if (!head.sizes.has(name)) add(headPath, `does not have the log ${name}`)
  }
  const records = await readMeta(parameters, { head, add, signal })
  await checkChain(parameters, { head, records, add, signal, found })
  await checkRoots(parameters, { head, records, add, signal })
  return report(sizes, head.seq)
}

/** A log from its bundles: every tile there has to be, and the checkpoint. */
async function checkLog(
  parameters: FsckParameters,
  log: { name: string; state: LogState; add: Add; signal: AbortSignal },
): Promise<void> {
  const { store } = parameters
  const { name, state, add, signal } = log
  let edge: LogEdge = emptyEdge
  while (edge.size < state.size) {
    signal.throwIfAborted()
    const rest = state.size - edge.size
    const width = rest >= 256n ? tileWidth : Number(rest)
    const path = `${name}/${tilePath({ level: 'entries', index: edge.size / 256n, width })}`
    const file = await store.read(path)
    const entries = file && decodeEntryBundle(file.bytes, width)
    if (entries === undefined) {
      add(path, file === undefined ? 'is not there' : `is no bundle of ${width} entries`)
      return
    }
    const grown = growLog(edge, entries)
    // Partial tiles of levels above are right only at the end of the log.
    const isLast = grown.edge.size === state.size
    for (const part of grown.files) {
      if (part.path.includes('.p/') && !isLast) continue
      if (part.path.startsWith('tile/entries/')) continue
      const there = await store.read(`${name}/${part.path}`)
      if (there === undefined) add(`${name}/${part.path}`, 'is not there')
      else if (!bytesEqual(there.bytes, part.bytes)) {
        add(`${name}/${part.path}`, 'does not have the hashes of the entries')
      }
    }
    edge = grown.edge
  }
  if (!bytesEqual(edgeRoot(edge), state.root)) {
    add(headPath, `says another root of ${name} than the entries have`)
  }
  await checkEdgeTiles(store, { name, edge, add })
  await checkPartials(store, { name, size: edge.size, add, signal })
  await checkCheckpoint(parameters, { name, size: state.size, root: edgeRoot(edge), add })
}

/** Partial tiles at the end of the log that the last entries did not touch. */
async function checkEdgeTiles(
  store: TileReader,
  { name, edge, add }: { name: string; edge: LogEdge; add: Add },
): Promise<void> {
  for (const [level, hashes] of edge.levels.entries()) {
    if (hashes.length === 0) continue
    const index = (edge.size >> BigInt(8 * level)) / 256n
    const path = `${name}/${tilePath({ level, index, width: hashes.length })}`
    const file = await store.read(path)
    if (file !== undefined && bytesEqual(file.bytes, concatAll(hashes))) continue
    add(path, file === undefined ? 'is not there' : 'does not have the hashes of the entries')
  }
}

/** Partial files of older sizes, where a store can list them: each is the start of a newer one. */
async function checkPartials(
  store: FsckParameters['store'],
  log: { name: string; size: bigint; add: Add; signal: AbortSignal },
): Promise<void> {
  const { name, size, add, signal } = log
  const form = /^tile\/(entries|\d+)\/(?:x\d{3}\/)*\d{3}(?:\.p\/(\d+))?$/
  for (const path of (await store.list?.(name)) ?? []) {
    signal.throwIfAborted()
    const found = form.exec(path.slice(name.length + 1))
    if (found === null) {
      if (path !== `${name}/checkpoint`) add(path, 'is no file of a log')
      continue
    }
    if (found[2] === undefined) continue
    const full = path.slice(0, path.lastIndexOf('.p/'))
    const level = found[1] === 'entries' ? 0 : Number(found[1])
    const edge = `${full}.p/${(size >> BigInt(8 * level)) % 256n}`
    const newer = (await store.read(full)) ?? (await store.read(edge))
    const bytes = (await store.read(path))?.bytes ?? new Uint8Array()
    const width = Number(found[2])
    const isWhole =
      found[1] === 'entries'
        ? decodeEntryBundle(bytes, width) !== undefined
        : bytes.length === width * hashSize
    const isStart = newer !== undefined && bytesEqual(newer.bytes.slice(0, bytes.length), bytes)
    if (!isWhole || !isStart) add(path, 'is not the start of what the log has there')
  }
}

async function checkCheckpoint(
  { store, keys }: FsckParameters,
  log: Omit<Checkpoint, 'origin'> & { name: string; add: Add },
): Promise<void> {
  const { name, size, root, add } = log
  const path = `${name}/checkpoint`
  const key = keys.get(name)
  const file = await store.read(path)
  if (key === undefined) return add(path, 'no key to check it with was given')
  if (file === undefined) return add(path, 'is not there')
  const verified = verifyCheckpoint(file.bytes, { log: key })
  if (verified.status !== 'verified')
    return add(path, `is not signed by the log: ${verified.reason}`)
  if (verified.checkpoint.size !== size) {
    return add(path, `is of ${verified.checkpoint.size} entries, and there are ${size}`)
  }
  if (!bytesEqual(verified.checkpoint.root, root)) add(path, 'has another root than the entries')
}
