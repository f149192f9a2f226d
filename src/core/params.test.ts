import { describe, expect, test } from 'vitest'
import { CanonicalJsonError, type JsonObject } from './canonicalJson.js'
import { decodeParams, encodeParams } from './params.js'

describe('encodeParams', () => {
  test.each([0.1, 1e-7, -0, 5e-324, 1e21, 1.7976931348623157e308, 2 ** 53 - 1])(
    'behavior: what is written is read back: %s',
    (value) => {
      expect(decodeParams(encodeParams({ a: value }))).toEqual({ a: value === 0 ? 0 : value })
    },
  )

  test.each([2 ** 53, 2 ** 53 + 2, 5e18, 1e20, -1e20, 123_456_789_012_345_680_000])(
    'error: JSON_NOT_CANONICAL with the path and what to write: %s',
    (value) => {
      let thrown: unknown
      try {
        encodeParams({ limits: { daily: [1, value] } })
      } catch (error) {
        thrown = error
      }
      expect(thrown).toBeInstanceOf(CanonicalJsonError)
      const { path, message } = thrown as CanonicalJsonError
      expect(path).toBe('$.limits.daily[1]')
      expect(message).toContain(`write it as a decimal string, "${value}"`)
    },
  )

  test('behavior: amounts in wei are decimal strings', () => {
    const params: JsonObject = { max: '5000000000000000000' }
    expect(decodeParams(encodeParams(params))).toEqual(params)
    expect(() => encodeParams({ max: 5n as never })).toThrow('write it as a decimal string')
  })
})
