/**
 * A gateway in front of the real one that answers with what a dishonest quorum signed. It is what the
 * page's switch turns on: the page itself does the same whoever answers.
 */
import {
  computeArtifactDigest,
  computeArtifactHash,
  computeMessageHash,
  type DigestPreimage,
  encodeEvaluationResult,
  evaluateResult,
  type PolicyTaskResponse,
} from '@newton/policy-sdk'
import { buildCertificate } from '@newton/policy-sdk/attestation'
import { readTaskAnswer, writeTaskAnswer } from '@newton/policy-sdk/operator'
import type { Network } from './network.js'

type Attested = { response: PolicyTaskResponse; preimage: DigestPreimage }

const otherHash = (name: string): `0x${string}` =>
  computeArtifactHash(new TextEncoder().encode(name))

/** Signs another preimage, with the response that follows from it. */
function withPreimage({ response, preimage }: Attested, change: Partial<DigestPreimage>): Attested {
  const forged = { ...preimage, ...change }
  const artifactDigest = computeArtifactDigest(forged)
  return { preimage: forged, response: { ...response, artifactDigest } }
}

/** What dishonest operators sign in the place of an honest answer. */
export const forgeries = {
  'wrong-plugin': (honest: Attested) =>
    withPreimage(honest, {
      data: honest.preimage.data.map((entry) => ({ ...entry, wasmHash: otherHash('plugin') })),
    }),
  'false-result': ({ response, preimage }: Attested) => ({
    preimage,
    response: {
      ...response,
      evaluationResult: encodeEvaluationResult(!evaluateResult(response.evaluationResult)),
    },
  }),
  'wrong-enclave': (honest: Attested) => {
    const pcr0Commitment = otherHash('a build that nobody listed')
    const { response, preimage } = withPreimage(honest, { pcr0Commitment })
    return { preimage, response: { ...response, pcr0Commitment } }
  },
  'stale-slot': (honest: Attested, { formerPolicyInstance }: Former) => {
    const { id, paramsHash } = formerPolicyInstance
    const { response, preimage } = withPreimage(honest, { policyInstanceId: id, paramsHash })
    return { preimage, response: { ...response, policyInstanceId: id } }
  },
  'another-chain': (honest: Attested) => {
    const { response, preimage } = withPreimage(honest, { chainId: 1n })
    return { preimage, response: { ...response, chainId: 1n } }
  },
} as const satisfies Record<string, (honest: Attested, former: Former) => Attested>

type Former = { formerPolicyInstance: { id: `0x${string}`; paramsHash: `0x${string}` } }

/** Name of a forgery. */
export type Forgery = keyof typeof forgeries

/** Whether a name is one of a forgery. */
export function isForgery(name: string): name is Forgery {
  return Object.hasOwn(forgeries, name)
}

/** Passes a call on, and forges the answer in what comes back, where one is there. */
export function createDishonestGateway(
  network: Network,
): (call: { body: string; forgery: Forgery }) => Promise<string> {
  const { devnet, formerPolicyInstance: id } = network
  const made = new Map<string, Promise<object>>()
  const forge = async (answer: object, forgery: Forgery): Promise<object> => {
    const honest = readTaskAnswer(answer as never)
    const row = await devnet.reader.getPolicyInstance(id)
    const former = { id, paramsHash: row?.paramsHash as `0x${string}` }
    const { response, preimage } = forgeries[forgery](honest, { formerPolicyInstance: former })
    // Three of four sign whatever they are given: that is a quorum.
    const liars = devnet.operators.slice(0, 3)
    const shares = await Promise.all(liars.map((operator) => operator.signAnything(response)))
    const { certificate } = await buildCertificate({
      table: devnet.table,
      referenceTimestamp: response.referenceTimestamp,
      messageHash: computeMessageHash(response),
      shares,
    })
    return writeTaskAnswer({ ...honest, response, preimage, certificate })
  }
  return async ({ body, forgery }) => {
    const passed = await fetch(devnet.gatewayUrl, { method: 'POST', body })
    const text = await passed.text()
    const reply = JSON.parse(text) as { result?: { task_id?: string; answer?: object } }
    const { result } = reply
    if (result?.answer === undefined) return text
    const key = `${forgery} ${result.task_id}`
    const forged = made.get(key) ?? forge(result.answer, forgery)
    made.set(key, forged)
    return JSON.stringify({ ...reply, result: { ...result, answer: await forged } })
  }
}
