/**
 * Nothing of an evaluation stays in the module's memory once its answer was given: the kept engine has
 * no documents, and what was allocated or lay on the stack is wiped.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { createSchemaValidator } from '../schema/validator.js'
import type { PreparedPolicy } from './engine.js'
import { operatorEngine } from './operatorEngine.js'

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'33'.repeat(32)}` }
const secret = 'hunter2-swordfish-correct-horse'
/** Parts of the secret, as it was, as builtins of the policy make it, and keys and numbers beside it. */
const traces = [
  ...['hunter2', 'swordfish', 'HUNTER2', 'SWORDFISH', '987654321987', 'attackatdawn'],
  btoa(secret).slice(0, 12),
  '68756e74657232',
]

const rego = utf8(`package p
default allow := false
allow if { lower(data.wasm.token) != ""; count(deny) == 0 }
allow if {
	every x in [upper(data.wasm.token), base64.encode(data.wasm.token), hex.encode(data.wasm.token)] { x != "" }
	json.marshal(data.wasm) != input.other
	f(input.other) == "a" with input.other as data.wasm.token
	parts[0] == "y"
}
deny contains message if {
	some name, value in data.wasm.secret
	contains(value, "zzz")
	message := sprintf("%s %v", [name, value])
}
f(x) := concat("-", [x, upper(x)])
parts := [part | some part in split(data.wasm.token, "-")]
`)

/** The memories of all instances that are created from now on. */
const memories: WebAssembly.Memory[] = []

function found(): string[] {
  return memories.flatMap(({ buffer }) => {
    const bytes = Buffer.from(buffer)
    return traces.filter((trace) => bytes.includes(trace))
  })
}

describe('the memory of the engine', () => {
  const Instance = WebAssembly.Instance
  let policy: PreparedPolicy

  beforeAll(async () => {
    const record = (module: WebAssembly.Module, imports?: WebAssembly.Imports): unknown => {
      const made = new Instance(module, imports)
      memories.push(made.exports['memory'] as WebAssembly.Memory)
      return made
    }
    // Called with `new`: an object that it returns is the instance.
    vi.spyOn(WebAssembly, 'Instance').mockImplementation(function instance(
      module: WebAssembly.Module,
      imports?: WebAssembly.Imports,
    ) {
      return record(module, imports)
    } as never)
    policy = await operatorEngine().prepare({ rego }, { maxSteps: 1_000_000 })
  })
  afterAll(() => {
    policy.dispose()
    vi.restoreAllMocks()
  })

  test.each([
    [
      'a denial with a reason',
      { token: secret, secret: { attackatdawn: `zzz${secret}` } },
      'defined',
    ],
    ['an allow', { token: secret, secret: { attackatdawn: 'b' }, n: 987654321987 }, 'defined'],
    ['an error in allow', { token: 5, secret: { attackatdawn: 'zzz', x: secret } }, 'error'],
    ['an error in deny', { token: secret, secret: { attackatdawn: 5, x: secret } }, 'error'],
    [
      'many members',
      { token: secret, all: Array(2_000).fill({ attackatdawn: secret }) },
      'defined',
    ],
  ])('behavior: holds nothing after %s', (_, wasm, kind) => {
    const inputJson = JSON.stringify({ other: secret, n: 987654321987 })
    const outcome = policy.evaluate({ inputJson, dataJson: JSON.stringify({ wasm }) }, world)
    expect(outcome.kind).toBe(kind)
    expect(memories.length).toBeGreaterThan(0)
    expect(found()).toEqual([])
  })

  test('behavior: holds nothing after what is no JSON, or no object', () => {
    const inputJson = `{"x": "${secret}`
    expect(policy.evaluate({ inputJson, dataJson: '{}' }, world).kind).toBe('error')
    expect(policy.evaluate({ inputJson: '{}', dataJson: `["${secret}"]` }, world).kind).toBe(
      'error',
    )
    expect(found()).toEqual([])
  })

  test('behavior: holds nothing after a limit', () => {
    const all = Array(60_000).fill({ attackatdawn: secret })
    const dataJson = JSON.stringify({ wasm: { token: secret, all } })
    const outcome = policy.evaluate({ inputJson: '{}', dataJson }, world)
    expect(outcome).toMatchObject({ kind: 'error', code: 'STEP_LIMIT' })
    expect(found()).toEqual([])
  })

  test('behavior: holds no pattern that came with the documents, nor what one has searched', async () => {
    const rules = `package p
allow := [x |
	some pattern in [data.wasm.token, concat("", ["^(", data.wasm.token, ")+$"]), "^[a-z0-9-]+$"]
	x := [regex.match(pattern, data.wasm.all), regex.find_n(pattern, data.wasm.all, -1), regex.replace(data.wasm.all, pattern, "$0$0")]
]
deny contains regex.split(data.wasm.token, data.wasm.all)[0]`
    const other = await operatorEngine().prepare({ rego: utf8(rules) })
    const dataJson = JSON.stringify({ wasm: { token: secret, all: `${secret}${secret}` } })
    const outcome = other.evaluate({ inputJson: '{}', dataJson }, world)
    expect(outcome).toMatchObject({ kind: 'defined', value: expect.any(Array) })
    const wrong = JSON.stringify({ wasm: { token: `(${secret}`, all: secret } })
    expect(other.evaluate({ inputJson: '{}', dataJson: wrong }, world).kind).toBe('error')
    expect(found()).toEqual([])
    other.dispose()
  })

  test('behavior: finds what a policy itself says, so the search works', async () => {
    const rules = `package p\nallow if input.other == "${secret}"`
    const other = await operatorEngine().prepare({ rego: utf8(rules) })
    expect(found()).toEqual(expect.arrayContaining(['hunter2', 'swordfish']))
    other.dispose()
  })

  test('behavior: validated secrets are wiped too', async () => {
    memories.length = 0
    const validator = createSchemaValidator()
    const schemaJson = '{"type":"object","properties":{"key":{"type":"string","minLength":99}}}'
    const valueJson = JSON.stringify({ key: secret })
    expect((await validator.validate({ schemaJson, valueJson })).status).toBe('invalid')
    expect(memories.length).toBeGreaterThan(0)
    expect(found()).toEqual([])
  })
})
