/**
 * Hash functions of the tree, shaped for hashing many nodes at a time.
 *
 * A {@link TreeHasher} has a scratch area: write the inputs of up to `capacity` nodes, run, read
 * the hashes. Keccak-256 runs in WebAssembly, three nodes at a time; where that cannot be
 * compiled, `@noble/hashes` gives the same bytes.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { fromHex } from '../../internal/bytes.js'
import { nodeHashWasm } from './nodeHashWasm.generated.js'
import { bitAt, INTERNAL_DOMAIN_SEPARATOR, LEAF_DOMAIN_SEPARATOR, MAX_DEPTH } from './scheme.js'

/** A 32-byte hash function with the node operations of the tree. */
export type TreeHasher = {
  readonly name: 'keccak256' | 'sha256'
  /** What runs underneath. */
  readonly engine: 'wasm' | 'noble'
  /** Most nodes of one `leaves` or `internals` call. */
  readonly capacity: number
  /**
   * 16 words a node: key hash and value hash of a leaf, left and right hash of an inner node.
   * Owned by the hasher: contents are lost at the next call.
   */
  readonly input: Uint32Array
  /** 8 words a node: the hashes of the last call. */
  readonly output: Uint32Array
  /** `input` as bytes. */
  readonly inputBytes: Uint8Array
  /** `output` as bytes. */
  readonly outputBytes: Uint8Array
  /** Hashes the first `count` leaves of `input` to `output`. */
  leaves(count: number): void
  /** Hashes the first `count` inner nodes of `input` to `output`. */
  internals(count: number): void
  /**
   * Folds a path. `input` holds, 8 words each: the start hash, `depth` siblings from the bottom,
   * the key hash. The root is the first hash of `output`.
   */
  fold(depth: number): void
  /** Hash of any bytes. */
  hash(bytes: Uint8Array): Uint8Array
}

const capacity = 512

/**
 * Creates the default hasher: keccak-256, in WebAssembly where it is available.
 *
 * @param options.engine - `'noble'` forces the JavaScript fallback.
 * @example
 * ```ts
 * import { createStateTree, keccakHasher, memoryStore } from '@newton/policy-sdk/statetree'
 *
 * const tree = await createStateTree({ store: memoryStore(), hasher: keccakHasher() })
 * ```
 */
export function keccakHasher(options: { engine?: 'wasm' | 'noble' | undefined } = {}): TreeHasher {
  if (options.engine !== 'noble') {
    const hasher = wasmKeccak()
    if (hasher !== undefined) return hasher
  }
  return plainHasher('keccak256', keccak_256)
}

/** Creates the second hasher, SHA-256, for trees shared with Rust code that uses `Sha256Jmt`. */
export function sha256Hasher(): TreeHasher {
  return plainHasher('sha256', sha256)
}

let shared: TreeHasher | undefined

/** The keccak-256 hasher that pure functions share. Compiled at its first use. */
export function defaultHasher(): TreeHasher {
  shared ??= keccakHasher()
  return shared
}

type Exports = {
  memory: { buffer: ArrayBuffer }
  input(): number
  output(): number
  leaves(count: number): void
  internals(count: number): void
  fold(depth: number): void
  start(): void
  update(blocks: number): void
  finish(length: number): void
}

const rate = 136
const blocksPerCall = Math.floor((capacity * 64) / rate)

function wasmKeccak(): TreeHasher | undefined {
  let wasm: Exports
  try {
    const module = new WebAssembly.Module(fromHex(`0x${nodeHashWasm}`) as Uint8Array<ArrayBuffer>)
    wasm = new WebAssembly.Instance(module).exports as unknown as Exports
  } catch {
    // No WebAssembly, no SIMD, or a content security policy that forbids it: same bytes, slower.
    return undefined
  }
  // The memory never grows, so the views stay valid.
  const buffer = wasm.memory.buffer
  const inputBytes = new Uint8Array(buffer, wasm.input(), capacity * 64)
  const outputBytes = new Uint8Array(buffer, wasm.output(), capacity * 32)
  return {
    name: 'keccak256',
    engine: 'wasm',
    capacity,
    input: new Uint32Array(buffer, wasm.input(), capacity * 16),
    output: new Uint32Array(buffer, wasm.output(), capacity * 8),
    inputBytes,
    outputBytes,
    leaves: wasm.leaves,
    internals: wasm.internals,
    fold: wasm.fold,
    hash(bytes) {
      wasm.start()
      let offset = 0
      while (bytes.length - offset >= rate) {
        const blocks = Math.min(blocksPerCall, Math.floor((bytes.length - offset) / rate))
        inputBytes.set(bytes.subarray(offset, offset + blocks * rate))
        wasm.update(blocks)
        offset += blocks * rate
      }
      inputBytes.set(bytes.subarray(offset))
      wasm.finish(bytes.length - offset)
      return outputBytes.slice(0, 32)
    },
  }
}

function plainHasher(
  name: TreeHasher['name'],
  hash: (bytes: Uint8Array) => Uint8Array,
): TreeHasher {
  const input = new Uint32Array(capacity * 16)
  const output = new Uint32Array(capacity * 8)
  const inputBytes = new Uint8Array(input.buffer)
  const outputBytes = new Uint8Array(output.buffer)
  const leaf = new Uint8Array(LEAF_DOMAIN_SEPARATOR.length + 64)
  leaf.set(LEAF_DOMAIN_SEPARATOR)
  const internal = new Uint8Array(INTERNAL_DOMAIN_SEPARATOR.length + 64)
  internal.set(INTERNAL_DOMAIN_SEPARATOR)
  const start = INTERNAL_DOMAIN_SEPARATOR.length

  const many = (preimage: Uint8Array, at: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      preimage.set(inputBytes.subarray(i * 64, i * 64 + 64), at)
      outputBytes.set(hash(preimage), i * 32)
    }
  }
  return {
    name,
    engine: 'noble',
    capacity,
    input,
    output,
    inputBytes,
    outputBytes,
    leaves: (count) => many(leaf, LEAF_DOMAIN_SEPARATOR.length, count),
    internals: (count) => many(internal, start, count),
    fold(depth) {
      const key = inputBytes.subarray(32 * (depth + 1), 32 * (depth + 2))
      let current: Uint8Array = inputBytes.slice(0, 32)
      for (let i = 0; i < depth; i++) {
        const right = bitAt(key, depth - 1 - i) === 1
        const sibling = inputBytes.subarray(32 * (i + 1), 32 * (i + 2))
        internal.set(right ? sibling : current, start)
        internal.set(right ? current : sibling, start + 32)
        current = hash(internal)
      }
      outputBytes.set(current)
    },
    hash,
  }
}

/** Hash of one leaf. */
export function hashLeaf(
  hasher: TreeHasher,
  keyHash: Uint8Array,
  valueHash: Uint8Array,
): Uint8Array {
  const bytes = hasher.inputBytes
  bytes.set(keyHash)
  bytes.set(valueHash, 32)
  hasher.leaves(1)
  return hasher.outputBytes.slice(0, 32)
}

/** Hash of one inner node. */
export function hashInternal(hasher: TreeHasher, left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = hasher.inputBytes
  bytes.set(left)
  bytes.set(right, 32)
  hasher.internals(1)
  return hasher.outputBytes.slice(0, 32)
}

/**
 * Folds `siblings` (bottom to root, 32 bytes each, at most 256) over `start` along the bits of
 * `keyHash`, and returns the root.
 */
export function foldPath(
  hasher: TreeHasher,
  {
    start,
    siblings,
    keyHash,
  }: { start: Uint8Array; siblings: readonly Uint8Array[]; keyHash: Uint8Array },
): Uint8Array {
  const depth = Math.min(siblings.length, MAX_DEPTH)
  const bytes = hasher.inputBytes
  bytes.set(start)
  for (let i = 0; i < depth; i++) bytes.set(siblings[i] as Uint8Array, 32 * (i + 1))
  bytes.set(keyHash, 32 * (depth + 1))
  hasher.fold(depth)
  return hasher.outputBytes.slice(0, 32)
}
