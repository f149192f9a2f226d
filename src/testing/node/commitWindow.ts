/** One commit window of a development network, from the cutoff to the root in every tree. */
import type { Hex, PublicClient } from 'viem'
import { createOperatorClient } from '../../operator/index.js'
import type { WriteClient } from '../../registry/chain/client.js'
import { createCommitSink } from '../../registry/index.js'
import { type CommitProposal, decodeDelta } from '../../statetree/index.js'
import type { DeployedContracts } from '../contracts.js'
import { type Anvil, AnvilError } from './anvil.js'
import type { EnclaveOperator } from './enclaveOperator.js'

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

/** Lets the window that is running end: its proposer asks the others and lands the commit. */
export async function commitWindow(parameters: {
  anvil: Anvil
  client: PublicClient
  /** Pays for the commit. */
  owner: WriteClient
  contracts: DeployedContracts
  operators: readonly EnclaveOperator[]
}): Promise<CommitOutcome | undefined> {
  const { anvil, client, owner, contracts, operators } = parameters
  const window = operators[0]?.window
  if (window === undefined) throw new AnvilError('A network without operators commits nothing.')
  const { timestamp: now } = await client.getBlock()
  const timestamp = (now / window + 1n) * window
  // One block at the cutoff, one after it: the cutoff block is then the last one before or at it.
  await anvil.rpc('evm_setNextBlockTimestamp', [Number(timestamp)])
  await anvil.rpc('anvil_mine', ['0x1'])
  await anvil.rpc('evm_setNextBlockTimestamp', [Number(timestamp) + 1])
  await anvil.rpc('anvil_mine', ['0x1'])

  const sink = createCommitSink({ client: owner, addresses: contracts })
  const { chain } = owner
  for (const { account, node } of operators) {
    const peers = operators.map(({ address: operator, url }) =>
      createOperatorClient({
        operator,
        url: `${url}/rpc`,
        account,
        chainId: BigInt(chain.id),
        policyRegistry: contracts.policyRegistry,
        timeout: 20_000,
      }),
    )
    const outcome = await node.commits.runWindow({ timestamp, peers, sink })
    if (outcome.status === 'not proposer') continue
    if (outcome.status === 'not due') return undefined
    if (outcome.status === 'no quorum') {
      const said = outcome.faults.map(({ operator, detail }) => `${operator}: ${detail}`)
      throw new AnvilError(`Too few operators signed the commit. ${said.join(' ')}`)
    }
    for (const operator of operators) await operator.node.commits.follow()
    const { proposal, signers, transactionHash } = outcome
    const delta = decodeDelta(proposal.delta)
    return {
      sequenceNo: proposal.commit.sequenceNo,
      root: proposal.commit.newStateRoot,
      included: delta.included.length,
      foreign: delta.foreign.length,
      signers: signers.length,
      proposal,
      transactionHash,
    }
  }
  throw new AnvilError('No operator is the proposer of the window.')
}
