/**
 * The interface of Rego engines.
 */
import type { Json } from '../core/canonicalJson.js'

/** One Rego source with the name that errors show. */
export type RegoModule = { name: string; source: string }

/** Bounds of one preparation and its evaluations. An engine may have tighter ones of its own. */
export type RegoLimits = {
  /** Steps of one evaluation. */
  maxSteps?: number | undefined
  /** Bytes the engine may allocate. */
  maxMemoryBytes?: number | undefined
  /** Milliseconds of one evaluation. */
  timeout?: number | undefined
}

/** Where in a source something is wrong, both from 1. */
export type RegoLocation = { file?: string | undefined; line: number; column: number }

/** How an evaluation ended. Only `defined` with `allow === true` allows. */
export type RegoOutcome =
  | { kind: 'defined'; allow: boolean; reasons: string[]; value: Json }
  | { kind: 'undefined' }
  | { kind: 'error'; code: string; message: string; location?: RegoLocation | undefined }
  | { kind: 'unsupported'; what: string }

/** What nondeterministic builtins are fed. */
export type RegoEvaluateOptions = {
  /** Unix seconds of the reference block: the policy's clock. */
  blockTimestamp: bigint
  /** The task id: the seed. */
  seed: string
}

/** A policy that parsed. */
export interface PreparedPolicy {
  /** Path of the package, without `data.`. */
  readonly package: string
  evaluate(
    input: { inputJson: string; dataJson: string },
    options: RegoEvaluateOptions,
  ): RegoOutcome
  dispose(): void
}

/** Evaluates Rego. */
export interface RegoEngine {
  readonly id: string
  readonly semantics: 'operator' | 'opa'
  /** @throws for sources that do not parse, with line and column. */
  prepare(
    source: { rego: Uint8Array | readonly RegoModule[] },
    limits?: RegoLimits,
  ): Promise<PreparedPolicy>
}
