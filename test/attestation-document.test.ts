/**
 * Documents of a simulated enclave in a verification at level `result`: made by the enclave, signed
 * for by an operator, checked by the verifier of documents under the simulator's root.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  computeTeeDocumentDigest,
  computeTeeUserData,
  operatorWitness,
  type SignedTeeDocument,
  type VerifyTaskAttestationParameters,
  verifyTaskAttestation,
} from '../src/attestation/index.js'
import type { Certificate } from '../src/core/bn254/index.js'
import { computeArtifactDigest } from '../src/core/digest.js'
import type { Evaluation } from '../src/core/interfaces/evaluator.js'
import { computeMessageHash } from '../src/core/response.js'
import type { Task } from '../src/core/task.js'
import {
  computeTaskUserData,
  createDocumentVerifier,
  createEnclaveEvaluator,
  createMemoryTransport,
  type EnclaveEvaluator,
  type ServedEnclave,
  serveEnclave,
} from '../src/enclave/index.js'
import { createSimulator } from '../src/enclave/simulator/index.js'
import { fromHex } from '../src/internal/bytes.js'
import { activateEnclaveVersionSync, deprecateEnclaveVersionSync } from '../src/registry/index.js'
import { type ChainWorld, createChainWorld } from './support/chainWorld.js'

const build = (byte: number) =>
  createSimulator({ image: [{ name: 'evaluator', bytes: Uint8Array.of(byte) }] })
const trusted = ({ root }: ReturnType<typeof build>) => [{ sha256: root.sha256 }]
const trustedBy = (by: ReturnType<typeof build>) => ({
  roots: trusted(by),
  insecureTrustRoot: true,
})
const simulator = build(1)
const otherBuild = build(2)
const { pcr0Commitment } = simulator.measurements
const documents = createDocumentVerifier(trustedBy(simulator))

let world: ChainWorld
let enclave: ServedEnclave
let evaluator: EnclaveEvaluator
let honest: { task: Task; evaluation: Evaluation; certificate: Certificate; bytes: Uint8Array }

beforeAll(async () => {
  world = await createChainWorld()
  const { owner, addresses } = world
  for (const { measurements } of [simulator, otherBuild]) {
    const pcr0Hash = measurements.pcr0Commitment
    await activateEnclaveVersionSync(owner, { pcr0Hash, label: pcr0Hash.slice(0, 10), addresses })
  }
  await world.mine()
  const { transport, listener } = createMemoryTransport()
  const inside = world.operators[0] as ChainWorld['operators'][number]
  enclave = await serveEnclave({ evaluator: inside.evaluator, nsm: simulator.nsm, listener })
  evaluator = await createEnclaveEvaluator({ transport, policy: simulator.policy })
  const task = await world.makeTask()
  const evaluation = await evaluator.evaluate({
    task,
    referenceTimestamp: world.current.referenceTimestamp,
    pcr0Commitment,
    agreedOutputs: agreed(),
  })
  const bytes = fromHex(evaluation.document as `0x${string}`)
  const certificate = world.sign(evaluation.response, { signers: [0, 1, 2] })
  honest = { task, evaluation, certificate, bytes }
}, 120_000)
afterAll(async () => {
  await evaluator?.close()
  await enclave?.close()
  await world?.anvil.stop()
})

const agreed = () => ({
  [world.refs[0] as `0x${string}`]: { first: 1 },
  [world.refs[1] as `0x${string}`]: { second: 2 },
})

/** A document that operator `by` answers for. */
function signed(
  bytes: Uint8Array,
  { by = 0, response = honest.evaluation.response } = {},
): SignedTeeDocument {
  const { key } = world.operators[by] as ChainWorld['operators'][number]
  const messageHash = computeMessageHash(response)
  return {
    bytes,
    operator: operatorWitness(world.current.table, by),
    pubkeyG2: key.publicKey.pubkeyG2,
    signature: key.sign(computeTeeDocumentDigest({ messageHash, document: bytes })),
  }
}

const verify = (changes: Partial<VerifyTaskAttestationParameters> = {}) => {
  const { task, evaluation, certificate } = honest
  const { response, digestPreimage: preimage, outputs, secrets } = evaluation
  return verifyTaskAttestation({
    reader: { ...world.reader, documents },
    task,
    response,
    certificate,
    preimage,
    inputs: { outputs, secrets },
    level: 'result',
    ...changes,
  })
}

const userData = () => computeTaskUserData(honest.evaluation.response)
const unavailable = { status: 'inconclusive', reason: 'DOCUMENT_UNAVAILABLE' }
const slashable = (code: string, operatorIndex = 0) => ({
  status: 'slashable',
  reason: 'INVALID_TEE_ATTESTATION',
  evidence: { kind: 'tee', operatorIndex, detail: expect.stringContaining(code) },
})

describe('documents of an enclave', () => {
  test("the enclave's own, with its operator's word, is part of a valid result", async () => {
    expect(honest.evaluation.response.pcr0Commitment).toBe(pcr0Commitment)
    expect(computeTeeUserData(honest.evaluation.response)).toEqual(userData())
    const outcome = await verify({ document: signed(honest.bytes) })
    expect(outcome).toEqual({ status: 'valid', level: 'result' })
    // One straight from the security module, bound to the response, is as good.
    const bytes = await simulator.nsm.attest({ userData: userData() })
    expect(await verify({ document: signed(bytes) })).toEqual(outcome)
  })

  test('below level result no document is asked for', async () => {
    expect(await verify({ level: 'quorum' })).toEqual({ status: 'valid', level: 'quorum' })
  })

  test('one made for another response slashes its signer', async () => {
    const task = await world.makeTask()
    const { response } = await world.evaluate(task, { pcr0Commitment })
    const bytes = await simulator.nsm.attest({ userData: computeTaskUserData(response) })
    expect(await verify({ document: signed(bytes) })).toMatchObject(slashable('USER_DATA_MISMATCH'))
    const blank = await simulator.nsm.attest({})
    expect(await verify({ document: signed(blank) })).toMatchObject(slashable('USER_DATA_MISMATCH'))
  })

  test('one of another build slashes its signer, though that build is whitelisted too', async () => {
    // Another simulator has another root; trusted here, so that nothing but the measurement differs.
    const both = createDocumentVerifier({
      roots: [...trusted(simulator), ...trusted(otherBuild)],
      insecureTrustRoot: true,
    })
    const reader = { ...world.reader, documents: both }
    const bytes = await otherBuild.nsm.attest({ userData: userData() })
    const outcome = await verify({ reader, document: signed(bytes, { by: 1 }) })
    expect(outcome).toMatchObject(slashable('PCR_MISMATCH', 1))
    const own = await verify({ reader, document: signed(honest.bytes) })
    expect(own).toEqual({ status: 'valid', level: 'result' })
  })

  test('one under a root that nobody trusts, one in debug mode, one with a flipped bit', async () => {
    const foreign = await build(1).nsm.attest({ userData: userData() })
    expect(await verify({ document: signed(foreign) })).toMatchObject(slashable('ROOT'))
    const reader = { ...world.reader, documents: createDocumentVerifier() }
    expect(await verify({ reader, document: signed(honest.bytes) })).toMatchObject(
      slashable('ROOT'),
    )
    const debug = { fields: { pcrs: new Map([[0, new Uint8Array(48)]]) } }
    simulator.setFault(debug)
    const bytes = await simulator.nsm.attest({ userData: userData() })
    simulator.setFault(undefined)
    expect(await verify({ document: signed(bytes) })).toMatchObject(slashable('DEBUG_MODE'))
    const flipped = honest.bytes.slice()
    flipped[flipped.length - 3] = (flipped[flipped.length - 3] as number) ^ 1
    expect(await verify({ document: signed(flipped) })).toMatchObject(slashable('SIGNATURE'))
  })

  test('a missing one, and a false one that no signer answers for, are inconclusive', async () => {
    expect(await verify()).toMatchObject(unavailable)
    const bytes = await simulator.nsm.attest({})
    const unsigned = { ...signed(honest.bytes), bytes }
    expect(await verify({ document: unsigned })).toMatchObject(unavailable)
    // Operator 3 did not sign the response.
    expect(await verify({ document: signed(bytes, { by: 3 }) })).toMatchObject(unavailable)
    const documents = {
      verifyDocument: () => Promise.reject(new Error('out of reach')),
    }
    const reader = { ...world.reader, documents }
    expect(await verify({ reader, document: signed(honest.bytes) })).toMatchObject(unavailable)
  })

  test('a document is judged at its own time: age is no fault of evidence', async () => {
    const day = 86_400_000
    const past = createSimulator({
      image: [{ name: 'evaluator', bytes: Uint8Array.of(1) }],
      now: () => Date.now() - 400 * day,
    })
    const bytes = await past.nsm.attest({ userData: userData() })
    const reader = { ...world.reader, documents: createDocumentVerifier(trustedBy(past)) }
    const outcome = await verify({ reader, document: signed(bytes) })
    expect(outcome).toEqual({ status: 'valid', level: 'result' })
  })

  test('a measurement that was not whitelisted at the reference block is slashable', async () => {
    const { owner, addresses } = world
    const pcr0Hash = otherBuild.measurements.pcr0Commitment
    await deprecateEnclaveVersionSync(owner, { pcr0Hash, addresses })
    await world.mine()
    const task = await world.makeTask()
    const evaluation = await world.evaluate(task, { pcr0Commitment })
    const preimage = { ...evaluation.digestPreimage, pcr0Commitment: pcr0Hash }
    const artifactDigest = computeArtifactDigest(preimage)
    const response = { ...evaluation.response, pcr0Commitment: pcr0Hash, artifactDigest }
    const certificate = world.sign(response, { signers: [0, 1, 2] })
    const bytes = await otherBuild.nsm.attest({ userData: computeTaskUserData(response) })
    const reader = { ...world.reader, documents: createDocumentVerifier(trustedBy(otherBuild)) }
    const document = signed(bytes, { response })
    for (const level of ['quorum', 'result'] as const) {
      const outcome = await verify({
        task,
        response,
        certificate,
        preimage,
        reader,
        document,
        level,
      })
      expect(outcome, level).toMatchObject({
        status: 'slashable',
        reason: 'INVALID_TEE_ATTESTATION',
      })
    }
  })
})
