import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { beforeAll, describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import type { PreparedPolicy, RegoOutcome } from './engine.js'
import { opaWasmEngine } from './opaWasmEngine.js'

const world = { blockTimestamp: 0n, seed: `0x${'00'.repeat(32)}` }
const rego = utf8('# a comment\npackage p.q\n\nallow if true')

/** Text at an address, ended by a zero. */
function data(address: number, text: string): string {
  return `(data (i32.const ${address}) "${text.replaceAll('"', '\\"')}\\00")`
}

/**
 * A module with the interface of compiled policies (ABI 1.3) whose answer depends on the length of
 * the input: 7 decides, 8 is undefined, 9 aborts, 10 calls a builtin that is not there, 11 is a
 * text, 12 traps.
 */
function moduleText(entrypoints: string): string {
  return `(module
  (import "env" "memory" (memory 5))
  (import "env" "opa_abort" (func $abort (param i32)))
  (import "env" "opa_builtin0" (func $builtin0 (param i32 i32) (result i32)))
  (global (export "opa_wasm_abi_version") i32 (i32.const 1))
  (global (export "opa_wasm_abi_minor_version") i32 (i32.const 3))
  ${data(1024, '{"x.y":7}')}
  ${data(1100, entrypoints)}
  ${data(1200, '[{"result":true}]')}
  ${data(1300, '[{"result":["b","a","é","b",1]}]')}
  ${data(1400, '[]')}
  ${data(1500, 'var assignment conflict')}
  ${data(1600, '[{"result":"no"}]')}
  (func (export "builtins") (result i32) (i32.const 1024))
  (func (export "entrypoints") (result i32) (i32.const 1100))
  (func (export "opa_json_dump") (param i32) (result i32) (local.get 0))
  (func (export "opa_json_parse") (param i32 i32) (result i32) (i32.const 4096))
  (func (export "opa_malloc") (param i32) (result i32) (i32.const 8192))
  (func (export "opa_heap_ptr_get") (result i32) (i32.const 16384))
  (func (export "opa_heap_ptr_set") (param i32))
  (func (export "opa_eval") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (if (i32.eq (local.get 4) (i32.const 8)) (then (return (i32.const 1400))))
    (if (i32.eq (local.get 4) (i32.const 9)) (then (call $abort (i32.const 1500))))
    (if (i32.eq (local.get 4) (i32.const 10)) (then (return (call $builtin0 (i32.const 7) (i32.const 0)))))
    (if (i32.eq (local.get 4) (i32.const 12)) (then unreachable))
    (if (i32.eq (local.get 1) (i32.const 1)) (then (return (i32.const 1300))))
    (if (i32.eq (local.get 4) (i32.const 11)) (then (return (i32.const 1600))))
    (i32.const 1200)))`
}

describe('opaWasmEngine', () => {
  let policy: PreparedPolicy
  beforeAll(async () => {
    const policyWasm = await parse(moduleText('{"p/q/allow":0,"p/q/deny":1}'))
    policy = await opaWasmEngine({ policyWasm }).prepare({ rego })
  })

  const run = (length: number): RegoOutcome =>
    policy.evaluate(
      { inputJson: JSON.stringify({ a: '1'.repeat(length - 8) }), dataJson: '{"params":{}}' },
      world,
    )
  const runText = (inputJson: string): RegoOutcome =>
    policy.evaluate({ inputJson, dataJson: '{}' }, world)

  test('default: is labelled, decides, and sorts the reasons', () => {
    expect(opaWasmEngine({ policyWasm: new Uint8Array() })).toMatchObject({ semantics: 'opa' })
    expect(policy.package).toBe('p.q')
    expect(runText('{"a":1}')).toEqual({
      kind: 'defined',
      allow: true,
      reasons: ['a', 'b', 'é'],
      value: true,
    })
  })

  test('behavior: no result is undefined; a text is a denial', () => {
    expect(run(8)).toEqual({ kind: 'undefined' })
    expect(run(11)).toMatchObject({ kind: 'defined', allow: false, value: 'no' })
  })

  test('behavior: thrown texts and traps are errors, a missing builtin is unsupported', () => {
    expect(run(9)).toEqual({
      kind: 'error',
      code: 'EVALUATION',
      message: 'var assignment conflict',
    })
    expect(run(10)).toEqual({ kind: 'unsupported', what: 'built-in function 7: x.y' })
    expect(run(12)).toMatchObject({ kind: 'error', message: 'unreachable' })
  })

  test.each(['null', 'false', '0', '""'])('behavior: the falsy input %s is refused', (input) => {
    expect(runText(input)).toMatchObject({ kind: 'error', code: 'INVALID_INPUT' })
  })

  test('behavior: input that is no JSON, and a policy that was disposed of', async () => {
    expect(runText('{')).toMatchObject({ kind: 'error' })
    const policyWasm = await parse(moduleText('{"p/q/allow":0}'))
    const other = await opaWasmEngine({ policyWasm }).prepare({ rego })
    other.dispose()
    const outcome = other.evaluate({ inputJson: '{"a":1}', dataJson: '{}' }, world)
    expect(outcome).toMatchObject({ kind: 'error', code: 'DISPOSED' })
  })

  test('error: OpaPolicyError for a missing entrypoint, a broken module, no package', async () => {
    const policyWasm = await parse(moduleText('{"other/allow":0}'))
    const broken = opaWasmEngine({ policyWasm: Uint8Array.of(0, 97, 115, 109) })
    await expect(opaWasmEngine({ policyWasm }).prepare({ rego })).rejects.toMatchObject({
      code: 'OPA_POLICY',
      message: expect.stringContaining('opa build -t wasm -e p/q/allow'),
    })
    await expect(broken.prepare({ rego })).rejects.toMatchObject({ code: 'OPA_POLICY' })
    await expect(broken.prepare({ rego: utf8('allow if true') })).rejects.toMatchObject({
      code: 'OPA_POLICY',
    })
  })
})
