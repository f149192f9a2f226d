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

  test('behavior: holds as many as it may beyond the last ones, in the order of their use', () => {
    const facts = createFacts<number>(20)
    let computed = 0
    const ask = (name: string) => facts.of([name, 1n], () => ++computed)
    for (let i = 0; i < 20; i++) ask(`fact ${i}`)
    // All of them are held: those found at once, and those found by their keys.
    for (const i of [0, 19, 3, 0]) expect(ask(`fact ${i}`)).toBe(i + 1)
    ask('another')
    expect([ask('fact 3'), ask('fact 0')]).toEqual([4, 1])
    expect(ask('fact 1')).toBe(22)
    // The one that was used longest ago left for it.
    expect(ask('fact 2')).toBe(23)
    expect(computed).toBe(23)
  })

  test('behavior: takes no text for an integer, and remembers nothing of other types', () => {
    const facts = createFacts<string>(40)
    const ask = (input: unknown) => facts.of([input as string], () => typeof input)
    // Once among the last ones, once by their keys.
    for (let round = 0; round < 2; round++) {
      expect([ask('1'), ask(1n), ask('n1;'), ask(1)]).toEqual([
        'string',
        'bigint',
        'string',
        'number',
      ])
      for (let i = 0; i < 16; i++) ask(`other ${i}`)
    }
    let computed = 0
    for (const _ of [0, 1]) facts.of([null as never], () => String(++computed))
    expect(computed).toBe(2)
  })
})
