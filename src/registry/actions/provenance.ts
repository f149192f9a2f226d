/** Build information of plugins, and claims of verifiers. */

import type { Address, Hex } from 'viem'
import * as BuildInfoRegistry from '../../core/abi/buildInfoRegistryAbi.js'
import * as VerificationRegistry from '../../core/abi/verificationRegistryAbi.js'
import type { ProvenanceClaim, VerificationResult } from '../../core/interfaces/provenance.js'
import { toHex } from '../../internal/bytes.js'
import { assertChoice } from '../../internal/options.js'
import { type BuildInfo, encodeBuildInfo } from '../../provenance/build/buildInfo.js'
import { resolveAddress } from '../chain/addresses.js'
import { functionOf } from '../chain/slices.js'
import { addressOf, wordOf } from '../rows/inputs.js'
import { verificationResults } from '../rows/verificationResults.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** Build information of a plugin, which a manager of the registry submits. */
export type BuildInfoInput = { wasmHash: Hex; buildInfo: BuildInfo }
/** Names a manager of the registry of build information, or no longer. */
export type BuildInfoManagerInput = { manager: Address; allowed: boolean }
/** What the sender found about a plugin. */
export type ClaimInput = ProvenanceClaim

/** What submitting build information emits. */
export type BuildInfoSubmittedEvent = {
  wasmHash: Hex
  buildInfoHash: Hex
  submitter: Address
  xdr: Hex
}
/** What naming a manager emits. */
export type ManagerSetEvent = { account: Address; allowed: boolean }
/** What a claim emits. */
export type ClaimSubmittedEvent = {
  wasmHash: Hex
  verifier: Address
  result: VerificationResult
  buildInfoHash: Hex
  evidenceUri: string
}

const buildInfo: WriteTriple<BuildInfoInput, BuildInfoSubmittedEvent, Hex> = defineWrite({
  name: 'submitBuildInfo',
  prepare: (client, { wasmHash, buildInfo: info, addresses }) => ({
    address: resolveAddress('buildInfoRegistry', { addresses, chainId: client.chain.id }),
    ...functionOf(BuildInfoRegistry.submitBuildInfo),
    args: [wordOf(wasmHash, 'wasmHash'), toHex(encodeBuildInfo(info))],
  }),
  emits: BuildInfoRegistry.BuildInfoSubmitted,
  event: (args) => args as BuildInfoSubmittedEvent,
  result: (value) => value as Hex,
})

/** Submits build information of a plugin that carries none. Managers of the registry only. */
export const submitBuildInfo: WriteAction<BuildInfoInput> = buildInfo.send
/** Like {@link submitBuildInfo}, and waits for the receipt and its event. */
export const submitBuildInfoSync: SyncAction<BuildInfoInput, BuildInfoSubmittedEvent> =
  buildInfo.sync
/** Simulates {@link submitBuildInfo}; the result is the entry's hash. */
export const simulateSubmitBuildInfo: SimulateAction<BuildInfoInput, Hex> = buildInfo.simulate
/** Checks and transaction of {@link submitBuildInfo}, nothing signed. */
export const dryRunSubmitBuildInfo: DryRunAction<BuildInfoInput> = buildInfo.dryRun

const managers: WriteTriple<BuildInfoManagerInput, ManagerSetEvent, undefined> = defineWrite({
  name: 'setBuildInfoManager',
  prepare: (client, { manager, allowed, addresses }) => ({
    address: resolveAddress('buildInfoRegistry', { addresses, chainId: client.chain.id }),
    ...functionOf(BuildInfoRegistry.setManager),
    args: [addressOf(manager, 'manager'), allowed],
  }),
  emits: BuildInfoRegistry.ManagerSet,
  event: (args) => args as ManagerSetEvent,
  result: () => undefined,
})

/** Names a manager of the registry of build information. Its owner only. */
export const setBuildInfoManager: WriteAction<BuildInfoManagerInput> = managers.send
/** Like {@link setBuildInfoManager}, and waits for the receipt and its event. */
export const setBuildInfoManagerSync: SyncAction<BuildInfoManagerInput, ManagerSetEvent> =
  managers.sync
/** Simulates {@link setBuildInfoManager}. */
export const simulateSetBuildInfoManager: SimulateAction<BuildInfoManagerInput, undefined> =
  managers.simulate
/** Checks and transaction of {@link setBuildInfoManager}, nothing signed. */
export const dryRunSetBuildInfoManager: DryRunAction<BuildInfoManagerInput> = managers.dryRun

const claim: WriteTriple<ClaimInput, ClaimSubmittedEvent, undefined> = defineWrite({
  name: 'submitClaim',
  prepare: (client, { wasmHash, buildInfoHash, result, evidenceUri, addresses }) => {
    assertChoice('result', result, ['match', 'no_match', 'did_not_run'])
    return {
      address: resolveAddress('verificationRegistry', { addresses, chainId: client.chain.id }),
      ...functionOf(VerificationRegistry.submitClaim),
      args: [
        wordOf(wasmHash, 'wasmHash'),
        wordOf(buildInfoHash, 'buildInfoHash'),
        verificationResults.indexOf(result),
        evidenceUri,
      ],
    }
  },
  emits: VerificationRegistry.ClaimSubmitted,
  event: (args) =>
    ({
      ...args,
      result: verificationResults[Number(args['result'])],
    }) as ClaimSubmittedEvent,
  result: () => undefined,
})

/** Claims what a rebuild of a plugin gave, as the sender. Replaces the sender's claim of that build. */
export const submitClaim: WriteAction<ClaimInput> = claim.send
/** Like {@link submitClaim}, and waits for the receipt and its event. */
export const submitClaimSync: SyncAction<ClaimInput, ClaimSubmittedEvent> = claim.sync
/** Simulates {@link submitClaim}. */
export const simulateSubmitClaim: SimulateAction<ClaimInput, undefined> = claim.simulate
/** Checks and transaction of {@link submitClaim}, nothing signed. */
export const dryRunSubmitClaim: DryRunAction<ClaimInput> = claim.dryRun
