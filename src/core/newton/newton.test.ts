import { readFileSync } from 'node:fs'
import { type Hex, toEventSelector, toFunctionSelector } from 'viem'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex, utf8 } from '../../internal/bytes.js'
import {
  addG1,
  addG2,
  blsKeyFromSeed,
  buildCertificate,
  type CertificateError,
  computeSignableDigest,
  createOperatorTable,
  encodeCertificate,
  type G1Point,
} from '../bn254/index.js'
import { RESULT_ALLOW } from '../evaluationResult.js'
import {
  buildNewtonAttestation,
  computeNewtonAttestationHash,
  computeNewtonConsensusDigest,
  computeNewtonResponseHash,
  computeNewtonTaskHash,
  computePubkeyHash,
  computeSignatoryRecord,
  decodeNewtonAttestation,
  decodeNewtonSignatureData,
  decodeNewtonTask,
  decodeNewtonTaskResponse,
  decodeNonSignerStakesAndSignature,
  encodeNewtonAttestation,
  encodeNewtonTask,
  encodeNewtonTaskResponse,
  encodeNonSignerStakesAndSignature,
  isNewtonAllow,
  type NewtonAttestation,
  type NewtonResponseCertificate,
  type NewtonTask,
  type NewtonTaskResponse,
  type NonSignerStakesAndSignature,
  newtonTaskManagerAbi,
  verifyDestinationSignature,
  verifySourceSignature,
} from './index.js'

type VectorCase = {
  name: string
  task: NewtonTask
  taskEncoded: Hex
  taskHash: Hex
  response: NewtonTaskResponse
  responseEncoded: Hex
  consensusDigest: Hex
  responseCertificate: NewtonResponseCertificate
  responseHash: Hex
  attestation: NewtonAttestation
  attestationEncoded: Hex
  attestationHash: Hex
}
type Vectors = {
  cases: VectorCase[]
  signatureData: {
    value: NonSignerStakesAndSignature
    encoded: Hex
    taskCreatedBlock: number
    signatoryRecord: Hex
  }
}
// 32-bit members are numbers in the types, all larger ones bigints; the file has decimal strings.
const small = new Set([
  'taskCreatedBlock',
  'quorumThresholdPercentage',
  'expireBlock',
  'expireAfter',
  'referenceBlock',
  'responseExpireBlock',
  'expiration',
])
const file = new URL('../../../test/vectors/newton/messages.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8'), (key, value) => {
  if (typeof value !== 'string' || !/^\d+$/.test(value)) return value
  return small.has(key) ? Number(value) : BigInt(value)
}) as Vectors

describe('messages', () => {
  test.each(vectors.cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
    expect(encodeNewtonTask(one.task)).toBe(one.taskEncoded)
    expect(encodeNewtonTask(decodeNewtonTask(one.taskEncoded))).toBe(one.taskEncoded)
    expect(computeNewtonTaskHash(one.task)).toBe(one.taskHash)
    expect(encodeNewtonTaskResponse(one.response)).toBe(one.responseEncoded)
    expect(encodeNewtonTaskResponse(decodeNewtonTaskResponse(one.responseEncoded))).toBe(
      one.responseEncoded,
    )
    expect(computeNewtonConsensusDigest(one.response)).toBe(one.consensusDigest)
    expect(computeNewtonResponseHash(one.response, one.responseCertificate)).toBe(one.responseHash)
    expect(encodeNewtonAttestation(one.attestation)).toBe(one.attestationEncoded)
    expect(encodeNewtonAttestation(decodeNewtonAttestation(one.attestationEncoded))).toBe(
      one.attestationEncoded,
    )
    expect(computeNewtonAttestationHash(one.attestation)).toBe(one.attestationHash)
    const { expiration } = one.attestation
    const built = buildNewtonAttestation({ response: one.response, expiration })
    expect(computeNewtonAttestationHash(built)).toBe(one.attestationHash)
  })

  // Appendix A of the deployed contracts' interface: the struct types are right, field for field.
  test.each([
    ['createNewTask', '0x62b2a164'],
    ['respondToTask', '0xdd4b0f07'],
    ['validateAttestation', '0x22519610'],
    ['validateAttestationDirect', '0xfcb11dd5'],
  ])('selector of %s', (name, selector) => {
    const item = newtonTaskManagerAbi.find((one) => one.name === name)
    if (item?.type !== 'function') throw new Error('expected a function')
    expect(toFunctionSelector(item)).toBe(selector)
  })
  test.each([
    ['TaskResponded', '0x9158a80c164dc98ea6cfbef773b37f3f91813ba3f898729b952b3a1303f757b2'],
    ['AttestationSpent', '0xcecc683f5a5724e2e1c85bf11748af2141e0e320c7802a6d0c9ad6efdf5ddcbb'],
    ['DirectTaskResponded', '0xd9cd8d028181f540e5469a8e012ae9353c070de97489cb9dc98e6d533bd12943'],
  ])('topic of %s', (name, topic) => {
    const item = newtonTaskManagerAbi.find((one) => one.name === name)
    if (item?.type !== 'event') throw new Error('expected an event')
    expect(toEventSelector(item)).toBe(topic)
  })

  const one = vectors.cases[1] as VectorCase
  test('a result is read as the contract reads it', () => {
    expect(isNewtonAllow(one.response)).toBe(true)
    for (const evaluationResult of [
      '0x',
      '0x01',
      toHex(utf8('deny')),
      `0x${'00'.repeat(31)}02`,
    ] as Hex[]) {
      expect(isNewtonAllow({ ...one.response, evaluationResult })).toBe(false)
    }
  })

  test('error: members that do not fit and encodings that are not canonical', () => {
    expect(() => computeNewtonTaskHash({ ...one.task, taskCreatedBlock: -1 })).toThrow('`task`')
    expect(() => computeNewtonTaskHash(undefined as never)).toThrow('`task`')
    expect(() => computeNewtonConsensusDigest({ ...one.response, policyId: '0x' })).toThrow(
      '`taskResponse`',
    )
    expect(() => decodeNewtonTask('0x')).toThrow('does not decode')
    expect(() => decodeNewtonTask(`${one.taskEncoded}00`)).toThrow('canonical')
    expect(() => decodeNewtonTaskResponse(`${one.responseEncoded}${'00'.repeat(32)}`)).toThrow(
      'canonical',
    )
    expect(() => decodeNewtonAttestation('nothing' as Hex)).toThrow('attestation')
  })
})

describe('signature data', () => {
  const { value, encoded, taskCreatedBlock, signatoryRecord } = vectors.signatureData
  test('both encodings, told apart', () => {
    expect(encodeNonSignerStakesAndSignature(value)).toBe(encoded)
    expect(decodeNonSignerStakesAndSignature(encoded)).toEqual(value)
    expect(decodeNewtonSignatureData(encoded)).toEqual({ type: 'source', signature: value })
    expect(computeSignatoryRecord({ taskCreatedBlock, nonSigners: value.nonSignerPubkeys })).toBe(
      signatoryRecord,
    )
    for (const wrong of ['0x', '0x12', `${encoded}00`, 'nothing'] as Hex[]) {
      expect(() => decodeNewtonSignatureData(wrong)).toThrow('neither')
    }
  })

  const keys = Array.from({ length: 4 }, (_, i) => blsKeyFromSeed(utf8(`newton ${i}`)))
  const pubkeys = keys.map((key) => key.publicKey.pubkey)
  const response = (vectors.cases[1] as VectorCase).response
  const digest = computeNewtonConsensusDigest(response)
  const byHash = (a: G1Point, b: G1Point): number =>
    computePubkeyHash(a) < computePubkeyHash(b) ? -1 : 1

  /** Quorum 0 has all four, quorum 1 the first three; the last operator does not sign. */
  const setup = ({ signers = [0, 1, 2] } = {}) => {
    const members = [
      [0, 1, 2, 3],
      [0, 1, 2],
    ]
    const silent = [0, 1, 2, 3].filter((i) => !signers.includes(i))
    const quorums = members.map((list) => ({
      apk: addG1(list.map((i) => pubkeys[i] as G1Point)),
      totalStake: BigInt(list.length) * 100n,
      nonSignerStakes: new Map(
        silent
          .filter((i) => list.includes(i))
          .map((i) => [computePubkeyHash(pubkeys[i] as G1Point), 100n]),
      ),
    }))
    const signing = members.flatMap((list) => list.filter((i) => signers.includes(i)))
    const nonSigners = silent.map((i) => pubkeys[i] as G1Point).sort(byHash)
    const signature: NonSignerStakesAndSignature = {
      nonSignerQuorumBitmapIndices: nonSigners.map(() => 0),
      nonSignerPubkeys: nonSigners,
      quorumApks: quorums.map((quorum) => quorum.apk),
      // Each key counts once for each quorum it signs in.
      apkG2: addG2(signing.map((i) => (keys[i] as (typeof keys)[number]).publicKey.pubkeyG2)),
      sigma: addG1(signing.map((i) => (keys[i] as (typeof keys)[number]).sign(digest))),
      quorumApkIndices: [0, 0],
      totalStakeIndices: [0, 0],
      nonSignerStakeIndices: [[0], []],
    }
    return { response, signature, quorums, thresholdPercentage: 67, taskCreatedBlock: 12345679 }
  }
  const codeOf = (parameters: ReturnType<typeof setup>): string => {
    const outcome = verifySourceSignature(parameters)
    return outcome.status === 'valid' ? 'valid' : outcome.code
  }

  test('source: valid at its threshold, with the signatory record', () => {
    const honest = setup()
    expect(verifySourceSignature(honest)).toEqual({
      status: 'valid',
      signedStakes: [300n, 300n],
      signatoryRecord: computeSignatoryRecord({
        taskCreatedBlock: 12345679,
        nonSigners: [pubkeys[3] as G1Point],
      }),
    })
    expect(codeOf({ ...honest, thresholdPercentage: 75 })).toBe('valid')
    expect(codeOf({ ...honest, thresholdPercentage: 76 })).toBe('QUORUM_NOT_MET')
    const encoded_ = encodeNonSignerStakesAndSignature(honest.signature)
    expect(decodeNewtonSignatureData(encoded_)).toEqual({
      type: 'source',
      signature: honest.signature,
    })
  })

  const honest = setup()
  const { signature } = honest
  const [first, second] = honest.quorums as [(typeof honest.quorums)[0], (typeof honest.quorums)[0]]
  const missing = setup({ signers: [0, 1] })
  const reversed = [...missing.signature.nonSignerPubkeys].reverse()
  test.each<[string, ReturnType<typeof setup>, string]>([
    ['a threshold of zero', { ...honest, thresholdPercentage: 0 }, 'INVALID_QUORUM'],
    ['a threshold over 100', { ...honest, thresholdPercentage: 101 }, 'INVALID_QUORUM'],
    ['no quorum', { ...honest, quorums: [] }, 'EMPTY_OPERATOR_SET'],
    [
      'a list of another length',
      { ...honest, signature: { ...signature, totalStakeIndices: [0] } },
      'WEIGHTS_LENGTH_MISMATCH',
    ],
    [
      'bitmap indices of another length',
      { ...honest, signature: { ...signature, nonSignerQuorumBitmapIndices: [] } },
      'WEIGHTS_LENGTH_MISMATCH',
    ],
    [
      'another quorum key',
      { ...honest, quorums: [{ ...first, apk: second.apk }, second] },
      'WRONG_TABLE',
    ],
    ['too few', { ...missing }, 'QUORUM_NOT_MET'],
    [
      'non-signers not sorted',
      {
        ...missing,
        thresholdPercentage: 1,
        signature: { ...missing.signature, nonSignerPubkeys: reversed },
      },
      'NON_SIGNERS_NOT_SORTED',
    ],
    [
      'a non-signer twice',
      {
        ...missing,
        thresholdPercentage: 1,
        signature: {
          ...missing.signature,
          nonSignerPubkeys: [reversed[0] as G1Point, reversed[0] as G1Point],
        },
      },
      'DUPLICATE_NON_SIGNER',
    ],
    [
      'a non-signer nobody knows',
      { ...honest, quorums: [{ ...first, nonSignerStakes: new Map() }, second] },
      'UNKNOWN_OPERATOR',
    ],
    [
      'a non-signer left out',
      {
        ...honest,
        signature: { ...signature, nonSignerPubkeys: [], nonSignerQuorumBitmapIndices: [] },
      },
      'UNKNOWN_OPERATOR',
    ],
    [
      'no stake',
      { ...honest, quorums: [first, { ...second, totalStake: 0n }] },
      'ZERO_TOTAL_WEIGHT',
    ],
    [
      'non-signers above the total',
      { ...honest, quorums: [{ ...first, totalStake: 50n }, second] },
      'WEIGHT_UNDERFLOW',
    ],
    [
      'another response',
      {
        ...honest,
        response: { ...response, evaluationResult: RESULT_ALLOW.replace('1', '0') as Hex },
      },
      'SIGNATURE_INVALID',
    ],
    [
      'a signature off the curve',
      { ...honest, signature: { ...signature, sigma: { X: 1n, Y: 1n } } },
      'POINT_NOT_ON_CURVE',
    ],
    [
      'a signature at infinity',
      { ...honest, signature: { ...signature, sigma: { X: 0n, Y: 0n } } },
      'POINT_AT_INFINITY',
    ],
    ['nothing', null as never, 'MALFORMED'],
    ['another shape', { ...honest, signature: 5 as never }, 'MALFORMED'],
  ])('source: %s', (_name, parameters, code) => {
    expect(codeOf(parameters)).toBe(code)
  })

  test('destination: the certificate over the consensus digest', async () => {
    const table = createOperatorTable(
      keys.map((key, i) => ({
        operator: `0x${(i + 1).toString(16).padStart(40, '0')}` as const,
        ...key.publicKey,
        weights: [100n],
      })),
    )
    const referenceTimestamp = 1_750_000_000
    const signable = computeSignableDigest({ referenceTimestamp, messageHash: digest })
    const shares = [0, 1, 2].map((i) => ({
      operator: table.operators[i]?.operator as Hex,
      signature: (keys[i] as (typeof keys)[number]).sign(signable),
    }))
    const { certificate } = await buildCertificate({
      table,
      referenceTimestamp,
      messageHash: digest,
      shares,
    })
    const parameters = {
      response,
      certificate,
      table: table.info,
      referenceTimestamp,
      thresholdPercentage: 67,
    }
    expect(verifyDestinationSignature(parameters)).toEqual({
      status: 'valid',
      signedWeights: [300n],
    })
    expect(decodeNewtonSignatureData(encodeCertificate(certificate))).toEqual({
      type: 'destination',
      certificate,
    })
    expect(verifyDestinationSignature({ ...parameters, thresholdPercentage: 0 })).toMatchObject({
      code: 'INVALID_QUORUM',
    })
    expect(verifyDestinationSignature({ ...parameters, thresholdPercentage: 76 })).toMatchObject({
      code: 'QUORUM_NOT_MET',
    })
    const other = { ...response, policyId: `0x${'11'.repeat(32)}` as Hex }
    expect(verifyDestinationSignature({ ...parameters, response: other })).toMatchObject({
      code: 'MESSAGE_HASH_MISMATCH',
    })
    expect(verifyDestinationSignature({ ...parameters, response: null as never })).toMatchObject({
      code: 'MALFORMED',
    })
    expect(verifyDestinationSignature(undefined as never)).toMatchObject({ code: 'MALFORMED' })
  })

  test('no byte of source signature data can change', () => {
    const bytes = fromHex(encodeNonSignerStakesAndSignature(signature))
    for (let i = 0; i < bytes.length; i++) {
      const flipped = toHex(Uint8Array.from(bytes, (byte, at) => (at === i ? byte ^ 1 : byte)))
      let code: string
      try {
        const decoded = decodeNonSignerStakesAndSignature(flipped)
        code = codeOf({ ...honest, signature: decoded })
        // Indices only tell the contract where to look: nothing off chain hangs on them.
        if (code === 'valid') {
          const {
            quorumApkIndices,
            totalStakeIndices,
            nonSignerStakeIndices,
            nonSignerQuorumBitmapIndices,
          } = signature
          const indices = {
            quorumApkIndices,
            totalStakeIndices,
            nonSignerStakeIndices,
            nonSignerQuorumBitmapIndices,
          }
          expect({ ...decoded, ...indices }).toEqual(signature)
        }
      } catch (error) {
        code = (error as CertificateError).code
      }
      expect(code).toBeTruthy()
    }
  })
})
