/** What the contract makes of a response: whether it would accept it now, and take a challenge of it. */
import type { IoOptions } from '../../internal/deadline.js'
import { InconclusiveError } from './errors.js'
import { checkQuorum, type QuorumCheck } from './levels/quorum.js'
import type { VerifyTaskAttestationParameters } from './parameters.js'
import { type AttestationReader, obtain } from './reader.js'

type Judged = Pick<
  VerifyTaskAttestationParameters,
  | 'reader'
  | 'response'
  | 'certificate'
  | 'at'
  | 'acceptance'
  | 'accepted'
  | 'taskChecked'
  | 'backend'
  | 'onLevel'
>

/** Level `quorum`, with the age of the table where acceptance is judged. */
export async function judgeQuorum(parameters: Judged, options: IoOptions): Promise<QuorumCheck> {
  const { reader, response, certificate, acceptance = false, at, backend, onLevel } = parameters
  onLevel?.({ level: 'quorum', state: 'checking' })
  const acceptedAt = acceptance ? await timestampOf({ reader, at }, options) : undefined
  const { certificates } = reader
  const check = await checkQuorum(
    { certificates, response, certificate, acceptedAt, backend },
    options,
  )
  if (check.refusal === undefined) onLevel?.({ level: 'quorum', state: 'passed' })
  return check
}

async function timestampOf(
  { reader, at }: { reader: AttestationReader; at: bigint | undefined },
  options: IoOptions,
): Promise<bigint> {
  const { registry } = reader
  const { signal } = options
  const block = await obtain({ reason: 'RPC_FAILED', detail: 'reading blocks', signal }, () =>
    at === undefined ? registry.getLatestBlock(options) : registry.getBlock(at, options),
  )
  if (block !== null) return block.timestamp
  const detail = `this node does not have block ${at} yet`
  throw new InconclusiveError({ reason: 'RPC_FAILED', detail })
}

/** Whether the contract has the response, or would take it: challenges are of accepted ones. */
export async function isChallengeable(parameters: Judged, options: IoOptions): Promise<boolean> {
  const { reader, response, at, taskChecked = false, accepted = taskChecked } = parameters
  if (accepted) return true
  const { registry } = reader
  const { policyClient: client, policyInstanceId } = response
  const { signal } = options
  const what = { reason: 'RPC_FAILED', detail: 'reading the current slot', signal } as const
  const current = await obtain(what, async () => {
    const block = at ?? (await registry.getLatestBlock(options)).number
    return registry.currentPolicyInstanceAt({ client, block }, options)
  })
  return current?.toLowerCase() === policyInstanceId.toLowerCase()
}
