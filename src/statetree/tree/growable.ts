/**
 * A flat array of words that grows without copying where it can.
 *
 * Small ones double. Large ones live in a WebAssembly memory, which the engine extends in place;
 * without one they are copied. The memory is a shared one, though nobody shares it: another's buffer is
 * detached when it grows, and once a buffer was, V8 compiles all code with typed arrays anew, and slower.
 */

/** Words that can grow. `words` and `bytes` are replaced when they do. */
export type Growable = { words: Uint32Array; bytes: Uint8Array; grow(words: number): void }

const pageBytes = 65_536
const largeBytes = 16 * 1024 * 1024

type Memory = { buffer: ArrayBufferLike; grow(pages: number): number }

/** Creates an array of at least `words` zero words. */
export function createGrowable(words: number): Growable {
  let memory: Memory | undefined
  const growable: Growable = {
    words: new Uint32Array(0),
    bytes: new Uint8Array(0),
    grow(needed) {
      const bytes = needed * 4
      if (memory === undefined && bytes < largeBytes) {
        copyTo(new ArrayBuffer(Math.max(bytes, growable.bytes.length * 2)))
        return
      }
      const target = Math.ceil(Math.max(bytes, growable.bytes.length * 1.05) / pageBytes)
      if (memory !== undefined) {
        memory.grow(target - memory.buffer.byteLength / pageBytes)
        view(memory.buffer)
        return
      }
      memory = createMemory(target)
      copyTo(memory?.buffer ?? new ArrayBuffer(Math.max(bytes, growable.bytes.length * 1.4)))
    },
  }
  const view = (buffer: ArrayBufferLike): void => {
    growable.words = new Uint32Array(buffer, 0, buffer.byteLength >> 2)
    growable.bytes = new Uint8Array(buffer)
  }
  const copyTo = (buffer: ArrayBufferLike): void => {
    new Uint8Array(buffer).set(growable.bytes)
    view(buffer)
  }
  growable.grow(words)
  return growable
}

function createMemory(pages: number): Memory | undefined {
  try {
    const limits = { initial: pages, maximum: 65_536, shared: true }
    return new WebAssembly.Memory(limits) as unknown as Memory
  } catch {
    return undefined
  }
}
