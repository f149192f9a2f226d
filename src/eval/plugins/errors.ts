/**
 * Errors of plugin runs. None of them is a decision: whoever sees one allows nothing.
 */
import type { Hex } from 'viem'
import type { PluginTranscript } from '../../core/interfaces/evaluator.js'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** Which plugin failed, and what it had done until then. */
export type PluginFailureContext = {
  /** keccak-256 of the component. */
  wasmHash?: Hex | undefined
  policyDataTemplateId?: Hex | undefined
  policyDataInstanceId?: Hex | undefined
  /** Exchanges made before the failure; only a hash where the run had secrets. */
  transcript?: PluginTranscript | undefined
  /** What the guest wrote to standard error. Left out where the run had secrets. */
  stderr?: string | undefined
}

/** Base of the errors of one plugin's load or run. */
export class PluginError extends BaseError {
  override readonly name: string = 'PluginError'
  /** Which plugin, and with what transcript. */
  context: PluginFailureContext = {}
}

/** The bytes are no component, or one that this runtime cannot load. */
export class PluginComponentError extends PluginError {
  override readonly name = 'PluginComponentError'
  override readonly code = 'PLUGIN_COMPONENT_INVALID'
  /** What is wrong, without the sentence around it. */
  readonly reason: string

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The plugin cannot be loaded: ${reason}.`, {
      metaMessages: [
        'A plugin is a WebAssembly component of the world newton:provider, 0.1 or 0.2.',
      ],
      ...options,
    })
    this.reason = reason
  }
}

/** The component imports something that no plugin may have. */
export class PluginImportError extends PluginError {
  override readonly name = 'PluginImportError'
  override readonly code = 'PLUGIN_IMPORT_REFUSED'
  /** The refused import, as the component names it. */
  readonly importName: string

  constructor(importName: string, reason: string) {
    super(`The plugin imports \`${importName}\`: ${reason}.`, {
      metaMessages: [
        'Allowed are newton:provider http, secrets and tlsn, and the parts of wasi 0.2 without network.',
        importName.startsWith('wasi:http')
          ? 'Use newton:provider/http for requests; with componentize-js pass --disable http fetch-event.'
          : 'Build the plugin without that feature.',
      ],
    })
    this.importName = importName
  }
}

/** The component trapped: it panicked, ran out of its own memory, or is wrong. */
export class PluginTrapError extends PluginError {
  override readonly name = 'PluginTrapError'
  override readonly code = 'PLUGIN_TRAP'

  constructor(message: string, options: BaseErrorOptions = {}) {
    super(`The plugin trapped: ${message}.`, options)
  }
}

/** `run` returned its error case. */
export class PluginFailedError extends PluginError {
  override readonly name = 'PluginFailedError'
  override readonly code = 'PLUGIN_FAILED'
  /** The guest's message; left out of a run with secrets. */
  readonly reason: string | undefined

  constructor(reason: string | undefined) {
    super(
      reason === undefined
        ? 'The plugin ended with an error. Its message is not shown because the run had secrets.'
        : `The plugin ended with an error: ${reason}`,
    )
    this.reason = reason
  }
}

/** The output is not a JSON object that canonical JSON accepts. */
export class PluginOutputError extends PluginError {
  override readonly name = 'PluginOutputError'
  override readonly code = 'PLUGIN_OUTPUT_INVALID'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The plugin's output is not usable: ${reason}.`, {
      metaMessages: ['`run` returns the text of one JSON object.'],
      ...options,
    })
  }
}

/** `wasmArgs` are not a JSON object, or claim what only the host may set. */
export class PluginInputError extends PluginError {
  override readonly name = 'PluginInputError'
  override readonly code = 'PLUGIN_INPUT_INVALID'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The wasmArgs are not usable: ${reason}.`, {
      metaMessages: ['Encode them with encodeWasmArgs().'],
      ...options,
    })
  }
}

/** What a {@link PluginLimitError} is about. */
export type PluginLimit =
  | 'time'
  | 'memory'
  | 'stack'
  | 'output'
  | 'requests'
  | 'requestBytes'
  | 'responseBytes'
  | 'componentBytes'
  | 'random'

/** A limit was hit. Inconclusive, never a decision. */
export class PluginLimitError extends PluginError {
  override readonly name = 'PluginLimitError'
  override readonly code = 'PLUGIN_LIMIT'
  readonly limit: PluginLimit
  /** Which limit and by what, without the sentence around it. */
  readonly reason: string

  constructor(limit: PluginLimit, reason: string, options: BaseErrorOptions = {}) {
    super(`The plugin hit a limit: ${reason}.`, options)
    this.limit = limit
    this.reason = reason
  }
}

/** The plugin asked for a host or method that the HTTP policy does not allow. */
export class PluginHttpRefusedError extends PluginError {
  override readonly name = 'PluginHttpRefusedError'
  override readonly code = 'PLUGIN_HTTP_REFUSED'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The plugin's request is refused: ${reason}.`, {
      metaMessages: ['Allow it in the HTTP policy of the plugin runtime, if it is meant.'],
      ...options,
    })
  }
}

/** A second run on the same inputs asked for something else. Its result cannot be reproduced. */
export class PluginNondeterministicError extends PluginError {
  override readonly name = 'PluginNondeterministicError'
  override readonly code = 'PLUGIN_NONDETERMINISTIC'

  constructor(reason: string) {
    super(`The plugin does not repeat itself on the same inputs: ${reason}.`)
  }
}

/** An offline replay needs an exchange that the transcript does not hold. */
export class PluginReplayError extends PluginError {
  override readonly name = 'PluginReplayError'
  override readonly code = 'PLUGIN_REPLAY_DIVERGED'

  constructor(reason: string) {
    super(`The transcript does not replay: ${reason}.`)
  }
}

/** The worker that runs plugins stopped or could not start. */
export class PluginWorkerError extends PluginError {
  override readonly name = 'PluginWorkerError'
  override readonly code = 'PLUGIN_WORKER_FAILED'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The plugin worker failed: ${reason}.`, { retryable: true, ...options })
  }
}
