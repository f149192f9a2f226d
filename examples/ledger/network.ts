/** A network on this machine that logs what it does. It hands out one file, and what a stranger has to know. */
import {
  computeArtifactHash,
  encodeDigestPreimage,
  encodeResponse,
  namespaces,
} from '@newton/policy-sdk'
import { encodeCertificate } from '@newton/policy-sdk/attestation'
import {
  type BundleTrust,
  bundleReceipt,
  createEvaluationBundle,
  formatEvaluationBundle,
} from '@newton/policy-sdk/bundle'
import { createArtifactSource } from '@newton/policy-sdk/da'
import { createResultReplayer, operatorEngine } from '@newton/policy-sdk/eval'
import {
  type ChainAnchorReceipt,
  collectCosignatures,
  createWitness,
  createWitnessClient,
  logReader,
  memoryCheckpointStore,
  openCheckpoint,
  parseNoteKey,
  witnessSigner,
} from '@newton/policy-sdk/ledger'
import { createTaskClient, type VerifiedTask } from '@newton/policy-sdk/operator'
import {
  createChainAnchor,
  deployPolicyInstanceSync,
  proveAnchor,
  registerClientSync,
  registerPolicyTemplateSync,
  setCurrentPolicyInstanceSync,
} from '@newton/policy-sdk/registry'
import { toProofCalldata } from '@newton/policy-sdk/statetree'
import { deployGuardedTransfer } from '@newton/policy-sdk/testing'
import type { Devnet } from '@newton/policy-sdk/testing/node'
import { type PublicClient, toHex } from 'viem'

const utf8 = new TextEncoder()
const artifacts = [
  {
    namespace: namespaces.rego,
    bytes: utf8.encode(
      'package limit\ndefault allow := false\nallow if to_number(input.value) <= 5\n',
    ),
  },
  { namespace: namespaces.policyParamsSchema, bytes: utf8.encode('{"type":"object"}') },
].map((artifact) => ({ ...artifact, hash: computeArtifactHash(artifact.bytes) }))

/** Registers a policy, lets operators commit it, and asks them about a transfer. */
async function evaluate(devnet: Devnet): Promise<VerifiedTask> {
  const { contracts: addresses, owner } = devnet
  const clientOwner = devnet.account(0)
  const { responseRegistry } = addresses
  const client = await deployGuardedTransfer(clientOwner, { responseRegistry })
  await registerClientSync(clientOwner, { client, addresses })
  for (const { bytes } of artifacts) await devnet.da.put(bytes)
  const locator = { kind: 'keccakStore', name: '' } as const
  const [rego, schema] = artifacts.map(({ hash }) => hash) as [`0x${string}`, `0x${string}`]
  const template = await registerPolicyTemplateSync(owner, {
    ...{ regoHash: rego, paramsSchemaHash: schema, policyDataTemplateRefs: [], addresses },
    locators: { rego: locator, paramsSchema: locator },
  })
  const instance = await deployPolicyInstanceSync(clientOwner, {
    ...{ client, templateId: template.id, params: {}, expireAfter: 200n, addresses },
  })
  const slot = { client, instanceId: instance.id, addresses }
  await setCurrentPolicyInstanceSync(clientOwner, slot)
  await devnet.commit()
  await devnet.mine(2)
  const reader = {
    ...{ registry: devnet.reader, certificates: devnet.certificates },
    artifacts: createArtifactSource({ clients: [devnet.da] }),
    replayer: createResultReplayer({ engine: operatorEngine() }),
  }
  const tasks = createTaskClient({ gateway: { url: devnet.gatewayUrl }, reader })
  const intent = {
    ...{ from: devnet.account(1).account.address, to: owner.account.address, value: 5n },
    ...{ data: toHex(''), chainId: BigInt(devnet.chain.id), functionSignature: toHex('') },
  } as const
  return tasks.waitForTask(await tasks.sendTask({ policyClient: client, intent, timeout: 60_000 }))
}

/** The event of the evaluation, with both proofs up to a meta checkpoint that a witness cosigned. */
async function prove({ ledger: served }: Devnet, taskId: string) {
  if (served === undefined) throw new Error('the network has no ledger')
  await served.flush()
  const { ledger, store, logKey } = served
  const { events } = await ledger.readSince('0', { limit: 1_000 })
  const logged = events.find(
    ({ event }) =>
      event.schema_version === 'newton.evaluation/1' && event.payload['taskId'] === taskId,
  )?.event
  const note = await ledger.checkpoint('meta')
  if (logged === undefined || note === undefined) throw new Error('it is not in the ledger')
  const log = parseNoteKey(logKey)
  const opened = openCheckpoint(note, { log })
  if (opened.status !== 'verified') throw new Error(opened.reason)
  const read = async (path: string) => (await store.read(`meta/${path}`))?.bytes
  const reader = logReader({ checkpoint: opened.checkpoint, read })
  // A witness is somebody else's process; this one is reached without a socket.
  const seed = new Uint8Array(32).fill(21)
  const signer = witnessSigner({ name: 'witness.example/w1', seed })
  const server = createWitness({ signer, logs: [{ keys: [log] }], store: memoryCheckpointStore() })
  const witness = createWitnessClient({
    ...{ url: 'https://witness.example', key: signer.key },
    fetch: (url, init) => server.fetch(new Request(String(url), init)),
  })
  const grown = async (size: bigint) => (await reader.prefix(size)).proof
  const cosigned = await collectCosignatures({ note, witnesses: [witness], prove: grown })
  const proof = await ledger.prove(logged.event_id, { metaCheckpoint: cosigned.note })
  if (proof === undefined || proof === 'pending') throw new Error('there is no proof yet')
  const { checkpoint } = opened
  const witnesses = { keys: [signer.key], quorum: 1 }
  const trust = { name: ledger.ledger, meta: { log, witnesses }, writers: [logged.key_id] }
  return { proof, trust, candidate: { note: cosigned.note, checkpoint, reader } }
}

/**
 * Hashes of the newest final blocks. A stranger asks a node of their own, or several, whenever they like; on
 * this machine there is one node, which is asked before it is gone.
 */
async function finalHashes(node: PublicClient): Promise<ReadonlySet<string>> {
  const newest = await node.getBlock({ blockTag: 'finalized' })
  const before = await node.getBlock({ blockNumber: newest.number - 1n })
  return new Set([newest.hash, before.hash])
}

/** One evaluation as a file, and what a stranger has to know: keys, an operator table, a root, a block. */
export async function makeBundle(devnet: Devnet): Promise<{ file: string; trust: BundleTrust }> {
  const { contracts: addresses, owner } = devnet
  const answer = await evaluate(devnet)
  const { response } = answer
  const { proof, trust, candidate } = await prove(devnet, response.taskId)

  const { signal } = new AbortController()
  const bare = await createChainAnchor({ client: owner, addresses }).anchor(candidate, { signal })
  const { committed } = devnet.operators[0] as Devnet['operators'][number]
  const places = await Promise.all(
    artifacts.map(async ({ namespace, hash }) => {
      const block = response.referenceBlock
      const { root, proof: path } = await committed.proveArtifact({ namespace, hash, block })
      const { depth, present, ...rest } = toProofCalldata(path)
      const proven = { ...rest, depth: `${depth}`, present: `${present}` }
      return { root, artifact: { namespace, hash, proof: proven } }
    }),
  )
  const root = places[0]?.root as `0x${string}`
  // The anchor is proved under a block that is final: two epochs of 32 slots lie above it.
  await devnet.mine(65)
  const receipt = await proveAnchor(owner, { receipt: bare as ChainAnchorReceipt })
  const final = await finalHashes(devnet.client)
  const file = formatEvaluationBundle(
    createEvaluationBundle({
      attestation: {
        response: encodeResponse(response),
        certificate: encodeCertificate(answer.certificate),
        digestPreimage: toHex(encodeDigestPreimage(answer.preimage)),
      },
      proof,
      tree: { root, artifacts: places.map(({ artifact }) => artifact) },
      anchors: [{ receipt: bundleReceipt(receipt), growth: [] }],
    }),
  )
  const { referenceTimestamp } = response
  const { checkpointAnchor: contract, policyRegistry } = addresses
  return {
    file,
    trust: {
      operators: {
        ...{ chainId: BigInt(devnet.chain.id), policyRegistry, quorumBps: 6_667 },
        tables: [{ referenceTimestamp, table: devnet.table.info }],
      },
      ledger: trust,
      stateRoots: [root],
      anchor: {
        ...{ chainId: devnet.chain.id, contract, owner: owner.account.address },
        // A proof shows what a block holds, not that the chain has it: anybody can make up a block.
        isTrusted: ({ hash }) => final.has(hash),
      },
      demand: ['tree', 'anchor'],
    },
  }
}
