/** Operators' keys and the tables of their stake. */
import type { AbiEvent, AbiFunction, Address, Hex } from 'viem'
import { signTypedData } from 'viem/actions'
import * as BN254CertificateVerifier from '../../../core/abi/bn254CertificateVerifierAbi.js'
import type { G1Point, G2Point } from '../../../core/bn254/curve/points.js'
import { assertList } from '../../../internal/options.js'
import { resolveAddress } from '../../chain/addresses.js'
import { type WriteClient, withClient } from '../../chain/client.js'
import type { PreflightCheck } from '../../chain/preflightCheck.js'
import { readAt, readTag, valueFrom } from '../../chain/read.js'
import { functionOf } from '../../chain/slices.js'
import {
  checkOperatorKey,
  checkOperatorKeyFor,
  checkOperatorTable,
} from '../../preflight/admin/operators.js'
import { addressOf } from '../../rows/inputs.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from '../sending/write.js'
import { operatorKeyTypedData } from './operatorKeys.js'

/** An operator's keys with the proof that it holds their secret. */
export type OperatorKeyInput = {
  operator: Address
  pkG1: G1Point
  pkG2: G2Point
  /** Signature over the possession digest. */
  proof: G1Point
}
/** An operator's keys with its own signature, so that somebody else can send them. */
export type OperatorKeyForInput = OperatorKeyInput & {
  /** Unix seconds until which the signature counts. */
  deadline: bigint
  /** The operator's, over {@link operatorKeyTypedData}; of a contract, what its EIP-1271 takes. */
  signature: Hex
}
/** A table: operators strictly ascending, one list of weights each. */
export type OperatorTableInput = {
  /** Unix seconds, above the last table's and not in the future. */
  referenceTimestamp: number
  operators: readonly Address[]
  weights: readonly (readonly bigint[])[]
}
/** What registering a key emits. */
export type OperatorKeyRegisteredEvent = { operator: Address; pubkeyHash: Hex }
/** What publishing a table emits. */
export type OperatorTablePublishedEvent = {
  referenceTimestamp: number
  blockNumber: bigint
  operators: readonly Address[]
}

function define<parameters, event>(definition: {
  name: string
  item: AbiFunction
  emits: AbiEvent
  args: (parameters: parameters) => readonly unknown[]
  check: (
    client: WriteClient,
    parameters: parameters & { verifier: Address },
  ) => Promise<readonly PreflightCheck[]>
}): WriteTriple<parameters, event, undefined> {
  const verifierOf = (client: WriteClient, { addresses }: WriteOptions): Address =>
    resolveAddress('certificateVerifier', { addresses, chainId: client.chain.id })
  return defineWrite<parameters, event, undefined>({
    name: definition.name,
    prepare: (client, parameters) => ({
      address: verifierOf(client, parameters),
      ...functionOf(definition.item),
      args: definition.args(parameters),
    }),
    preflight: (client, parameters) =>
      definition.check(client, { ...parameters, verifier: verifierOf(client, parameters) }),
    emits: definition.emits,
    event: (args) => args as event,
    result: () => undefined,
  })
}

const key: WriteTriple<OperatorKeyInput, OperatorKeyRegisteredEvent, undefined> = define({
  name: 'registerOperatorKey',
  item: BN254CertificateVerifier.registerOperatorKey,
  emits: BN254CertificateVerifier.OperatorKeyRegistered,
  args: ({ operator, pkG1, pkG2, proof }: OperatorKeyInput) => [
    addressOf(operator, 'operator'),
    pkG1,
    pkG2,
    proof,
  ],
  check: checkOperatorKey,
})

/** Registers an operator's BLS keys. The operator itself. */
export const registerOperatorKey: WriteAction<OperatorKeyInput> = key.send
/** Like {@link registerOperatorKey}, and waits for the receipt and its event. */
export const registerOperatorKeySync: SyncAction<OperatorKeyInput, OperatorKeyRegisteredEvent> =
  key.sync
/** Simulates {@link registerOperatorKey}. */
export const simulateRegisterOperatorKey: SimulateAction<OperatorKeyInput, undefined> = key.simulate
/** Checks and transaction of {@link registerOperatorKey}, nothing signed. */
export const dryRunRegisterOperatorKey: DryRunAction<OperatorKeyInput> = key.dryRun

const keyFor: WriteTriple<OperatorKeyForInput, OperatorKeyRegisteredEvent, undefined> = define({
  name: 'registerOperatorKeyFor',
  item: BN254CertificateVerifier.registerOperatorKeyFor,
  emits: BN254CertificateVerifier.OperatorKeyRegistered,
  args: ({ operator, pkG1, pkG2, proof, deadline, signature }: OperatorKeyForInput) => [
    addressOf(operator, 'operator'),
    pkG1,
    pkG2,
    proof,
    deadline,
    signature,
  ],
  check: checkOperatorKeyFor,
})

/** Registers an operator's BLS keys with its signature: anyone may send it. */
export const registerOperatorKeyFor: WriteAction<OperatorKeyForInput> = keyFor.send
/** Like {@link registerOperatorKeyFor}, and waits for the receipt and its event. */
export const registerOperatorKeyForSync: SyncAction<
  OperatorKeyForInput,
  OperatorKeyRegisteredEvent
> = keyFor.sync
/** Simulates {@link registerOperatorKeyFor}. */
export const simulateRegisterOperatorKeyFor: SimulateAction<OperatorKeyForInput, undefined> =
  keyFor.simulate
/** Checks and transaction of {@link registerOperatorKeyFor}, nothing signed. */
export const dryRunRegisterOperatorKeyFor: DryRunAction<OperatorKeyForInput> = keyFor.dryRun

/**
 * Signs the registration of a key with the operator's account, under the nonce on chain.
 *
 * @returns The signature, for {@link registerOperatorKeyFor}.
 * @throws {AddressRequiredError} when the verifier's address is missing.
 */
export async function signOperatorKey(
  client: WriteClient,
  parameters: { pkG1: G1Point; deadline: bigint } & WriteOptions,
): Promise<Hex> {
  return withClient('signOperatorKey', { client, options: parameters }, async (bound) => {
    const operator = bound.account.address
    const { addresses, pkG1, deadline } = parameters
    const chainId = bound.chain.id
    const verifier = resolveAddress('certificateVerifier', { addresses, chainId })
    const [nonce] = await readAt(bound, {
      block: await readTag(bound, 'latest'),
      calls: [
        {
          address: verifier,
          ...functionOf(BN254CertificateVerifier.operatorKeyNonce),
          args: [operator],
        },
      ],
    })
    const content = { chainId, verifier, operator, pkG1, nonce: valueFrom(nonce) as bigint }
    return signTypedData(bound, {
      account: bound.account,
      ...operatorKeyTypedData({ ...content, deadline }),
    })
  })
}

const table: WriteTriple<OperatorTableInput, OperatorTablePublishedEvent, undefined> = define({
  name: 'publishOperatorTable',
  item: BN254CertificateVerifier.publishTable,
  emits: BN254CertificateVerifier.OperatorTablePublished,
  args: ({ referenceTimestamp, operators, weights }: OperatorTableInput) => {
    assertList('operators', operators)
    assertList('weights', weights)
    return [
      referenceTimestamp,
      operators.map((operator, index) => addressOf(operator, `operators[${index}]`)),
      weights,
    ]
  },
  check: checkOperatorTable,
})

/** Publishes a table of operators. The verifier's owner only. */
export const publishOperatorTable: WriteAction<OperatorTableInput> = table.send
/** Like {@link publishOperatorTable}, and waits for the receipt and its event. */
export const publishOperatorTableSync: SyncAction<OperatorTableInput, OperatorTablePublishedEvent> =
  table.sync
/** Simulates {@link publishOperatorTable}. */
export const simulatePublishOperatorTable: SimulateAction<OperatorTableInput, undefined> =
  table.simulate
/** Checks and transaction of {@link publishOperatorTable}, nothing signed. */
export const dryRunPublishOperatorTable: DryRunAction<OperatorTableInput> = table.dryRun
