/** Sealed secrets in an operator's process: taken, shared with peers, judged by its enclave. */
import { join } from 'node:path'
import { type Hex, parseAbi } from 'viem'
import { computeKeyHash, namespaces } from '../../../core/artifact.js'
import type { ExternalWrites } from '../../../core/interfaces/externalWrites.js'
import { type EnclaveEvaluator, SecretsInvalidError } from '../../../enclave/index.js'
import { fromUtf8, toHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { keccakHex } from '../../../internal/keccak.js'
import {
  BytesNotFoundError,
  type CommittedTree,
  decodeDelta,
  type StateTree,
} from '../../../statetree/index.js'
import type { OperatorClient } from '../../rpc/client.js'
import { refuse, withoutStop } from '../../rpc/envelope.js'
import type { EnclaveKey } from '../../rpc/uploads.js'
import { openSecretsInbox, type SecretsInbox, type SecretsJudge } from '../../secrets/inbox.js'
import { fileTextStore } from '../textStore.js'
import type { OpenedArtifacts } from './artifacts.js'
import type { FollowedIndex, OpenedChain } from './chain.js'

/** Sealed secrets of an operator. */
export type OpenedSecrets = {
  readonly inbox: SecretsInbox
  readonly key: ((options: IoOptions) => Promise<EnclaveKey>) | undefined
  /** Gets uploads that a peer's delta names and that are not held here. Never throws. */
  beforeJudging(delta: Uint8Array, options?: IoOptions): Promise<void>
}

/** Writes of an inbox that is opened later than the tree it writes to. */
export function laterWrites(): Required<ExternalWrites> & { open(inbox: SecretsInbox): void } {
  let inbox: SecretsInbox | undefined
  return {
    open: (opened) => {
      inbox = opened
    },
    writesFor: async (parameters, io) => (await inbox?.writesFor(parameters, io)) ?? [],
    accepts: (write) => inbox?.accepts(write) === true,
  }
}

/** The tree with envelopes that this operator missed: a peer has them, under their hash. */
export function withPeersEnvelopes(
  committed: CommittedTree,
  { tree, peers }: { tree: StateTree; peers: readonly OperatorClient[] },
): CommittedTree {
  return {
    ...committed,
    async getEnvelope(request, io) {
      try {
        return await committed.getEnvelope(request, io)
      } catch (error) {
        if (!(error instanceof BytesNotFoundError)) throw error
        await fetchEnvelope(error.hash, { tree, peers }, io)
        return committed.getEnvelope(request, io)
      }
    },
  }
}

/** Opens what an operator needs for secrets. */
export async function openSecrets(parts: {
  directory: string
  chain: OpenedChain
  index: FollowedIndex
  tree: StateTree
  artifacts: OpenedArtifacts
  enclave: EnclaveEvaluator | undefined
  peers: readonly OperatorClient[]
}): Promise<OpenedSecrets> {
  const { directory, chain, index, tree, enclave, peers } = parts
  const inbox = await openSecretsInbox({
    registry: index.reader,
    bytes: tree.store.bytes,
    store: fileTextStore(join(directory, 'secrets.json')),
    committed: async (id, io) => {
      const hash = tree.get(computeKeyHash(namespaces.secrets, id))
      if (hash === undefined) return null
      const held = await tree.store.bytes.get(hash)
      return held ?? (await fetchEnvelope(hash, { tree, peers }, io))
    },
    committedHash: (id) => tree.get(computeKeyHash(namespaces.secrets, id)),
    ...(enclave === undefined ? {} : { judge: judgeOf(enclave, parts) }),
    isValidContractSignature: (call) => isValidContractSignature(chain, call),
  })
  return {
    inbox,
    key: enclave === undefined ? undefined : (io) => keyOf(enclave, io),
    beforeJudging: async (delta, io) => {
      for (const { namespace, valueHash } of foreignOf(delta)) {
        if (namespace !== namespaces.secrets || valueHash === null) continue
        if ((await inbox.get(valueHash)) !== null) continue
        await takeFromPeers(valueHash, { inbox, peers }, io).catch(() => undefined)
      }
    },
  }
}

function foreignOf(delta: Uint8Array): ReturnType<typeof decodeDelta>['foreign'] {
  try {
    return decodeDelta(delta).foreign
  } catch {
    // It is judged, and named, by whoever validates it.
    return []
  }
}

async function keyOf(enclave: EnclaveEvaluator, io: IoOptions): Promise<EnclaveKey> {
  const { recipient, epoch, document } = await enclave.session(io)
  return { publicKey: recipient.publicKey, epoch, document: toHex(document) }
}

function judgeOf(
  enclave: EnclaveEvaluator,
  { chain, artifacts }: { chain: OpenedChain; artifacts: OpenedArtifacts },
): SecretsJudge {
  const { chainId } = chain.reader
  return async ({ secretsSchemaHash: hash, ...secrets }, io) => {
    const schema = await artifacts.cache.getArtifact(
      { hash, namespace: namespaces.secretsSchema },
      io,
    )
    try {
      const schemaJson = fromUtf8(schema, 'secrets schema')
      await enclave.checkSecrets({ ...secrets, chainId, schemaJson }, io)
    } catch (cause) {
      if (!(cause instanceof SecretsInvalidError)) throw cause
      const places = cause.places.length === 0 ? '' : `: ${cause.places.join(', ')}`
      throw refuse('SECRETS_REFUSED', `${withoutStop(cause.shortMessage)}${places}`, { cause })
    }
  }
}

/** The upload that a peer holds is judged here as if it came from a gateway. */
async function takeFromPeers(
  envelopeHash: Hex,
  { inbox, peers }: { inbox: SecretsInbox; peers: readonly OperatorClient[] },
  io: IoOptions = {},
): Promise<void> {
  for (const peer of peers) {
    const options = { signal: io.signal, timeout: PATIENCE }
    const upload = await peer.call('newt_getEnvelope', { envelopeHash }, options).catch(() => null)
    if (upload === null || keccakHex(upload.envelope) !== envelopeHash) continue
    await inbox.put({ upload, validate: false }, io)
    return
  }
}

/** Milliseconds for one peer. */
const PATIENCE = 5_000

async function fetchEnvelope(
  hash: Hex,
  { tree, peers }: { tree: StateTree; peers: readonly OperatorClient[] },
  io: IoOptions = {},
): Promise<Uint8Array> {
  for (const peer of peers) {
    const options = { signal: io.signal, timeout: PATIENCE }
    const upload = await peer
      .call('newt_getEnvelope', { envelopeHash: hash }, options)
      .catch(() => null)
    if (upload === null || keccakHex(upload.envelope) !== hash) continue
    await tree.store.bytes.put(hash, upload.envelope)
    return upload.envelope
  }
  throw new BytesNotFoundError({ hash })
}

const walletAbi = parseAbi([
  'function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)',
])

/** Asks a contract whether a signature is its own (ERC-1271). */
export async function isValidContractSignature(
  { client }: OpenedChain,
  { owner, hash, signature }: { owner: Hex; hash: Hex; signature: Hex },
): Promise<boolean> {
  const answer = await client
    .readContract({
      ...{ address: owner, abi: walletAbi, functionName: 'isValidSignature' },
      args: [hash, signature],
    })
    .catch(() => '0x')
  return answer === '0x1626ba7e'
}
