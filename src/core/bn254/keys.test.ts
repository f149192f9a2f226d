import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { GROUP_ORDER, nobleBackend } from './index.js'
import { type BlsKeyOptions, createBlsKey } from './keys.js'
import { mclBackend } from './mcl/index.js'

const secret = 123_456_789n
const digest = keccakHex(utf8('digest'))
const noble = nobleBackend

/** A backend that computes rightly, and what it was given. */
function listening() {
  const scalars: bigint[] = []
  const combineG1: typeof noble.combineG1 = (terms) => {
    for (const { scalar } of terms) scalars.push(scalar)
    return noble.combineG1(terms)
  }
  return { scalars, backend: { combineG1 } }
}

const wide = (value: bigint): Uint8Array => {
  const text = value.toString(16).padStart(128, '0')
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

describe('createBlsKey with a backend', () => {
  test('default: signs as without one, and the backend sees random parts', async () => {
    const { scalars, backend } = listening()
    const key = createBlsKey(secret, { backend })
    expect(key.sign(digest)).toEqual(createBlsKey(secret).sign(digest))
    expect(scalars).not.toContain(secret)
    expect(new Set(scalars).size).toBe(scalars.length)
    const mcl = createBlsKey(secret, { backend: await mclBackend() })
    expect(mcl.sign(digest)).toEqual(key.sign(digest))
  })

  test.each<[string, (length: number) => unknown]>([
    ['no bytes', () => new Uint8Array()],
    ['zeros', (length) => new Uint8Array(length)],
    ['a multiple of the group order', () => wide(5n * GROUP_ORDER)],
    ['the secret', () => wide(secret)],
    ['the secret and the group order', () => wide(secret + GROUP_ORDER)],
    ['too few bytes', () => new Uint8Array(32).fill(7)],
    ['too many bytes', () => new Uint8Array(65).fill(7)],
    ['nothing', () => undefined],
    ['text', () => '7'.repeat(64)],
    ['a list', () => Array(64).fill(7)],
  ])(
    'error: INVALID_INPUT for randomness of %s, and the backend is given nothing',
    (_name, give) => {
      const { scalars, backend } = listening()
      const randomBytes = give as BlsKeyOptions['randomBytes']
      const made = () => createBlsKey(secret, { backend, randomBytes })
      const refused = { code: 'INVALID_INPUT', field: 'options.randomBytes' }
      expect(made).toThrow(expect.objectContaining(refused))
      expect(made).not.toThrow(String(secret))
      expect(scalars).toEqual([])
    },
  )

  test('error: INVALID_INPUT for randomness that ends later; one bad draw is drawn again', () => {
    const { scalars, backend } = listening()
    let draws = 0
    let bad = 0
    const randomBytes = (length: number): Uint8Array =>
      draws++ % 2 === 1 || bad > 0 ? new Uint8Array(length) : new Uint8Array(length).fill(draws)
    const key = createBlsKey(secret, { backend, randomBytes })
    key.sign(digest)
    bad = 1
    const before = scalars.length
    expect(() => key.sign(digest)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    expect(scalars).toHaveLength(before)
    expect(scalars).not.toContain(secret)
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['infinity', { X: 0n, Y: 0n }],
    ['the generator', { X: 1n, Y: 2n }],
    ['text', { X: '1', Y: '2' }],
  ])('error: INVALID_INPUT for a backend whose product is %s', (_name, product) => {
    const backend = { combineG1: () => product as never }
    expect(() => createBlsKey(secret, { backend })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: 'options.backend' }),
    )
  })
})
