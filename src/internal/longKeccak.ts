/**
 * Keccak-256 of long messages in WebAssembly, where there is one; the same bytes elsewhere.
 *
 * An artifact of 15 MiB is hashed each time it crosses from disk to memory, which takes a second
 * in JavaScript. Short messages are not worth the crossing.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Hex } from 'viem'
import { fromHex, toHex } from './bytes.js'
import { setKeccak } from './keccak.js'
import { keccakWasm } from './keccakWasm.generated.js'

type Engine = {
  memory: { buffer: ArrayBuffer }
  buffer(): number
  state(): number
  reset(): void
  absorb(blocks: number): void
}

const rate = 136
const blocksAtOnce = 480
const worthwhile = 16_384

// Compiled at first use. Calls are synchronous and reset it, so nothing of one reaches another.
let engine: Engine | undefined | 'unavailable'

/** keccak-256 of `bytes`, fast for megabytes. */
export function longKeccak(bytes: Uint8Array): Uint8Array {
  if (bytes.length < worthwhile) return keccak_256(bytes)
  engine ??= createEngine() ?? 'unavailable'
  return engine === 'unavailable' ? keccak_256(bytes) : run(engine, bytes)
}

/** keccak-256 of `bytes` as hex, fast for megabytes. */
export function longKeccakHex(bytes: Uint8Array): Hex {
  return toHex(longKeccak(bytes))
}

/**
 * Makes {@link keccak} use WebAssembly for messages of any length, where there is one.
 *
 * For programs that hash all the time: a few kB of code and a compilation that a single hash is not
 * worth.
 */
export function accelerateKeccak(): void {
  engine ??= createEngine() ?? 'unavailable'
  if (engine === 'unavailable') return
  const fast = engine
  setKeccak((bytes) => run(fast, bytes))
}

function run({ memory, buffer, state, reset, absorb }: Engine, bytes: Uint8Array): Uint8Array {
  if (!(bytes instanceof Uint8Array)) return keccak_256(bytes)
  const input = new Uint8Array(memory.buffer, buffer(), blocksAtOnce * rate)
  reset()
  let at = 0
  while (bytes.length - at >= rate) {
    const blocks = Math.min(blocksAtOnce, Math.floor((bytes.length - at) / rate))
    input.set(bytes.subarray(at, at + blocks * rate))
    absorb(blocks)
    at += blocks * rate
  }
  input.fill(0, 0, rate)
  input.set(bytes.subarray(at))
  const rest = bytes.length - at
  input[rest] = (input[rest] as number) ^ 0x01
  input[rate - 1] = (input[rate - 1] as number) ^ 0x80
  absorb(1)
  const hash = new Uint8Array(memory.buffer, state(), 32).slice()
  // What was hashed may be anything: leave nothing of it behind.
  input.fill(0, 0, Math.max(rate, Math.min(bytes.length, input.length)))
  reset()
  return hash
}

function createEngine(): Engine | undefined {
  try {
    const module = new WebAssembly.Module(fromHex(`0x${keccakWasm}`) as Uint8Array<ArrayBuffer>)
    const created = new WebAssembly.Instance(module).exports as unknown as Engine
    // An engine that is wrong for whatever reason is no engine.
    const probe = new Uint8Array(worthwhile).fill(0xa5)
    const [ours, theirs] = [run(created, probe), keccak_256(probe)]
    return ours.every((byte, index) => byte === theirs[index]) ? created : undefined
  } catch {
    return undefined
  }
}
