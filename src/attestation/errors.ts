import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** Operators' plugin outputs have no majority: there is no decision. */
export class InputsDivergeError extends BaseError {
  override readonly name = 'InputsDivergeError'
  override readonly code = 'INPUTS_DIVERGE'
  /** Policy-data template ids whose outputs have no majority. */
  readonly templates: readonly string[]

  constructor({ templates }: { templates: readonly string[] }, options: BaseErrorOptions = {}) {
    super(`Operators' outputs have no majority for ${templates.join(', ')}.`, {
      retryable: true,
      metaMessages: ['Nothing is signed. Run the task again, or make the plugin deterministic.'],
      ...options,
    })
    this.templates = templates
  }
}

/** An operator's own outputs are not those of the majority: it abstains. */
export class AbstainError extends BaseError {
  override readonly name = 'AbstainError'
  override readonly code = 'ABSTAIN'
  /** Policy-data template ids whose own output differs. */
  readonly templates: readonly string[]

  constructor({ templates }: { templates: readonly string[] }, options: BaseErrorOptions = {}) {
    super(`Own outputs differ from those agreed on for ${templates.join(', ')}.`, {
      metaMessages: ['This operator signs nothing for this task.'],
      ...options,
    })
    this.templates = templates
  }
}
