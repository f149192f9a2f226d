import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** Where in a source something is wrong; line and column count from 1. */
export type RegoLocation = {
  file?: string | undefined
  line: number
  column: number
  /** The line of the source. */
  text?: string | undefined
  /** Spaces and a caret, to be printed below `text`. */
  caret?: string | undefined
}

/** The lines that show a place in a source: where, the line, a caret. */
function frame(location: RegoLocation | undefined): string[] {
  if (location === undefined) return []
  const { file, line, column, text, caret } = location
  const lines = [`${file ?? 'policy.rego'}:${line}:${column}`]
  if (text !== undefined && caret !== undefined) lines.push(`  ${text}`, `  ${caret}`)
  return lines
}

/** A Rego source does not parse, or does not compile. */
export class RegoSourceError extends BaseError {
  override readonly name = 'RegoSourceError'
  override readonly code = 'REGO_SOURCE'
  /** What the engine said. */
  readonly reason: string
  /** Line and column from 1, with the source line and a caret. */
  readonly location: RegoLocation | undefined

  constructor({ reason, location }: { reason: string; location?: RegoLocation | undefined }) {
    super(`The Rego source is not valid: ${reason}.`.replace(/\.\.$/, '.'), {
      metaMessages: frame(location),
    })
    this.reason = reason
    this.location = location
  }
}

/** Why a policy that parses is refused before it is evaluated. */
export type RegoRefusal =
  | 'modules'
  | 'package'
  | 'recursion'
  | 'nondeterministic'
  | 'unsupported'
  | 'step-limit'
  | 'memory-limit'
  | 'too-deep'

/** A Rego source parses and is refused all the same. */
export class RegoRefusedError extends BaseError {
  override readonly name = 'RegoRefusedError'
  override readonly code = 'REGO_REFUSED'
  /** Which rule refused it. */
  readonly refusal: RegoRefusal
  readonly location: RegoLocation | undefined

  constructor({
    refusal,
    reason,
    location,
    hint,
  }: {
    refusal: RegoRefusal
    reason: string
    location?: RegoLocation | undefined
    hint?: string | undefined
  }) {
    super(`The policy is refused: ${reason}.`, {
      metaMessages: [...frame(location), ...(hint === undefined ? [] : [hint])],
    })
    this.refusal = refusal
    this.location = location
  }
}

/** The engine module could not be loaded, or failed in a way that is no fault of a policy. */
export class EngineError extends BaseError {
  override readonly name = 'EngineError'
  override readonly code = 'ENGINE'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The Rego engine failed: ${reason}.`, options)
  }
}

/** A compiled policy of the OPA toolchain cannot be used. */
export class OpaPolicyError extends BaseError {
  override readonly name = 'OpaPolicyError'
  override readonly code = 'OPA_POLICY'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The compiled OPA policy cannot be used: ${reason}.`, options)
  }
}

/** A plugin of a policy was not rebuilt from source by those whom the reader believes. Nothing ran. */
export class UnverifiedWasmError extends BaseError {
  override readonly name = 'UnverifiedWasmError'
  override readonly code = 'WASM_UNVERIFIED'
  readonly wasmHash: string
  /** `disputed`, `mismatched` or `unverified`, as the reader's trust policy has it. */
  readonly status: string

  constructor(
    { wasmHash, status, reason }: { wasmHash: string; status: string; reason?: string | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`The plugin ${wasmHash} is ${status}${reason === undefined ? '' : `: ${reason}`}.`, {
      metaMessages: [
        `See which source it names with \`newton-policy plugin inspect <file>\`, and rebuild it yourself with \`newton-policy provenance verify ${wasmHash}\`.`,
      ],
      ...options,
    })
    this.wasmHash = wasmHash
    this.status = status
  }
}
