/** Errors of the state tree: one class per kind of failure. */
import type { Hex } from 'viem'
import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** A commit names a version that does not follow the newest one. */
export class TreeVersionError extends BaseError {
  override readonly name = 'TreeVersionError'
  override readonly code = 'TREE_VERSION'

  constructor(
    { version, expected, reason }: { version: number; expected: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`Version ${version} cannot be committed: ${reason}. Expected ${expected}.`, {
      metaMessages: ['Nothing was written. Versions follow each other without gaps.'],
      ...options,
    })
  }
}

/** A version was never committed, or is pruned. */
export class VersionNotRetainedError extends BaseError {
  override readonly name = 'VersionNotRetainedError'
  override readonly code = 'TREE_VERSION_NOT_RETAINED'

  constructor(
    { version, oldest, latest }: { version: number; oldest: number; latest: number },
    options: BaseErrorOptions = {},
  ) {
    super(`Version ${version} is not in the tree, which holds ${oldest} to ${latest}.`, {
      metaMessages: ['Ask for a retained version, or restore a snapshot of that one.'],
      ...options,
    })
  }
}

/** A stored node is missing, malformed, or does not hash to what its parent says. */
export class CorruptNodeError extends BaseError {
  override readonly name = 'CorruptNodeError'
  override readonly code = 'TREE_CORRUPT_NODE'

  constructor({ node, reason }: { node: string; reason: string }, options: BaseErrorOptions = {}) {
    super(`Node ${node} of the store is damaged: ${reason}.`, {
      metaMessages: ['Restore the store from a snapshot that is checked against a committed root.'],
      ...options,
    })
  }
}

/** A store was written with another hasher, or with a layout that this version does not know. */
export class StoreMismatchError extends BaseError {
  override readonly name = 'StoreMismatchError'
  override readonly code = 'TREE_STORE_MISMATCH'

  constructor(
    { what, found, expected }: { what: string; found: string; expected: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The store has ${what} ${found}, expected ${expected}.`, {
      metaMessages: ['Open it with the settings it was written with, or use an empty one.'],
      ...options,
    })
  }
}

/** Another process, or another handle of this one, writes to the store. */
export class StoreLockedError extends BaseError {
  override readonly name = 'StoreLockedError'
  override readonly code = 'STORE_LOCKED'
  /** The process that has the store, where its record says so. */
  readonly pid: number | undefined
  /** The host it runs on. */
  readonly host: string | undefined

  constructor(
    {
      path,
      reason,
      pid,
      host,
    }: { path: string; reason: string; pid: number | undefined; host: string | undefined },
    options: BaseErrorOptions = {},
  ) {
    const holder = pid === undefined ? 'another process' : `process ${pid} on ${host}`
    super(`The store at ${path} belongs to ${holder}: ${reason}.`, {
      metaMessages: [
        'Nothing was written. Stop that process, or close its store, and open this one again.',
      ],
      ...options,
    })
    this.pid = pid
    this.host = host
  }
}

/** A store could not be written, such as on a full disk. What it held before is whole. */
export class StoreWriteError extends BaseError {
  override readonly name = 'StoreWriteError'
  override readonly code = 'STORE_WRITE'

  constructor({ path, reason }: { path: string; reason: string }, options: BaseErrorOptions = {}) {
    super(`The store at ${path} could not be written: ${reason}.`, {
      retryable: true,
      metaMessages: ['Nothing of it is visible. Make room, or mend the disk, and write it again.'],
      ...options,
    })
  }
}

/** A store was asked for something after it was closed. */
export class TreeStoreClosedError extends BaseError {
  override readonly name = 'TreeStoreClosedError'
  override readonly code = 'TREE_STORE_CLOSED'

  constructor({ store }: { store: string }, options: BaseErrorOptions = {}) {
    super(`The ${store} store is closed.`, {
      metaMessages: ['Nothing was read or written. Open it again, and a tree on the new handle.'],
      ...options,
    })
  }
}

/** Why a proof is refused. */
export type ProofFault =
  | 'MALFORMED'
  | 'TOO_DEEP'
  | 'WRONG_KEY'
  | 'WRONG_VALUE'
  | 'NOT_INCLUSION'
  | 'NOT_EXCLUSION'
  | 'OTHER_LEAF_NOT_ON_PATH'
  | 'UNUSED_PARTS'
  | 'MISSING_PARTS'
  | 'ORDER'
  | 'ROOT_MISMATCH'

/** A proof does not prove what is claimed. */
export class InvalidProofError extends BaseError {
  override readonly name = 'InvalidProofError'
  override readonly code = 'TREE_INVALID_PROOF'
  /** What is wrong with it, for programs. */
  readonly fault: ProofFault

  constructor(
    { fault, reason }: { fault: ProofFault; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The proof is refused: ${reason}.`, options)
    this.fault = fault
  }
}

/** Bytes are not a valid encoding. `field` says which part. */
export class MalformedEncodingError extends BaseError {
  override readonly name = 'MalformedEncodingError'
  override readonly code = 'TREE_MALFORMED_ENCODING'
  /** The encoded thing, such as `delta.header`. */
  readonly field: string

  constructor(
    { field, reason }: { field: string; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`\`${field}\` is malformed: ${reason}.`, options)
    this.field = field
  }
}

/** A batch was asked for its nodes after the versions it lies between were pruned. */
export class BatchExpiredError extends BaseError {
  override readonly name = 'BatchExpiredError'
  override readonly code = 'TREE_BATCH_EXPIRED'

  constructor({ version }: { version: number }, options: BaseErrorOptions = {}) {
    super(`The batch of version ${version} can no longer be listed: its versions are pruned.`, {
      metaMessages: ['List a batch before the next prune.'],
      ...options,
    })
  }
}

/** A snapshot chunk, or the whole snapshot, does not match the root it is for. */
export class SnapshotError extends BaseError {
  override readonly name = 'SnapshotError'
  override readonly code = 'TREE_SNAPSHOT'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The snapshot is refused: ${reason}.`, {
      metaMessages: ['Nothing of it is visible. Fetch the chunk again, or from another peer.'],
      ...options,
    })
  }
}

/** A tree is there, and bytes that it names could not be had from a peer. */
export class BytesMissingError extends BaseError {
  override readonly name = 'BytesMissingError'
  override readonly code = 'BYTES_MISSING'
  /** Their hashes. */
  readonly missing: readonly Hex[]

  constructor({ missing }: { missing: readonly Hex[] }, options: BaseErrorOptions = {}) {
    const named = missing.slice(0, 3).join(', ')
    const more = missing.length > 3 ? ` and ${missing.length - 3} more` : ''
    super(`The peer did not give the bytes of ${named}${more}.`, {
      retryable: true,
      metaMessages: [
        'The others are here. Ask again, or another peer: what is here is not fetched anew.',
      ],
      ...options,
    })
    this.missing = missing
  }
}

/** The bytes named by a content hash cannot be had here. */
export class BytesNotFoundError extends BaseError {
  override readonly name = 'BytesNotFoundError'
  override readonly code = 'BYTES_NOT_FOUND'
  readonly hash: Hex

  constructor({ hash }: { hash: Hex }, options: BaseErrorOptions = {}) {
    super(`No bytes with hash ${hash} are stored here.`, { retryable: true, ...options })
    this.hash = hash
  }
}

/** Bytes do not hash to the name they are stored or served under. */
export class BytesCorruptError extends BaseError {
  override readonly name = 'BytesCorruptError'
  override readonly code = 'BYTES_CORRUPT'

  constructor({ hash, actual }: { hash: string; actual: string }, options: BaseErrorOptions = {}) {
    super(`Bytes named ${hash} hash to ${actual}.`, options)
  }
}

/** A server does not answer a read with a leaf, and says by its status why. */
export class LeafRefusedError extends BaseError {
  override readonly name = 'LeafRefusedError'
  override readonly code = 'TREE_LEAF_REFUSED'
  /** 400 malformed, 401 nobody signed, 403 the caller is not let in, 404 the root is not there, 408 no body. */
  readonly status: number
  readonly reason: string

  constructor(
    { status, reason }: { status: number; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The leaf is not read: ${reason} (${status}).`, {
      retryable: status === 404 || status === 429 || status >= 500,
      metaMessages: [
        status === 401 || status === 403
          ? 'Sign the call with `authorize`, by an account that the private-data layer lets in.'
          : 'Ask for a root that is retained, or ask another peer.',
      ],
      ...options,
    })
    this.status = status
    this.reason = reason
  }
}
