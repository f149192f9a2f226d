import { readFileSync } from 'node:fs'
import { type Address, encodeAbiParameters, type Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { computeTeeDocumentDigest } from '../src/attestation/verify/teeDocument.js'
import {
  bn254AbiComponents,
  buildCertificate,
  type Certificate,
  computeOperatorInfoLeaf,
  computePossessionDigest,
  computeSignableDigest,
  createBlsKey,
  createOperatorTable,
  createOperatorTree,
  decodeCertificate,
  encodeCertificate,
  explainSignature,
  type G1Point,
  type G2Point,
  hashToG1,
  type OperatorSetInfo,
  operatorWitness,
  provePossession,
  verifyCertificate,
  verifyPossession,
} from '../src/core/bn254/index.js'
import {
  computeArtifactDigest,
  type DigestPreimage,
  encodeDigestPreimage,
} from '../src/core/digest.js'
import { evaluateResult } from '../src/core/evaluationResult.js'
import { computeIntentHash } from '../src/core/intent.js'
import {
  computeMessageHash,
  decodeResponse,
  encodeResponse,
  type PolicyTaskResponse,
} from '../src/core/response.js'
import { computeStateCommitHash, type StateCommit } from '../src/core/stateCommit.js'
import { computeTaskId, decodeTask, encodeTask, type Task } from '../src/core/task.js'
import { fromHex, toHex } from '../src/internal/bytes.js'
import { keccakHex } from '../src/internal/keccak.js'

type MessageCase = {
  name: string
  task: Task
  taskEncoded: Hex
  taskId: Hex
  intentHash: Hex
  digest: DigestPreimage
  digestPreimage: Hex
  artifactDigest: Hex
  response: Omit<PolicyTaskResponse, 'referenceTimestamp'> & { referenceTimestamp: bigint }
  responseEncoded: Hex
  messageHash: Hex
  signable: Hex
}
type CommitCase = {
  chainId: bigint
  registry: Address
  operatorSetId: number
  commit: Omit<StateCommit, 'version'> & { version: bigint }
  messageHash: Hex
  referenceTimestamp: number
  signable: Hex
}
type OperatorCase = {
  operator: Address
  secretKey: Hex
  pkG1: G1Point
  pkG2: G2Point
  possessionHash: Hex
  possession: G1Point
  weights: bigint[]
  leaf: Hex
}
type CertificateCase = {
  nonSigners: number[]
  certificate: Certificate
  encoded: Hex
  signedWeights: bigint[]
  signerWitnesses: Hex[]
}
type Files = {
  messages: { cases: MessageCase[]; results: { result: Hex; allow: boolean }[] }
  stateCommits: { cases: CommitCase[] }
  hashToG1: { cases: { hash: Hex; X: bigint; Y: bigint }[] }
  certificates: {
    chainId: number
    verifier: Address
    referenceTimestamp: number
    messageHash: Hex
    signable: Hex
    operators: OperatorCase[]
    table: Omit<OperatorSetInfo, 'numOperators'> & { numOperators: number }
    certificates: CertificateCase[]
    offSubgroup: G2Point
  }
}

/** The files hold integers as decimal strings. */
function load<name extends keyof Files>(name: name): Files[name] {
  const url = new URL(`./vectors/messages/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(url, 'utf8'), (_, value) => {
    return typeof value === 'string' && /^\d+$/.test(value) ? BigInt(value) : value
  })
}

const vectors = load('certificates')
const operatorAt = (index: number): OperatorCase => vectors.operators[index] as OperatorCase
const { referenceTimestamp, messageHash, chainId, verifier } = vectors

describe('messages', () => {
  const { cases, results } = load('messages')
  test.each(cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
    expect(encodeTask(one.task)).toBe(one.taskEncoded)
    expect(computeTaskId(decodeTask(one.taskEncoded))).toBe(one.taskId)
    expect(computeIntentHash(one.task.intent)).toBe(one.intentHash)
    expect(toHex(encodeDigestPreimage(one.digest))).toBe(one.digestPreimage)
    expect(computeArtifactDigest(one.digest)).toBe(one.artifactDigest)
    const response = {
      ...one.response,
      referenceTimestamp: Number(one.response.referenceTimestamp),
    }
    expect(encodeResponse(response)).toBe(one.responseEncoded)
    expect(computeMessageHash(decodeResponse(one.responseEncoded))).toBe(one.messageHash)
    expect(
      computeSignableDigest({
        referenceTimestamp: response.referenceTimestamp,
        messageHash: one.messageHash,
      }),
    ).toBe(one.signable)
  })

  test.each(results.map((one) => [one.result, one.allow] as const))(
    'result %s',
    (result, allow) => {
      expect(evaluateResult(result)).toBe(allow)
    },
  )

  test('state commits of both versions', () => {
    for (const one of load('stateCommits').cases) {
      const commit = { ...one.commit, version: Number(one.commit.version) as 1 | 2 }
      const domain = {
        chainId: one.chainId,
        registry: one.registry,
        operatorSetId: one.operatorSetId,
      }
      const hash = computeStateCommitHash(commit, commit.version === 1 ? undefined : domain)
      expect(hash).toBe(one.messageHash)
      expect(
        computeSignableDigest({ referenceTimestamp: one.referenceTimestamp, messageHash: hash }),
      ).toBe(one.signable)
    }
  })

  test('the word of an operator for a document', () => {
    const document = new TextEncoder().encode('document')
    const typehash = keccakHex(new TextEncoder().encode('NewtonTeeDocumentV1'))
    const expected = keccakHex(
      fromHex(typehash),
      fromHex(messageHash),
      fromHex(keccakHex(document)),
    )
    expect(computeTeeDocumentDigest({ messageHash, document })).toBe(expected)
  })
})

describe('BN254', () => {
  test('hash to G1', () => {
    const { cases } = load('hashToG1')
    expect(cases.length).toBeGreaterThan(40)
    for (const { hash, X, Y } of cases) expect(hashToG1(hash)).toEqual({ X, Y })
  })

  test('keys, possession and leaves of every operator', async () => {
    for (const one of vectors.operators) {
      const key = createBlsKey(fromHex(one.secretKey))
      expect(key.publicKey).toEqual({ pubkey: one.pkG1, pubkeyG2: one.pkG2 })
      const context = { chainId, verifier, operator: one.operator }
      expect(computePossessionDigest({ ...context, ...key.publicKey })).toBe(one.possessionHash)
      expect(await provePossession(key, context)).toEqual(one.possession)
      expect(verifyPossession({ ...context, ...key.publicKey, proof: one.possession })).toBe(true)
      expect(computeOperatorInfoLeaf({ pubkey: one.pkG1, weights: one.weights })).toBe(one.leaf)
    }
  })

  const operators = vectors.operators.map((one) => ({
    operator: one.operator,
    pubkey: one.pkG1,
    pubkeyG2: one.pkG2,
    weights: one.weights,
  }))
  const table = createOperatorTable(operators)
  const info = { ...vectors.table, numOperators: BigInt(vectors.table.numOperators) }

  test('the table and its tree', () => {
    expect(table.info).toEqual(info)
    expect(createOperatorTree(operators).info).toEqual(info)
  })

  test.each(vectors.certificates.map((one) => [one.nonSigners.join(',') || 'none', one] as const))(
    'certificate with non-signers %s',
    async (_name, one) => {
      const { certificate } = one
      expect(encodeCertificate(certificate)).toBe(one.encoded)
      expect(decodeCertificate(one.encoded)).toEqual(certificate)
      const signers = vectors.operators
        .map((_, index) => index)
        .filter((index) => !one.nonSigners.includes(index))
      const shares = signers.map((index) => ({
        operator: operatorAt(index).operator,
        signature: createBlsKey(fromHex(operatorAt(index).secretKey)).sign(vectors.signable),
      }))
      const built = await buildCertificate({ table, referenceTimestamp, messageHash, shares })
      expect(built).toEqual({ certificate, signers, refused: [] })
      const witness = { type: 'tuple', components: bn254AbiComponents.witness } as const
      expect(
        signers.map((index) => encodeAbiParameters([witness], [operatorWitness(table, index)])),
      ).toEqual(one.signerWitnesses)
      expect(
        verifyCertificate({
          certificate,
          table: info,
          referenceTimestamp,
          messageHash,
          quorumBps: 1,
        }),
      ).toEqual({ status: 'valid', signedWeights: one.signedWeights })
    },
  )

  test('a point of the twist outside the group', () => {
    const one = operatorAt(0)
    const signature = createBlsKey(fromHex(one.secretKey)).sign(messageHash)
    const check = {
      digest: messageHash,
      signature,
      pubkey: one.pkG1,
      pubkeyG2: vectors.offSubgroup,
    }
    expect(explainSignature(check)).toBe('POINT_NOT_IN_SUBGROUP')
  })
})
