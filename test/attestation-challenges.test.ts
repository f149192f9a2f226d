/**
 * Challenges that rest on a proof, on a real chain with a stand-in for the injected verifiers that
 * takes the hash of the public values as their proof.
 */
import { type Abi, type Hex, keccak256, stringToHex } from 'viem'
import { deployContract, readContract, writeContract } from 'viem/actions'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  buildDocumentChallenge,
  buildResultChallenge,
  type ChallengerEvent,
  type ChallengerParameters,
  type ChallengerStore,
  computeTeeDocumentDigest,
  createChallenger,
  documentPublicValues,
  type Evidence,
  encodeDocumentPublicValues,
  encodeResultPublicValues,
  memoryChallengerStore,
  operatorWitness,
  resultPublicValues,
  type SignedTeeDocument,
  verifyTaskAttestation,
} from '../src/attestation/index.js'
import { challengeVerifierAbi } from '../src/core/abi/challengeVerifierAbi.js'
import { RESULT_ALLOW, RESULT_DENY } from '../src/core/evaluationResult.js'
import { computeMessageHash, type PolicyTaskResponse } from '../src/core/response.js'
import { utf8 } from '../src/internal/bytes.js'
import { waitForReceipt } from '../src/registry/chain/receipts.js'
import {
  acceptResponseSync,
  activateEnclaveVersionSync,
  challengeInvalidTeeAttestation,
  challengeInvalidTeeAttestationSync,
  challengePolicyResult,
  challengePolicyResultSync,
  createAcceptedResponses,
  createChallengeSink,
  createOperatorTrees,
  simulateChallengeInvalidTeeAttestation,
  simulateChallengePolicyResult,
} from '../src/registry/index.js'
import { verifierKinds } from '../src/registry/preflight/verifierChallenges.js'
import { proofsByHashBytecode } from './fixtures/proofsByHash.js'
import { type ChainWorld, createChainWorld } from './support/chainWorld.js'

const pcr0Commitment = keccak256(stringToHex('a build'))
const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
const signers = [0, 1, 2]
let world: ChainWorld

beforeAll(async () => {
  // Short windows: what is announced is waited for, block by block.
  world = await createChainWorld({ maxExpireAfter: 500n, challengeWindow: 60n })
})
afterAll(() => world?.anvil.stop())

const witnesses = (indices = signers) =>
  indices.map((index) => operatorWitness(world.current.table, index))

const revertOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work
  } catch (error) {
    return (error as { errorName?: string }).errorName ?? error
  }
  return 'went through'
}

/** Announces the stand-in as both verifiers, and waits until it is in force. */
let injected = false
async function inject(): Promise<void> {
  if (injected) return
  injected = true
  const { owner, client, addresses } = world
  const abi: Abi = []
  const hash = await deployContract(owner, { abi, bytecode: proofsByHashBytecode })
  const { contractAddress } = await waitForReceipt(client, hash)
  const verifier = { address: addresses.challengeVerifier, abi: challengeVerifierAbi } as const
  for (const kind of [verifierKinds.result, verifierKinds.document]) {
    const sent = await writeContract(owner, {
      ...verifier,
      functionName: 'scheduleVerifier',
      args: [kind, contractAddress as Hex],
    })
    await waitForReceipt(client, sent)
  }
  await world.mine(
    Number(await readContract(client, { ...verifier, functionName: 'upgradeDelay' })),
  )
}

/** Signs a response by three of four operators and lands it. */
async function land({ lie, enclave = false }: { lie: boolean; enclave?: boolean }) {
  const { challenger, addresses } = world
  const task = await world.makeTask()
  const evaluation = await world.evaluate(task, enclave ? { pcr0Commitment } : {})
  const response: PolicyTaskResponse = lie
    ? { ...evaluation.response, evaluationResult: RESULT_DENY }
    : evaluation.response
  const certificate = world.sign(response, { signers })
  const { receipt } = await acceptResponseSync(challenger, {
    response,
    certificate,
    task,
    addresses,
  })
  const { outputs, secrets } = evaluation
  const outcome = await verifyTaskAttestation({
    reader: world.reader,
    task,
    response,
    certificate,
    level: 'result',
    at: receipt.blockNumber,
    preimage: evaluation.digestPreimage,
    inputs: { outputs, secrets },
  })
  return { response, outcome, preimage: evaluation.digestPreimage, inputs: { outputs, secrets } }
}

describe('a wrong result', () => {
  let response: PolicyTaskResponse
  let evidence: Evidence
  const send = (proof: ReturnType<typeof buildResultChallenge>, preflight = true) => {
    const { addresses } = world
    return challengePolicyResultSync(world.challenger, { response, proof, addresses, preflight })
  }
  const proven = () => {
    const proof = keccak256(encodeResultPublicValues(resultPublicValues(evidence)))
    return buildResultChallenge({ evidence, proof, signers: witnesses([2, 0, 1]) })
  }

  beforeAll(async () => {
    // Accepted before there was a verifier: none judges it, ever.
    const early = await land({ lie: true })
    response = early.response
    evidence = (early.outcome as { evidence: Evidence }).evidence
    await inject()
    await expect(send(proven())).rejects.toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringContaining('VerifierNotSet') as string,
    })
    expect(await revertOf(send(proven(), false))).toBe('VerifierNotSet')
    const landed = await land({ lie: true })
    response = landed.response
    expect(landed.outcome).toMatchObject({ status: 'disputed', reason: 'WRONG_RESULT' })
    evidence = (landed.outcome as { evidence: Evidence }).evidence
    // Every value, from the response and the chain's rows rather than from the builder.
    expect(resultPublicValues(evidence)).toEqual({
      messageHash: computeMessageHash(response),
      taskId: response.taskId,
      intentHash: response.intentHash,
      policyTemplateId: world.templateId,
      policyInstanceId: response.policyInstanceId,
      artifactDigest: response.artifactDigest,
      paramsHash: landed.preimage.paramsHash,
      inputsHash: response.inputsHash,
      referenceBlockHash: response.referenceBlockHash,
      result: RESULT_ALLOW,
    })
  }, 120_000)

  test('every public value is compared with the response, the proof with the values', async () => {
    const honest = proven()
    const names = Object.keys(honest.values).filter((name) => name !== 'result')
    expect(names).toHaveLength(9)
    for (const name of names) {
      const values = { ...honest.values, [name]: word(7) }
      const proof = keccak256(encodeResultPublicValues(values))
      expect(await revertOf(send({ ...honest, values, proof })), name).toBe('PublicValueMismatch')
    }
    const same = { ...honest.values, result: RESULT_DENY }
    const proof = keccak256(encodeResultPublicValues(same))
    expect(await revertOf(send({ ...honest, values: same, proof }))).toBe('ChallengeFailed')
    expect(await revertOf(send({ ...honest, proof: word(7) }))).toBe('ProofRejected')
    const unsorted = { ...honest, signers: [...honest.signers].reverse() }
    expect(await revertOf(send(unsorted))).toBe('SignersNotSorted')
  })

  test('slashes every signer, once', async () => {
    const before = await world.stakes()
    const { addresses, challenger } = world
    const simulated = await simulateChallengePolicyResult(challenger, {
      response,
      proof: proven(),
      addresses,
    })
    expect(simulated.request.to).toBe(addresses.challengeVerifier)
    const done = await send(proven())
    expect(done).toMatchObject({
      messageHash: computeMessageHash(response),
      taskId: response.taskId,
      challenger: challenger.account.address,
    })
    expect(done.operators).toHaveLength(3)
    const after = await world.stakes()
    expect(after).toEqual(before.map((stake, i) => (i < 3 ? stake - stake / 10n : stake)))
    const again = challengePolicyResult(challenger, { response, proof: proven(), addresses })
    expect(await revertOf(again)).toBe('NothingToSlash')
  })

  test('nothing is built from what is no evidence of a wrong result', () => {
    const code = 'INVALID_INPUT'
    const build = (of: Partial<Evidence>, by = witnesses()) => {
      try {
        return buildResultChallenge({ evidence: { ...evidence, ...of }, proof: '0x', signers: by })
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    expect(build({})).toMatchObject({
      signers: [0, 1, 2].map((operatorIndex) => ({ operatorIndex })),
    })
    expect(build({ rerun: undefined })).toBe(code)
    expect(build({ expected: { ...evidence.expected, preimage: null } })).toBe(code)
    expect(build({ response: { ...response, evaluationResult: RESULT_ALLOW } })).toBe(code)
    expect(build({}, [])).toBe(code)
    expect(build({}, witnesses([0, 0]))).toBe(code)
    expect(build({}, witnesses([0, 3]))).toBe(code)
  })
})

describe('a false document', () => {
  let response: PolicyTaskResponse
  const bytes = utf8('a document')
  const signed = (by = 0, over = bytes): SignedTeeDocument => {
    const { key } = world.operators[by] as ChainWorld['operators'][number]
    const messageHash = computeMessageHash(response)
    return {
      bytes,
      operator: operatorWitness(world.current.table, by),
      pubkeyG2: key.publicKey.pubkeyG2,
      signature: key.sign(computeTeeDocumentDigest({ messageHash, document: over })),
    }
  }
  const proven = (document = signed()) => {
    const values = documentPublicValues({ response, document: document.bytes })
    const proof = keccak256(encodeDocumentPublicValues(values))
    return buildDocumentChallenge({ response, document, proof })
  }
  const send = (proof: ReturnType<typeof buildDocumentChallenge>) =>
    challengeInvalidTeeAttestationSync(world.challenger, {
      response,
      proof,
      addresses: world.addresses,
    })

  beforeAll(async () => {
    await inject()
    const { owner, addresses } = world
    await activateEnclaveVersionSync(owner, {
      pcr0Hash: pcr0Commitment,
      label: 'a build',
      addresses,
    })
    await world.mine()
    response = (await land({ lie: false, enclave: true })).response
    expect(response.pcr0Commitment).toBe(pcr0Commitment)
    expect(documentPublicValues({ response, document: bytes })).toEqual({
      messageHash: computeMessageHash(response),
      artifactDigest: response.artifactDigest,
      pcr0Commitment,
      documentHash: keccak256(bytes),
    })
  }, 120_000)

  test('every public value, the signature and the proof are checked', async () => {
    const honest = proven()
    for (const name of ['messageHash', 'artifactDigest', 'pcr0Commitment'] as const) {
      const values = { ...honest.values, [name]: word(7) }
      const proof = keccak256(encodeDocumentPublicValues(values))
      expect(await revertOf(send({ ...honest, values, proof })), name).toBe('PublicValueMismatch')
    }
    const values = { ...honest.values, documentHash: word(7) }
    const proof = keccak256(encodeDocumentPublicValues(values))
    expect(await revertOf(send({ ...honest, values, proof }))).toBe('DocumentSignatureInvalid')
    const other = proven(signed(0, utf8('another')))
    expect(await revertOf(send(other))).toBe('DocumentSignatureInvalid')
    const blamed = { ...honest, operator: operatorWitness(world.current.table, 1) }
    expect(await revertOf(send(blamed))).toBe('DocumentSignatureInvalid')
    expect(await revertOf(send({ ...honest, proof: word(7) }))).toBe('ProofRejected')
  })

  test('slashes the operator that signed for it, and no other', async () => {
    const before = await world.stakes()
    const { addresses, challenger } = world
    await simulateChallengeInvalidTeeAttestation(challenger, {
      response,
      proof: proven(signed(1)),
      addresses,
    })
    expect(await send(proven(signed(1)))).toMatchObject({
      messageHash: computeMessageHash(response),
      taskId: response.taskId,
      challenger: challenger.account.address,
      operator: world.operators[1]?.address,
      documentHash: keccak256(bytes),
    })
    const after = await world.stakes()
    expect(after).toEqual(before.map((stake, i) => (i === 1 ? stake - stake / 10n : stake)))
    const again = challengeInvalidTeeAttestation(challenger, {
      response,
      proof: proven(signed(1)),
      addresses,
    })
    expect(await revertOf(again)).toBe('NothingToSlash')
  })

  test('no challenge where the response names no enclave', () => {
    const plain = { ...response, pcr0Commitment: word(0) }
    expect(() => documentPublicValues({ response: plain, document: bytes })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })
})

describe('a challenger with a prover', () => {
  let document: { bytes: Uint8Array; signed: SignedTeeDocument[] }
  let store: ChallengerStore
  let events: ChallengerEvent[]
  let landed: Awaited<ReturnType<typeof land>>
  let startBlock: bigint

  /** A challenger whose prover takes the hash of the values for a proof, as the stand-in does. */
  const challengerWith = (changes: Partial<ChallengerParameters> = {}) => {
    const { addresses, client, challenger, reader } = world
    return createChallenger({
      reader: {
        ...reader,
        documents: {
          verifyDocument: async ({ document: given }: { document: Uint8Array }) =>
            given[0] === 'f'.charCodeAt(0)
              ? { status: 'reject', code: 'CHAIN', detail: 'it is not signed' }
              : { status: 'valid' },
        } as never,
      },
      responses: createAcceptedResponses({ client, addresses }),
      operators: createOperatorTrees({ client, addresses }),
      sink: createChallengeSink({ client: challenger, addresses }),
      prover: {
        proveResult: async ({ values }) => keccak256(encodeResultPublicValues(values)),
        proveDocument: async ({ values }) => keccak256(encodeDocumentPublicValues(values)),
      },
      ...{ store, startBlock, level: 'result', confirmations: 0, challengeWindow: 60n },
      finalityDepth: 2n,
      backoff: () => 0,
      attachments: async () => ({
        preimage: landed.preimage,
        inputs: landed.inputs,
        signedDocuments: document.signed,
      }),
      onEvent: (event) => events.push(event),
      ...changes,
    })
  }
  const signedBy = (by: number, text: string): SignedTeeDocument => {
    const { key } = world.operators[by] as ChainWorld['operators'][number]
    const messageHash = computeMessageHash(landed.response)
    const bytes = utf8(text)
    return {
      bytes,
      operator: operatorWitness(world.current.table, by),
      pubkeyG2: key.publicKey.pubkeyG2,
      signature: key.sign(computeTeeDocumentDigest({ messageHash, document: bytes })),
    }
  }
  const kinds = (type: ChallengerEvent['type']) =>
    events.flatMap((event) => (event.type === type && 'kind' in event ? [event.kind] : []))

  beforeAll(async () => {
    await inject()
    const { owner, addresses } = world
    const deployed = { pcr0Hash: pcr0Commitment, label: 'a build', addresses }
    await activateEnclaveVersionSync(owner, deployed).catch(() => undefined)
    await world.mine()
  }, 120_000)
  beforeEach(async () => {
    store = memoryChallengerStore()
    events = []
    document = { bytes: utf8('a document'), signed: [] }
    startBlock = (await world.client.getBlockNumber({ cacheTime: 0 })) + 1n
  })

  test('files false results, with the proof kept over a restart and a failure of the prover', async () => {
    landed = await land({ lie: true })
    await world.mine()
    const before = await world.stakes()
    const busy = challengerWith({
      prover: { proveResult: () => Promise.reject(new Error('busy')) },
    })
    expect(await busy.poll()).toMatchObject({ filed: 0, waiting: 1 })
    expect(await busy.outbox()).toMatchObject([{ kind: 'result', status: 'pending', attempts: 1 }])
    // Nobody has the inputs any more: what was claimed is in the outbox.
    const later = challengerWith({ attachments: async () => ({}) })
    expect(await later.poll()).toMatchObject({ filed: 1, waiting: 0 })
    expect(kinds('proven')).toEqual(['result'])
    const after = await world.stakes()
    expect(after.filter((stake, index) => stake < before[index]!)).toHaveLength(3)
    await later.poll()
    await world.mine(4)
    await later.poll()
    expect(kinds('final')).toEqual(['result'])
    expect(await later.outbox()).toMatchObject([{ status: 'final' }])
  })

  test('makes a proof anew that the contract does not take', async () => {
    landed = await land({ lie: true })
    await world.mine()
    let tries = 0
    const prover: ChallengerParameters['prover'] = {
      proveResult: async ({ values }) =>
        ++tries === 1 ? word(7) : keccak256(encodeResultPublicValues(values)),
    }
    const challenger = challengerWith({ prover })
    expect(await challenger.poll()).toMatchObject({ filed: 0 })
    expect(await challenger.poll()).toMatchObject({ filed: 1 })
    expect(tries).toBe(2)
  })

  test('files each false document against its operator, whatever stands beside it', async () => {
    landed = await land({ lie: false, enclave: true })
    await world.mine()
    const before = await world.stakes()
    document.signed = [
      // Nobody answers for this one: it hides nothing.
      { ...signedBy(2, 'false by a stranger'), signature: signedBy(1, 'other').signature },
      signedBy(0, 'false of 0'),
      signedBy(1, 'right'),
      signedBy(2, 'false of 2'),
    ]
    const challenger = challengerWith()
    expect(await challenger.poll()).toMatchObject({ filed: 2 })
    expect(kinds('filed')).toEqual(['document', 'document'])
    const after = await world.stakes()
    expect(after.map((stake, index) => stake < before[index]!)).toEqual([true, false, true, false])
  })

  test('without a prover, tells and files nothing', async () => {
    landed = await land({ lie: true })
    await world.mine()
    const challenger = challengerWith({ prover: undefined })
    expect(await challenger.poll()).toMatchObject({ filed: 0, waiting: 0, verified: 1 })
    expect(events).toMatchObject([{ type: 'verified', outcome: { status: 'disputed' } }])
  })
})
