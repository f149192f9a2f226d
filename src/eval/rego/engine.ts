/**
 * The interface of Rego engines.
 */
import type { RegoLocation } from '../errors.js'
import type { IdentityData } from './identity.js'

/** One Rego source with the name that errors show. */
export type RegoModule = { name: string; source: string }

/** Bounds of one preparation and of each evaluation. */
export type RegoLimits = {
  /**
   * Loop iterations of the engine in one call. The same number on every machine.
   * @default 20_000_000, about a quarter of a second
   */
  maxSteps?: number | undefined
  /**
   * Bytes the engine may have allocated at once.
   * @default 67_108_864
   */
  maxMemoryBytes?: number | undefined
}

/** JSON in which an integer outside ±(2^53 - 1) is a bigint: the engine has 64 bits. */
export type RegoValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly RegoValue[]
  | { readonly [member: string]: RegoValue }

/**
 * How an evaluation ended. Only `defined` with `allow === true` allows; `undefined` and any other
 * defined value deny; `error` and `unsupported` are no decision.
 */
export type RegoOutcome =
  | {
      kind: 'defined'
      /** Whether the value is the boolean `true`. */
      allow: boolean
      /** Strings of the set `deny`, sorted by their UTF-8 bytes. */
      reasons: string[]
      /** The value of `allow`. */
      value: RegoValue
      /** Why there are no reasons, where evaluating `deny` failed and `allow` did not need it. */
      reasonsError?: string | undefined
    }
  | { kind: 'undefined'; reasons?: string[] | undefined }
  | {
      kind: 'error'
      /** `EVALUATION`, `CONFLICT`, `RECURSION`, `INVALID_INPUT`, `STEP_LIMIT`, `MEMORY_LIMIT`, … */
      code: string
      message: string
      location?: RegoLocation | undefined
    }
  | { kind: 'unsupported'; what: string; location?: RegoLocation | undefined }

/** What nondeterministic builtins are fed. */
export type RegoEvaluateOptions = {
  /** Unix seconds of the reference block: the policy's clock. */
  blockTimestamp: bigint
  /** The task id, 32 bytes of hex: the seed. */
  seed: string
  /** What `newton.identity.*` decides on. Without it, a call of one is `unsupported`. */
  identity?: IdentityData | undefined
}

/** A function that a policy calls and the engine does not have. */
export type UnsupportedFunction = { name: string; location: RegoLocation }

/** A policy that parsed. */
export interface PreparedPolicy {
  /** Path of the package, without `data.`. */
  readonly package: string
  /**
   * Functions that the policy calls and the engine does not have. An evaluation that reaches one is
   * `unsupported`; one that does not is decided.
   */
  readonly unsupported?: readonly UnsupportedFunction[] | undefined
  /** Whether it calls `newton.identity.*`. */
  readonly needsIdentity?: boolean | undefined
  /** Evaluates the decision. Never throws: what goes wrong is an outcome. */
  evaluate(
    input: { inputJson: string; dataJson: string },
    options: RegoEvaluateOptions,
  ): RegoOutcome
  /** Frees the engine's memory. Evaluating afterwards is an `error`. */
  dispose(): void
}

/** Evaluates Rego. */
export interface RegoEngine {
  readonly id: string
  readonly semantics: 'operator' | 'opa'
  /**
   * Parses and checks one module.
   *
   * @throws {RegoSourceError} for what does not parse or compile, with line, column and a caret.
   * @throws {RegoRefusedError} for recursion, nondeterminism, what breaks the decision rule, and
   * functions of the operators that cannot be evaluated here.
   */
  prepare(
    source: { rego: Uint8Array | readonly RegoModule[] },
    limits?: RegoLimits,
  ): Promise<PreparedPolicy>
}
