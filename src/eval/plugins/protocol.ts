/**
 * Messages between the host and its workers.
 *
 * A compile worker turns component bytes into glue code and compiled core modules and never runs
 * them. A run worker runs glue code, one job at a time, and reaches nothing but its message port.
 */
import type { AllocationLimits } from './component/coreModule.js'

/** A component, ready to instantiate. */
export type CompiledPlugin = {
  /** Source of a script that declares `instantiate(getCoreModule, imports, instantiateCore)`. */
  glue: string
  modules: readonly (readonly [name: string, module: WebAssembly.Module])[]
}

/** A compiled component as bytes, for storage. */
export type PortablePlugin = {
  glue: string
  modules: readonly (readonly [name: string, bytes: Uint8Array])[]
}

/** Asks a compile worker for the compiled form of a component. */
export type CompileJob = { id: number; bytes: Uint8Array; limits: AllocationLimits }

/** Answer of a compile worker. */
export type CompileReply =
  | { id: number; status: 'ok'; plugin: CompiledPlugin; portable: PortablePlugin }
  | { id: number; status: 'error'; code: string; message: string; limit?: string | undefined }

/** A request as the guest made it. */
export type GuestRequest = {
  url: string
  method: string
  headers: readonly (readonly [string, string])[]
  body: Uint8Array | undefined
}

/** What the host answers: a response, or the text of an error. */
export type GuestAnswer =
  | { status: number; headers: readonly (readonly [string, string])[]; body: Uint8Array }
  | { error: string }

/** Asks a run worker for the keccak-256 of a component, beside its compilation. */
export type HashJob = { id: number; hash: Uint8Array }

/** Answer to a {@link HashJob}. */
export type HashReply = { id: number; wasmHash: string }

/** One run of a plugin up to its end or its next unanswered request. */
export type RunJob = {
  id: number
  key: string
  /** Sent the first time that a worker sees `key`. */
  plugin?: CompiledPlugin | undefined
  /** Keys whose plugins the worker drops first. */
  drop?: readonly string[] | undefined
  input: string
  /** Plaintext for `secrets.get`, `undefined` where there is none. */
  secrets: Uint8Array | undefined
  /** Answers so far, with the identity of the request each one belongs to. */
  answers: readonly { request: string; answer: GuestAnswer }[]
  wallClockSeconds: bigint
  /** `taskId ‖ policyDataInstanceId`, 64 bytes. */
  seed: Uint8Array
  limits: {
    outputBytes: number
    requests: number
    stderrBytes: number
    randomBytes: number
    memoryBytes: number
  }
}

/** How a run ended. */
export type RunReply = { id: number; stderr: string; memoryBytes: number; milliseconds: number } & (
  | { status: 'ok'; output: string; used: number }
  | { status: 'guest-error'; message: string }
  | { status: 'trap'; message: string }
  | { status: 'limit'; limit: string; message: string }
  | { status: 'request'; identity: string; request: GuestRequest }
  | { status: 'diverged'; index: number; identity: string }
  | { status: 'load-error'; message: string }
)

/** First message of a worker: it is ready for jobs, or will never be. */
export type WorkerReady = { ready: true; failed?: undefined } | { failed: string }
