/** A challenger's world: accepted responses, a sink that can fail, and a clock. */
import { memoryChallengerStore } from '../../src/attestation/challenger/state.js'
import type {
  ChallengerEvent,
  ChallengerParameters,
} from '../../src/attestation/challenger/types.js'
import { computeArtifactDigest } from '../../src/core/digest.js'
import type { AcceptedResponse } from '../../src/core/interfaces/responses.js'
import type { ChallengeSink } from '../../src/core/interfaces/sinks.js'
import { BaseError, type BaseErrorOptions } from '../../src/errors/base.js'
import { createWorld, type Honest, type World, word } from './attestationWorld.js'

/** A revert as the registry layer reports it. */
export class RevertError extends BaseError {
  override readonly name = 'RevertError'
  override readonly code = 'CONTRACT_REVERT'
  readonly errorName: string
  constructor(errorName: string) {
    super(`reverted with ${errorName}`)
    this.errorName = errorName
  }
}

export type Filed = Parameters<ChallengeSink['challengeAttestationDigest']>[0]

/** A world with accepted responses, a sink that can fail, and a clock. */
export function setup(changes: Partial<ChallengerParameters> = {}) {
  const world = createWorld()
  const accepted: AcceptedResponse[] = []
  const filed: Filed[] = []
  const events: ChallengerEvent[] = []
  const failures: unknown[] = []
  const reads: [bigint, bigint][] = []
  const clock = { now: 1_000 }
  const parameters: ChallengerParameters = {
    reader: world.reader,
    responses: {
      getAcceptedResponses: async ({ fromBlock, toBlock }) => {
        reads.push([fromBlock, toBlock])
        return accepted.filter((one) => one.blockNumber >= fromBlock && one.blockNumber <= toBlock)
      },
    },
    operators: { operatorTreeAt: async () => world.table },
    sink: {
      challengeAttestationDigest: async (challenge) => {
        const failure = failures.shift()
        if (failure !== undefined) throw failure
        filed.push(challenge)
        return { transactionHash: word(filed.length) }
      },
    },
    store: memoryChallengerStore(),
    startBlock: 90n,
    confirmations: 0,
    challengeWindow: 100n,
    now: () => clock.now,
    onEvent: (event) => events.push(event),
    ...changes,
  }
  const accept = (
    { task, response }: Honest,
    { at = 105n, signers = [0, 1, 2] } = {},
  ): AcceptedResponse => {
    const certificate = world.sign(response, { signers })
    const position = { ...world.blockAt(at), transactionIndex: 0, logIndex: accepted.length }
    const one: AcceptedResponse = {
      blockNumber: at,
      blockHash: position.hash,
      transactionIndex: 0,
      logIndex: accepted.length,
      transactionHash: word(0xaa),
      ...{ task, response, certificate },
    }
    accepted.push(one)
    return one
  }
  const types = (): string[] => events.map((event) => event.type)
  return { world, accept, accepted, filed, events, types, failures, reads, clock, parameters }
}

/** Checks before signing that failed, as the registry layer reports them. */
export class ChecksError extends BaseError {
  override readonly name = 'ChecksError'
  override readonly code = 'PREFLIGHT_FAILED'
  readonly checks: readonly { rule: string; ok: boolean; level: string }[]
  constructor(failed: string, passed: readonly string[] = []) {
    super(`it would fail: ${failed}`)
    this.checks = [
      ...passed.map((rule) => ({ rule, ok: true, level: 'error' })),
      { rule: failed, ok: false, level: 'error' },
    ]
  }
}

/** A failure of the package with any code. */
export class CodedError extends BaseError {
  override readonly name = 'CodedError'
  override readonly code: string
  constructor(code: string, options: BaseErrorOptions = {}) {
    super(`it failed with ${code}`, options)
    this.code = code
  }
}

/** A response whose digest is false, signed by all. */
export const lie = (world: World, nonce = 1n): Honest => {
  const honest = world.evaluate(world.makeTask({ nonce }))
  const preimage = { ...honest.preimage, regoHash: word(1) }
  return {
    ...honest,
    preimage,
    response: { ...honest.response, artifactDigest: computeArtifactDigest(preimage) },
  }
}
