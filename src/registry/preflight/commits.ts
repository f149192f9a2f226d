/** Checks before signing of state commits and of the announcements of their deltas. */

import type { Address, Hex } from 'viem'
import * as BN254CertificateVerifier from '../../core/abi/bn254CertificateVerifierAbi.js'
import * as StateCommitRegistry from '../../core/abi/stateCommitRegistryAbi.js'
import { ZERO_HASH } from '../../core/artifact.js'
import type { Certificate } from '../../core/bn254/certificate.js'
import type { DaLocator } from '../../core/locator.js'
import { computeDaCertHash, type StateCommit } from '../../core/stateCommit.js'
import type { WriteClient } from '../chain/client.js'
import {
  equal,
  failed,
  holds,
  type PreflightCheck,
  passed,
  warning,
} from '../chain/preflightCheck.js'
import { readAt, readTag, valueFrom } from '../chain/read.js'
import { callsOf } from '../chain/slices.js'

/** How far ahead of the newest block a timestamp may be that the next block can still meet. */
const NEXT_BLOCK_SECONDS = 60n
const BPS = 10_000n

/** Checks a state commit. */
export async function checkCommit(
  client: WriteClient,
  parameters: { registry: Address; commit: StateCommit; certificate: Certificate },
): Promise<PreflightCheck[]> {
  const { registry, commit, certificate } = parameters
  const head = await readTag(client, 'latest')
  const own = callsOf(registry)
  const values = await readAt(client, {
    block: head,
    calls: [
      own(StateCommitRegistry.commitVersion),
      own(StateCommitRegistry.latest),
      own(StateCommitRegistry.MAX_TIMESTAMP_LAG),
      own(StateCommitRegistry.commitHash, [commit]),
      own(StateCommitRegistry.certificateVerifier),
      own(StateCommitRegistry.avs),
      own(StateCommitRegistry.OPERATOR_SET_ID),
      own(StateCommitRegistry.stateCommitMinQuorumBps),
    ],
  })
  const [version, latest, lag, messageHash, verifier, avs, setId, quorumBps] = values.map(
    valueFrom,
  ) as [number, [Hex, bigint, bigint], bigint, Hex, Address, Address, number, number]
  const [root, sequenceNo, timestamp] = latest
  return [
    ...wellFormedChecks(commit, version),
    equal('SequenceGap', {
      found: commit.sequenceNo,
      wanted: sequenceNo + 1n,
      fix: 'Rebuild the commit on the newest one: another was landed, or one is missing.',
    }),
    equal('StateRootMismatch', {
      found: commit.prevStateRoot,
      wanted: root,
      fix: 'Rebuild the commit on the root that is on chain.',
    }),
    ...timestampChecks(commit, { last: timestamp, now: head.timestamp, lag }),
    equal('CertificateMessageHashMismatch', {
      found: certificate.messageHash,
      wanted: messageHash,
      fix: 'Use the certificate of this commit, made for this chain and registry.',
    }),
    ...(await quorumChecks(client, {
      verifier,
      set: { avs, id: setId },
      certificate,
      quorumBps: BigInt(quorumBps),
    })),
  ]
}

/** Checks what a commit, or a snapshot in its form, is by itself. */
export function wellFormedChecks(commit: StateCommit, version: number): PreflightCheck[] {
  return [
    equal('UnsupportedStateCommitVersion', {
      found: commit.version,
      wanted: version,
      fix: 'Make the commit in the version of the registry.',
    }),
    holds('InvalidPcr0Commitment', {
      ok: commit.pcr0Commitment !== ZERO_HASH,
      detail: `the enclave’s build is ${commit.pcr0Commitment}`,
      fix: 'Name the build of the enclave that made the root.',
    }),
    holds('InvalidNewStateRoot', {
      ok: commit.newStateRoot !== ZERO_HASH,
      detail: `the new root is ${commit.newStateRoot}`,
      fix: 'A root is never zero.',
    }),
  ]
}

/** Checks a timestamp against the last commit's and the newest block's. */
export function timestampChecks(
  commit: StateCommit,
  { last, now, lag }: { last: bigint; now: bigint; lag: bigint },
): PreflightCheck[] {
  const ahead = commit.timestamp - now
  return [
    holds('TimestampRegression', {
      ok: commit.timestamp > last,
      detail: `its timestamp is ${commit.timestamp}, the last commit’s ${last}`,
      fix: 'Wait for the next window.',
    }),
    ahead <= 0n
      ? passed('TimestampInFuture', `its timestamp is ${-ahead} s behind the newest block`)
      : (ahead <= NEXT_BLOCK_SECONDS ? warning : failed)(
          'TimestampInFuture',
          `its timestamp is ${ahead} s ahead of the newest block`,
          'Wait for a block with a later timestamp.',
        ),
    holds('TimestampTooOld', {
      ok: -ahead <= lag,
      detail: `its timestamp is ${-ahead} s behind the newest block, the bound is ${lag} s`,
      fix: 'Have a newer commit signed.',
    }),
  ]
}

/** Checks the announcement of a commit's delta, or of one more copy of it. */
export async function checkAnnounceCommit(
  client: WriteClient,
  parameters: {
    registry: Address
    sequenceNo: bigint
    /** The announced delta; a copy names none. */
    delta?: { hash: Hex; locators: readonly DaLocator[] } | undefined
  },
): Promise<PreflightCheck[]> {
  const { registry, sequenceNo, delta } = parameters
  const own = callsOf(registry)
  const values = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      own(StateCommitRegistry.rootAt, [sequenceNo]),
      own(StateCommitRegistry.commitVersion),
      own(StateCommitRegistry.daCertHashAt, [sequenceNo]),
    ],
  })
  const [root, version, daCertHash] = values.map(valueFrom)
  if (root === ZERO_HASH) {
    return [
      failed(
        'UnknownCommit',
        `commit ${sequenceNo} is not on chain`,
        'Land the commit first, then announce its delta.',
      ),
    ]
  }
  const checks = [passed('UnknownCommit', `commit ${sequenceNo} is on chain`)]
  if (delta === undefined) return checks
  checks.push(
    version === 2
      ? equal('DeltaMismatch', {
          found: computeDaCertHash(delta.hash, delta.locators),
          wanted: daCertHash,
          fix: 'Announce the delta and locators of the commit, in the same order.',
        })
      : passed('DeltaMismatch', 'version 1 does not check it'),
  )
  return checks
}

async function quorumChecks(
  client: WriteClient,
  parameters: {
    verifier: Address
    set: { avs: Address; id: number }
    certificate: Certificate
    quorumBps: bigint
  },
): Promise<PreflightCheck[]> {
  const { verifier, set, certificate, quorumBps } = parameters
  const call = callsOf(verifier)
  const [signed, info] = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      call(BN254CertificateVerifier.verifyCertificate, [set, certificate]),
      call(BN254CertificateVerifier.getOperatorSetInfo, [set, certificate.referenceTimestamp]),
    ],
  })
  if (signed?.ok !== true || info?.ok !== true) {
    const refused = signed?.ok === false ? signed : info?.ok === false ? info : undefined
    return [
      failed(
        refused?.error.errorName ?? 'CertificateVerifies',
        refused?.error.shortMessage ?? 'the verifier does not answer',
        'The certificate is not one of operators in force.',
      ),
    ]
  }
  const weights = signed.value as readonly bigint[]
  const { totalWeights } = info.value as { totalWeights: readonly bigint[] }
  const enough =
    weights.length > 0 &&
    weights.length === totalWeights.length &&
    weights.every(
      (weight, index) =>
        (totalWeights[index] as bigint) > 0n &&
        weight * BPS >= (totalWeights[index] as bigint) * quorumBps,
    )
  return [
    passed('CertificateVerifies', 'the certificate verifies'),
    holds('InsufficientQuorum', {
      ok: enough,
      detail: `${weights.join(', ')} of ${totalWeights.join(', ')} signed, ${quorumBps} of ${BPS} are needed`,
      fix: 'Collect more signatures.',
    }),
  ]
}
