/** Brings a network's operators on chain: keys, stake, and the table that they are in. */
import type { Address, LocalAccount } from 'viem'
import { getBlock, writeContract } from 'viem/actions'
import { devnetSlasherAbi } from '../core/abi/devnetSlasherAbi.js'
import {
  type BlsKey,
  createOperatorTable,
  type OperatorTable,
  provePossession,
} from '../core/bn254/index.js'
import type { ReadClient, WriteClient } from '../registry/chain/client.js'
import { waitForReceipt } from '../registry/chain/receipts.js'
import {
  operatorKeyTypedData,
  publishOperatorTableSync,
  registerOperatorKeyForSync,
} from '../registry/index.js'
import type { DeployedContracts } from './contracts.js'

/** Stake of each operator at the development slasher, in wei. */
const stake = 10n ** 18n

/** What each operator's signature weighs. */
const weight = [100n]

/** A deadline that no development chain reaches. */
const NEVER = 2n ** 40n

/** Registers keys, gives stake, publishes the table. Operators come in ascending order of address. */
export async function enlist(parameters: {
  operators: readonly { address: Address; account: LocalAccount; key: BlsKey }[]
  owner: WriteClient
  contracts: DeployedContracts
  client: ReadClient
}): Promise<{ table: OperatorTable; referenceTimestamp: number }> {
  const { operators, owner, contracts, client } = parameters
  const chainId = BigInt(owner.chain.id)
  const verifier = contracts.certificateVerifier as Address
  for (const { address: operator, account, key } of operators) {
    const { pubkey, pubkeyG2 } = key.publicKey
    const proof = await provePossession(key, { chainId, verifier, operator })
    // Operators hold no ether here: they sign, and the owner sends.
    const content = { operator, pkG1: pubkey, nonce: 0n, deadline: NEVER }
    const signature = await account.signTypedData(
      operatorKeyTypedData({ ...content, chainId: owner.chain.id, verifier }),
    )
    await registerOperatorKeyForSync(owner, {
      operator,
      pkG1: pubkey,
      pkG2: pubkeyG2,
      proof,
      deadline: NEVER,
      signature,
      addresses: contracts,
    })
  }
  const { slasher } = contracts
  for (const { address } of operators) {
    const hash = await writeContract(owner, {
      address: slasher,
      abi: devnetSlasherAbi,
      functionName: 'setStake',
      args: [address, stake],
      account: owner.account,
      chain: owner.chain,
    })
    await waitForReceipt(client, hash)
  }
  const weights = operators.map(() => weight)
  const { timestamp } = await getBlock(client)
  const referenceTimestamp = Number(timestamp)
  await publishOperatorTableSync(owner, {
    referenceTimestamp,
    operators: operators.map(({ address }) => address),
    weights,
    addresses: contracts,
  })
  return { table: tableOf(operators), referenceTimestamp }
}

/** The table that they are in. */
export function tableOf(operators: readonly { address: Address; key: BlsKey }[]): OperatorTable {
  return createOperatorTable(
    operators.map(({ address: operator, key }) => ({
      ...{ operator, ...key.publicKey },
      weights: weight,
    })),
  )
}
