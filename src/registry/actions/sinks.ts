/** Where results go on chain: announcements, commits, challenges, over a viem client. */
import * as StateCommitRegistry from '../../core/abi/stateCommitRegistryAbi.js'
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { ChallengeSink, CommitSink, ResponseSink } from '../../core/interfaces/sinks.js'
import { isPolicySdkError } from '../../errors/base.js'
import { assertMembers } from '../../internal/options.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import { resolveAddress } from '../chain/addresses.js'
import { type WriteClient, withClient, writerOf } from '../chain/client.js'
import { readAt, readTag, valueFrom } from '../chain/read.js'
import { functionOf } from '../chain/slices.js'
import { readAcceptance, readKept } from '../rows/quorum/accepted.js'
import { createSlashingReader } from '../rows/quorum/slashing.js'
import { announceCommitSync, commitStateRootSync } from './commits.js'
import {
  acceptResponseSync,
  challengeAttestationDigestSync,
  challengeInvalidTeeAttestationSync,
  challengePolicyResultSync,
} from './responses.js'
import type { SyncOptions } from './sending/write.js'
import { announceArtifactSync } from './templates.js'

/** Parameters of the sinks: the client that signs, and where. */
export type SinkParameters = SyncOptions & {
  client: WriteClient
  addresses?: PolicyAddressesInput | undefined
}

/** Announces locators of artifacts on chain, and waits for the receipt. */
export function createAnnouncer(parameters: SinkParameters): Announcer {
  assertMembers('parameters', parameters, ['client'])
  const { client: given, ...fixed } = parameters
  const client = writerOf('createAnnouncer', given, {})
  return {
    announceArtifact: async (announcement, options) => {
      const { transactionHash } = await announceArtifactSync(client, {
        ...fixed,
        ...options,
        ...announcement,
      })
      return { transactionHash }
    },
  }
}

/**
 * Lands state commits and announces their deltas, and waits for the receipts.
 *
 * @example
 * ```ts
 * import { createCommitSink } from '@newton/policy-sdk/registry'
 *
 * const sink = createCommitSink({ client: walletClient, addresses })
 * await sink.latest() // null before the first commit
 * ```
 */
export function createCommitSink(parameters: SinkParameters): CommitSink {
  assertMembers('parameters', parameters, ['client'])
  const { client: given, ...fixed } = parameters
  const client = writerOf('createCommitSink', given, {})
  return {
    commitStateRoot: async (input, options) => {
      const { transactionHash } = await commitStateRootSync(client, {
        ...fixed,
        ...options,
        ...input,
      })
      return { transactionHash }
    },
    announceCommit: async (input, options) => {
      const { transactionHash } = await announceCommitSync(client, {
        ...fixed,
        ...options,
        ...input,
      })
      return { transactionHash }
    },
    latest: (options) =>
      withClient('CommitSink.latest', { client, options }, async (bound) => {
        const [result] = await readAt(bound, {
          block: await readTag(bound, 'latest'),
          calls: [
            {
              address: resolveAddress('stateCommitRegistry', {
                addresses: fixed.addresses,
                chainId: client.chain.id,
              }),
              ...functionOf(StateCommitRegistry.latest),
            },
          ],
        })
        const [root, sequenceNo, timestamp] = valueFrom(result) as [`0x${string}`, bigint, bigint]
        return sequenceNo === 0n ? null : { root, sequenceNo, timestamp }
      }),
  }
}

/** Milliseconds after which what is not mined is sent again with higher fees. */
const REPLACE_AFTER = 60_000

/**
 * Files challenges, waits for the receipts, and tells who is slashed.
 *
 * A transaction that waits longer than a minute is sent again with higher fees (`replaceAfter`,
 * `maxFeePerGas`), where the account signs here.
 */
export function createChallengeSink(parameters: SinkParameters): ChallengeSink {
  assertMembers('parameters', parameters, ['client'])
  const { client: given, ...fixed } = parameters
  const client = writerOf('createChallengeSink', given, {})
  const slashing = createSlashingReader({ client, addresses: fixed.addresses })
  return {
    challengeAttestationDigest: async (input, options) => {
      const { transactionHash } = await challengeAttestationDigestSync(client, {
        ...{ replaceAfter: REPLACE_AFTER },
        ...fixed,
        ...options,
        ...input,
      })
      return { transactionHash }
    },
    challengePolicyResult: async (input, options) => {
      const { transactionHash } = await challengePolicyResultSync(client, {
        ...{ replaceAfter: REPLACE_AFTER },
        ...fixed,
        ...options,
        ...input,
      })
      return { transactionHash }
    },
    challengeInvalidTeeAttestation: async (input, options) => {
      const { transactionHash } = await challengeInvalidTeeAttestationSync(client, {
        ...{ replaceAfter: REPLACE_AFTER },
        ...fixed,
        ...options,
        ...input,
      })
      return { transactionHash }
    },
    slashedSigners: slashing,
  }
}

/**
 * Lands responses, waits for the receipts, and tells what has landed. What waits longer than a minute is
 * sent again with higher fees, as {@link createChallengeSink} does.
 *
 * @param parameters.finality - Which blocks stay. @default 'finalized'
 * @example
 * ```ts
 * import { createResponseSink } from '@newton/policy-sdk/registry'
 *
 * const sink = createResponseSink({ client: walletClient, addresses })
 * await sink.acceptedResponse(taskId) // null before it was landed
 * ```
 */
export function createResponseSink(
  parameters: SinkParameters & { finality?: 'finalized' | 'safe' | 'latest' | undefined },
): ResponseSink {
  const { client, finality = 'finalized', ...fixed } = parameters
  return {
    acceptResponse: async (input, options) => {
      const { transactionHash } = await acceptResponseSync(client, {
        ...{ replaceAfter: REPLACE_AFTER },
        ...fixed,
        ...options,
        ...input,
      })
      return { transactionHash }
    },
    acceptedResponse: (taskId, options) =>
      withClient('ResponseSink.acceptedResponse', { client, options }, async (bound) => {
        const address = resolveAddress('responseRegistry', {
          addresses: fixed.addresses,
          chainId: client.chain.id,
        })
        const kept = await readKept(bound, { address, taskId, tag: 'latest' })
        if (kept === null) return null
        const { messageHash } = await readAcceptance(bound, { address, taskId, kept })
        if (finality === 'latest') return { messageHash, final: true }
        const staying = await readKept(bound, { address, taskId, tag: finality }).catch((error) => {
          // On a young chain, the contract is newer than the newest block that stays.
          if (isPolicySdkError(error) && error.code === 'CONTRACT_NOT_FOUND') return null
          throw error
        })
        return { messageHash, final: staying?.commitment === kept.commitment }
      }),
  }
}
