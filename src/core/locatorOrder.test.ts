import type { Address } from 'viem'
import { describe, expect, test } from 'vitest'
import type { DaLocator } from './locator.js'
import { type LocatorAnnouncement, MAX_LOCATORS_TRIED, orderLocators } from './locatorOrder.js'

const address = (n: number): Address => `0x${n.toString(16).padStart(40, '0')}`
const url = (name: string): DaLocator => ({ kind: 'https', url: `https://${name}.example/` })
const said = (announcer: Address, name: string, block = 9n): LocatorAnnouncement => ({
  announcer,
  block,
  locator: url(name),
})
const key = new Uint8Array(32).fill(7)
const author = address(0xa1)
const template = { author, registeredAt: 5n }
const names = (locators: readonly DaLocator[]): string[] =>
  locators.map((locator) => (locator.kind === 'https' ? new URL(locator.url).hostname : ''))
const hosts = (...wanted: string[]): string[] => wanted.map((name) => `${name}.example`)

describe('orderLocators', () => {
  test('registration, author, owners, then the newest of each other announcer', () => {
    const owner = address(0x0e)
    const ordered = orderLocators({
      announcements: [
        said(author, 'registered1', 5n),
        said(author, 'registered2', 5n),
        said(author, 'registered3', 5n),
        said(address(1), 'stranger-old'),
        said(address(1), 'stranger-new'),
        said(owner, 'owner-old'),
        said(author, 'later1'),
        said(author, 'later2'),
        said(author, 'later3'),
        said(owner, 'owner-new'),
      ],
      template,
      owners: [owner],
      key,
    })
    expect(names(ordered)).toEqual(
      hosts(
        'registered1',
        'registered2',
        'later3',
        'later2',
        'owner-new',
        'stranger-new',
        // Room is left, so the older ones follow.
        'later1',
        'registered3',
        'owner-old',
        'stranger-old',
      ),
    )
  })

  test('the author is told by address, whatever its spelling', () => {
    const checksummed = '0x52908400098527886E0F7030069857D2E4169EE7'
    const ordered = orderLocators({
      announcements: [
        ...Array.from({ length: 40 }, (_, i) => said(address(i + 1), `s${i}`)),
        said(checksummed.toLowerCase() as Address, 'author'),
      ],
      template: { author: checksummed, registeredAt: 1n },
      key,
    })
    expect(names(ordered)[0]).toBe('author.example')
  })

  test('no number of strangers moves registration, author and owners', () => {
    const owners = [1, 2, 3].map((n) => address(0xe0 + n))
    const before = [
      said(author, 'registered', 5n),
      said(author, 'later'),
      ...owners.map((owner, i) => said(owner, `owner${i}`)),
    ]
    const flood = Array.from({ length: 2_000 }, (_, i) => said(address(0x1000 + i), `s${i}`))
    const ordered = names(
      orderLocators({ announcements: [...before, ...flood], template, owners, key }),
    )
    expect(ordered).toHaveLength(MAX_LOCATORS_TRIED)
    expect(ordered.slice(0, 2)).toEqual(hosts('registered', 'later'))
    expect(ordered.slice(2, 5).sort()).toEqual(hosts('owner0', 'owner1', 'owner2'))
  })

  test('a hostile first author and hostile owners leave half of the places to others', () => {
    const owners = Array.from({ length: 30 }, (_, i) => address(0xe00 + i))
    const hostile = [
      ...Array.from({ length: 20 }, (_, i) => said(author, `junk${i}`, i < 10 ? 5n : 9n)),
      ...owners.flatMap((owner, i) => [said(owner, `owner${i}a`), said(owner, `owner${i}b`)]),
    ]
    const genuine = said(address(0x600d), 'genuine')
    const rounds = Array.from({ length: 64 }, (_, round) =>
      names(
        orderLocators({
          announcements: [genuine, ...hostile],
          template,
          owners,
          key: new Uint8Array(32).fill(round),
        }),
      ),
    )
    // 27 announcers share 8 places: missed in one round with 0.7, in all of 64 hardly ever.
    expect(rounds.filter((round) => round.includes('genuine.example')).length).toBeGreaterThan(8)
    for (const round of rounds) expect(round).toHaveLength(MAX_LOCATORS_TRIED)
  })

  test('another key is another order of strangers', () => {
    const announcements = Array.from({ length: 100 }, (_, i) => said(address(i + 1), `s${i}`))
    const under = (fill: number): string[] =>
      names(orderLocators({ announcements, key: new Uint8Array(32).fill(fill) }))
    expect(under(1)).toEqual(under(1))
    expect(under(1)).not.toEqual(under(2))
  })

  test('one announcer with many locators has one place', () => {
    const ordered = orderLocators({
      announcements: [
        ...Array.from({ length: 100 }, (_, i) => said(address(1), `flood${i}`)),
        said(address(2), 'a'),
        said(address(3), 'b'),
      ],
      key,
    })
    expect(names(ordered).slice(0, 3).sort()).toEqual(hosts('a', 'b', 'flood99'))
  })

  test('repeated locators and unknown kinds take no places', () => {
    const junk = (announcer: Address): LocatorAnnouncement => ({
      announcer,
      block: 9n,
      locator: { kind: 'unknown', kindByte: 0x7f, content: '0x01' },
    })
    const ordered = orderLocators({
      announcements: [
        said(author, 'x', 5n),
        ...Array.from({ length: 50 }, (_, i) => junk(address(i + 1))),
        ...Array.from({ length: 50 }, (_, i) => said(address(i + 100), 'x')),
        said(address(0xbeef), 'y'),
      ],
      template,
      key,
    })
    expect(names(ordered)).toEqual(hosts('x', 'y'))
  })

  test('refuses a key that can be guessed', () => {
    for (const bad of [new Uint8Array(15), '0x00', undefined]) {
      expect(() =>
        orderLocators({ announcements: [said(author, 'a')], key: bad as Uint8Array }),
      ).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    }
  })
})
