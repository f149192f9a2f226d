import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { encodeAbiParameters, encodePacked, type Hex, keccak256 } from 'viem'
import { describe, expect, test } from 'vitest'
import { InvalidInputError } from '../errors/common.js'
import { fromHex } from '../internal/bytes.js'
import {
  ARTIFACT_ABSENT,
  computeArtifactHash,
  computeKeyHash,
  computeLeafKey,
  isArtifactNamespace,
  ZERO_HASH,
} from './artifact.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
  sortRefs,
} from './ids.js'

type Row = Record<string, string>
const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/identity/ids.json', import.meta.url), 'utf8'),
) as Record<string, Row[]> & { absent: string }

const field = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError)
    return (error as InvalidInputError).field
  }
  throw new Error('expected a refusal')
}

const hash = (digit: string): Hex => `0x${digit.repeat(64)}`
const client = `0x${'ab'.repeat(20)}` as Hex

describe('ids', () => {
  test('behavior: shared vectors', () => {
    expect(ARTIFACT_ABSENT).toBe(vectors.absent)
    for (const row of vectors['artifacts']!)
      expect(computeArtifactHash(fromHex(row['bytes']!))).toBe(row['hash'])
    for (const row of vectors['keys']!) {
      expect(computeKeyHash(Number(row['namespace']), row['name'] as Hex)).toBe(row['keyHash'])
    }
    for (const row of vectors['policyTemplates']!)
      expect(computePolicyTemplateId(row as never)).toBe(row['id'])
    for (const row of vectors['policyDataTemplates']!) {
      expect(computePolicyDataTemplateId(row as never)).toBe(row['id'])
    }
    for (const row of vectors['paramsHashes']!) {
      const params = fromHex(row['params']!)
      expect(computeParamsHash({ expireAfter: BigInt(row['expireAfter']!), params })).toBe(
        row['paramsHash'],
      )
    }
    for (const row of vectors['instances']!) {
      const key = { ...row, chainId: BigInt(row['chainId']!) } as never
      expect(computePolicyInstanceId(key)).toBe(row['policyInstanceId'])
      expect(computePolicyDataInstanceId(key)).toBe(row['policyDataInstanceId'])
    }
  })

  test('behavior: equals the ABI encoding on random input', () => {
    const word = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .filter((bytes) => bytes.some((b) => b > 0))
    const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`
    fc.assert(
      fc.property(
        word,
        word,
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
        (template, other, params, expireAfter, chainId) => {
          const paramsHash = keccak256(
            encodeAbiParameters(
              [{ type: 'uint64' }, { type: 'bytes' }],
              [BigInt(expireAfter), hex(params)],
            ),
          )
          expect(computeParamsHash({ expireAfter, params })).toBe(paramsHash)
          const key = { chainId, client, templateId: hex(template), paramsHash }
          const types = ['uint256', 'address', 'bytes32', 'bytes32'] as const
          const values = [chainId, client, hex(template), paramsHash] as const
          expect(computePolicyInstanceId(key)).toBe(keccak256(encodePacked(types, values)))
          expect(computePolicyDataInstanceId(key)).toBe(
            keccak256(encodePacked(['uint8', ...types], [1, ...values])),
          )
          expect(
            computePolicyTemplateId({
              regoHash: hex(template),
              paramsSchemaHash: ARTIFACT_ABSENT,
              policyDataTemplateRefs: [hex(other)],
            }),
          ).toBe(
            keccak256(
              encodePacked(
                ['bytes32', 'bytes32', 'bytes32'],
                [hex(template), ARTIFACT_ABSENT, keccak256(hex(other))],
              ),
            ),
          )
        },
      ),
    )
  })

  test('behavior: ids accept upper-case hex and give the same id', () => {
    const lower = { regoHash: hash('a'), paramsSchemaHash: hash('b'), policyDataTemplateRefs: [] }
    const upper = { ...lower, regoHash: `0x${'A'.repeat(64)}` as Hex }
    expect(computePolicyTemplateId(upper)).toBe(computePolicyTemplateId(lower))
  })

  const template = {
    regoHash: hash('1'),
    paramsSchemaHash: hash('2'),
    policyDataTemplateRefs: [hash('3')],
  }
  const dataTemplate = {
    wasmHash: hash('1'),
    paramsSchemaHash: hash('2'),
    secretsSchemaHash: hash('3'),
  }
  const key = { chainId: 1n, client, templateId: hash('1'), paramsHash: hash('2') }
  const many = Array.from(
    { length: 33 },
    (_, i): Hex => `0x${(i + 1).toString(16).padStart(64, '0')}`,
  )
  const refused: [string, string, () => unknown][] = [
    [
      'zero Rego hash',
      'regoHash',
      () => computePolicyTemplateId({ ...template, regoHash: ZERO_HASH }),
    ],
    [
      'absent Rego',
      'regoHash',
      () => computePolicyTemplateId({ ...template, regoHash: ARTIFACT_ABSENT }),
    ],
    [
      'short Rego hash',
      'regoHash',
      () => computePolicyTemplateId({ ...template, regoHash: '0x11' }),
    ],
    [
      'no hex',
      'regoHash',
      () => computePolicyTemplateId({ ...template, regoHash: `0x${'g'.repeat(64)}` }),
    ],
    [
      'no prefix',
      'regoHash',
      () => computePolicyTemplateId({ ...template, regoHash: '11'.repeat(32) as Hex }),
    ],
    [
      'wrong type',
      'regoHash',
      () => computePolicyTemplateId({ ...template, regoHash: 5 as never }),
    ],
    [
      'zero schema',
      'paramsSchemaHash',
      () => computePolicyTemplateId({ ...template, paramsSchemaHash: ZERO_HASH }),
    ],
    [
      'zero ref',
      'policyDataTemplateRefs[0]',
      () => computePolicyTemplateId({ ...template, policyDataTemplateRefs: [ZERO_HASH] }),
    ],
    [
      'refs no array',
      'policyDataTemplateRefs',
      () => computePolicyTemplateId({ ...template, policyDataTemplateRefs: null as never }),
    ],
    [
      'duplicate refs',
      'policyDataTemplateRefs[1]',
      () =>
        computePolicyTemplateId({ ...template, policyDataTemplateRefs: [hash('3'), hash('3')] }),
    ],
    [
      'unsorted refs',
      'policyDataTemplateRefs[1]',
      () =>
        computePolicyTemplateId({ ...template, policyDataTemplateRefs: [hash('3'), hash('2')] }),
    ],
    [
      '33 refs',
      'policyDataTemplateRefs',
      () => computePolicyTemplateId({ ...template, policyDataTemplateRefs: many }),
    ],
    ['33 refs to sort', 'refs', () => sortRefs(many)],
    ['duplicate refs to sort', 'refs[1]', () => sortRefs([hash('a'), `0x${'A'.repeat(64)}`])],
    [
      'zero WASM',
      'wasmHash',
      () => computePolicyDataTemplateId({ ...dataTemplate, wasmHash: ZERO_HASH }),
    ],
    [
      'absent WASM',
      'wasmHash',
      () => computePolicyDataTemplateId({ ...dataTemplate, wasmHash: ARTIFACT_ABSENT }),
    ],
    [
      'zero data schema',
      'paramsSchemaHash',
      () => computePolicyDataTemplateId({ ...dataTemplate, paramsSchemaHash: ZERO_HASH }),
    ],
    [
      'zero secrets schema',
      'secretsSchemaHash',
      () => computePolicyDataTemplateId({ ...dataTemplate, secretsSchemaHash: ZERO_HASH }),
    ],
    [
      'expireAfter 0',
      'expireAfter',
      () => computeParamsHash({ expireAfter: 0, params: new Uint8Array() }),
    ],
    [
      'negative expireAfter',
      'expireAfter',
      () => computeParamsHash({ expireAfter: -1n, params: new Uint8Array() }),
    ],
    [
      'expireAfter 2^32',
      'expireAfter',
      () => computeParamsHash({ expireAfter: 2n ** 32n, params: new Uint8Array() }),
    ],
    [
      'fractional expireAfter',
      'expireAfter',
      () => computeParamsHash({ expireAfter: 1.5, params: new Uint8Array() }),
    ],
    [
      'NaN expireAfter',
      'expireAfter',
      () => computeParamsHash({ expireAfter: Number.NaN, params: new Uint8Array() }),
    ],
    [
      '8,193 bytes of params',
      'params',
      () => computeParamsHash({ expireAfter: 1, params: new Uint8Array(8_193) }),
    ],
    [
      'params as text',
      'params',
      () => computeParamsHash({ expireAfter: 1, params: '{}' as never }),
    ],
    ['negative chain', 'chainId', () => computePolicyInstanceId({ ...key, chainId: -1 })],
    ['unsafe chain number', 'chainId', () => computePolicyInstanceId({ ...key, chainId: 2 ** 60 })],
    [
      'chain beyond uint256',
      'chainId',
      () => computePolicyInstanceId({ ...key, chainId: 2n ** 256n }),
    ],
    ['short client', 'client', () => computePolicyInstanceId({ ...key, client: '0x11' })],
    [
      'zero client',
      'client',
      () => computePolicyInstanceId({ ...key, client: `0x${'00'.repeat(20)}` }),
    ],
    [
      'zero template',
      'templateId',
      () => computePolicyDataInstanceId({ ...key, templateId: ZERO_HASH }),
    ],
    [
      'zero params hash',
      'paramsHash',
      () => computePolicyDataInstanceId({ ...key, paramsHash: ZERO_HASH }),
    ],
    ['empty artifact', 'bytes', () => computeArtifactHash(new Uint8Array())],
    ['artifact as text', 'bytes', () => computeArtifactHash('package a' as never)],
    ['namespace 0', 'namespace', () => computeLeafKey(0, hash('1'))],
    ['namespace 9', 'namespace', () => computeLeafKey(9, hash('1'))],
    ['namespace 255', 'namespace', () => computeKeyHash(255, hash('1'))],
    ['fractional namespace', 'namespace', () => computeLeafKey(4.5, hash('1'))],
    ['short name', 'name', () => computeLeafKey(4, '0x11')],
  ]
  test.each(refused)('error: refuses %s', (_, expected, run) => {
    expect(field(run)).toBe(expected)
  })

  test('behavior: sortRefs sorts as unsigned integers', () => {
    expect(sortRefs([hash('f'), hash('1'), hash('a')])).toEqual([hash('1'), hash('a'), hash('f')])
  })

  test('behavior: public namespaces are 4 to 8', () => {
    expect([0, 3, 4, 8, 9, 4.5].map(isArtifactNamespace)).toEqual([
      false,
      false,
      true,
      true,
      false,
      false,
    ])
  })
})
