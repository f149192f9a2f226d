import fc from 'fast-check'
import { getAddress } from 'viem'
import { describe, expect, test } from 'vitest'
import { MAX_OUTPUT_GROUPS } from '../../attestation/index.js'
import { blsKeyFromSeed } from '../../core/bn254/index.js'
import type { Json } from '../../core/canonicalJson.js'
import {
  type DigestPreimage,
  decodeDigestPreimage,
  encodeDigestPreimage,
} from '../../core/digest.js'
import { fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import type { LeafReading } from '../../statetree/index.js'
import { faultOfCode, rpcFaults } from './faults.js'
import {
  type EvaluateAndSignParams,
  type OperatorMethod,
  operatorMethods,
  type ProposalHead,
  type SignedEvaluation,
} from './methods.js'

const word = (text: string): `0x${string}` => keccakHex(utf8(text))
const point = blsKeyFromSeed(utf8('key')).sign(word('digest'))
const preimage = (refs: number, pcr0?: `0x${string}`): DigestPreimage => ({
  chainId: 1n,
  policyInstanceId: word('i'),
  policyTemplateId: word('t'),
  regoHash: word('r'),
  policyParamsSchemaHash: word('s'),
  paramsHash: word('p'),
  referenceBlock: 7n,
  expirationBlock: 9n,
  data: [...Array(refs).keys()].map((ref) => ({
    policyDataInstanceId: word(`di ${ref}`),
    policyDataTemplateId: word(`dt ${ref}`),
    wasmHash: word(`w ${ref}`),
    policyDataParamsSchemaHash: word(`ds ${ref}`),
    secretsSchemaHash: word(`ss ${ref}`),
    dataParamsHash: word(`dp ${ref}`),
  })),
  ...(pcr0 === undefined ? {} : { pcr0Commitment: pcr0 }),
})
const evaluation: SignedEvaluation = {
  response: {
    chainId: 1n,
    policyRegistry: getAddress('0x00000000000000000000000000000000000000aa'),
    taskId: word('task'),
    policyClient: getAddress('0x00000000000000000000000000000000000000cc'),
    intentHash: word('intent'),
    policyInstanceId: word('instance'),
    artifactDigest: word('digest'),
    inputsHash: word('inputs'),
    pcr0Commitment: word('pcr0'),
    evaluationResult: `0x${'01'.padStart(64, '0')}`,
    referenceBlock: 10n,
    referenceBlockHash: word('block'),
    referenceTimestamp: 1_700_000_000,
    expirationBlock: 100n,
  },
  preimage: preimage(2, word('pcr0')),
  outputs: { [word('t')]: { score: 1, list: [null, true] } },
  secrets: { [word('i')]: word('envelope') },
  reasons: ['over the limit'],
  signature: point,
  document: { bytes: '0x0102', signature: point },
}
const proposal: ProposalHead = {
  commit: {
    version: 2,
    sequenceNo: 3n,
    prevStateRoot: word('prev'),
    newStateRoot: word('next'),
    timestamp: 1_320n,
    daCertHash: word('da'),
    pcr0Commitment: word('pcr0'),
  },
  deltaHash: word('delta'),
  locators: [{ kind: 'keccakStore', name: 'a' }],
}
const commitment = {
  operator: '0x00000000000000000000000000000000000000b1',
  taskId: word('task'),
  hashes: { [word('t')]: word('o') },
  signature: point,
} as const

const siblings = fromHex(word('sibling'))
const reading: LeafReading = {
  valueHash: word('value'),
  value: utf8('sealed'),
  proof: { type: 'inclusion', depth: 1, present: 1n, siblings, leaf: undefined },
  commit: { sequenceNo: 3n, root: word('root'), block: 9n },
}
const absence: LeafReading = {
  valueHash: null,
  value: undefined,
  proof: {
    ...reading.proof,
    type: 'exclusion',
    leaf: { keyHash: siblings, valueHash: siblings },
  },
  commit: { sequenceNo: 3n, root: word('root') },
}
const upload = {
  policyDataInstanceId: word('i'),
  envelope: Uint8Array.of(1, 2),
  ownerSignature: '0x11',
  sequence: 2n,
  deadline: 1_800_000_000n,
} as const
const known = {
  ...{ envelopeHash: word('envelope'), sequence: 2n, epoch: 0n, keyId: word('key'), bytes: 400 },
  ...{ time: 1_800_000_000_000, uploader: `0x${'aa'.repeat(20)}` },
}

const results: { [name in OperatorMethod]: unknown[] } = {
  newt_fetchPolicyData: [commitment],
  newt_evaluateAndSign: [evaluation, { ...evaluation, document: undefined }],
  newt_getOutputs: [{ score: 1 }, null, 'text'],
  newt_getStateCommitProposal: [proposal, null],
  newt_signStateCommit: [point],
  newt_signedRead: [reading, absence],
  newt_putEnvelope: [{ envelopeHash: word('envelope') }],
  newt_getEnvelope: [upload, null],
  newt_getSecretsMetadata: [
    {
      ...{ policyDataInstanceId: word('i'), schemaHash: word('s') },
      committed: known,
      pending: null,
    },
    {
      ...{ policyDataInstanceId: word('i'), schemaHash: word('s'), committed: null },
      pending: { ...known, time: undefined, uploader: undefined },
    },
  ],
  newt_getSecretsKey: [{ publicKey: word('key'), epoch: 3n, document: '0xd2' }],
}
/** Members that may be nothing. */
const nullable = new Set(['committed', 'pending'])

describe('operatorMethods', () => {
  test.each(Object.entries(results))(
    'default: results of %s are read as written',
    (name, values) => {
      const codec = operatorMethods[name as OperatorMethod]
      for (const value of values) {
        const written = JSON.parse(JSON.stringify(codec.writeResult(value as never))) as Json
        const expected = Object.fromEntries(Object.entries({ value }))['value']
        expect(codec.readResult(written)).toEqual(expected)
      }
    },
  )

  test('behavior: every member of a result that is changed or missing is refused', () => {
    for (const [name, values] of Object.entries(results)) {
      const codec = operatorMethods[name as OperatorMethod]
      const written = codec.writeResult(values[0] as never)
      if (name === 'newt_getOutputs') continue
      for (const member of Object.keys(written as object)) {
        const { [member]: _, ...without } = written as Record<string, Json>
        if (member !== 'document') {
          expect(() => codec.readResult(without), `${name} ${member}`).toThrow()
        }
        for (const value of [null, 7, '0x', 'x', [[]], { x: 1 }]) {
          // A leaf that is not there has neither, and one may be empty.
          if (name === 'newt_signedRead' && value === null && member.startsWith('value')) continue
          if (name === 'newt_signedRead' && value === '0x' && member === 'value') continue
          if (value === null && nullable.has(member)) continue
          expect(
            () => codec.readResult({ ...without, [member]: value }),
            `${name} ${member}`,
          ).toThrow()
        }
      }
      expect(() => codec.readResult({ ...(written as object), more: 1 })).toThrow()
    }
  })

  test('default: parameters with groups of commitments are read as written, and each changed member is refused', () => {
    const group = { hashes: { [word('t')]: word('h') }, signature: point, signers: '0x0b' } as const
    const params: EvaluateAndSignParams = {
      task: {
        ...{ chainId: 1n, policyRegistry: evaluation.response.policyRegistry },
        policyClient: evaluation.response.policyClient,
        intent: {
          ...{ from: evaluation.response.policyClient, to: evaluation.response.policyClient },
          ...{ value: 0n, data: '0x', chainId: 1n, functionSignature: '0x' },
        },
        ...{ wasmArgs: '0x', referenceBlock: 7n, referenceBlockHash: word('b'), nonce: 3n },
      },
      ...{ pcr0Commitment: word('pcr0'), referenceTimestamp: 9, outputGroups: [group, group] },
    }
    const codec = operatorMethods.newt_evaluateAndSign
    const written = codec.writeParams(params)
    expect(codec.readParams(JSON.parse(JSON.stringify(written)))).toEqual(params)
    const [first] = written['outputGroups'] as [Record<string, Json>]
    const reading = (groups: Json) => () => codec.readParams({ ...written, outputGroups: groups })
    for (const member of Object.keys(first)) {
      const { [member]: _, ...without } = first
      expect(reading([without])).toThrow(member)
      for (const value of [null, 7, 'x', '0xA', [[]], { x: 1 }, `0x${'11'.repeat(8_193)}`]) {
        expect(reading([{ ...first, [member]: value }]), member).toThrow()
      }
    }
    expect(reading([{ ...first, more: 1 }])).toThrow('more')
    expect(reading(Array.from({ length: MAX_OUTPUT_GROUPS + 1 }, () => first))).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'params.outputGroups' }),
    )
  })

  test('property: what is no parameters is refused with an error of the package', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom(...Object.keys(operatorMethods)),
        (value, name) => {
          const codec = operatorMethods[name as OperatorMethod]
          try {
            codec.readParams(value as Json)
            expect.fail('it was read')
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/^[A-Z_0-9]+$/) })
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('decodeDigestPreimage', () => {
  test('default: the inverse of the encoding, for every number of refs', () => {
    for (let refs = 0; refs <= 5; refs++) {
      for (const pcr0 of [undefined, word('pcr0')]) {
        const bytes = encodeDigestPreimage(preimage(refs, pcr0))
        expect(decodeDigestPreimage(bytes)).toEqual(preimage(refs, pcr0))
      }
    }
  })

  test('error: INVALID_INPUT for other lengths, and for a zero word of an enclave', () => {
    const bytes = encodeDigestPreimage(preimage(1))
    const wrong = [0, 31, 7 * 32, 10 * 32, 13 * 32, 15 * 32 + 1].map(
      (length) => new Uint8Array(length),
    )
    const zero = new Uint8Array(bytes.length + 32)
    zero.set(bytes)
    for (const each of [...wrong, zero]) {
      expect(() => decodeDigestPreimage(each), toHex(each)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
  })
})

test('rpcFaults: every code is there once, own ones from -32662 to -32640', () => {
  const codes = Object.values(rpcFaults).map(({ code }) => code)
  expect(new Set(codes).size).toBe(codes.length)
  for (const [name, { code }] of Object.entries(rpcFaults)) expect(faultOfCode(code)).toBe(name)
  expect(faultOfCode(1)).toBeUndefined()
})
