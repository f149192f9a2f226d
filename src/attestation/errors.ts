import type { Address } from 'viem'
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

/** Why groups of commitments are refused. */
export type OutputGroupFault =
  | 'MALFORMED'
  | 'TOO_MANY_GROUPS'
  | 'GROUP_REPEATED'
  | 'EMPTY_GROUP'
  | 'OTHER_TEMPLATES'
  | 'WRONG_BITMAP'
  | 'UNKNOWN_OPERATOR'
  /** One operator in two groups. */
  | 'EQUIVOCATION'
  | 'KEYS_CANCEL'
  | 'SIGNATURE_INVALID'

/** Groups of commitments to outputs are not what they say: none of them counts. */
export class OutputGroupsError extends BaseError {
  override readonly name = 'OutputGroupsError'
  override readonly code = 'OUTPUT_GROUPS_REFUSED'
  readonly reason: OutputGroupFault
  readonly detail: string
  /** Who is in two groups. */
  readonly operator: Address | undefined

  constructor(
    parameters: { reason: OutputGroupFault; detail: string; operator?: Address | undefined },
    options: BaseErrorOptions = {},
  ) {
    const { reason, detail, operator } = parameters
    super(`Groups of commitments to outputs are refused (${reason}): ${detail}.`, {
      metaMessages: ['Nothing is signed. Whoever sent them gathered or summed them wrongly.'],
      ...options,
    })
    this.reason = reason
    this.detail = detail
    this.operator = operator
  }
}
