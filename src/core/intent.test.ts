import { describe, expect, test } from 'vitest'
import { computeIntentHash, type Intent, type IntentInput, toIntent } from './intent.js'

const intent: Intent = {
  from: `0x${'11'.repeat(20)}`,
  to: `0x${'22'.repeat(20)}`,
  value: 10n ** 14n,
  data: '0xdeadbeef',
  chainId: 11_155_111n,
  functionSignature: '0x',
}

describe('toIntent', () => {
  test('default: bigints, numbers and hex are one intent', () => {
    const inputs: IntentInput[] = [
      intent,
      { ...intent, value: 10 ** 14, chainId: 11_155_111 },
      { ...intent, value: '0x5af3107a4000', chainId: '0xaa36a7' },
      { ...intent, value: '0x0005AF3107A4000', chainId: '0x00aa36a7' },
    ]
    for (const input of inputs) {
      expect(toIntent(input)).toEqual(intent)
      expect(computeIntentHash(toIntent(input))).toBe(computeIntentHash(intent))
    }
    expect(toIntent({ ...intent, value: 0 }).value).toBe(0n)
  })

  test.each([
    ['decimal text', '10'],
    ['nothing after 0x', '0x'],
    ['an unsafe number', 2 ** 53],
    ['a fraction', 1.5],
    ['a negative number', -1],
    ['a negative bigint', -1n],
    ['more than 256 bits', 2n ** 256n],
    ['nothing', undefined],
    ['an object', {}],
  ])('error: INVALID_INPUT names the member: %s', (_name, value) => {
    for (const member of ['value', 'chainId'] as const) {
      expect(() => toIntent({ ...intent, [member]: value as never })).toThrow(`intent.${member}`)
    }
  })

  test('error: INVALID_INPUT for the other members, and for no object', () => {
    expect(() => toIntent({ ...intent, to: '0x' })).toThrow('intent.to')
    expect(() => toIntent(null as never, 'request.intent')).toThrow('request.intent')
  })
})
