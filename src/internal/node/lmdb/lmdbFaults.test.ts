import { constants } from 'node:os'
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../../errors/common.js'
import { damageOf, unavailable, undamaged } from './lmdbFaults.js'

const numbered = (code: unknown): Error => Object.assign(new Error(`said ${code}`), { code })
const path = '/somewhere/tree.mdb'

test('error: DATABASE_DAMAGED for what LMDB says of damaged pages, from every call', () => {
  for (const code of [-30_797, -30_796, -30_794, -30_793, -30_784, -30_782, -30_778]) {
    const cause = numbered(code)
    const expected = { code: 'DATABASE_DAMAGED', path, cause, retryable: false }
    expect(damageOf(path, cause)).toMatchObject(expected)
    expect(unavailable(path, cause)).toMatchObject(expected)
    expect(() =>
      undamaged(path, () => {
        throw cause
      }),
    ).toThrow(expect.objectContaining(expected))
  }
})

test('error: DATABASE_UNAVAILABLE with what to do for what the system says, by number and by name', () => {
  const retryable = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE']
  for (const name of [...retryable, 'EACCES', 'EPERM', 'EROFS', 'EISDIR', 'EIO'] as const) {
    const number = (constants.errno as Record<string, number>)[name]
    for (const code of [name, number].filter((one) => one !== undefined)) {
      const error = unavailable(path, numbered(code))
      expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', path })
      expect(error).toMatchObject({ retryable: retryable.includes(name) })
      expect((error as { metaMessages?: string[] }).metaMessages).toHaveLength(1)
    }
  }
  for (const junk of [undefined, null, 5, 'text', {}, new Error('something'), numbered(-1)])
    expect(unavailable(path, junk)).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
})

test('behavior: errors of this package and of others go through as they are', () => {
  const own = new InvalidInputError({ field: 'a', reason: 'it is none' })
  expect(unavailable(path, own)).toBe(own)
  for (const error of [own, numbered(28), new TypeError('x')])
    expect(() =>
      undamaged(path, () => {
        throw error
      }),
    ).toThrow(error)
  expect(undamaged(path, () => 5)).toBe(5)
})
