/** An evaluation that was attested, committed, logged, cosigned and anchored, as a bundle. */
import { bytesToHex, type Hex } from 'viem'
import { computeKeyHash, namespaces } from '../../src/core/artifact.js'
import { encodeCertificate } from '../../src/core/bn254/index.js'
import { encodeDigestPreimage } from '../../src/core/digest.js'
import { encodeResponse } from '../../src/core/response.js'
import type { ChainAnchorTrust } from '../../src/ledger/anchor/chainAnchor.js'
import {
  type AnchorTarget,
  type ChainAnchorReceipt,
  type Checkpoint,
  collectCosignatures,
  createWitness,
  createWitnessClient,
  keyIdOf,
  type Ledger,
  logReader,
  memoryCheckpointStore,
  memoryTiles,
  type NoteSigner,
  openCheckpoint,
  verifyConsistency,
  witnessSigner,
} from '../../src/ledger/index.js'
import {
  type BundleTrust,
  bundleReceipt,
  createEvaluationBundle,
  type EvaluationBundle,
} from '../../src/registry/bundle/index.js'
import { createStateTree, memoryStore, toProofCalldata } from '../../src/statetree/index.js'
import {
  chainId,
  createWorld,
  policyRegistry,
  referenceTimestamp,
} from '../support/attestationWorld.js'
import { evaluationDraft, templateDraft } from './evaluationDrafts.js'
import { fill, ledgerName, openTestLedger, people, submit } from './ledgerWorld.js'

export const witness = witnessSigner({
  name: 'witness.example/w1',
  seed: new Uint8Array(32).fill(8),
})

/** The newest meta checkpoint of a ledger, cosigned, with a reader of the log. */
export async function cosignedMeta(ledger: Ledger, store: ReturnType<typeof memoryTiles>) {
  const log = (ledger.signers.get('meta') as NoteSigner).key
  const note = (await ledger.checkpoint('meta')) as string
  const opened = openCheckpoint(note, { log })
  if (opened.status !== 'verified') throw new Error(opened.reason)
  const read = async (path: string) => (await store.read(`meta/${path}`))?.bytes
  const reader = logReader({ checkpoint: opened.checkpoint, read })
  const server = createWitness({
    signer: witness,
    logs: [{ keys: [log] }],
    store: memoryCheckpointStore(),
  })
  const client = createWitnessClient({
    ...{ url: 'https://witness.example', key: witness.key },
    fetch: (url, init) => server.fetch(new Request(url as string, init)),
  })
  const prove = async (size: bigint) => (await reader.prefix(size)).proof
  const cosigned = await collectCosignatures({ note, witnesses: [client], prove })
  return { log, checkpoint: opened.checkpoint, reader, note: cosigned.note }
}

/** Everything of one evaluation; `anchor` anchors the meta checkpoint and proves it. */
export async function createBundle(anchor?: {
  target: AnchorTarget
  prove: (receipt: ChainAnchorReceipt) => Promise<ChainAnchorReceipt>
  trust: ChainAnchorTrust
  /** Anchors a checkpoint that the meta log grew to, of this size where it lies. */
  later?:
    | ((checkpoint: Checkpoint, isConsistent: (size: bigint) => boolean) => Checkpoint)
    | undefined
}): Promise<{ bundle: EvaluationBundle; trust: BundleTrust }> {
  const world = createWorld()
  const { response, preimage } = world.evaluate(world.makeTask())
  const digestPreimage = bytesToHex(encodeDigestPreimage(preimage))
  const artifacts: [number, Hex][] = [
    [namespaces.rego, preimage.regoHash],
    [namespaces.policyParamsSchema, preimage.policyParamsSchemaHash],
    ...preimage.data.flatMap((data): [number, Hex][] => [
      [namespaces.wasm, data.wasmHash],
      [namespaces.policyDataParamsSchema, data.policyDataParamsSchemaHash],
    ]),
  ]
  const store = memoryTiles()
  const ledger = await openTestLedger({ store, cutInterval: 0 } as never)
  const expect201 = (result: { status: number }): void => {
    if (result.status !== 201) throw new Error(JSON.stringify(result))
  }
  expect201(await submit(ledger, templateDraft(preimage)))
  const submitted = await submit(ledger, evaluationDraft({ response, preimage }))
  expect201(submitted)
  await ledger.flush()
  const { log, note, checkpoint, reader } = await cosignedMeta(ledger, store)
  const eventId = (submitted as { receipt: { event: { event_id: string } } }).receipt.event.event_id
  const proof = await ledger.prove(eventId, { metaCheckpoint: note })
  if (proof === undefined || proof === 'pending') throw new Error(String(proof))
  if (anchor?.later !== undefined) {
    await fill(ledger, 3)
    await ledger.flush()
  }
  const later = await cosignedMeta(ledger, store)
  await ledger.close()

  const tree = await createStateTree({ store: memoryStore() })
  const writes = artifacts.map(([namespace, hash]) => ({
    ...{ keyHash: computeKeyHash(namespace, hash), valueHash: hash },
  }))
  const { root } = await tree.commit(writes, { version: 1 })
  const stateRoot = typeof root === 'string' ? root : bytesToHex(root)
  const proofs = artifacts.map(([namespace, hash]) => {
    const { depth, present, ...rest } = toProofCalldata(tree.prove(computeKeyHash(namespace, hash)))
    const text = { depth: `${depth}`, present: `${present}` }
    return { namespace, hash, proof: { ...rest, ...text } }
  })
  const grown = (await later.reader.prefix(checkpoint.size)).proof
  const growth = grown.map((hash) => bytesToHex(hash))
  const isConsistent = (size: bigint): boolean =>
    verifyConsistency({
      ...{ oldSize: checkpoint.size, oldRoot: checkpoint.root },
      ...{ newSize: size, newRoot: later.checkpoint.root, proof: grown },
    })
  const anchored =
    anchor === undefined
      ? undefined
      : await anchor.target.anchor(
          anchor.later === undefined
            ? { note, checkpoint, reader }
            : { ...later, checkpoint: anchor.later(later.checkpoint, isConsistent) },
          { signal: new AbortController().signal },
        )
  const receipt =
    anchored === undefined ? undefined : await anchor?.prove(anchored as ChainAnchorReceipt)
  const bundle = createEvaluationBundle({
    attestation: {
      response: encodeResponse(response),
      certificate: encodeCertificate(world.sign(response)),
      digestPreimage,
    },
    proof,
    tree: { root: stateRoot, artifacts: proofs },
    ...(receipt === undefined
      ? {}
      : {
          anchors: [
            {
              ...{ receipt: bundleReceipt(receipt), growth },
              ...(anchor?.later === undefined ? {} : { checkpoint: later.note }),
            },
          ],
        }),
    provenance: preimage.data.map(({ wasmHash }) => ({
      wasmHash,
      claim: { result: 'MATCH', wasmHash },
    })),
  })
  const trust: BundleTrust = {
    operators: {
      ...{ chainId, policyRegistry, quorumBps: 6_667 },
      tables: [{ referenceTimestamp, table: world.table.info }],
    },
    ledger: {
      name: ledgerName,
      meta: { log, witnesses: { keys: [witness.key], quorum: 1 } },
      writers: [keyIdOf(people.operator.publicKey)],
    },
    stateRoots: [stateRoot],
    ...(anchor === undefined ? {} : { anchor: anchor.trust }),
    provenance: (claim, wasmHash) => {
      const { result, wasmHash: named } = claim as Record<string, unknown>
      return result === 'MATCH' && named === wasmHash && Object.keys(claim as object).length === 2
    },
    demand: ['tree', 'provenance', ...(anchor === undefined ? [] : (['anchor'] as const))],
  }
  return { bundle, trust }
}
