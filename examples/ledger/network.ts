/** The side that knows everything: operators, a ledger, a witness. It hands out one file and what to trust. */
import {
  computeArtifactDigest,
  computeArtifactHash,
  computeMessageHash,
  type DigestPreimage,
  encodeDigestPreimage,
  encodeEvaluationResult,
  encodeResponse,
  type PolicyTaskResponse,
} from '@newton/policy-sdk'
import {
  blsKeyFromSeed,
  buildCertificate,
  computeSignableDigest,
  createOperatorTable,
  encodeCertificate,
} from '@newton/policy-sdk/attestation'
import {
  type BundleTrust,
  createEvaluationBundle,
  formatEvaluationBundle,
} from '@newton/policy-sdk/bundle'
import {
  collectCosignatures,
  createLedger,
  createWitness,
  createWitnessClient,
  type EventDomain,
  ed25519EventSigner,
  eventIds,
  keyIdOf,
  keyProofMessage,
  logReader,
  memoryCheckpointStore,
  memoryTiles,
  openCheckpoint,
  openWriter,
  prepareEvent,
  witnessSigner,
} from '@newton/policy-sdk/ledger'
import { loadEventSchemas } from '@newton/policy-sdk/ledger/schemas'
import { toHex } from 'viem'

const name = 'ledger.example/eval'
const seed = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const word = (value: number): `0x${string}` => toHex(value, { size: 32 })
const [registry, client] = [toHex(0xa1, { size: 20 }), toHex(0xc1, { size: 20 })]
const utf8 = new TextEncoder()
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** What operators signed about one task: allow, until block 150. */
async function attest() {
  const regoHash = computeArtifactHash(utf8.encode('package limit\ndefault allow := true'))
  const preimage: DigestPreimage = {
    ...{ chainId: 31_337n, policyInstanceId: word(1), policyTemplateId: word(2), regoHash },
    policyParamsSchemaHash: computeArtifactHash(utf8.encode('{"type":"object"}')),
    ...{ paramsHash: word(3), referenceBlock: 100n, expirationBlock: 150n, data: [] },
  }
  const response: PolicyTaskResponse = {
    ...{ chainId: 31_337n, policyRegistry: registry, policyClient: client, taskId: word(4) },
    ...{ intentHash: word(5), policyInstanceId: word(1), inputsHash: word(6) },
    ...{ artifactDigest: computeArtifactDigest(preimage), pcr0Commitment: word(0) },
    ...{ evaluationResult: encodeEvaluationResult(true), referenceBlock: 100n },
    ...{ referenceBlockHash: word(7), referenceTimestamp: 1_750_000_000, expirationBlock: 150n },
  }
  const keys = [1, 2, 3].map((at) => blsKeyFromSeed(seed(at)))
  const addresses = keys.map((_, at) => toHex(0x100 + at, { size: 20 }))
  const table = createOperatorTable(
    keys.map((key, at) => ({
      ...{ operator: addresses[at] as `0x${string}`, weights: [100n] },
      ...key.publicKey,
    })),
  )
  const messageHash = computeMessageHash(response)
  const { referenceTimestamp } = response
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  const shares = keys.map((key, at) => ({
    ...{ operator: addresses[at] as `0x${string}`, signature: key.sign(digest) },
  }))
  const { certificate } = await buildCertificate({ table, referenceTimestamp, messageHash, shares })
  return { preimage, response, table, certificate }
}

/** A ledger in memory with the keys of an administrator and of an operator. */
async function openNetworkLedger() {
  const people = {
    genesis: ed25519EventSigner(seed(11)),
    admin: ed25519EventSigner(seed(12)),
    operator: ed25519EventSigner(seed(13)),
  }
  const store = memoryTiles()
  const writer = await openWriter({ ledger: name, store, checkpointSeed: seed(9) })
  const ledger = createLedger({ writer, schemas: await loadEventSchemas() })
  const nextId = eventIds({ now: Date.now })
  const record = async (
    by: keyof typeof people,
    event: { domain: EventDomain; schemaVersion: string; fields: object; eventId?: string },
  ): Promise<string> => {
    const signer = people[by]
    const { payload } = prepareEvent({
      ledger: name,
      publicKey: signer.publicKey,
      ...event,
      fields: event.fields as never,
    })
    const result = await ledger.record({ payload }, { signer })
    if (!('receipt' in result)) throw new Error(`${result.code}: ${result.detail}`)
    return result.receipt.event.event_id
  }
  const addKey = async (role: 'admin' | 'operator', by: keyof typeof people): Promise<void> => {
    const { publicKey, sign } = people[role]
    const eventId = nextId()
    const key_id = keyIdOf(publicKey)
    const proof = base64(await sign(keyProofMessage({ ledger: name, eventId, newKeyId: key_id })))
    const fields = { key_id, public_key: base64(publicKey), role, proof }
    await record(by, { domain: 'agents', schemaVersion: 'ets.key.add/1', fields, eventId })
  }
  const domains = ['agents', 'audit', 'context', 'decisions']
  const genesis = { profile: 'newton-ledger/1', domains, checkpoint_key: 'see the trust file' }
  await record('genesis', { domain: 'audit', schemaVersion: 'ets.genesis/1', fields: genesis })
  await addKey('admin', 'genesis')
  await addKey('operator', 'admin')
  return { ledger, store, record, writer: keyIdOf(people.operator.publicKey) }
}

/** Attests, logs, has the log cosigned: one evaluation as a file, and what a stranger has to know. */
export async function makeBundle(): Promise<{ file: string; trust: BundleTrust }> {
  const { preimage, response, table, certificate } = await attest()
  const { ledger, store, record, writer } = await openNetworkLedger()
  const digestPreimage = toHex(encodeDigestPreimage(preimage))
  const chain = { chainId: '31337', registry }
  await record('operator', {
    ...{ domain: 'context', schemaVersion: 'newton.template/1' },
    fields: {
      ...{ ...chain, kind: 'policy', templateId: word(2), transactionHash: word(8) },
      artifacts: [preimage.regoHash, preimage.policyParamsSchemaHash],
    },
  })
  const eventId = await record('operator', {
    ...{ domain: 'decisions', schemaVersion: 'newton.evaluation/1' },
    fields: {
      ...{ ...chain, taskId: word(4), policyClient: client, intentHash: word(5), digestPreimage },
      // Private: SHA-256 of a salt and the value. Destroying the salt erases it.
      ...{ inputsHash: word(9), reasonsHash: word(10), engine: 'operators/1' },
      ...{ artifactDigest: response.artifactDigest, evaluationResult: response.evaluationResult },
      ...{ messageHash: computeMessageHash(response), referenceBlock: '100' },
      ...{ referenceBlockHash: word(7), expirationBlock: '150', pcr0Commitment: word(0) },
    },
  })
  await ledger.flush()

  const log = ledger.signers.get('meta')?.key
  const note = await ledger.checkpoint('meta')
  if (log === undefined || note === undefined) throw new Error('there is no meta log')
  const opened = openCheckpoint(note, { log })
  if (opened.status !== 'verified') throw new Error(opened.reason)
  const read = async (path: string) => (await store.read(`meta/${path}`))?.bytes
  const reader = logReader({ checkpoint: opened.checkpoint, read })
  const signer = witnessSigner({ name: 'witness.example/w1', seed: seed(21) })
  const server = createWitness({ signer, logs: [{ keys: [log] }], store: memoryCheckpointStore() })
  const witness = createWitnessClient({
    ...{ url: 'https://witness.example', key: signer.key },
    fetch: (url, init) => server.fetch(new Request(String(url), init)),
  })
  const prove = async (size: bigint) => (await reader.prefix(size)).proof
  const cosigned = await collectCosignatures({ note, witnesses: [witness], prove })
  const proof = await ledger.prove(eventId, { metaCheckpoint: cosigned.note })
  if (proof === undefined || proof === 'pending') throw new Error('there is no proof yet')
  await ledger.close()

  const attestation = {
    response: encodeResponse(response),
    certificate: encodeCertificate(certificate),
    digestPreimage,
  }
  const { referenceTimestamp } = response
  return {
    file: formatEvaluationBundle(createEvaluationBundle({ attestation, proof })),
    trust: {
      operators: {
        ...{ chainId: 31_337n, policyRegistry: registry, quorumBps: 6_667 },
        tables: [{ referenceTimestamp, table: table.info }],
      },
      ledger: {
        ...{ name, writers: [writer] },
        meta: { log, witnesses: { keys: [signer.key], quorum: 1 } },
      },
    },
  }
}
