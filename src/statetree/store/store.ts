/** What a tree needs of the place where it is kept. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { assertBytes, assertCount, assertList } from '../../internal/options.js'
import { TreeVersionError } from '../errors.js'
import type { Resident, ResidentVersion } from '../tree/resident.js'

/** Versions are below 2^51, so that eight bytes and a `number` both hold them. */
const MAX_VERSION: number = 2 ** 51

/** Everything one version adds, written in one step or not at all. */
export type StoreCommit = {
  version: number
  root: Uint8Array
  /**
   * New nodes: keys of `encodeNodeKey`, values of `encodeNode`. They are not to be written to: the tree makes the
   * next version's nodes of them. They are parts of buffers of up to 1 MiB: who keeps them for long copies them.
   */
  nodes: Iterable<readonly [key: Uint8Array, value: Uint8Array]>
  /** Keys of the nodes that this version replaced. */
  stale: Iterable<Uint8Array>
  /** Named records of the application that belong to this version; `null` removes one. */
  records: readonly (readonly [name: string, value: Uint8Array | null])[]
  /** For stores with `resident`: the version's records in its arena. */
  resident?: ResidentVersion | undefined
}

/** The versions a store holds. */
export type StoreRange = { oldest: number; latest: number }

/** Result of one bounded step of a prune. `done`: nothing is left to remove. */
export type PruneStep = { removed: number; done: boolean }

/**
 * Keeps nodes, roots, the stale index and named records. Reads are synchronous; writes are
 * durable, and visible to reads, once their promise resolves.
 */
export type NodeStore = {
  readonly kind: string
  /** Bytes of values, by content hash. */
  readonly bytes: ByteStore
  /** `undefined` for a store without any version. */
  range(): StoreRange | undefined
  /** Root of a retained version. */
  rootHash(version: number): Uint8Array | undefined
  /** A node that is still needed by some retained version. */
  getNode(key: Uint8Array): Uint8Array | undefined
  record(name: string): Uint8Array | undefined
  /** Names of all records that start with `prefix`, ascending. */
  recordNames(prefix: string): readonly string[]
  /**
   * Writes a version and its records, after everything of `bytes` written before it.
   *
   * Several trees, and several processes, may try the same version: the check that it follows the
   * newest one is made in the step that writes it, and all but one are refused with
   * `TreeVersionError`. {@link assertFollows} is that check.
   */
  commit(commit: StoreCommit): Promise<void>
  /** Writes records alone, in one step. */
  writeRecords(records: StoreCommit['records']): Promise<void>
  /** Makes `oldest` the oldest readable version and removes at most `limit` unreachable nodes. */
  prune(parameters: { oldest: number; limit: number }): Promise<PruneStep>
  /** Ends its use: every call after it fails with `TreeStoreClosedError`, and another `close` does nothing. */
  close(): Promise<void>
  /** Nodes that live in memory alone: set by `memoryStore`, not by stores of your own. */
  readonly resident?: Resident | undefined
}

/**
 * Checks that a version may be written to a store that holds `range`.
 *
 * @throws {InvalidInputError} for what is no version.
 * @throws {TreeVersionError} unless it is the one after the newest, or the store is empty.
 */
export function assertFollows(version: number, range: StoreRange | undefined): void {
  assertCount('version', version, { least: 0, most: MAX_VERSION })
  if (range === undefined || version === range.latest + 1) return
  const expected = String(range.latest + 1)
  const reason = version <= range.latest ? 'it is not after the newest one' : 'it leaves a gap'
  throw new TreeVersionError({ version, expected, reason })
}

/**
 * Checks named records before any of them is written: names are texts, values bytes or `null`.
 *
 * @throws {InvalidInputError} naming the malformed one.
 */
export function assertRecords(records: unknown): asserts records is StoreCommit['records'] {
  assertList('records', records)
  for (const [index, record] of records.entries()) {
    const field = `records[${index}]`
    assertList(field, record)
    const [name, value] = record
    assertRecordName(field, name)
    if (value !== null) assertBytes(`${field}[1]`, value)
  }
}

/** Most bytes of a record's name: every store holds as much in its keys. */
const MAX_NAME = 1_024
/** Bytes of the shortest and the longest name of a node, `encodeNodeKey`. */
const nodeKeyBytes = { least: 9, most: 41 }

/**
 * Checks the name of a record: a text that is the same after it was written and read as UTF-8.
 *
 * @throws {InvalidInputError} for one that is none.
 */
export function assertRecordName(field: string, name: unknown): asserts name is string {
  if (typeof name !== 'string' || name === '')
    throw new InvalidInputError({ field, reason: 'expected a name' })
  assertText(field, name)
}

/** Checks the beginning of names, which may be empty. */
export function assertRecordPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string')
    throw new InvalidInputError({ field: 'prefix', reason: 'expected the beginning of names' })
  assertText('prefix', prefix)
}

function assertText(field: string, text: string): void {
  // Halves of a pair have no bytes of their own: two names would be one.
  if (/\p{Surrogate}/u.test(text))
    throw new InvalidInputError({ field, reason: 'expected well-formed Unicode' })
  if (text.length > MAX_NAME || utf8(text).length > MAX_NAME)
    throw new InvalidInputError({ field, reason: `expected at most ${MAX_NAME} bytes` })
}

/** Checks the name of a node that is asked for. */
export function assertNodeKey(key: unknown): asserts key is Uint8Array {
  const { least, most } = nodeKeyBytes
  if (key instanceof Uint8Array && key.length >= least && key.length <= most) return
  const reason = `expected ${least} to ${most} bytes`
  throw new InvalidInputError({ field: 'key', reason })
}

/** Checks a commit, but for its version, which {@link assertFollows} does. */
export function assertCommit({ root, records }: StoreCommit): void {
  assertBytes('root', root)
  if (root.length !== 32)
    throw new InvalidInputError({ field: 'root', reason: 'expected 32 bytes' })
  assertRecords(records)
}

/** Checks what a prune is asked for. */
export function assertPruning({ oldest, limit }: { oldest: number; limit: number }): void {
  assertCount('oldest', oldest, { least: 0, most: MAX_VERSION })
  assertCount('limit', limit)
}

/** Whether a number can be that of a version. */
export function isVersion(version: number): boolean {
  return Number.isSafeInteger(version) && version >= 0 && version <= MAX_VERSION
}

/** Keeps byte strings under their content hash. */
export type ByteStore = {
  has(hash: Hex): Promise<boolean>
  /** `undefined` where there are none. Bytes that miss their hash are an error. */
  get(hash: Hex): Promise<Uint8Array | undefined>
  /**
   * Writes durably. Bytes that miss `hash` are refused. Again is harmless, and mends bytes that were
   * damaged where they are kept.
   *
   * @param options.checked - The caller derived `hash` from these bytes and leaves them alone: they
   * are not hashed again. Default false.
   */
  put(hash: Hex, bytes: Uint8Array, options?: { checked?: boolean | undefined }): Promise<void>
  delete(hash: Hex): Promise<void>
  list(): Promise<readonly Hex[]>
}
