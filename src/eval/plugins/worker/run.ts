/**
 * One run of a plugin on a fresh instance, inside a run worker.
 *
 * HTTP is replayed: a request without an answer ends the run and is reported; the host performs it
 * and runs the guest again from the start with the answer at hand. Guests are deterministic, so
 * the second run asks for the same things in the same order.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { longKeccakHex } from '../../../internal/longKeccak.js'
import type {
  CompiledPlugin,
  GuestRequest,
  HashJob,
  HashReply,
  RunJob,
  RunReply,
} from '../protocol.js'
import { createByteStream } from './byteStream.js'
import { LenientTextDecoder } from './strictTextDecoder.js'
import { createWasi } from './wasi.js'

/** Enough of a message for the engine to compile the hash well. */
const PREPARED_BYTES = 64 * 1024

/** A plugin's glue code, evaluated. */
export type Instantiate = (
  getCoreModule: (name: string) => WebAssembly.Module,
  imports: Record<string, unknown>,
  instantiateCore: (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => WebAssembly.Instance,
) => { run: (input: string) => unknown }

/** What differs between a Node context and a browser worker. */
export type Realm = {
  /** Creates an instance in the realm of the glue code. */
  instantiateCore: (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => WebAssembly.Instance
  /** An Error of the glue code's realm: glue code lets those, and only those, unwind the guest. */
  createAbort: (message: string) => Error
}

type Ending =
  | { status: 'request'; identity: string; request: GuestRequest }
  | { status: 'diverged'; index: number; identity: string }
  | { status: 'limit'; limit: string; message: string }
  | { status: 'trap'; message: string }

/** Makes the hash of long messages, and takes it through one, so that no plugin waits for that. */
export function prepareHash(): void {
  longKeccakHex(new Uint8Array(PREPARED_BYTES))
}

/** keccak-256 of a component's bytes. */
export function hashJob(job: HashJob): HashReply {
  return { id: job.id, wasmHash: longKeccakHex(job.hash) }
}

/**
 * How a run ended, where the host decided it. Set before the guest is unwound: a guest that catches
 * the unwinding and returns something anyway does not get to decide how the run ended.
 */
type Control = {
  readonly ending: Ending | undefined
  /** What is thrown through the guest. */
  end(how: Ending): Error
}

function createControl(realm: Realm): Control {
  let ending: Ending | undefined
  return {
    get ending() {
      return ending
    },
    end(how) {
      ending ??= how
      return realm.createAbort('the run ended')
    },
  }
}

/** Runs `job` once. Never throws: whatever happens is in the reply. */
export function runJob(
  job: RunJob,
  plugin: CompiledPlugin,
  instantiate: Instantiate,
  realm: Realm,
): RunReply {
  const started = performance.now()
  const memories = new Set<WebAssembly.Memory>()
  const stderr = createCapture(job.limits.stderrBytes)
  const control = createControl(realm)
  const http = createReplayedHttp(job, control)
  const reply = (result: Record<string, unknown>): RunReply =>
    ({
      id: job.id,
      stderr: stderr.text(),
      memoryBytes: [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0),
      milliseconds: performance.now() - started,
      ...result,
    }) as RunReply
  const imports: Record<string, unknown> = {
    ...createWasi({
      wallClockSeconds: job.wallClockSeconds,
      random: createRandom(job, control),
      write: stderr.write,
      abort: (message) => control.end({ status: 'trap', message }),
    }),
    'newton:provider/http': { fetch: http.fetch },
    ...otherProviders(job),
  }
  const modules = new Map(plugin.modules)

  try {
    const instance = instantiate(
      (name) => {
        const module = modules.get(name)
        if (!module) throw realm.createAbort(`no core module ${name}`)
        return module
      },
      imports,
      (module, coreImports) => {
        const core = realm.instantiateCore(module, coreImports)
        for (const value of Object.values(core.exports)) {
          if (isMemory(value)) memories.add(value)
        }
        return core
      },
    )
    const output = instance.run(job.input)
    if (control.ending) return reply(control.ending)
    if (typeof output !== 'string')
      return reply({ status: 'trap', message: '`run` did not return text' })
    if (output.length > job.limits.outputBytes || utf8Length(output) > job.limits.outputBytes) {
      return reply({
        status: 'limit',
        limit: 'output',
        message: `its output is larger than ${job.limits.outputBytes} bytes`,
      })
    }
    return reply({ status: 'ok', output, used: http.used() })
  } catch (error) {
    if (control.ending) return reply(control.ending)
    return reply(classify(error, memories, job.limits.memoryBytes))
  } finally {
    job.secrets?.fill(0)
  }
}

/** Bytes derived from the task, up to a limit. */
function createRandom(job: RunJob, control: Control): (length: number) => Uint8Array {
  const stream = createByteStream(job.seed)
  let left = job.limits.randomBytes
  return (length) => {
    if (control.ending) throw control.end(control.ending)
    left -= length
    if (left < 0) {
      throw control.end({
        status: 'limit',
        limit: 'random',
        message: `it asked for more than ${job.limits.randomBytes} random bytes`,
      })
    }
    return stream(length)
  }
}

/** Requests, answered in order by what earlier runs asked for. */
function createReplayedHttp(
  job: RunJob,
  control: Control,
): { fetch: (request: GuestRequest) => unknown; used: () => number } {
  let used = 0
  const fetch = (request: GuestRequest): unknown => {
    if (control.ending) throw control.end(control.ending)
    const copy: GuestRequest = {
      url: request.url,
      method: request.method,
      headers: request.headers.map(([name, value]) => [name, value]),
      body:
        request.body === undefined || request.body === null
          ? undefined
          : Uint8Array.from(request.body),
    }
    const identity = identityOf(copy)
    const index = used++
    const known = job.answers[index]
    if (known === undefined) {
      if (index >= job.limits.requests) {
        throw control.end({
          status: 'limit',
          limit: 'requests',
          message: `it made more than ${job.limits.requests} requests`,
        })
      }
      throw control.end({ status: 'request', identity, request: copy })
    }
    if (known.request !== identity) throw control.end({ status: 'diverged', index, identity })
    // A thrown object with a payload is WIT's error case.
    if ('error' in known.answer) throw { payload: known.answer.error }
    return {
      status: known.answer.status,
      headers: known.answer.headers.map(([name, value]) => [name, value]),
      body: known.answer.body,
    }
  }
  return { fetch, used: () => used }
}

/** What of `newton:provider` needs no host. */
function otherProviders(job: RunJob): Record<string, unknown> {
  const unsupported = (): never => {
    throw { payload: 'TLSNotary proofs are not supported by this host' }
  }
  return {
    'newton:provider/secrets': {
      get: () => {
        if (job.secrets === undefined) throw { payload: 'there are no secrets for this plugin' }
        return { value: Uint8Array.from(job.secrets) }
      },
    },
    'newton:provider/tlsn': { verify: unsupported, verifyFromCid: unsupported },
  }
}

/** One string per distinct request: method, URL, headers in order, and the hash of the body. */
export function identityOf(request: GuestRequest): string {
  const body = `0x${bytesToHex(keccak_256(request.body ?? new Uint8Array()))}`
  return JSON.stringify([request.method, request.url, request.headers, body])
}

function classify(
  error: unknown,
  memories: Set<WebAssembly.Memory>,
  cap: number,
): Record<string, unknown> {
  let bytes = 0
  for (const memory of memories) bytes += memory.buffer.byteLength
  const outOfMemory = {
    status: 'limit',
    limit: 'memory',
    message: `it needs more than ${cap} bytes of memory`,
  }
  if (typeof error === 'object' && error !== null && Object.hasOwn(error, 'payload')) {
    const message = String((error as { payload: unknown }).payload).slice(0, 4_096)
    // What a JavaScript engine throws where it is refused memory, and a plugin rarely catches.
    if (bytes > cap * 0.75 && /^(InternalError: )?out of memory$/.test(message)) return outOfMemory
    return { status: 'guest-error', message }
  }
  const name = (error as { name?: unknown } | null)?.name
  const message = String((error as { message?: unknown } | null)?.message ?? error).slice(0, 1_024)
  if (name === 'RangeError' && /call stack/i.test(message)) {
    return { status: 'limit', limit: 'stack', message: 'it used up the stack' }
  }
  // A guest that is refused more memory traps by itself; what tells is how much it has.
  if (/out of memory|memory allocation/i.test(message) || bytes > cap * 0.75) return outOfMemory
  return { status: 'trap', message }
}

function createCapture(limit: number): { write: (bytes: Uint8Array) => void; text: () => string } {
  const chunks: Uint8Array[] = []
  let left = limit
  return {
    write(bytes) {
      const take = Uint8Array.from(bytes.subarray(0, left))
      left -= take.length
      if (take.length > 0) chunks.push(take)
    },
    text() {
      const all = new Uint8Array(limit - left)
      let at = 0
      for (const chunk of chunks) {
        all.set(chunk, at)
        at += chunk.length
      }
      return new LenientTextDecoder().decode(all)
    },
  }
}

function isMemory(value: unknown): value is WebAssembly.Memory {
  return Object.prototype.toString.call(value) === '[object WebAssembly.Memory]'
}

/** Of well-formed text: each half of a pair counts two. */
function utf8Length(text: string): number {
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    length += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3
  }
  return length
}
