/** Checks before signing of recovery snapshots. */
import type { Address, Hex } from 'viem'
import * as StateCommitRegistry from '../../core/abi/stateCommitRegistryAbi.js'
import type { StateCommit } from '../../core/stateCommit.js'
import type { WriteClient } from '../chain/client.js'
import { holds, type PreflightCheck } from '../chain/preflightCheck.js'
import { readAt, readTag, valueFrom } from '../chain/read.js'
import { callsOf } from '../chain/slices.js'
import { timestampChecks, wellFormedChecks } from './commits.js'

/** One signer's signature over a snapshot's digest. */
export type SnapshotSignature = { signer: Address; signature: Hex }

/** Checks a snapshot, whose signatures are in ascending order of their signers. */
export async function checkSnapshot(
  client: WriteClient,
  parameters: {
    registry: Address
    snapshot: StateCommit
    signatures: readonly SnapshotSignature[]
    /** The call's arguments. */
    encoded: readonly [Hex, Hex]
  },
): Promise<PreflightCheck[]> {
  const { registry, snapshot, signatures, encoded } = parameters
  const head = await readTag(client, 'latest')
  const own = callsOf(registry)
  const results = await readAt(client, {
    block: head,
    calls: [
      own(StateCommitRegistry.commitVersion),
      own(StateCommitRegistry.latest),
      own(StateCommitRegistry.snapshotSigners),
      own(StateCommitRegistry.MAX_FIRST_SEQUENCE),
      // By a call that is not sent: whether signatures hold is the registry's own word. Last, since it
      // changes what calls of the same batch read.
      own(StateCommitRegistry.injectSealedSnapshot, encoded),
    ],
  })
  const [version, latest, known, mostFirst] = results.slice(0, 4).map(valueFrom) as [
    number,
    [Hex, bigint, bigint],
    [readonly Address[], number],
    bigint,
  ]
  const attempt = results[4]
  const [, sequenceNo, last] = latest
  const { sequenceNo: given } = snapshot
  const times = { last, now: head.timestamp, lag: head.timestamp }
  return [
    ...signerChecks(known, signatures),
    holds('InvalidSealedSnapshot', {
      ok: attempt?.ok === true || attempt?.error.errorName !== 'InvalidSealedSnapshot',
      detail: 'whether the registry takes the signatures for this snapshot',
      fix: 'Have each signer sign `computeSnapshotDigest` of this snapshot, chain and registry, raw.',
    }),
    ...wellFormedChecks(snapshot, version),
    holds('SequenceGap', {
      ok: given === sequenceNo + 1n || (sequenceNo === 0n && given > 0n && given <= mostFirst),
      detail: `its number is ${given}, the registry is at ${sequenceNo}`,
      fix: `Sign it with the number ${sequenceNo + 1n}.`,
    }),
    ...timestampChecks(snapshot, times).filter(({ rule }) => rule !== 'TimestampTooOld'),
  ]
}

function signerChecks(
  known: readonly [readonly Address[], number],
  signatures: readonly SnapshotSignature[],
): PreflightCheck[] {
  const [signers, threshold] = known
  const listed = new Set(signers.map((signer) => signer.toLowerCase()))
  const strangers = signatures.filter(({ signer }) => !listed.has(signer.toLowerCase())).length
  const distinct = new Set(signatures.map(({ signer }) => signer.toLowerCase())).size
  return [
    holds('InvalidSealedSnapshot', {
      ok: threshold > 0 && signatures.length === threshold && distinct === threshold,
      detail: `${signatures.length} signatures of ${distinct} signers, the registry asks for ${threshold}`,
      fix: `Bring exactly ${threshold} signatures, each of another signer.`,
    }),
    holds('InvalidSealedSnapshot', {
      ok: strangers === 0,
      detail: `${strangers} signers are not the registry’s`,
      fix: `Have it signed by ${signers.join(', ')}.`,
    }),
  ]
}
