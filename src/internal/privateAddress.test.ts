import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { addressGroup, isPrivateAddress, isPrivateHost } from './privateAddress.js'

describe('isPrivateAddress', () => {
  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '168.63.129.16',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.8',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.7',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd12:3456::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:169.254.169.254',
    '64:ff9b::a00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    '2001::1',
    '100::1',
    '::127.0.0.1',
    '',
    'localhost',
    '1.2.3',
    '256.1.1.1',
    '1:2:3:4:5:6:7',
    ':::',
    '3fff::1',
  ])('%s is private', (address) => {
    expect(isPrivateAddress(address)).toBe(true)
  })

  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '168.63.129.15',
    '168.63.129.17',
    '192.0.1.1',
    '192.169.0.1',
    '198.17.0.1',
    '198.20.0.1',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001::200e',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '2002:808:808::',
  ])('%s is public', (address) => {
    expect(isPrivateAddress(address)).toBe(false)
  })
})

describe('isPrivateHost', () => {
  test.each([
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    'printer.local',
    'db.internal',
    'metadata',
    'x.home.arpa',
    'kubernetes.default.svc',
    'nas.home',
    'wiki.corp',
    'db.private',
    'host.localdomain',
    '[::1]',
    '127.0.0.1',
    '[fe80::1]',
  ])('%s is private', (host) => expect(isPrivateHost(host)).toBe(true))
  test.each([
    'example.com',
    'localhost.example.com',
    'internal.example.com',
    'svc.example.com',
    'corp.example',
    '8.8.8.8',
    '[2606:4700:4700::1111]',
  ])('%s is public', (host) => expect(isPrivateHost(host)).toBe(false))
})

// Boundaries of every range that ipaddr.js 2.5.0 knows, and random addresses, with the names it gives.
describe('beside ipaddr.js', () => {
  const ranges = JSON.parse(
    readFileSync(new URL('../../test/fixtures/addressRanges.json', import.meta.url), 'utf8'),
  ) as Record<string, string>
  /** Forms of an IPv4 address, which is what counts. */
  const embedding = new Set(['ipv4Mapped', 'rfc6145', 'rfc6052', '6to4'])
  const entries = Object.entries(ranges)

  test('behavior: whatever it calls special is private here', () => {
    const special = entries.filter(([, range]) => range !== 'unicast' && !embedding.has(range))
    expect(special.length).toBeGreaterThan(60)
    const missed = special.filter(([address]) => !isPrivateAddress(address))
    expect(missed).toEqual([])
  })

  test('behavior: whatever it calls unicast is public here, of IPv4 and of 2000::/3', () => {
    const unicast = entries.filter(([, range]) => range === 'unicast')
    const global = unicast.filter(
      ([address]) => !address.includes(':') || /^[23]\w{3}:/.test(address),
    )
    expect(global.length).toBeGreaterThan(100)
    expect(global.filter(([address]) => isPrivateAddress(address))).toEqual([])
    // Of the rest of IPv6 nothing is assigned to the public internet.
    const others = unicast.filter((entry) => !global.includes(entry))
    expect(others.filter(([address]) => !isPrivateAddress(address))).toEqual([])
  })
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:DB8:0:0:1:2:3:4', '2001:db8:0:0'],
  ['2001:0db8:1::', '2001:db8:1:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::2', '0:0:0:0'],
])('behavior: %s counts as %s', (address, group) => {
  expect(addressGroup(address)).toBe(group)
})

test.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '', 'nothing', undefined])(
  'behavior: %s is of this machine, or nobody',
  (address) => {
    expect(addressGroup(address)).toBeUndefined()
  },
)
