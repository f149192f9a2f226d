/** One commit window of a development network, from the cutoff to the landed root. */
import type { Hex, PublicClient } from 'viem'
import type { OperatorTable, SignatureShare } from '../../core/bn254/index.js'
import type { CertificateReader } from '../../core/interfaces/certificates.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { WriteClient } from '../../registry/chain/client.js'
import { createCommitSink } from '../../registry/index.js'
import {
  aggregateCommit,
  type CommitProposal,
  decodeDelta,
  proposeCommit,
  proposerIndex,
  submitCommit,
} from '../../statetree/index.js'
import type { DeployedContracts } from '../contracts.js'
import type { TestOperator } from '../operator.js'
import { type Anvil, AnvilError } from './anvil.js'

/** What one window ended in. */
export type CommitOutcome = {
  sequenceNo: bigint
  root: Hex
  /** Number of artifacts that came into the tree. */
  included: number
  /** Number of writes of the private-data layer. */
  foreign: number
  signers: number
  proposal: CommitProposal
  transactionHash: Hex
}

/** Lets the window that is running end, and lands its commit. */
export async function commitWindow(parameters: {
  anvil: Anvil
  client: PublicClient
  owner: WriteClient
  contracts: DeployedContracts
  operators: readonly TestOperator[]
  table: OperatorTable
  certificates: CertificateReader
  da: DaClient
  pcr0Commitment: Hex
}): Promise<CommitOutcome | undefined> {
  const { anvil, client, owner, contracts, operators, table, certificates, da } = parameters
  const window = operators[0]?.pipeline.parameters.window
  if (window === undefined) throw new AnvilError('A network without operators commits nothing.')
  const { timestamp: now } = await client.getBlock()
  const timestamp = (now / window + 1n) * window
  // One block at the cutoff, one after it: the cutoff block is then the last one before or at it.
  await anvil.rpc('evm_setNextBlockTimestamp', [Number(timestamp)])
  await anvil.rpc('anvil_mine', ['0x1'])
  await anvil.rpc('evm_setNextBlockTimestamp', [Number(timestamp) + 1])
  await anvil.rpc('anvil_mine', ['0x1'])

  const proposer = operators[
    proposerIndex({ timestamp, window, operators: operators.length })
  ] as TestOperator
  const proposal = await proposeCommit(proposer.pipeline, {
    timestamp,
    pcr0Commitment: parameters.pcr0Commitment,
    publish: async ({ bytes }) => [(await da.put(bytes)).locator],
  })
  if (proposal === undefined) return undefined
  const delta = decodeDelta(proposal.delta)
  const inForce = await certificates.tableAt(delta.cutoffBlock)
  if (inForce === null) throw new AnvilError('No operator table is in force at the cutoff block.')
  const context = {
    domain: {
      chainId: BigInt(owner.chain.id),
      registry: contracts.stateCommitRegistry,
      operatorSetId: 0,
    },
    referenceTimestamp: inForce.referenceTimestamp,
  }
  const shares: SignatureShare[] = []
  for (const operator of operators) shares.push(await operator.signCommit(proposal, context))
  const { certificate, signers } = aggregateCommit(
    { commit: proposal.commit, table, shares },
    context,
  )
  const sink = createCommitSink({ client: owner, addresses: contracts })
  const landed = await submitCommit(sink, { proposal, certificate })
  for (const operator of operators) await operator.applyCommit(proposal)
  return {
    sequenceNo: proposal.commit.sequenceNo,
    root: proposal.commit.newStateRoot,
    included: delta.included.length,
    foreign: delta.foreign.length,
    signers: signers.length,
    proposal,
    transactionHash: landed.commit,
  }
}
