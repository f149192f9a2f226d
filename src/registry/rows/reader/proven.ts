/**
 * Readers whose answers at one block are proved against that block's hash. Rows are checked against
 * their ids by every reader; slots, the enclave whitelist and operator tables have nothing to be checked
 * against but the state root, and that is what they are checked against here.
 */
import { type Address, type Hex, zeroHash } from 'viem'
import type { CertificateReader, TableInForce } from '../../../core/interfaces/certificates.js'
import type { BlockReference, RegistryReader } from '../../../core/interfaces/registryReader.js'
import { toHex, uintToBytes } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { PolicyAddressesInput, PolicyContract } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import { type PinnedBlock, pinBlock, readProvenSlots } from '../../chain/proofs/state.js'
import { wordOf } from '../inputs.js'
import {
  bitsOf,
  checkpointCount,
  checkpointSlot,
  enclaveRequiredHistory,
  enclaveVersion,
  firstElement,
  historyValue,
  policyDataHistory,
  policyHistory,
  slotKey,
  tableSlot,
} from './storageLayout.js'

/** Something that was proved, for showing. */
export type ProvenFact = { contract: PolicyContract; what: string }

/** Parameters of {@link createProvenReaders}. */
export type ProvenReaderParameters = {
  client: ReadClient
  /** Answers for other blocks, and gives rows. What it says of the block is compared with the proofs. */
  registry: RegistryReader
  certificates: CertificateReader
  addresses?: PolicyAddressesInput | undefined
  /** The block that everything is proved against. That it is of the chain is for the caller to know. */
  blockHash: Hex
  /** Told of each proof that held. */
  onProof?: ((fact: ProvenFact) => void) | undefined
}

/** Readers that are proved at one block. */
export type ProvenReaders = {
  block: BlockReference
  registry: RegistryReader
  certificates: CertificateReader
}

/**
 * Creates readers that answer for one block only what the node proves (EIP-1186).
 *
 * Slots, whether an enclave is required, the whitelist and the operator table at that block are proved;
 * `getBlock` gives the block of that hash. Rows, artifacts and everything at other blocks are as the given
 * readers have them. For chains whose contracts count the chain's own blocks.
 *
 * @throws {RpcInconsistentError} where the header does not hash to `blockHash`. Its calls throw it where a
 * proof does not hold, is not given, or says otherwise than the node does.
 * @throws {RpcError} where the node knows no proofs.
 * @example
 * ```ts
 * import { createProvenReaders } from '@newton/policy-sdk/registry'
 *
 * const { registry, certificates } = await createProvenReaders({
 *   client,
 *   registry: reader,
 *   certificates: tables,
 *   blockHash: response.referenceBlockHash,
 * })
 * ```
 */
export async function createProvenReaders(
  parameters: ProvenReaderParameters,
  options: IoOptions = {},
): Promise<ProvenReaders> {
  const { client, addresses, onProof } = parameters
  const blockHash = wordOf(parameters.blockHash, 'blockHash')
  const { pinned, chainId } = await withClient(
    'createProvenReaders',
    { client, options },
    async (bound) => ({
      pinned: await pinBlock(bound, blockHash),
      chainId: await chainIdOf(bound),
    }),
  )
  const read: ReadSlots = ({ contract, what, slots }, io) =>
    withClient(`ProvenReader.${what}`, { client, options: io }, async (bound) => {
      const address = resolveAddress(contract, { addresses, chainId })
      const keys = slots.map(slotKey)
      const values = await readProvenSlots(bound, { pinned, contract: address, slots: keys })
      onProof?.({ contract, what })
      return values
    })
  return {
    block: pinned.block,
    registry: provenRegistry(parameters.registry, { pinned, read }),
    certificates: provenCertificates(parameters.certificates, { pinned, read }),
  }
}

type ReadSlots = (
  asked: { contract: PolicyContract; what: string; slots: readonly bigint[] },
  io: IoOptions | undefined,
) => Promise<bigint[]>
type Proving = { pinned: PinnedBlock; read: ReadSlots }

function provenRegistry(inner: RegistryReader, { pinned, read }: Proving): RegistryReader {
  const { block: at } = pinned
  const policySlot = (client: Address, io: IoOptions | undefined): Promise<Hex | null> =>
    lastMove(read, { contract: 'policyRegistry', what: 'policy slot' }, policyHistory(client), io)
  const dataSlot = (
    { client, templateId }: { client: Address; templateId: Hex },
    io: IoOptions | undefined,
  ): Promise<Hex | null> =>
    lastMove(
      read,
      { contract: 'policyDataRegistry', what: 'policy-data slot' },
      policyDataHistory(client, templateId),
      io,
    )
  const required = async (io: IoOptions | undefined): Promise<boolean> =>
    (await lastMove(
      read,
      { contract: 'policyRegistry', what: 'enclave requirement' },
      enclaveRequiredHistory,
      io,
    )) !== null
  return {
    ...inner,
    getBlock: async (number, io) => (number === at.number ? at : inner.getBlock(number, io)),
    currentPolicyInstanceAt: (asked, io) =>
      asked.block === at.number
        ? policySlot(asked.client, io)
        : inner.currentPolicyInstanceAt(asked, io),
    currentPolicyDataInstanceAt: (asked, io) =>
      asked.block === at.number
        ? dataSlot(asked, io)
        : inner.currentPolicyDataInstanceAt(asked, io),
    enclaveRequiredAt: (block, io) =>
      block === at.number ? required(io) : inner.enclaveRequiredAt(block, io),
    isEnclaveWhitelistedAt: (asked, io) =>
      asked.block === at.number
        ? isListed(asked.pcr0Commitment, { pinned, read }, io)
        : inner.isEnclaveWhitelistedAt(asked, io),
    snapshot: async (asked, io) => {
      const snapshot = await inner.snapshot(asked, io)
      if (asked.block !== at.number) return snapshot
      same('the block', snapshot.block.hash, at.hash)
      same('the policy slot', snapshot.policyInstanceId, await policySlot(asked.client, io))
      for (const { templateId, instanceId } of snapshot.data) {
        const { client } = asked
        same('a policy-data slot', instanceId, await dataSlot({ client, templateId }, io))
      }
      same('the enclave rule', String(snapshot.enclaveRequired), String(await required(io)))
      return { ...snapshot, block: at }
    },
  }
}

function provenCertificates(
  inner: CertificateReader,
  { pinned, read }: Proving,
): CertificateReader {
  return {
    ...inner,
    async tableAt(block, io) {
      const told = await inner.tableAt(block, io)
      if (block !== pinned.block.number) return told
      const proven = await tableInForce({ pinned, read }, io)
      same('the operator table', told && tableText(told), proven && tableText(proven))
      return told
    },
  }
}

/** The last value of a history, `null` where it is empty or moved back to nothing. */
async function lastMove(
  read: ReadSlots,
  asked: { contract: PolicyContract; what: string },
  history: bigint,
  io: IoOptions | undefined,
): Promise<Hex | null> {
  const [header = 0n] = await read({ ...asked, slots: [history] }, io)
  const count = bitsOf(header, { from: 0n, size: 64n })
  if (count === 0n) return null
  const [value = 0n] = await read({ ...asked, slots: [historyValue(history, count)] }, io)
  const word = toHex(uintToBytes(value, 32))
  return word === zeroHash ? null : word
}

async function isListed(
  pcr0Commitment: Hex,
  { pinned, read }: Proving,
  io: IoOptions | undefined,
): Promise<boolean> {
  const slots = [enclaveVersion(wordOf(pcr0Commitment, 'pcr0Commitment'))]
  const [packed = 0n] = await read(
    { contract: 'enclaveVersionRegistry', what: 'enclave build', slots },
    io,
  )
  const { number } = pinned.block
  const activatedAt = bitsOf(packed, { from: 0n, size: 64n })
  const deprecatedAt = bitsOf(packed, { from: 64n, size: 64n })
  const active = activatedAt !== 0n && activatedAt <= number
  return active && (deprecatedAt === 0n || deprecatedAt > number)
}

/** The table that the last checkpoint at or before the block names. */
async function tableInForce(
  { pinned, read }: Proving,
  io: IoOptions | undefined,
): Promise<Omit<TableInForce, 'maxStaleness'> | null> {
  const ask = (slots: bigint[]): Promise<bigint[]> =>
    read({ contract: 'certificateVerifier', what: 'operator table', slots }, io)
  const [count = 0n] = await ask([checkpointCount])
  // The last one may be a quorum that was announced for later.
  for (let index = count - 1n; index >= 0n && index > count - 3n; index--) {
    const [packed = 0n] = await ask([checkpointSlot(index)])
    if (bitsOf(packed, { from: 0n, size: 64n }) > pinned.block.number) continue
    const referenceTimestamp = Number(bitsOf(packed, { from: 64n, size: 32n }))
    const quorumBps = Number(bitsOf(packed, { from: 96n, size: 16n }))
    if (referenceTimestamp === 0) return null
    const first = tableSlot(referenceTimestamp)
    const [root = 0n, numOperators = 0n, X = 0n, Y = 0n, weights = 0n] = await ask(
      [0n, 1n, 2n, 3n, 4n].map((offset) => first + offset),
    )
    if (weights > 64n) throw new RpcInconsistentError(`a table has ${weights} weights`)
    const elements = Array.from(
      { length: Number(weights) },
      (_, at) => firstElement(first + 4n) + BigInt(at),
    )
    const totalWeights = elements.length === 0 ? [] : await ask(elements)
    const operatorInfoTreeRoot = toHex(uintToBytes(root, 32))
    const table = { operatorInfoTreeRoot, numOperators, aggregatePubkey: { X, Y }, totalWeights }
    return { referenceTimestamp, quorumBps, table }
  }
  return null
}

function tableText({ referenceTimestamp, quorumBps, table }: TableInForce): string {
  const { operatorInfoTreeRoot, numOperators, aggregatePubkey, totalWeights } = table
  const { X, Y } = aggregatePubkey
  return [
    ...[referenceTimestamp, quorumBps, operatorInfoTreeRoot.toLowerCase(), BigInt(numOperators)],
    ...[X, Y, ...totalWeights],
  ].join(' ')
}

function same(what: string, told: string | null, proven: string | null): void {
  if (told?.toLowerCase() === proven?.toLowerCase()) return
  throw new RpcInconsistentError(`it says that ${what} is ${told}, and proves ${proven}`)
}
