/**
 * Agreement on plugin outputs, as a gateway comes to it: commitments of operators are gathered until a
 * majority has signed the same ones, kept, and passed on as groups. A commitment that is signed wrongly, or
 * contradicts another one, is waited for no more; the others are.
 */
import type { Hex } from 'viem'
import { isMajority } from '../../attestation/agreement.js'
import {
  agreeOnOutputs,
  type CheckedCommitments,
  checkCommitments,
  type OutputCommitment,
  type OutputGroup,
} from '../../attestation/index.js'
import { canonicalJson } from '../../core/canonicalJson.js'
import type { Task } from '../../core/task.js'
import { isPolicySdkError } from '../../errors/base.js'
import type { OperatorClient } from '../rpc/client.js'
import { type Asking, fault, mayReach, type OwnWork, race, why } from './asking.js'
import { TaskFailedError } from './errors.js'
import { weightOf } from './tables.js'

/** What is asked for. */
export type AgreeParameters = {
  task: Task
  templates: readonly Hex[]
  /** When the time for commitments is over, by `now`. */
  until: number
  now: () => number
  signal: AbortSignal
}

/** Commitments with what the check of them gave, those that were kept before included. */
type Gathered = { commitments: readonly OutputCommitment[]; checked: CheckedCommitments }

/**
 * Agrees with operators on outputs.
 *
 * @returns Who is asked to sign, and the groups that show them what is agreed.
 * @throws {TaskFailedError} `INPUTS_DIVERGE`.
 */
export async function agreeWithOperators(
  state: Asking,
  parameters: AgreeParameters,
): Promise<{ signing: readonly OperatorClient[]; outputGroups: readonly OutputGroup[] }> {
  const { operators, faults, taskId, inForce } = state
  const { templates, signal } = parameters
  const { commitments, checked } = await gather(state, parameters)
  for (const { operator, fault: what } of checked.refused) {
    faults.push({ operator, fault: what, detail: 'its commitment does not count' })
  }
  const { table, backend } = inForce
  try {
    const { hashes, groups: outputGroups } = await agreeOnOutputs(
      { table, taskId, templates, backend, commitments, checked },
      { signal },
    )
    // Who committed to other outputs abstains; who was slow may have the same ones by now.
    const others = new Set(
      commitments
        .filter((own) =>
          Object.entries(hashes).some(([id, hash]) => own.hashes[id as Hex] !== hash),
        )
        .map(({ operator }) => operator.toLowerCase()),
    )
    for (const operator of others) {
      faults.push({
        operator,
        fault: 'OTHER_OUTPUTS',
        detail: 'its outputs are not the majority’s',
      })
    }
    const signing = operators.filter(({ operator }) => !others.has(operator.toLowerCase()))
    return { signing, outputGroups }
  } catch (cause) {
    if (!isPolicySdkError(cause) || cause.code !== 'INPUTS_DIVERGE') throw cause
    const groups = new Map<Hex, number[]>()
    for (const { digest, index } of checked.counted.values()) {
      groups.set(digest, [...(groups.get(digest) ?? []), index])
    }
    const suffices = (weights: readonly bigint[]): boolean =>
      isMajority(weights, table.info.totalWeights)
    const mayPass = mayReach(state, { groups: groups.values(), suffices })
    // Those that committed are of one opinion: they are too few, and nothing diverges.
    const isFew = groups.size < 2
    const detail = isFew
      ? `${checked.counted.size} of ${operators.length} operators committed to outputs${why(faults)}`
      : cause.shortMessage.replace(/\.$/, '')
    const failure = isFew ? 'NO_QUORUM' : 'INPUTS_DIVERGE'
    throw new TaskFailedError({ taskId, failure, detail, faults, mayPass }, { cause })
  }
}

/** Asks all for their commitment, and ends when a majority has signed the same outputs. */
async function gather(state: Asking, parameters: AgreeParameters): Promise<Gathered> {
  const { task, until, now, signal } = parameters
  const { table } = state.inForce
  const total = table.info.totalWeights
  const commitments: OutputCommitment[] = []
  const bad = new Set<string>()
  let gathered: Gathered | undefined
  let busy = false
  const agrees = (among: readonly OutputCommitment[]): boolean => {
    const byHashes = new Map<string, Set<number>>()
    for (const { operator, hashes } of among) {
      if (bad.has(operator.toLowerCase())) continue
      const key = canonicalJson(hashes)
      byHashes.set(key, (byHashes.get(key) ?? new Set()).add(table.indexOf(operator)))
    }
    return [...byHashes.values()].some((group) => isMajority(weightOf(table, group), total))
  }
  const isEnough = async (own: OwnWork): Promise<boolean> => {
    if (busy) return false
    busy = true
    try {
      for (let taken = -1; taken !== commitments.length && agrees(commitments); ) {
        taken = commitments.length
        const checked = await checkAndKeep(state, commitments.slice(), { ...parameters, own })
        for (const { operator } of checked.checked.refused) bad.add(operator.toLowerCase())
        if (!agrees(checked.commitments)) continue
        gathered = checked
        return true
      }
      return false
    } finally {
      busy = false
    }
  }
  const left = { timeout: Math.max(1, until - now()) }
  await race(state, { ...left, signal }, async (client, io, own) => {
    const commitment = await client.call('newt_fetchPolicyData', { task }, io)
    if (commitment.operator.toLowerCase() !== client.operator.toLowerCase()) {
      fault(state, client, 'MALFORMED', 'a commitment of another operator')
      return false
    }
    commitments.push(commitment)
    return isEnough(own)
  })
  return gathered ?? checkAndKeep(state, commitments, { ...parameters, own: (work) => work() })
}

/** Checks commitments, keeps those that are signed, and takes in what was kept before. */
async function checkAndKeep(
  { taskId, inForce, keepCommitments }: Asking,
  commitments: readonly OutputCommitment[],
  parameters: { templates: readonly Hex[]; signal: AbortSignal; own: OwnWork },
): Promise<Gathered> {
  const { templates, signal, own } = parameters
  const { table, backend } = inForce
  const given = { table, taskId, templates, backend }
  const checked = await checkCommitments({ ...given, commitments }, { signal })
  const kept = (await own(async () => keepCommitments?.(checked.signed))) ?? []
  // Of an earlier turn, or of a gateway that died: mostly the very same.
  const before = kept.filter((one) => !checked.signed.some((mine) => isSame(mine, one)))
  if (before.length === 0) return { commitments, checked }
  const all = [...before, ...commitments]
  return {
    commitments: all,
    checked: await checkCommitments({ ...given, commitments: all }, { signal }),
  }
}

function isSame(a: OutputCommitment, b: OutputCommitment): boolean {
  return (
    a.operator.toLowerCase() === b.operator.toLowerCase() &&
    a.signature.X === b.signature.X &&
    a.signature.Y === b.signature.Y
  )
}
