/** Checks before signing of recovery snapshots. */
import type { Address, Hex } from 'viem'
import { verifyHash } from 'viem/actions'
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
    digest: Hex
  },
): Promise<PreflightCheck[]> {
  const { registry, snapshot, signatures, digest } = parameters
  const head = await readTag(client, 'latest')
  const own = callsOf(registry)
  const [version, latest, known, mostFirst] = (
    await readAt(client, {
      block: head,
      calls: [
        own(StateCommitRegistry.commitVersion),
        own(StateCommitRegistry.latest),
        own(StateCommitRegistry.snapshotSigners),
        own(StateCommitRegistry.MAX_FIRST_SEQUENCE),
      ],
    })
  ).map(valueFrom) as [number, [Hex, bigint, bigint], [readonly Address[], number], bigint]
  const [, sequenceNo, last] = latest
  const { sequenceNo: given } = snapshot
  const times = { last, now: head.timestamp, lag: head.timestamp }
  return [
    ...(await signatureChecks(client, { known, signatures, digest })),
    ...wellFormedChecks(snapshot, version),
    holds('SequenceGap', {
      ok: given === sequenceNo + 1n || (sequenceNo === 0n && given > 0n && given <= mostFirst),
      detail: `its number is ${given}, the registry is at ${sequenceNo}`,
      fix: `Sign it with the number ${sequenceNo + 1n}.`,
    }),
    ...timestampChecks(snapshot, times).filter(({ rule }) => rule !== 'TimestampTooOld'),
  ]
}

async function signatureChecks(
  client: WriteClient,
  parameters: {
    known: readonly [readonly Address[], number]
    signatures: readonly SnapshotSignature[]
    digest: Hex
  },
): Promise<PreflightCheck[]> {
  const { signatures, digest } = parameters
  const [signers, threshold] = parameters.known
  const listed = new Set(signers.map((signer) => signer.toLowerCase()))
  const strangers = signatures.filter(({ signer }) => !listed.has(signer.toLowerCase()))
  const distinct = new Set(signatures.map(({ signer }) => signer.toLowerCase())).size
  const verdicts = await Promise.all(
    signatures.map(({ signer, signature }) =>
      verifyHash(client, { address: signer, hash: digest, signature }),
    ),
  )
  const wrong = signatures.filter((_, at) => verdicts[at] !== true)
  return [
    holds('InvalidSealedSnapshot', {
      ok: threshold > 0 && signatures.length === threshold && distinct === threshold,
      detail: `${signatures.length} signatures of ${distinct} signers, the registry asks for ${threshold}`,
      fix: `Bring exactly ${threshold} signatures, each of another signer.`,
    }),
    holds('InvalidSealedSnapshot', {
      ok: strangers.length === 0,
      detail: `${strangers.length} signers are not the registry’s`,
      fix: `Have it signed by ${signers.join(', ')}.`,
    }),
    holds('InvalidSealedSnapshot', {
      ok: wrong.length === 0,
      detail: `${wrong.length} signatures are not over this snapshot`,
      fix: `Have ${wrong.map(({ signer }) => signer).join(', ')} sign ${digest}.`,
    }),
  ]
}
