/**
 * One instance of the engine module: text in, text out, and the reason when it traps.
 *
 * A trap leaves the instance in an unknown state, so a fault is final: the owner discards it.
 */
import { EngineError } from '../errors.js'

type Exports = {
  memory: WebAssembly.Memory
  fuel: WebAssembly.Global
  engine_init(memoryLimit: number): void
  engine_alloc(length: number): number
  engine_free(pointer: number, length: number): void
  engine_result_pointer(): number
  engine_result_length(): number
  engine_fault(): number
  engine_fault_pointer(): number
  engine_fault_length(): number
  engine_set_clock(milliseconds: number): void
  engine_set_seed(pointer: number): void
  engine_set_identity(pointer: number, length: number): void
  engine_load(pointer: number, length: number): void
  engine_decide(input: number, inputLength: number, data: number, dataLength: number): void
  engine_forget(): void
  engine_query(pointer: number, length: number): void
  engine_coverage(): void
  engine_schema_load(pointer: number, length: number): void
  engine_schema_validate(pointer: number, length: number): void
}

/** Why an instance stopped. */
export type EngineFault = {
  code: 'STEP_LIMIT' | 'MEMORY_LIMIT' | 'STACK_LIMIT' | 'PANIC'
  message: string
}

/** What a call gave: the engine's answer, or why it stopped. */
export type EngineAnswer = { answer: string; fault?: undefined } | { fault: EngineFault }

/** The calls of an instance that take texts. */
export type EngineCall =
  | 'engine_load'
  | 'engine_set_identity'
  | 'engine_decide'
  | 'engine_query'
  | 'engine_coverage'
  | 'engine_schema_load'
  | 'engine_schema_validate'

/** One instance of the engine. */
export type EngineInstance = {
  /**
   * Calls an export with texts, within `maxSteps`. Nothing of the texts or of the answer is left in
   * the module's memory afterwards, but for the policy or schema that a call loads.
   */
  call(name: EngineCall, texts: readonly string[], maxSteps: number): EngineAnswer
  /** Sets what the clock gives, in seconds. */
  setClock(blockTimestamp: bigint): void
  /** Sets what the random builtins draw from: 32 bytes. */
  setSeed(seed: Uint8Array): void
  /** Bytes of linear memory: grows, never shrinks. */
  memoryBytes(): number
}

type Place = { pointer: number; length: number }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Creates an instance whose allocations stay under `maxMemoryBytes`. */
export function createEngineInstance(
  module: WebAssembly.Module,
  { maxMemoryBytes }: { maxMemoryBytes: number },
): EngineInstance {
  const engine = new WebAssembly.Instance(module).exports as unknown as Exports
  engine.engine_init(maxMemoryBytes)
  let faulted = false

  function room(length: number): { pointer: number; bytes: Uint8Array } {
    const pointer = engine.engine_alloc(length)
    return { pointer, bytes: new Uint8Array(engine.memory.buffer, pointer >>> 0, length) }
  }

  /** Writes a text into the module's memory; in place where it is ASCII, as most are. */
  function put(value: string): Place {
    const { pointer, bytes } = room(value.length)
    const length = value.length
    if (encoder.encodeInto(value, bytes).read === length) return { pointer, length }
    engine.engine_free(pointer, length)
    const encoded = encoder.encode(value)
    const wider = room(encoded.length)
    wider.bytes.set(encoded)
    return { pointer: wider.pointer, length: encoded.length }
  }

  function text(pointer: number, length: number): string {
    // Pointers are unsigned; WebAssembly hands them over as signed numbers.
    return decoder.decode(new Uint8Array(engine.memory.buffer, pointer >>> 0, length >>> 0))
  }

  return {
    call(name, texts, maxSteps) {
      if (faulted) throw new EngineError('a stopped instance was called')
      engine.fuel.value = BigInt(maxSteps)
      try {
        const places = texts.map(put)
        const numbers = places.flatMap(({ pointer, length }) => [pointer, length])
        ;(engine[name] as (...numbers: number[]) => void)(...numbers)
        for (const { pointer, length } of places) engine.engine_free(pointer, length)
        const answer = text(engine.engine_result_pointer(), engine.engine_result_length())
        engine.engine_forget()
        return { answer }
      } catch (cause) {
        faulted = true
        const fault = faultOf(engine, cause, { maxSteps, text })
        // Whoever still holds the memory finds nothing of what was evaluated.
        new Uint8Array(engine.memory.buffer).fill(0)
        return { fault }
      }
    },
    setClock(blockTimestamp) {
      engine.engine_set_clock(Number(blockTimestamp) * 1000)
    },
    setSeed(seed) {
      const { pointer, bytes } = room(seed.length)
      bytes.set(seed)
      engine.engine_set_seed(pointer)
      engine.engine_free(pointer, seed.length)
    },
    memoryBytes: () => engine.memory.buffer.byteLength,
  }
}

function faultOf(
  engine: Exports,
  cause: unknown,
  { maxSteps, text }: { maxSteps: number; text: (pointer: number, length: number) => string },
): EngineFault {
  if (!(cause instanceof WebAssembly.RuntimeError) && !(cause instanceof RangeError)) throw cause
  const kind = engine.engine_fault()
  if (kind === 1) {
    return { code: 'MEMORY_LIMIT', message: 'the policy needs more memory than it may' }
  }
  if ((engine.fuel.value as bigint) <= 0n) {
    return { code: 'STEP_LIMIT', message: `the evaluation took more than ${maxSteps} steps` }
  }
  if (kind === 2) {
    const message = text(engine.engine_fault_pointer(), engine.engine_fault_length())
    // Which file of the crate it was, without the folder it was built in.
    const place = message.replace(/\/[^\s:]*\/(?=[^/\s:]+\.rs)/g, '')
    return { code: 'PANIC', message: `the engine panicked: ${place}` }
  }
  // Either stack: the host's, or the module's own running into the bottom of its memory.
  return { code: 'STACK_LIMIT', message: 'the evaluation is nested too deep for the stack' }
}
