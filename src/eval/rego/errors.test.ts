import { describe, expect, test } from 'vitest'
import { EngineError, OpaPolicyError, RegoRefusedError } from '../errors.js'
import { createEngineInstance } from './engineInstance.js'
import { loadEngineModule } from './engineModule.js'

const location = { file: 'p.rego', line: 2, column: 3, text: '  f(x)', caret: '  ^' }

describe('errors of engines and schemas', () => {
  test('error: RegoRefusedError shows the place and what to do', () => {
    const error = new RegoRefusedError({
      refusal: 'recursion',
      reason: 'f calls itself',
      location,
      hint: 'Write the steps out.',
    })
    expect(error.code).toBe('REGO_REFUSED')
    expect(error.message).toBe(
      'The policy is refused: f calls itself.\n\np.rego:2:3\n    f(x)\n    ^\nWrite the steps out.',
    )
  })

  test('error: EngineError for a call of an instance that was stopped', async () => {
    const instance = createEngineInstance(await loadEngineModule(), { maxMemoryBytes: 1 << 26 })
    const source = 'package p\nallow if true'
    const request = JSON.stringify({ modules: [{ path: 'p', source }] })
    expect(instance.call('engine_load', [request], 10).fault?.code).toBe('STEP_LIMIT')
    expect(() => instance.call('engine_load', [request], 1e7)).toThrow(EngineError)
    expect(new EngineError('x').code).toBe('ENGINE')
  })

  test('error: OpaPolicyError', () => {
    expect(new OpaPolicyError('it does not load')).toMatchObject({
      code: 'OPA_POLICY',
      shortMessage: 'The compiled OPA policy cannot be used: it does not load.',
    })
  })
})
