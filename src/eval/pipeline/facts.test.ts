import { describe, expect, test } from 'vitest'
import { createFacts } from './facts.js'

describe('createFacts', () => {
  test('behavior: computes once for equal inputs, again for any other', () => {
    const facts = createFacts<string>(10)
    let computed = 0
    const ask = (...inputs: string[]) =>
      facts.of(inputs, () => {
        computed++
        return inputs.join('/')
      })
    expect([ask('a', 'b'), ask('a', 'b')]).toEqual(['a/b', 'a/b'])
    expect(computed).toBe(1)
    const others = [
      ['ab'],
      ['a,b'],
      ['a","b'],
      ['b', 'a'],
      ['a', 'b', ''],
      ['', 'a', 'b'],
      ['A', 'b'],
    ]
    for (const inputs of others) expect(ask(...inputs)).toBe(inputs.join('/'))
    expect(computed).toBe(1 + others.length)
  })

  test('behavior: what is thrown is not kept', () => {
    const facts = createFacts<number>(10)
    const failing = () => {
      throw new RangeError('no')
    }
    expect(() => facts.of(['a'], failing)).toThrow(RangeError)
    expect(() => facts.of(['a'], failing)).toThrow(RangeError)
    expect(facts.of(['a'], () => 1)).toBe(1)
  })

  test('behavior: holds no more than it may, dropping what was used longest ago', () => {
    const facts = createFacts<number>(2)
    let computed = 0
    const ask = (name: string) => facts.of([name], () => ++computed)
    ask('a')
    ask('b')
    ask('a')
    ask('c')
    expect(ask('a')).toBe(1)
    expect(ask('b')).toBe(4)
  })
})
