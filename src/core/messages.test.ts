import fc from 'fast-check'
import { encodeAbiParameters, type Hex, keccak256, parseAbiParameters, stringToHex } from 'viem'
import { describe, expect, test } from 'vitest'
import { InvalidInputError } from '../errors/common.js'
import { ARTIFACT_ABSENT, ZERO_HASH } from './artifact.js'
import { CanonicalJsonError } from './canonicalJson.js'
import {
  computeArtifactDigest,
  computeExpirationBlock,
  type DigestPreimage,
  encodeDigestPreimage,
} from './digest.js'
import {
  encodeEvaluationResult,
  evaluateResult,
  RESULT_ALLOW,
  RESULT_DENY,
} from './evaluationResult.js'
import { computeInputsHash } from './inputsHash.js'
import { computeIntentHash, type Intent } from './intent.js'
import { decodeParams, encodeParams, ParamsNotCanonicalError } from './params.js'
import {
  computeMessageHash,
  decodeResponse,
  encodeResponse,
  type PolicyTaskResponse,
} from './response.js'
import { computeDaCertHash, computeStateCommitHash, type StateCommit } from './stateCommit.js'
import { computeTaskId, decodeTask, encodeTask, type Task } from './task.js'

const hash = (digit: string): Hex => `0x${digit.repeat(64)}`
const address = (digit: string): Hex => `0x${digit.repeat(40)}`

const intent: Intent = {
  from: address('1'),
  to: address('2'),
  value: 3n,
  data: '0xdeadbeef',
  chainId: 31337n,
  functionSignature: stringToHex('function transfer(address to, uint256 amount)'),
}
const task: Task = {
  chainId: 31337n,
  policyRegistry: address('3'),
  policyClient: address('4'),
  intent,
  wasmArgs: stringToHex('{"a":1}'),
  referenceBlock: 100n,
  referenceBlockHash: hash('5'),
  nonce: 7n,
}
const response: PolicyTaskResponse = {
  chainId: 31337n,
  policyRegistry: address('3'),
  taskId: hash('1'),
  policyClient: address('4'),
  intentHash: hash('2'),
  policyInstanceId: hash('3'),
  artifactDigest: hash('4'),
  inputsHash: hash('5'),
  pcr0Commitment: hash('6'),
  evaluationResult: RESULT_ALLOW,
  referenceBlock: 100n,
  referenceBlockHash: hash('7'),
  referenceTimestamp: 1_750_000_000,
  expirationBlock: 400n,
}

const rejected = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError)
    return (error as InvalidInputError).field
  }
  throw new Error('expected a refusal')
}

/** Every variant of `value` with one member changed in type, size or range. */
function* malformed(value: object): Generator<[string, unknown]> {
  for (const [member, current] of Object.entries(value)) {
    const bad: unknown[] = [undefined, null, {}, Symbol.iterator]
    if (typeof current === 'bigint') bad.push(-1n, 2n ** 256n, 1.5, '1')
    if (typeof current === 'number') bad.push(-1, 2 ** 32, Number.NaN, 1n)
    if (typeof current === 'string') bad.push('0x1', '0xzz', 'text', 5)
    if (typeof current === 'string' && current.length > 40) bad.push(`${current}00`)
    for (const wrong of bad) {
      // Variable-length bytes may well be one byte longer.
      if (
        /^(data|functionSignature|wasmArgs|evaluationResult)$/.test(member) &&
        wrong === `${String(current)}00`
      )
        continue
      yield [member, { ...value, [member]: wrong }]
    }
  }
}

describe('task', () => {
  test('behavior: id is the hash of the typed encoding', () => {
    const types = parseAbiParameters([
      'bytes32, Task task',
      'struct Task { uint256 chainId; address policyRegistry; address policyClient; Intent intent; bytes wasmArgs; uint64 referenceBlock; bytes32 referenceBlockHash; uint64 nonce; }',
      'struct Intent { address from; address to; uint256 value; bytes data; uint256 chainId; bytes functionSignature; }',
    ])
    expect(computeTaskId(task)).toBe(
      keccak256(encodeAbiParameters(types, [keccak256(stringToHex('NewtonPolicyTaskV1')), task])),
    )
  })

  test('behavior: intent hash is the EIP-712 struct hash', () => {
    const typehash = keccak256(
      stringToHex(
        'Intent(address from,address to,uint256 value,bytes data,uint256 chainId,bytes functionSignature)',
      ),
    )
    const words = parseAbiParameters('bytes32,address,address,uint256,bytes32,uint256,bytes32')
    expect(computeIntentHash(intent)).toBe(
      keccak256(
        encodeAbiParameters(words, [
          typehash,
          intent.from,
          intent.to,
          intent.value,
          keccak256(intent.data),
          intent.chainId,
          keccak256(intent.functionSignature),
        ]),
      ),
    )
  })

  test('behavior: decodes what it encodes, and only that', () => {
    expect(decodeTask(encodeTask(task))).toEqual(task)
    const encoded = encodeTask(task)
    expect(rejected(() => decodeTask(`${encoded}00`))).toBe('task')
    expect(rejected(() => decodeTask(encoded.slice(0, -64) as Hex))).toBe('task')
    expect(rejected(() => decodeTask('0x'))).toBe('task')
  })

  test('behavior: every changed member changes the id', () => {
    const ids = new Set([computeTaskId(task)])
    for (const change of [
      { chainId: 1n },
      { policyRegistry: address('9') },
      { policyClient: address('9') },
      { intent: { ...intent, value: 4n } },
      { wasmArgs: '0x' as Hex },
      { referenceBlock: 101n },
      { referenceBlockHash: hash('9') },
      { nonce: 8n },
    ]) {
      ids.add(computeTaskId({ ...task, ...change }))
    }
    expect(ids.size).toBe(9)
  })

  test('error: every malformed member is named', () => {
    for (const [member, bad] of malformed(task))
      expect(rejected(() => computeTaskId(bad as Task))).toMatch(`task.${member}`)
    for (const [member, bad] of malformed(intent))
      expect(rejected(() => computeIntentHash(bad as Intent))).toBe(`intent.${member}`)
    expect(rejected(() => computeTaskId(null as never))).toBe('task')
  })
})

describe('response', () => {
  test('behavior: message hash is the hash of the typed encoding', () => {
    const types = parseAbiParameters([
      'bytes32, Response response',
      'struct Response { uint256 chainId; address policyRegistry; bytes32 taskId; address policyClient; bytes32 intentHash; bytes32 policyInstanceId; bytes32 artifactDigest; bytes32 inputsHash; bytes32 pcr0Commitment; bytes evaluationResult; uint64 referenceBlock; bytes32 referenceBlockHash; uint32 referenceTimestamp; uint64 expirationBlock; }',
    ])
    expect(computeMessageHash(response)).toBe(
      keccak256(
        encodeAbiParameters(types, [
          keccak256(stringToHex('NewtonPolicyTaskResponseV1')),
          response,
        ]),
      ),
    )
  })

  test('behavior: flipping any bit of the encoding is refused or gives another message', () => {
    const encoded = encodeResponse(response)
    expect(decodeResponse(encoded)).toEqual(response)
    const bytes = Buffer.from(encoded.slice(2), 'hex')
    const original = computeMessageHash(response)
    for (let i = 0; i < bytes.length; i++) {
      const copy = Buffer.from(bytes)
      copy[i] = (copy[i] as number) ^ (1 << (i % 8))
      let decoded: PolicyTaskResponse
      try {
        decoded = decodeResponse(`0x${copy.toString('hex')}`)
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidInputError)
        continue
      }
      expect(computeMessageHash(decoded)).not.toBe(original)
    }
  })

  test('error: every malformed member is named', () => {
    for (const [member, bad] of malformed(response)) {
      expect(rejected(() => computeMessageHash(bad as PolicyTaskResponse))).toBe(
        `response.${member}`,
      )
    }
  })
})

describe('artifactDigest', () => {
  const data = (digit: string) => ({
    policyDataInstanceId: hash(digit),
    policyDataTemplateId: hash('a'),
    wasmHash: hash('b'),
    policyDataParamsSchemaHash: ARTIFACT_ABSENT,
    secretsSchemaHash: hash('c'),
    dataParamsHash: hash('d'),
  })
  const preimage: DigestPreimage = {
    chainId: 31337n,
    policyInstanceId: hash('1'),
    policyTemplateId: hash('2'),
    regoHash: hash('3'),
    policyParamsSchemaHash: hash('4'),
    paramsHash: hash('5'),
    referenceBlock: 100n,
    expirationBlock: 400n,
    data: [data('6'), data('7')],
    pcr0Commitment: hash('8'),
  }

  test('behavior: words in the order of the layout', () => {
    const word = (value: bigint): string => value.toString(16).padStart(64, '0')
    const part = (digit: string): string =>
      [
        digit.repeat(64),
        'a'.repeat(64),
        'b'.repeat(64),
        ARTIFACT_ABSENT.slice(2),
        'c'.repeat(64),
        'd'.repeat(64),
      ].join('')
    const expected = [word(31337n), '1', '2', '3', '4', '5', word(100n), word(400n)]
      .map((value) => (value.length === 1 ? value.repeat(64) : value))
      .join('')
    const all = `${expected}${part('6')}${part('7')}${'8'.repeat(64)}`
    expect(Buffer.from(encodeDigestPreimage(preimage)).toString('hex')).toBe(all)
    expect(computeArtifactDigest(preimage)).toBe(keccak256(`0x${all}`))
  })

  test('behavior: the length tells the data instances and the enclave word', () => {
    for (let count = 0; count <= 32; count++) {
      const entries = Array.from({ length: count }, () => data('6'))
      expect(encodeDigestPreimage({ ...preimage, data: entries }).length).toBe(32 * (9 + 6 * count))
      for (const none of [undefined, ZERO_HASH]) {
        const bytes = encodeDigestPreimage({ ...preimage, data: entries, pcr0Commitment: none })
        expect(bytes.length).toBe(32 * (8 + 6 * count))
      }
    }
  })

  test('error: names the malformed member', () => {
    expect(rejected(() => computeArtifactDigest({ ...preimage, regoHash: ARTIFACT_ABSENT }))).toBe(
      'regoHash',
    )
    expect(rejected(() => computeArtifactDigest({ ...preimage, chainId: -1n }))).toBe('chainId')
    expect(rejected(() => computeArtifactDigest({ ...preimage, data: null as never }))).toBe('data')
    const bad = { ...data('6'), wasmHash: ARTIFACT_ABSENT }
    expect(rejected(() => computeArtifactDigest({ ...preimage, data: [bad] }))).toBe(
      'data[0].wasmHash',
    )
    const many = Array.from({ length: 33 }, () => data('6'))
    expect(rejected(() => computeArtifactDigest({ ...preimage, data: many }))).toBe('data')
    expect(rejected(() => computeArtifactDigest({ ...preimage, pcr0Commitment: '0x11' }))).toBe(
      'pcr0Commitment',
    )
  })

  test('behavior: expiration is the least expireAfter, without overflow', () => {
    expect(computeExpirationBlock({ referenceBlock: 10n, expireAfter: [5n, 3n, 9n] })).toBe(13n)
    expect(
      computeExpirationBlock({ referenceBlock: 2n ** 64n - 1n, expireAfter: [2n ** 32n - 1n] }),
    ).toBe(2n ** 64n + 2n ** 32n - 2n)
    expect(rejected(() => computeExpirationBlock({ referenceBlock: 1n, expireAfter: [] }))).toBe(
      'expireAfter',
    )
    expect(rejected(() => computeExpirationBlock({ referenceBlock: 1n, expireAfter: [0n] }))).toBe(
      'expireAfter',
    )
  })
})

describe('evaluateResult', () => {
  const word = (value: bigint): string => value.toString(16).padStart(64, '0')
  const text = (value: string, length = value.length): Hex =>
    `0x${word(32n)}${word(BigInt(length))}${Buffer.from(value).toString('hex').padEnd(64, '0')}`

  test('behavior: reads as the contract does', () => {
    const allows: Hex[] = [
      RESULT_ALLOW,
      encodeEvaluationResult(true),
      text('true'),
      // The first word of the string form is not looked at, and more may follow.
      `0x${word(99n)}${text('true').slice(66)}`,
      `${text('true')}${'ff'.repeat(7)}` as Hex,
    ]
    for (const result of allows) expect(evaluateResult(result), result).toBe(true)
  })

  test('behavior: everything else denies', () => {
    const denies: unknown[] = [
      RESULT_DENY,
      encodeEvaluationResult(false),
      encodeEvaluationResult('yes' as never),
      '0x',
      '0x01',
      `0x${word(2n)}`,
      `0x${'ff'.repeat(32)}`,
      `0x${'00'.repeat(30)}0100`,
      `0x${word(1n)}00`,
      text('false'),
      text('deny'),
      text('True'),
      text('true', 5),
      `0x${word(32n)}${word(4n)}${Buffer.from('true!').toString('hex').padEnd(64, '0')}`,
      text('true').slice(0, -2),
      '0x64656e79',
      '0x1',
      'true',
      undefined,
      null,
      1,
      true,
      {},
      [RESULT_ALLOW],
    ]
    for (const result of denies) expect(evaluateResult(result as Hex), String(result)).toBe(false)
  })

  test('behavior: no single bit away from allow allows', () => {
    const bytes = Buffer.from(RESULT_ALLOW.slice(2), 'hex')
    for (let bit = 0; bit < 256; bit++) {
      const copy = Buffer.from(bytes)
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(evaluateResult(`0x${copy.toString('hex')}`)).toBe(false)
    }
  })
})

describe('inputsHash', () => {
  test('behavior: hash of the canonical JSON, both members always there', () => {
    expect(computeInputsHash({ outputs: {}, secrets: {} })).toBe(
      keccak256(stringToHex('{"outputs":{},"secrets":{}}')),
    )
    const inputs = {
      outputs: { [hash('b')]: { z: 1, a: [true] }, [hash('a')]: {} },
      secrets: { [hash('c')]: hash('d') },
    }
    expect(computeInputsHash(inputs)).toBe(
      keccak256(
        stringToHex(
          `{"outputs":{"${hash('a')}":{},"${hash('b')}":{"a":[true],"z":1}},"secrets":{"${hash('c')}":"${hash('d')}"}}`,
        ),
      ),
    )
    const upper = {
      outputs: { [`0x${'B'.repeat(64)}`]: { z: 1, a: [true] }, [hash('a')]: {} },
      secrets: inputs.secrets,
    }
    expect(computeInputsHash(upper)).toBe(computeInputsHash(inputs))
  })

  test('error: malformed ids and outputs', () => {
    expect(rejected(() => computeInputsHash({ outputs: { '0x11': {} }, secrets: {} }))).toBe(
      'outputs.0x11',
    )
    for (const output of [null, 1, 'text', [1]]) {
      expect(
        rejected(() => computeInputsHash({ outputs: { [hash('a')]: output }, secrets: {} })),
      ).toBe(`outputs.${hash('a')}`)
    }
    const twice = { [hash('a')]: {}, [`0x${'A'.repeat(64)}`]: {} }
    expect(rejected(() => computeInputsHash({ outputs: twice, secrets: {} }))).toBe(hash('a'))
    expect(() =>
      computeInputsHash({ outputs: { [hash('a')]: { n: Number.NaN } }, secrets: {} }),
    ).toThrow(CanonicalJsonError)
  })
})

describe('params', () => {
  test('behavior: canonical bytes; none for nothing', () => {
    expect(encodeParams(undefined)).toEqual(new Uint8Array())
    expect(encodeParams({})).toEqual(new Uint8Array())
    expect(new TextDecoder().decode(encodeParams({ b: 1, a: 'x' }))).toBe('{"a":"x","b":1}')
    expect(decodeParams(new Uint8Array())).toEqual({})
  })

  test('behavior: decodes what it encodes', () => {
    const object = fc.dictionary(
      fc.string().filter((name) => name !== 'toJSON' && name !== '__proto__'),
      fc.maxSafeInteger(),
      { noNullPrototype: true },
    )
    fc.assert(
      fc.property(object, (params) => {
        expect(decodeParams(encodeParams(params))).toEqual(params)
      }),
    )
  })

  test('error: bytes that are not canonical are no params', () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
    for (const text of [
      '{}',
      '{"b":1,"a":2}',
      '{ "a":1}',
      '[1]',
      '1',
      'null',
      '{"a":1}\n',
      '{"a":1,"a":1}',
      '\ufeff{"a":1}',
    ]) {
      expect(() => decodeParams(bytes(text)), text).toThrow(ParamsNotCanonicalError)
    }
    expect(() => decodeParams(Uint8Array.of(0x7b, 0xff, 0x7d))).toThrow(ParamsNotCanonicalError)
    expect(() => decodeParams(bytes(`{"a":"${'x'.repeat(8_192)}"}`))).toThrow(
      ParamsNotCanonicalError,
    )
    expect(rejected(() => encodeParams({ a: 'x'.repeat(8_192) }))).toBe('params')
    expect(rejected(() => encodeParams([1] as never))).toBe('params')
    expect(rejected(() => encodeParams(null as never))).toBe('params')
  })
})

describe('stateCommit', () => {
  const commit: StateCommit = {
    version: 1,
    sequenceNo: 1n,
    prevStateRoot: ZERO_HASH,
    newStateRoot: hash('1'),
    timestamp: 1_750_000_000n,
    daCertHash: hash('2'),
    pcr0Commitment: hash('3'),
  }
  const domain = { chainId: 31337n, registry: address('4'), operatorSetId: 0 }

  test('behavior: version 1 reference value of the deployed contract', () => {
    expect(computeStateCommitHash(commit)).toBe(
      '0x39e539b3143406576c94519b849eaa051207fd81a53d84823d10e47ec0fcfec0',
    )
  })

  test('behavior: version 2 binds chain, registry and operator set', () => {
    const second: StateCommit = { ...commit, version: 2 }
    const types = parseAbiParameters([
      'bytes32, uint256, address, uint32, Commit commit',
      'struct Commit { uint8 version; uint64 sequenceNo; bytes32 prevStateRoot; bytes32 newStateRoot; uint64 timestamp; bytes32 daCertHash; bytes32 pcr0Commitment; }',
    ])
    expect(computeStateCommitHash(second, domain)).toBe(
      keccak256(
        encodeAbiParameters(types, [
          keccak256(stringToHex('NewtonStateCommitV2')),
          31337n,
          domain.registry,
          0,
          second,
        ]),
      ),
    )
    const hashes = new Set([
      computeStateCommitHash(second, domain),
      computeStateCommitHash(second, { ...domain, chainId: 1n }),
      computeStateCommitHash(second, { ...domain, registry: address('5') }),
      computeStateCommitHash(second, { ...domain, operatorSetId: 1 }),
    ])
    expect(hashes.size).toBe(4)
  })

  test('error: malformed commits and domains', () => {
    expect(rejected(() => computeStateCommitHash(commit, domain))).toBe('domain')
    expect(rejected(() => computeStateCommitHash({ ...commit, version: 2 }))).toBe('domain')
    expect(rejected(() => computeStateCommitHash({ ...commit, version: 3 as never }))).toBe(
      'commit.version',
    )
    expect(rejected(() => computeStateCommitHash({ ...commit, sequenceNo: 0n }))).toBe(
      'commit.sequenceNo',
    )
    expect(rejected(() => computeStateCommitHash({ ...commit, newStateRoot: ZERO_HASH }))).toBe(
      'commit.newStateRoot',
    )
    expect(rejected(() => computeStateCommitHash({ ...commit, pcr0Commitment: ZERO_HASH }))).toBe(
      'commit.pcr0Commitment',
    )
    for (const [member, bad] of malformed(commit)) {
      expect(rejected(() => computeStateCommitHash(bad as StateCommit))).toBe(`commit.${member}`)
    }
  })

  test('behavior: daCertHash binds delta and locators in order', () => {
    const store = { kind: 'keccakStore', name: '' } as const
    const archive = { kind: 'eigenDaArchive' } as const
    expect(computeDaCertHash(hash('1'), [])).toBe(keccak256(hash('1')))
    expect(computeDaCertHash(hash('1'), [store, archive])).toBe(
      keccak256(`${hash('1')}${keccak256('0x05').slice(2)}${keccak256('0x02').slice(2)}`),
    )
  })
})
