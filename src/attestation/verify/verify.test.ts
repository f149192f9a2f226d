import fc from 'fast-check'
import { encodeAbiParameters, type Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  address,
  createWorld,
  type Honest,
  pcr0,
  referenceBlock,
  type World,
  word,
} from '../../../test/support/attestationWorld.js'
import { ZERO_HASH } from '../../core/artifact.js'
import {
  addG1,
  addG2,
  blsKeyFromSeed,
  type Certificate,
  computeSignableDigest,
  createOperatorTable,
  operatorWitness,
} from '../../core/bn254/index.js'
import type { Json } from '../../core/canonicalJson.js'
import { computeArtifactDigest, type DigestPreimage } from '../../core/digest.js'
import { RESULT_ALLOW, RESULT_DENY } from '../../core/evaluationResult.js'
import { computeInputsHash } from '../../core/inputsHash.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { computeTaskId, type Task } from '../../core/task.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { AttestationError } from './errors.js'
import { type AttestationOutcome, attestationLevels } from './outcome.js'
import type { AttestationReader } from './reader.js'
import { computeTeeDocumentDigest, type SignedTeeDocument } from './teeDocument.js'
import {
  assertTaskAttestation,
  type VerifyTaskAttestationParameters,
  verifyTaskAttestation,
} from './verify.js'

type Case = Omit<VerifyTaskAttestationParameters, 'certificate' | 'task'> & {
  task: Task
  certificate: Certificate | undefined
}

/** What is verified: an honest task with everything that travels with it, at level `result`. */
function honestCase(world: World, honest: Honest = world.evaluate(world.makeTask())): Case {
  const { task, response, preimage, inputs } = honest
  const { reader } = world
  return {
    reader,
    task,
    response,
    preimage,
    inputs,
    certificate: world.sign(response),
    level: 'result',
  }
}

/** Operators who sign a forged digest and all that follows from it. */
function forge(world: World, change: (preimage: DigestPreimage) => Partial<DigestPreimage>): Case {
  const honest = world.evaluate(world.makeTask())
  const preimage = { ...honest.preimage, ...change(honest.preimage) }
  const { policyInstanceId, expirationBlock } = preimage
  const artifactDigest = computeArtifactDigest(preimage)
  const response = { ...honest.response, policyInstanceId, expirationBlock, artifactDigest }
  return honestCase(world, { ...honest, preimage, response })
}

/** Operators who sign a response with other fields. */
function sign(world: World, changes: Partial<PolicyTaskResponse>): Case {
  const honest = world.evaluate(world.makeTask())
  return honestCase(world, { ...honest, response: { ...honest.response, ...changes } })
}

const first = <item>(list: readonly item[]): item => list[0] as item
const summary = (outcome: AttestationOutcome): string => {
  if (outcome.status === 'valid' || outcome.status === 'consistent') {
    return `${outcome.status} ${outcome.level}`
  }
  return `${outcome.status} ${outcome.reason}`
}
const verdict = async (parameters: Case): Promise<string> =>
  summary(await verifyTaskAttestation(parameters))

/** Levels as they are told: `?` where one begins, `!` where it passed. */
async function progressOf(parameters: Case): Promise<string> {
  const told: string[] = []
  await verifyTaskAttestation({
    ...parameters,
    onLevel: ({ level, state }) => told.push(`${level}${state === 'passed' ? '!' : '?'}`),
  })
  return told.join(' ')
}

describe('an honest response', () => {
  test('is consistent below quorum, valid at quorum and result', async () => {
    const honest = honestCase(createWorld())
    const seen = []
    for (const level of attestationLevels) seen.push(await verdict({ ...honest, level }))
    expect(seen).toEqual([
      'consistent binding',
      'consistent registry',
      'consistent artifacts',
      'consistent digest',
      'valid quorum',
      'valid result',
    ])
    expect(await verdict({ ...honest, level: undefined })).toBe('valid quorum')
    expect(await assertTaskAttestation(honest)).toBe('result')
  })

  test('levels are told as they begin and pass, and no further than they are asked for', async () => {
    const honest = honestCase(createWorld())
    expect(await progressOf(honest)).toBe(
      'binding registry digest quorum artifacts result'.replace(/\w+/g, '$&? $&!'),
    )
    expect(await progressOf({ ...honest, level: 'registry' })).toBe(
      'binding? binding! registry? registry!',
    )
  })

  test('the level that an outcome is about was begun and did not pass', async () => {
    const world = createWorld()
    expect(await progressOf(sign(world, { chainId: 1n }))).toBe('binding?')
    const wrongRego = forge(world, () => ({ regoHash: word(7) }))
    expect(await progressOf(wrongRego)).toMatch(/digest\? quorum\? quorum!$/)
    const falseResult = sign(world, { evaluationResult: RESULT_DENY })
    expect(await progressOf(falseResult)).toMatch(/artifacts! result\?$/)
  })

  test('outcomes are exactly their fields', async () => {
    const honest = honestCase(createWorld())
    expect(await verifyTaskAttestation(honest)).toEqual({ status: 'valid', level: 'result' })
    expect(await verifyTaskAttestation({ ...honest, level: 'digest' })).toEqual({
      status: 'consistent',
      level: 'digest',
    })
  })

  test('a deny is as valid as an allow', async () => {
    const world = createWorld()
    const denied = world.evaluate(world.makeTask(), { scores: [1, 99] })
    expect(denied.response.evaluationResult).toBe(RESULT_DENY)
    expect(await verdict(honestCase(world, denied))).toBe('valid result')
  })

  test('needs neither preimage nor inputs at level quorum, nor a certificate below it', async () => {
    const { preimage: _, inputs: __, certificate, ...rest } = honestCase(createWorld())
    expect(await verdict({ ...rest, certificate, level: 'quorum' })).toBe('valid quorum')
    expect(await verdict({ ...rest, certificate: undefined, level: 'digest' })).toBe(
      'consistent digest',
    )
  })

  test('with an enclave, named and whitelisted at the reference block', async () => {
    const world = createWorld()
    const named = world.evaluate(world.makeTask(), { pcr0Commitment: pcr0 })
    expect(await verdict(honestCase(world, named))).toBe('valid result')
    world.state.enclaveRequired = true
    expect(await verdict(honestCase(world, named))).toBe('valid result')
  })

  test('with sealed secrets under the committed root', async () => {
    const world = withSecrets()
    expect(await verdict(honestCase(world, enclaveTask(world)))).toBe('valid result')
  })
})

/** A world whose policy needs a plugin with secrets. */
function withSecrets(): World {
  const world = createWorld()
  const ref = world.addDataTemplate('sealed', { secrets: true })
  const templateId = world.addPolicyTemplate('sealedtransfers', [ref])
  const id = world.addDataInstance(ref)
  world.envelopes.set(id, utf8('sealed'))
  world.move(world.dataSlots, ref, { block: 50n, id })
  const instance = world.addPolicyInstance(templateId)
  world.move(world.policySlots, address(0xc1), { block: 50n, id: instance })
  return world
}
const enclaveTask = (world: World): Honest =>
  world.evaluate(world.makeTask(), { scores: [1], pcr0Commitment: pcr0 })

type Row = [misbehaviour: string, make: (world: World) => Case, outcome: string]

/** Every row of the specification's matrix, most of them in several ways. */
const matrix: Row[] = [
  ['another chain', (w) => sign(w, { chainId: 1n }), 'reject CROSS_CHAIN_REPLAY'],
  ['another registry', (w) => sign(w, { policyRegistry: address(1) }), 'reject CROSS_CHAIN_REPLAY'],
  [
    'a reference block not the task’s',
    (w) => sign(w, { referenceBlock: 99n }),
    'reject REFERENCE_BLOCK_MISMATCH',
  ],
  [
    'a block hash not the task’s',
    (w) => sign(w, { referenceBlockHash: word(1) }),
    'reject REFERENCE_BLOCK_MISMATCH',
  ],
  [
    'a block hash not canonical',
    (w) => honestCase(w, w.evaluate(w.makeTask({ referenceBlockHash: word(1) }))),
    'reject REFERENCE_BLOCK_MISMATCH',
  ],
  [
    'a reorganization across the reference block',
    (w) => {
      const honest = honestCase(w)
      w.state.blockHashes.set(referenceBlock, word(7))
      return honest
    },
    'reject REFERENCE_BLOCK_MISMATCH',
  ],
  [
    'a reference block after the block of acceptance',
    (w) => ({ ...honestCase(w), at: 99n }),
    'reject REFERENCE_BLOCK_MISMATCH',
  ],
  ['another task id', (w) => sign(w, { taskId: word(1) }), 'reject TASK_MISMATCH'],
  ['another intent hash', (w) => sign(w, { intentHash: word(1) }), 'reject TASK_MISMATCH'],
  ['another client', (w) => sign(w, { policyClient: address(1) }), 'reject TASK_MISMATCH'],
  [
    'another task shown',
    (w) => ({ ...honestCase(w), task: w.makeTask({ nonce: 2n }) }),
    'reject TASK_MISMATCH',
  ],
  [
    'an intent for another chain',
    (w) => {
      const task = w.makeTask()
      return honestCase(w, w.evaluate({ ...task, intent: { ...task.intent, chainId: 1n } }))
    },
    'reject TASK_MISMATCH',
  ],
  [
    'a task for another chain',
    (w) => {
      const task = w.makeTask({ chainId: 1n })
      return { ...sign(w, { taskId: computeTaskId(task) }), task }
    },
    'reject TASK_MISMATCH',
  ],
  ['at expirationBlock', (w) => ({ ...honestCase(w), at: 140n }), 'reject EXPIRED'],
  ['one block before it', (w) => ({ ...honestCase(w), at: 139n }), 'valid result'],
  [
    'past expirationBlock at the newest block',
    (w) => {
      w.state.head = 5_000n
      return honestCase(w)
    },
    'reject EXPIRED',
  ],
  ['a foreign signer', (w) => addForeignSigner(w), 'reject UNKNOWN_OPERATOR'],
  [
    'signers of a later table',
    (w) => {
      const keys = [0, 1].map((i) => blsKeyFromSeed(utf8(`later ${i}`)))
      const table = createOperatorTable(
        keys.map((key, i) => ({ operator: address(0x900 + i), ...key.publicKey, weights: [1n] })),
      )
      w.state.tables.push({
        from: 105n,
        referenceTimestamp: 1_750_000_500,
        quorumBps: 6_667,
        table,
      })
      const honest = w.evaluate(w.makeTask())
      const response = { ...honest.response, referenceTimestamp: 1_750_000_500 }
      const certificate = w.sign(response, { by: table, with: keys, signers: [0, 1] })
      return { ...honestCase(w), response, certificate }
    },
    'reject UNKNOWN_OPERATOR',
  ],
  [
    'a certificate under another table than the response names',
    (w) => {
      const honest = w.evaluate(w.makeTask())
      return { ...honestCase(w), certificate: w.sign(honest.response, { under: 5 }) }
    },
    'reject UNKNOWN_OPERATOR',
  ],
  [
    'too few signers',
    (w) => ({
      ...honestCase(w),
      certificate: w.sign(w.evaluate(w.makeTask()).response, { signers: [0, 1] }),
    }),
    'reject BAD_CERTIFICATE',
  ],
  [
    'a certificate of another response',
    (w) => ({
      ...honestCase(w),
      certificate: w.sign(w.evaluate(w.makeTask({ nonce: 9n })).response),
    }),
    'reject BAD_CERTIFICATE',
  ],
  [
    'no table in force yet',
    (w) => {
      const honest = honestCase(w)
      w.state.tables = []
      return honest
    },
    'reject BAD_CERTIFICATE',
  ],
  [
    'a made-up instance',
    (w) => forge(w, () => ({ policyInstanceId: word(1) })),
    'slashable WRONG_INSTANCE',
  ],
  [
    'another instance of the client',
    (w) => {
      const policyInstanceId = w.addPolicyInstance(w.templateId, { params: { max: 1_000 } })
      return forge(w, () => ({ policyInstanceId }))
    },
    'slashable WRONG_INSTANCE',
  ],
  [
    'no slot at all',
    (w) => {
      const lie = honestCase(w)
      w.policySlots.clear()
      return lie
    },
    'slashable WRONG_INSTANCE',
  ],
  [
    'one instance in the response, another in the digest',
    (w) => {
      const lie = forge(w, () => ({ policyInstanceId: word(1) }))
      const honest = w.evaluate(w.makeTask())
      const response = { ...lie.response, policyInstanceId: honest.response.policyInstanceId }
      return { ...lie, response, certificate: w.sign(response) }
    },
    'slashable WRONG_INSTANCE',
  ],
  [
    'another template',
    (w) => forge(w, () => ({ policyTemplateId: word(1) })),
    'slashable WRONG_TEMPLATE',
  ],
  [
    'another params hash',
    (w) => forge(w, () => ({ paramsHash: word(1) })),
    'slashable WRONG_PARAMS',
  ],
  [
    'another params hash of a plugin',
    (w) =>
      forge(w, ({ data }) => ({
        data: [{ ...first(data), dataParamsHash: word(1) }, ...data.slice(1)],
      })),
    'slashable WRONG_PARAMS',
  ],
  [
    'another data instance of the client',
    (w) => {
      const policyDataInstanceId = w.addDataInstance(first(w.refs), { params: { n: 9 } })
      return forge(w, ({ data }) => ({
        data: [{ ...first(data), policyDataInstanceId }, ...data.slice(1)],
      }))
    },
    'slashable WRONG_DATA_INSTANCE',
  ],
  [
    'a made-up data instance',
    (w) =>
      forge(w, ({ data }) => ({
        data: [{ ...first(data), policyDataInstanceId: word(1) }, ...data.slice(1)],
      })),
    'slashable WRONG_DATA_INSTANCE',
  ],
  [
    'a data instance left out',
    (w) => forge(w, ({ data }) => ({ data: data.slice(0, 1) })),
    'slashable WRONG_DATA_INSTANCE',
  ],
  [
    'data instances in another order',
    (w) => forge(w, ({ data }) => ({ data: [...data].reverse() })),
    'slashable WRONG_DATA_INSTANCE',
  ],
  [
    'a data instance too many',
    (w) => forge(w, ({ data }) => ({ data: [...data, first(data)] })),
    'slashable WRONG_DATA_INSTANCE',
  ],
  [
    'a data slot that was empty',
    (w) => {
      const lie = honestCase(w)
      w.dataSlots.delete(first(w.refs))
      return lie
    },
    'slashable WRONG_DATA_INSTANCE',
  ],
  [
    'a data template the policy does not name',
    (w) => {
      const policyDataTemplateId = w.addDataTemplate('other')
      const policyDataInstanceId = w.addDataInstance(policyDataTemplateId)
      return forge(w, ({ data }) => ({
        data: [{ ...first(data), policyDataTemplateId, policyDataInstanceId }, ...data.slice(1)],
      }))
    },
    'slashable KIND_MISMATCH',
  ],
  [
    'an instance of another kind under a named template',
    (w) => {
      const policyDataInstanceId = w.addDataInstance(w.addDataTemplate('other'))
      return forge(w, ({ data }) => ({
        data: [{ ...first(data), policyDataInstanceId }, ...data.slice(1)],
      }))
    },
    'slashable KIND_MISMATCH',
  ],
  [
    'an instance deployed after the reference block',
    (w) => {
      const policyInstanceId = w.addPolicyInstance(w.templateId, { params: { max: 3 }, at: 101n })
      return forge(w, () => ({ policyInstanceId }))
    },
    'slashable NOT_YET_DEPLOYED',
  ],
  [
    'a data instance deployed after it',
    (w) => {
      const policyDataInstanceId = w.addDataInstance(first(w.refs), { params: { n: 9 }, at: 101n })
      return forge(w, ({ data }) => ({
        data: [{ ...first(data), policyDataInstanceId }, ...data.slice(1)],
      }))
    },
    'slashable NOT_YET_DEPLOYED',
  ],
  [
    'a template registered after it',
    (w) => {
      const policyTemplateId = w.addPolicyTemplate('younger', w.refs, 101n)
      return forge(w, () => ({ policyTemplateId }))
    },
    'slashable NOT_YET_DEPLOYED',
  ],
  ['another Rego', (w) => forge(w, () => ({ regoHash: word(1) })), 'slashable WRONG_REGO'],
  [
    'a forged plugin',
    (w) =>
      forge(w, ({ data }) => ({ data: [{ ...first(data), wasmHash: word(1) }, ...data.slice(1)] })),
    'slashable WRONG_DATA_ARTIFACT',
  ],
  [
    'another schema of a plugin',
    (w) =>
      forge(w, ({ data }) => ({
        data: [{ ...first(data), policyDataParamsSchemaHash: word(1) }, ...data.slice(1)],
      })),
    'slashable WRONG_DATA_ARTIFACT',
  ],
  [
    'another secrets schema',
    (w) =>
      forge(w, ({ data }) => ({
        data: [{ ...first(data), secretsSchemaHash: word(1) }, ...data.slice(1)],
      })),
    'slashable WRONG_DATA_ARTIFACT',
  ],
  [
    'another params schema of the policy',
    (w) => forge(w, () => ({ policyParamsSchemaHash: word(1) })),
    'slashable WRONG_DATA_ARTIFACT',
  ],
  [
    'an expiration later than computed',
    (w) => forge(w, ({ expirationBlock }) => ({ expirationBlock: expirationBlock + 1n })),
    'slashable WRONG_EXPIRATION',
  ],
  [
    'an expiration of the response alone',
    (w) => sign(w, { expirationBlock: 2n ** 64n - 1n }),
    'slashable WRONG_EXPIRATION',
  ],
  [
    'an enclave required and none named',
    (w) => {
      w.state.enclaveRequired = true
      return honestCase(w)
    },
    'slashable INVALID_TEE_ATTESTATION',
  ],
  [
    'none named although a plugin has secrets',
    () => {
      const sealed = withSecrets()
      return honestCase(sealed, sealed.evaluate(sealed.makeTask(), { scores: [1] }))
    },
    'slashable INVALID_TEE_ATTESTATION',
  ],
  [
    'a measurement never whitelisted',
    (w) => honestCase(w, w.evaluate(w.makeTask(), { pcr0Commitment: word(5) })),
    'slashable INVALID_TEE_ATTESTATION',
  ],
  [
    'a measurement whitelisted after the reference block',
    (w) => {
      w.whitelist.set(pcr0, { from: 101n })
      return honestCase(w, w.evaluate(w.makeTask(), { pcr0Commitment: pcr0 }))
    },
    'slashable INVALID_TEE_ATTESTATION',
  ],
  [
    'a measurement deprecated after it',
    (w) => {
      w.whitelist.set(pcr0, { from: 1n, to: 101n })
      return honestCase(w, w.evaluate(w.makeTask(), { pcr0Commitment: pcr0 }))
    },
    'valid result',
  ],
  ['another digest', (w) => sign(w, { artifactDigest: word(1) }), 'slashable DIGEST_MISMATCH'],
  ['a false allow', (w) => falseResult(w), 'disputed WRONG_RESULT'],
  [
    'a result that is no word',
    (w) => sign(w, { evaluationResult: '0x01' }),
    'disputed WRONG_RESULT',
  ],
  [
    'an allow in the text form that the contract reads as one',
    (w) => sign(w, { evaluationResult: textResult('true') }),
    'valid result',
  ],
  [
    'a deny in other bytes than the word 0',
    (w) => {
      const honest = w.evaluate(w.makeTask(), { scores: [1, 99] })
      const evaluationResult = textResult('false')
      return honestCase(w, { ...honest, response: { ...honest.response, evaluationResult } })
    },
    'valid result',
  ],
  [
    'a false result where results are slashable',
    (w) => ({ ...falseResult(w), resultsSlashable: true }),
    'slashable WRONG_RESULT',
  ],
  [
    'a re-run that ends in no decision',
    (w) => {
      const replayResult = (): Promise<never> => Promise.reject(new Error('step limit'))
      return { ...honestCase(w), reader: { ...w.reader, replayer: { replayResult } } }
    },
    'inconclusive RERUN_NO_DECISION',
  ],
]

/** The ABI encoding of a string. */
function textResult(text: string): Hex {
  return encodeAbiParameters([{ type: 'string' }], [text])
}

function falseResult(world: World): Case {
  const honest = world.evaluate(world.makeTask(), { scores: [1, 99] })
  return honestCase(world, {
    ...honest,
    response: { ...honest.response, evaluationResult: RESULT_ALLOW },
  })
}

function addForeignSigner(world: World): Case {
  const honest = honestCase(world)
  const { response, certificate } = honest as {
    response: PolicyTaskResponse
    certificate: Certificate
  }
  const foreign = blsKeyFromSeed(utf8('foreign'))
  const { referenceTimestamp } = response
  const digest = computeSignableDigest({
    referenceTimestamp,
    messageHash: computeMessageHash(response),
  })
  return {
    ...honest,
    certificate: {
      ...certificate,
      signature: addG1([certificate.signature, foreign.sign(digest)]),
      apk: addG2([certificate.apk, foreign.publicKey.pubkeyG2]),
    },
  }
}

describe('misbehaviour', () => {
  test.each(matrix)('%s', async (_name, make, outcome) => {
    expect(await verdict(make(createWorld()))).toBe(outcome)
  })

  const slashable = matrix.filter(([, , outcome]) => {
    return outcome.startsWith('slashable') && !outcome.endsWith('WRONG_RESULT')
  })

  test.each(slashable)(
    '%s: rejected with its reason below quorum',
    async (_name, make, outcome) => {
      const lie = { ...make(createWorld()), level: 'digest' as const }
      expect(await verdict(lie)).toBe(outcome.replace('slashable', 'reject'))
    },
  )

  test.each(slashable)(
    '%s: nobody is blamed where the certificate does not verify',
    async (_name, make) => {
      const world = createWorld()
      const lie = make(world)
      const certificate = world.sign(lie.response, { signers: [0] })
      expect(await verdict({ ...lie, certificate })).toBe('reject BAD_CERTIFICATE')
      expect(await verdict({ ...lie, certificate: undefined })).toBe(
        'inconclusive CERTIFICATE_UNAVAILABLE',
      )
    },
  )

  test.each(slashable)(
    '%s: evidence reaches the same verdict again',
    async (_name, make, outcome) => {
      const lie = make(createWorld())
      const found = await verifyTaskAttestation(lie)
      if (found.status !== 'slashable') throw new Error('expected evidence')
      const { task, response, certificate, messageHash, reason } = found.evidence
      expect(reason).toBe(found.reason)
      expect(messageHash).toBe(computeMessageHash(response))
      const { reader, preimage } = lie
      if (task === null) throw new Error('expected the task')
      const again = { reader, task, response, certificate, preimage, level: 'quorum' as const }
      expect(await verdict(again)).toBe(outcome)
    },
  )

  test('without the preimage, names beyond the response are DIGEST_MISMATCH', async () => {
    const named = new Set([
      'WRONG_INSTANCE',
      'NOT_YET_DEPLOYED',
      'WRONG_EXPIRATION',
      'INVALID_TEE_ATTESTATION',
    ])
    for (const [name, make, outcome] of slashable) {
      const { preimage: _, ...lie } = make(createWorld())
      const seen = await verdict(lie)
      if (seen !== 'slashable DIGEST_MISMATCH') {
        expect(seen, name).toBe(outcome)
        expect(named.has(outcome.slice(10)), name).toBe(true)
      }
    }
  })

  test('a preimage that is not the signers’ names nothing', async () => {
    const world = createWorld()
    const lie = forge(world, () => ({ regoHash: word(1) }))
    const preimage = { ...(lie.preimage as DigestPreimage), paramsHash: word(2) }
    expect(await verdict({ ...lie, preimage })).toBe('slashable DIGEST_MISMATCH')
    expect(await verdict({ ...lie, preimage: { data: 5 } as never })).toBe(
      'slashable DIGEST_MISMATCH',
    )
    const honest = honestCase(world)
    expect(await verdict({ ...honest, preimage })).toBe('valid result')
  })
})

describe('honest operators are never to blame', () => {
  test.each<[string, (world: World) => void]>([
    [
      'the policy slot moves',
      (w) =>
        w.move(w.policySlots, address(0xc1), {
          block: 101n,
          id: w.addPolicyInstance(w.templateId, { params: { max: 1 } }),
        }),
    ],
    [
      'a data slot moves',
      (w) =>
        w.move(w.dataSlots, first(w.refs), {
          block: 101n,
          id: w.addDataInstance(first(w.refs), { params: { n: 5 } }),
        }),
    ],
    [
      'the quorum is raised',
      (w) => w.state.tables.push({ ...first(w.state.tables), from: 101n, quorumBps: 10_000 }),
    ],
    [
      'a new table comes into force',
      (w) =>
        w.state.tables.push({
          ...first(w.state.tables),
          from: 101n,
          referenceTimestamp: 1_760_000_000,
        }),
    ],
  ])('%s after the reference block', async (_name, change) => {
    const world = createWorld()
    const honest = {
      ...honestCase(world),
      certificate: world.sign(world.evaluate(world.makeTask()).response, { signers: [0, 1, 2] }),
    }
    change(world)
    expect(await verdict(honest)).toBe('valid result')
  })
})

describe('acceptance', () => {
  // The head of the world is 1_750_000_000 + its number.
  const stale = (maxStaleness: number | undefined, changes: Partial<Case> = {}) => {
    const world = createWorld()
    const honest = honestCase(world)
    const certificates = world.reader.certificates as NonNullable<AttestationReader['certificates']>
    const tableAt = async (block: bigint) => {
      const found = await certificates.tableAt(block)
      return found === null ? null : { ...found, maxStaleness }
    }
    const reader = { ...world.reader, certificates: { ...certificates, tableAt } }
    return verdict({ ...honest, level: 'quorum', reader, ...changes })
  }
  const { head } = createWorld().state
  const age = Number(1_750_000_000n + head) - createWorld().state.tables[0]!.referenceTimestamp

  test('behavior: a table too old for the contract is refused where acceptance is asked for', async () => {
    expect(await stale(age - 1)).toBe('valid quorum')
    expect(await stale(age - 1, { acceptance: true })).toBe('reject CERTIFICATE_STALE')
    expect(await stale(age, { acceptance: true })).toBe('valid quorum')
    // Zero is for ever, as in the contract.
    expect(await stale(0, { acceptance: true })).toBe('valid quorum')
  })

  test('behavior: it is judged at the block that is passed', async () => {
    const at = head - 1n
    expect(await stale(age - 1, { acceptance: true, at })).toBe('valid quorum')
    expect(await stale(age - 2, { acceptance: true, at })).toBe('reject CERTIFICATE_STALE')
  })

  test('behavior: a reader that does not tell makes it inconclusive', async () => {
    expect(await stale(undefined, { acceptance: true })).toBe(
      'inconclusive CERTIFICATE_UNAVAILABLE',
    )
  })

  test('behavior: a lie under an old table is a lie, and says whether it can be challenged', async () => {
    const world = createWorld()
    const honest = honestCase(world)
    const { response } = honest
    const lie = { ...response, artifactDigest: word(66) }
    const dishonest = {
      ...honest,
      response: lie,
      certificate: world.sign(lie),
      preimage: undefined,
    }
    expect(await verifyTaskAttestation({ ...dishonest, acceptance: true })).toMatchObject({
      status: 'slashable',
      reason: 'DIGEST_MISMATCH',
      challengeable: true,
    })
    const foreign = world.addPolicyInstance(world.templateId, { params: { max: 1 } })
    const wrong = { ...response, policyInstanceId: foreign }
    const named = { ...dishonest, response: wrong, certificate: world.sign(wrong) }
    const outcome = await verifyTaskAttestation(named)
    expect(outcome).toMatchObject({
      status: 'slashable',
      reason: 'WRONG_INSTANCE',
      challengeable: false,
    })
    const error = await assertTaskAttestation(named).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AttestationError)
    expect((error as AttestationError).message).toContain('cannot be challenged')
    for (const known of [{ accepted: true }, { task: null, taskChecked: true }]) {
      expect(await verifyTaskAttestation({ ...named, ...known })).toMatchObject({
        reason: 'WRONG_INSTANCE',
        challengeable: true,
      })
    }
    // The slot moved to it meanwhile: it can be accepted, and then challenged.
    world.move(world.policySlots, address(0xc1), { block: 101n, id: foreign })
    world.state.head = 102n
    expect(await verifyTaskAttestation(named)).toMatchObject({
      reason: 'WRONG_INSTANCE',
      challengeable: true,
    })
  })
})

describe('what cannot be obtained is inconclusive', () => {
  const fails = async (): Promise<never> => {
    throw new Error('connection reset')
  }
  test.each<[string, (honest: Case, world: World) => Case, string]>([
    [
      'blocks',
      (c, w) => ({ ...c, reader: { ...w.reader, registry: { ...w.registry, getBlock: fails } } }),
      'RPC_FAILED',
    ],
    [
      'the snapshot',
      (c, w) => ({ ...c, reader: { ...w.reader, registry: { ...w.registry, snapshot: fails } } }),
      'RPC_FAILED',
    ],
    [
      'a reference block not mined at this node',
      (c, w) => {
        w.state.head = 99n
        return { ...c, at: 105n }
      },
      'REFERENCE_BLOCK_UNAVAILABLE',
    ],
    [
      'an artifact',
      (c, w) => {
        w.artifacts.clear()
        return c
      },
      'ARTIFACT_UNAVAILABLE',
    ],
    [
      'the right bytes',
      (c, w) => ({
        ...c,
        reader: { ...w.reader, artifacts: { getArtifact: async () => utf8('else') } },
      }),
      'ARTIFACT_UNAVAILABLE',
    ],
    [
      'an artifact source',
      (c, w) => ({ ...c, reader: { ...w.reader, artifacts: undefined } }),
      'ARTIFACT_UNAVAILABLE',
    ],
    [
      'the operator table',
      (c, w) => ({
        ...c,
        reader: {
          ...w.reader,
          certificates: { ...w.reader.certificates, tableAt: fails } as never,
        },
      }),
      'CERTIFICATE_UNAVAILABLE',
    ],
    ...[{}, 5, { referenceTimestamp: 1, quorumBps: 6_700 }].map(
      (answer): [string, (c: Case, w: World) => Case, string] => [
        `an operator table: ${JSON.stringify(answer)}`,
        (c, w) => ({
          ...c,
          reader: {
            ...w.reader,
            certificates: { ...w.reader.certificates, tableAt: async () => answer } as never,
          },
        }),
        'CERTIFICATE_UNAVAILABLE',
      ],
    ),
    ['a certificate', (c) => ({ ...c, certificate: undefined }), 'CERTIFICATE_UNAVAILABLE'],
    ['inputs', (c) => ({ ...c, inputs: undefined }), 'INPUTS_UNAVAILABLE'],
    [
      'the attested inputs',
      (c) => ({ ...c, inputs: { outputs: {}, secrets: {} } }),
      'INPUTS_UNAVAILABLE',
    ],
    [
      'well-formed inputs',
      (c) => ({ ...c, inputs: { outputs: { '0x1': 5 }, secrets: {} } as never }),
      'INPUTS_UNAVAILABLE',
    ],
    [
      'a replayer',
      (c, w) => ({ ...c, reader: { ...w.reader, replayer: undefined } }),
      'RERUN_NO_DECISION',
    ],
    [
      'a decision that is a boolean',
      (c, w) => ({
        ...c,
        reader: {
          ...w.reader,
          replayer: { replayResult: async () => ({ allow: 'yes', reasons: [] }) as never },
        },
      }),
      'RERUN_NO_DECISION',
    ],
    ['a registry', (c) => ({ ...c, reader: {} as never }), 'INVALID_ARGUMENTS'],
    ['a known level', (c) => ({ ...c, level: 'everything' as never }), 'INVALID_ARGUMENTS'],
  ])('%s', async (_name, change, reason) => {
    const world = createWorld()
    expect(await verdict(change(honestCase(world), world))).toBe(`inconclusive ${reason}`)
  })

  test('wrong arguments are told apart from what can be tried again', async () => {
    const world = createWorld()
    const honest = honestCase(world)
    const wrong = await verifyTaskAttestation({ ...honest, level: 'everything' as never })
    expect(wrong).toMatchObject({ reason: 'INVALID_ARGUMENTS', retryable: false })
    await expect(
      assertTaskAttestation({ ...honest, level: 'everything' as never }),
    ).rejects.toMatchObject({ code: 'ATTESTATION_NOT_VALID', retryable: false })
    const artifacts = { getArtifact: fails }
    const missing = { ...honest, reader: { ...world.reader, artifacts } }
    expect(await verifyTaskAttestation(missing)).toMatchObject({
      reason: 'ARTIFACT_UNAVAILABLE',
      retryable: true,
    })
    await expect(assertTaskAttestation(missing)).rejects.toMatchObject({ retryable: true })
  })

  test('outputs that miss a plugin, although they were attested', async () => {
    const world = createWorld()
    const honest = world.evaluate(world.makeTask())
    const inputs = { outputs: {}, secrets: {} }
    const response = { ...honest.response, inputsHash: computeInputsHash(inputs) }
    const outcome = await verdict(honestCase(world, { ...honest, response, inputs }))
    expect(outcome).toBe('inconclusive RERUN_NO_DECISION')
  })

  test('the envelope of a plugin with secrets', async () => {
    const world = withSecrets()
    const honest = honestCase(world, enclaveTask(world))
    expect(await verdict({ ...honest, reader: { ...world.reader, envelopes: undefined } })).toBe(
      'inconclusive SECRETS_UNAVAILABLE',
    )
    for (const id of world.envelopes.keys()) world.envelopes.set(id, utf8('replaced'))
    expect(await verdict(honest)).toBe('inconclusive SECRETS_UNAVAILABLE')
    world.envelopes.clear()
    expect(await verdict(honest)).toBe('inconclusive SECRETS_UNAVAILABLE')
  })

  test('a node that answers with a wrong row never makes anyone slashable', async () => {
    const rows: ((w: World) => void)[] = [
      (w) =>
        w.policyInstances.set(w.policyInstanceId, {
          ...(w.policyInstances.get(w.policyInstanceId) as never as object),
          paramsHash: word(1),
        } as never),
      (w) =>
        w.policyInstances.set(w.policyInstanceId, {
          ...(w.policyInstances.get(w.policyInstanceId) as never as object),
          expireAfter: 1n,
        } as never),
      (w) =>
        w.policyInstances.set(w.policyInstanceId, {
          ...(w.policyInstances.get(w.policyInstanceId) as never as object),
          deployedAt: 1_000n,
        } as never),
      (w) =>
        w.policyInstances.set(w.policyInstanceId, {
          ...(w.policyInstances.get(w.policyInstanceId) as never as object),
          client: address(8),
        } as never),
      (w) => w.policyInstances.delete(w.policyInstanceId),
      (w) =>
        w.policyTemplates.set(w.templateId, {
          ...(w.policyTemplates.get(w.templateId) as never as object),
          regoHash: word(1),
        } as never),
      (w) =>
        w.policyTemplates.set(w.templateId, {
          ...(w.policyTemplates.get(w.templateId) as never as object),
          registeredAt: 1_000n,
        } as never),
      (w) => w.policyTemplates.delete(w.templateId),
      (w) =>
        w.dataTemplates.set(first(w.refs), {
          ...(w.dataTemplates.get(first(w.refs)) as never as object),
          wasmHash: word(1),
        } as never),
      (w) => w.dataTemplates.delete(first(w.refs)),
      (w) => w.dataInstances.delete(first(w.dataInstanceIds)),
      (w) =>
        w.dataInstances.set(first(w.dataInstanceIds), {
          ...(w.dataInstances.get(first(w.dataInstanceIds)) as never as object),
          templateId: word(1),
        } as never),
    ]
    for (const [index, corrupt] of rows.entries()) {
      const world = createWorld()
      const honest = honestCase(world)
      corrupt(world)
      expect(await verdict(honest), `row ${index}`).toBe('inconclusive REGISTRY_INCONSISTENT')
    }
  })

  test('a deadline is inconclusive, a cancellation is the caller’s', async () => {
    const world = createWorld()
    const never = { ...world.registry, snapshot: () => new Promise<never>(() => {}) }
    const stuck = { ...honestCase(world), reader: { ...world.reader, registry: never } }
    expect(await verdict({ ...stuck, timeout: 20 })).toBe('inconclusive TIMEOUT')
    const reason = new Error('user left')
    await expect(
      verifyTaskAttestation({ ...stuck, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason)
  })
})

describe('transcripts', () => {
  const transcriptOf = (world: World, honest: Case) => {
    const [data] = (honest.preimage as DigestPreimage).data as [DigestPreimage['data'][number]]
    return {
      policyDataTemplateId: data.policyDataTemplateId,
      policyDataInstanceId: data.policyDataInstanceId,
      wasmHash: data.wasmHash,
      input: '{}',
      exchanges: [],
      world,
    }
  }
  test('replayed plugins must give the attested outputs', async () => {
    const world = createWorld()
    const honest = honestCase(world)
    const transcript = [transcriptOf(world, honest)]
    const output = honest.inputs?.outputs[first(world.refs)] as Json
    const reader = { ...world.reader, plugins: { replayPlugin: async () => output } }
    expect(await verdict({ ...honest, reader, transcript })).toBe('valid result')
    const other = { ...world.reader, plugins: { replayPlugin: async () => ({ score: 77 }) } }
    expect(await verdict({ ...honest, reader: other, transcript })).toBe(
      'inconclusive TRANSCRIPT_MISMATCH',
    )
    const foreign = [{ ...first(transcript), wasmHash: word(1) }]
    expect(await verdict({ ...honest, reader, transcript: foreign })).toBe(
      'inconclusive TRANSCRIPT_MISMATCH',
    )
    const sealed = [{ ...first(transcript), transcriptHash: word(1) }]
    expect(await verdict({ ...honest, reader: other, transcript: sealed })).toBe('valid result')
  })
})

describe('enclave documents', () => {
  const setup = (status: 'valid' | 'reject' | 'inconclusive') => {
    const world = createWorld()
    const honest = world.evaluate(world.makeTask(), { pcr0Commitment: pcr0 })
    const seen: { userData: Uint8Array; pcr0Commitment: Hex }[] = []
    const documents = {
      verifyDocument: async (parameters: { userData: Uint8Array; pcr0Commitment: Hex }) => {
        seen.push(parameters)
        return { status, code: 'PCR_MISMATCH', reason: 'no certificate' } as never
      },
    }
    const bytes = utf8('document')
    const messageHash = computeMessageHash(honest.response)
    const key = first(world.keys)
    const document: SignedTeeDocument = {
      bytes,
      operator: operatorWitness(world.table, 0),
      pubkeyG2: key.publicKey.pubkeyG2,
      signature: key.sign(computeTeeDocumentDigest({ messageHash, document: bytes })),
    }
    return {
      case: { ...honestCase(world, honest), reader: { ...world.reader, documents } },
      document,
      world,
      seen,
    }
  }

  test('one that verifies is part of a valid result, bound to this response', async () => {
    const { case: honest, document, seen } = setup('valid')
    expect(await verdict({ ...honest, document })).toBe('valid result')
    const userData = keccakHex(
      Uint8Array.from(Buffer.from(honest.response.taskId.slice(2), 'hex')),
      Uint8Array.from(Buffer.from(computeMessageHash(honest.response).slice(2), 'hex')),
    )
    expect(seen).toHaveLength(1)
    expect(Buffer.from(first(seen).userData).toString('hex')).toBe(userData.slice(2))
    expect(first(seen).pcr0Commitment).toBe(pcr0)
    expect(await verdict(honest)).toBe('inconclusive DOCUMENT_UNAVAILABLE')
  })

  test('a false one slashes only the signer that answers for it', async () => {
    const { case: honest, document, world } = setup('reject')
    const outcome = await verifyTaskAttestation({ ...honest, document })
    expect(outcome).toMatchObject({
      status: 'slashable',
      reason: 'INVALID_TEE_ATTESTATION',
      evidence: { kind: 'tee', operatorIndex: 0 },
    })
    const inconclusive = 'inconclusive DOCUMENT_UNAVAILABLE'
    const forged = { ...document, bytes: utf8('made by someone else') }
    expect(await verdict({ ...honest, document: forged })).toBe(inconclusive)
    const blamed = { ...document, operator: operatorWitness(world.table, 1) }
    expect(await verdict({ ...honest, document: blamed })).toBe(inconclusive)
    const certificate = world.sign(honest.response, { signers: [1, 2, 3] })
    expect(await verdict({ ...honest, document, certificate })).toBe(inconclusive)
  })

  test('one that does not come, or is nobody’s, hides no false result', async () => {
    const { case: honest, document, world } = setup('reject')
    const evaluationResult = RESULT_DENY
    const response = { ...honest.response, evaluationResult }
    const lie = { ...honest, response, certificate: world.sign(response, { signers: [0, 1, 2] }) }
    expect(await verdict(lie)).toBe('disputed WRONG_RESULT')
    const forged = { ...document, bytes: utf8('made by someone else') }
    expect(await verdict({ ...lie, document: forged })).toBe('disputed WRONG_RESULT')
    // Where the re-run cannot be made either, it stays what is missing.
    expect(await verdict({ ...lie, inputs: undefined })).toBe('inconclusive DOCUMENT_UNAVAILABLE')
  })

  test('one that cannot be judged is inconclusive', async () => {
    const { case: honest, document } = setup('inconclusive')
    expect(await verdict({ ...honest, document })).toBe('inconclusive DOCUMENT_UNAVAILABLE')
  })
})

describe('properties', () => {
  const world = createWorld()
  const honest = honestCase(world)
  const members = Object.keys(honest.response) as (keyof PolicyTaskResponse)[]
  const flip = (hex: Hex, at: number): Hex => {
    const digits = hex.slice(2).split('')
    const index = at % digits.length
    digits[index] = (Number.parseInt(digits[index] as string, 16) ^ 1).toString(16)
    return `0x${digits.join('')}`
  }

  test('any signed field changed after signing is refused', async () => {
    const member = fc.constantFrom(...members)
    await fc.assert(
      fc.asyncProperty(member, fc.nat(), async (name, at) => {
        const value = honest.response[name]
        const changed =
          typeof value === 'string' ? flip(value, at) : ((BigInt(value) ^ 1n) as never)
        const response = {
          ...honest.response,
          [name]: name === 'referenceTimestamp' ? Number(changed) : changed,
        }
        expect(await verdict({ ...honest, response })).toMatch(/^reject /)
      }),
      { numRuns: 60 },
    )
  })

  test('any field of the task changed is refused', async () => {
    for (const name of Object.keys(honest.task) as (keyof typeof honest.task)[]) {
      const value = honest.task[name]
      if (typeof value === 'object') continue
      const changed =
        typeof value === 'string' ? (value === '0x' ? '0x01' : flip(value as Hex, 5)) : value + 1n
      expect(await verdict({ ...honest, task: { ...honest.task, [name]: changed } })).toMatch(
        /^reject (TASK|REFERENCE)/,
      )
    }
    for (const name of Object.keys(honest.task.intent) as (keyof typeof honest.task.intent)[]) {
      const value = honest.task.intent[name]
      const changed =
        typeof value === 'string' ? (value === '0x' ? '0x01' : flip(value as Hex, 5)) : value + 1n
      const task = { ...honest.task, intent: { ...honest.task.intent, [name]: changed } }
      expect(await verdict({ ...honest, task })).toBe('reject TASK_MISMATCH')
    }
  })

  test('never throws on other types, and never calls them valid', async () => {
    const odd = [undefined, null, 1, 'x', {}, [], Number.NaN, 1n, () => 1]
    for (const value of odd) {
      for (const name of ['reader', 'task', 'response', 'certificate', 'at'] as const) {
        if (name === 'at' && (value === undefined || typeof value === 'bigint')) continue
        const outcome = await verdict({ ...honest, [name]: value } as never)
        expect(outcome, `${name} ${String(value)}`).not.toMatch(/^(valid|consistent|slashable)/)
      }
      const whole = await verifyTaskAttestation(value as never)
      expect(whole.status).not.toBe('valid')
    }
  })

  test('a response of another shape is refused cheaply', async () => {
    const { expirationBlock: _, ...without } = honest.response
    expect(await verdict({ ...honest, response: without as never })).toBe(
      'reject MALFORMED_RESPONSE',
    )
    const wide = { ...honest.response, referenceTimestamp: 2 ** 33 }
    expect(await verdict({ ...honest, response: wide })).toBe('reject MALFORMED_RESPONSE')
    expect(await verdict({ ...honest, task: { ...honest.task, nonce: 2n ** 64n } })).toBe(
      'reject MALFORMED_TASK',
    )
  })

  test('a task may be missing only where the chain compared it', async () => {
    const without = { ...honest, task: null as never }
    expect(await verdict(without)).toBe('reject MALFORMED_TASK')
    expect(await verdict({ ...without, taskChecked: true, level: 'quorum' })).toBe('valid quorum')
    expect(await verdict({ ...without, taskChecked: true })).toBe('inconclusive INPUTS_UNAVAILABLE')
    const task = { ...honest.task, nonce: 99n }
    expect(await verdict({ ...honest, task, taskChecked: true })).toBe('reject TASK_MISMATCH')
    const missing = { ...honest, task: undefined as never, taskChecked: true }
    expect(await verdict(missing)).toBe('reject MALFORMED_TASK')
  })

  test('assertTaskAttestation throws with the outcome', async () => {
    const lie = falseResult(world)
    await expect(assertTaskAttestation(lie)).rejects.toMatchObject({
      code: 'ATTESTATION_NOT_VALID',
      outcome: { status: 'disputed', reason: 'WRONG_RESULT' },
    })
    await expect(assertTaskAttestation({ ...honest, level: 'digest' })).rejects.toThrow(
      'consistent',
    )
    expect(ZERO_HASH).toBe(word(0))
  })
})
