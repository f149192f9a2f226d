import fc from 'fast-check'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { InvalidInputError } from '../errors/common.js'
import { type DaLocator, decodeLocator, encodeLocator } from './locator.js'

describe('locator', () => {
  const forms: [DaLocator, Hex][] = [
    [{ kind: 'eigenDa', commitments: ['0xaabb', '0xcc'] }, '0x0100000002aabb00000001cc'],
    [{ kind: 'eigenDaArchive' }, '0x02'],
    [{ kind: 'cid', cid: '0x01551220' }, '0x0301551220'],
    [
      { kind: 'https', url: 'https://a.b/c' },
      `0x04${Buffer.from('https://a.b/c').toString('hex')}`,
    ],
    [{ kind: 'keccakStore', name: 'main' }, '0x056d61696e'],
    [{ kind: 'keccakStore', name: '' }, '0x05'],
    [{ kind: 'unknown', kindByte: 0x7f, content: '0x1234' }, '0x7f1234'],
  ]
  test.each(forms)('behavior: %o', (locator, bytes) => {
    expect(encodeLocator(locator)).toBe(bytes)
    expect(decodeLocator(bytes)).toEqual(locator)
  })

  test('behavior: any bytes decode to a locator that encodes back, or are refused', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 60 }),
        fc.integer({ min: 0, max: 6 }),
        (tail, kind) => {
          const bytes = `0x0${kind}${Buffer.from(tail).toString('hex')}` as Hex
          let locator: DaLocator
          try {
            locator = decodeLocator(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidInputError)
            return
          }
          expect(encodeLocator(locator)).toBe(bytes)
        },
      ),
      { numRuns: 3_000 },
    )
  })

  test.each<[string, Hex]>([
    ['nothing', '0x'],
    ['no commitment', '0x01'],
    ['a commitment cut short', '0x0100000003aabb'],
    ['an empty commitment', '0x0100000000'],
    ['a length cut short', '0x01000000'],
    ['content where there is none', '0x0200'],
    ['a CIDv0', '0x031220aabb'],
    ['plain http', `0x04${Buffer.from('http://a.b').toString('hex')}`],
    ['credentials in a URL', `0x04${Buffer.from('https://u:p@a.b').toString('hex')}`],
    ['invalid UTF-8', '0x05ff'],
    ['too much', `0x7f${'00'.repeat(16_384)}`],
  ])('error: decode refuses %s', (_, bytes) => {
    expect(() => decodeLocator(bytes)).toThrow(InvalidInputError)
  })

  test.each<[string, unknown]>([
    ['no commitment', { kind: 'eigenDa', commitments: [] }],
    ['an empty commitment', { kind: 'eigenDa', commitments: ['0x'] }],
    ['a known kind as unknown', { kind: 'unknown', kindByte: 4, content: '0x' }],
    ['too much', { kind: 'keccakStore', name: 'x'.repeat(16_384) }],
    ['plain http', { kind: 'https', url: 'http://a.b' }],
    ['no kind', {}],
  ])('error: encode refuses %s', (_, locator) => {
    expect(() => encodeLocator(locator as DaLocator)).toThrow(InvalidInputError)
  })
})
