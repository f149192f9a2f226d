/** What a caller hands over is read once, whole, and under its own names: a slip is an error, not another question. */
import { expect, test } from 'vitest'
import { computeIntentHash, type Intent } from '../../core/intent.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { lintPolicy } from '../lint/policy.js'
import { nodePluginWorkers } from '../node/index.js'
import { createPluginRuntime, type PluginRuntimeParameters } from '../plugins/runtime/runtime.js'
import type { RegoEngine, RegoOutcome } from '../rego/engine.js'
import { operatorEngine } from '../rego/operatorEngine.js'
import { createSchemaValidator } from '../schema/validator.js'
import { createEvaluator } from './evaluator.js'
import type { EvaluatorParameters } from './parameters.js'
import { deploySimulated, type SimulationRequest, simulate } from './simulate.js'

const intent: Intent = {
  from: '0x1111111111111111111111111111111111111111',
  to: '0x2222222222222222222222222222222222222222',
  ...{ value: 9n, data: '0x', chainId: 1n, functionSignature: '0x' },
}
const rego = utf8('package p\nallow if input.value == 9\n')
const invalid = (field: string) => expect.objectContaining({ code: 'INVALID_INPUT', field })
const seed = toHex(new Uint8Array(32))
const world = { blockTimestamp: 0n, seed }

test('behavior: an intent that changes while it is read is one intent in decision and hash', async () => {
  for (let turn = 0; turn < 8; turn++) {
    let reads = 0
    const changing = { ...intent }
    Object.defineProperty(changing, 'value', {
      enumerable: true,
      get: () => (reads++ < turn ? 1n : 9n),
    })
    const { allow, response } = await simulate({ rego, intent: changing })
    const value = allow ? 9n : 1n
    expect(response.intentHash).toBe(computeIntentHash({ ...intent, value }))
    expect(reads).toBe(1)
  }
})

test('behavior: what is changed after the call is not what was asked', async () => {
  const own = { ...intent, value: 1n }
  const bytes = Uint8Array.from(rego)
  const request: SimulationRequest = { rego: bytes, intent: own, regoFile: 'p.rego' }
  const asked = simulate(request)
  own.value = 9n
  bytes.set(utf8('package p\nallow if input.value != 9\n'))
  request.intent = intent
  expect(await asked).toMatchObject({ allow: false })
})

test.each([
  ['a plugin that is none', { plugins: [null] }, 'plugins[0]'],
  ['a timestamp that is no bigint', { block: block({ timestamp: 5 }) }, 'block.timestamp'],
  ['a timestamp before 1970', { block: block({ timestamp: -1n }) }, 'block.timestamp'],
  ['a block of another name', { block: { ...block({}), numbr: 1n } }, 'block.numbr'],
  ['a hash of a block that is none', { block: block({ hash: '0x' }) }, 'block.hash'],
  ['a name of a file that is none', { regoFile: 5 }, 'regoFile'],
  ['no intent', { intent: null }, 'intent'],
])('error: simulate refuses %s', async (_, more, field) => {
  await expect(simulate({ rego, intent, ...more } as SimulationRequest)).rejects.toThrow(
    invalid(field),
  )
})

function block(more: object): object {
  return { number: 1n, timestamp: 0n, hash: seed, ...more }
}

test('error: simulate refuses a misspelled timeout', async () => {
  const options = { timout: 5 } as object
  await expect(simulate({ rego, intent }, {}, options)).rejects.toThrow(invalid('options.timout'))
})

test('error: a validator that answers with no verdict has accepted nothing', async () => {
  for (const [answer, field] of [
    [{}, 'schemas.validate(…).status'],
    [{ status: 'ok' }, 'schemas.validate(…).issues'],
    [{ status: 'ok', issues: [] }, 'schemas.validate(…).status'],
    [true, 'schemas.validate(…)'],
  ] as const) {
    const schemas = { checkSchema: async () => answer, validate: async () => answer } as never
    const paramsSchema = utf8('{"type":"object"}')
    await expect(simulate({ rego, intent, params: {}, paramsSchema }, { schemas })).rejects.toThrow(
      invalid(field),
    )
  }
})

test('behavior: an engine that allows with another value than true allows nothing', async () => {
  for (const [allow, value] of [
    [true, false],
    [true, 'true'],
    [true, 1],
    [false, true],
    ['yes', true],
    [true, true],
  ] as const) {
    const outcome = { kind: 'defined', allow, value, reasons: [] } as unknown as RegoOutcome
    const prepared = { package: 'p', evaluate: () => outcome, dispose: () => {} }
    const engine: RegoEngine = {
      ...{ id: 'own', semantics: 'operator', prepare: async () => prepared },
    }
    const evaluation = await simulate({ rego, intent }, { engine })
    expect(evaluation.allow, JSON.stringify({ allow, value })).toBe(
      allow === true && value === true,
    )
  }
})

const { task, snapshot, artifacts } = deploySimulated({ rego, intent })
const parameters: EvaluatorParameters = {
  ...{ registry: { snapshot: async () => snapshot }, artifacts, mode: 'simulate' },
  ...{ engine: operatorEngine(), schemas: createSchemaValidator() },
  plugins: { run: () => Promise.reject(new TypeError('there are no plugins')) },
}

test.each([
  ['a timestamp of the table that is not a number', Number.NaN],
  ['one before 1970', -1],
  ['one between two seconds', 1.5],
  ['one of more than 32 bits', 2 ** 32],
  ['one as text', '0'],
])('error: the evaluator refuses %s', async (_, referenceTimestamp) => {
  const request = { task, referenceTimestamp: referenceTimestamp as number }
  await expect(createEvaluator(parameters).evaluate(request)).rejects.toThrow(
    invalid('referenceTimestamp'),
  )
})

test('error: the evaluator refuses names that are none', async () => {
  const request = { task, referenceTimestamp: 0, agreedOutput: {} }
  const evaluator = createEvaluator(parameters)
  await expect(evaluator.evaluate(request)).rejects.toThrow(invalid('request.agreedOutput'))
  await expect(evaluator.evaluate(undefined as never)).rejects.toThrow(invalid('request'))
  for (const name of ['mod', 'allowOpaSemantic', 'commited']) {
    const misspelled = { ...parameters, [name]: true }
    expect(() => createEvaluator(misspelled)).toThrow(invalid(`parameters.${name}`))
  }
})

test('error: a runtime refuses names that are none: a list of hosts would silently not be there', () => {
  const workers = nodePluginWorkers()
  for (const name of ['htpp', 'workerss', 'limit', 'transprt']) {
    const misspelled = { workers, [name]: { hosts: ['api.example.com'] } }
    expect(() => createPluginRuntime(misspelled)).toThrow(invalid(`parameters.${name}`))
  }
  expect(() => createPluginRuntime({ workers: {} } as PluginRuntimeParameters)).toThrow(
    invalid('parameters.workers.startRunWorker'),
  )
})

test('error: the linter refuses names that are none, and a schema that is none by its name', async () => {
  const text = 'package p\nallow if input.value == 9\n'
  const misspelled = { rego: text, paramSchema: '{}' }
  await expect(lintPolicy(misspelled)).rejects.toThrow(invalid('parameters.paramSchema'))
  await expect(lintPolicy({ rego: text, paramsSchema: '{' })).rejects.toThrow(
    invalid('paramsSchema'),
  )
})

test('error: an engine refuses what is no world, and never throws', async () => {
  const policy = await operatorEngine().prepare({ rego })
  const documents = { inputJson: '{"value":9}', dataJson: '{}' }
  const evaluate = policy.evaluate as (...given: unknown[]) => unknown
  expect(evaluate(documents, world)).toMatchObject({ kind: 'defined', allow: true })
  for (const given of [
    [],
    [null, world],
    [documents],
    [documents, null],
    [documents, { ...world, blockTimestamp: 5 }],
    [documents, { ...world, blockTimestamp: '7' }],
    [documents, { ...world, blockTimestamp: -1n }],
    [documents, { ...world, blockTimestamp: 2n ** 63n }],
    [documents, { ...world, seed: 5 }],
    [documents, { ...world, idenity: {} }],
    [documents, { ...world, maxSteps: 5 }],
    [documents, { ...world, identity: null }],
    [documents, { ...world, identity: {} }],
    [documents, { ...world, identity: { kyc: null } }],
    [documents, { ...world, identity: 'x' }],
  ]) {
    expect(evaluate(...given)).toMatchObject({
      ...{ kind: 'error', code: 'INVALID_INPUT' },
      message: expect.not.stringMatching(/Cannot|undefined or null|BigInt/),
    })
  }
  policy.dispose()
})
