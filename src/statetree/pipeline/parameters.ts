/** Constants of one chain's commits, from the table of chains and the deployed contracts. */
import { type ChallengeWindows, chainConstants, chains } from '../../core/chains.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { RetentionParameters } from './queue/chainIndex.js'

/** Constants of one chain's commits. Equal for all operators. */
export type CommitParameters = RetentionParameters & {
  /** Seconds. Timestamps of commits are multiples of it. */
  window: bigint
  /** Seconds that the cutoff block is behind the timestamp. */
  finalityDelay: bigint
  /** Most bytes of one commit. */
  maxCommitBytesPerWindow: number
  /** Local disk use of waiting bytes above which backpressure is reported. */
  maxDeferQueueBytes: number
  /** Quiet windows after which a heartbeat is due. */
  heartbeatWindows: bigint
}

/** Artifacts would go while responses that need them can still be challenged. */
export class RetentionTooShortError extends BaseError {
  override readonly name = 'RetentionTooShortError'
  override readonly code = 'RETENTION_TOO_SHORT'
  readonly parameter: keyof ChallengeWindows
  /** Blocks. */
  readonly required: bigint

  constructor(
    fault: { parameter: keyof ChallengeWindows; configured: bigint; required: bigint },
    options: BaseErrorOptions = {},
  ) {
    const { parameter, configured, required } = fault
    super(`${parameter} is ${configured} blocks, the contracts have ${required}.`, {
      metaMessages: [
        'Artifacts would be deleted before the responses that used them can no longer be challenged.',
        'Leave the parameter out: it is read from the contracts, or taken from the table of chains.',
      ],
      ...options,
    })
    this.parameter = parameter
    this.required = required
  }
}

/** Seconds that a commit's timestamp may be behind the block it lands in. */
const MAX_COMMIT_AGE = 3_600n

/** What {@link commitParameters} starts from. */
export type CommitParametersInput = {
  /** A chain of the table. */
  chainId: bigint | number
  /** Those of the deployed contracts. Default: the table's. */
  windows?: ChallengeWindows | undefined
} & { [name in keyof CommitParameters]?: CommitParameters[name] | undefined }

/**
 * The constants of a chain: windows of its contracts, the rest from the table of chains.
 *
 * @throws {UnknownChainError} for a chain that is not in the table.
 * @throws {RetentionTooShortError} for windows under those of the contracts.
 * @throws {InvalidInputError} for a value out of range.
 * @example
 * ```ts
 * import { commitParameters } from '@newton/policy-sdk/statetree'
 *
 * commitParameters({ chainId: 8453 }).keepBlocks // 302400n: seven days of blocks
 * ```
 */
export function commitParameters({
  chainId,
  windows,
  ...given
}: CommitParametersInput): CommitParameters {
  const chain = chainConstants(chainId)
  const { challengeWindow, taskResponseWindow } = windows ?? chain
  const defaults: CommitParameters = {
    window: 120n,
    finalityDelay: chain.finalityDelay,
    maxCommitBytesPerWindow: 50 * 1024 * 1024,
    maxDeferQueueBytes: 500 * 1024 * 1024,
    heartbeatWindows: 10n,
    keepBlocks: BigInt(Math.ceil((7 * 86_400) / chain.blockSeconds)),
    challengeWindow,
    taskResponseWindow,
    safetyMargin: chain.safetyMargin,
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  const parameters: CommitParameters = { ...defaults, ...Object.fromEntries(set) }
  assertParameters(parameters)
  if (windows !== undefined) assertRetention(parameters, windows)
  return parameters
}

/**
 * The constants that a pipeline works with: those given, which may keep bytes longer than the
 * contracts ask for and never shorter, or those of the chain.
 *
 * @throws {RetentionTooShortError} for given ones that keep bytes for too short.
 */
export async function resolveParameters(
  { events, parameters }: { events: ChainEvents; parameters: CommitParameters | undefined },
  io: IoOptions,
): Promise<CommitParameters> {
  const { chainId } = events
  const deployed = (await events.getWindows?.(io)) ?? undefined
  if (parameters === undefined) return commitParameters({ chainId, windows: deployed })
  assertParameters(parameters)
  // A network on a chain of its own, without contracts that can be asked, knows its windows itself.
  const required = deployed ?? chains[Number(chainId)]
  if (required !== undefined) assertRetention(parameters, required)
  return parameters
}

function assertRetention(parameters: CommitParameters, windows: ChallengeWindows): void {
  for (const parameter of ['challengeWindow', 'taskResponseWindow'] as const) {
    const [configured, required] = [parameters[parameter], windows[parameter]]
    if (configured < required) throw new RetentionTooShortError({ parameter, configured, required })
  }
}

const blockFields = ['keepBlocks', 'challengeWindow', 'taskResponseWindow', 'safetyMargin'] as const

function assertParameters(parameters: CommitParameters): void {
  const refuse = (field: string, reason: string): never => {
    throw new InvalidInputError({ field: `parameters.${field}`, reason })
  }
  for (const field of [...blockFields, 'window', 'finalityDelay', 'heartbeatWindows'] as const) {
    const value: unknown = parameters[field]
    if (typeof value !== 'bigint' || value < 0n) refuse(field, 'expected a bigint of 0 or more')
  }
  for (const field of ['maxCommitBytesPerWindow', 'maxDeferQueueBytes'] as const) {
    const value = parameters[field]
    if (!Number.isSafeInteger(value) || value <= 0) refuse(field, 'expected a positive integer')
  }
  const { window, finalityDelay } = parameters
  if (window === 0n) refuse('window', 'expected one second or more')
  const most = MAX_COMMIT_AGE - 2n * window
  if (finalityDelay > most) {
    refuse(
      'finalityDelay',
      `commits are at most ${MAX_COMMIT_AGE} s old when they land, so at most ${most}`,
    )
  }
}
