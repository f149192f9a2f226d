import { expect, test } from 'vitest'
import { addressGroup } from './addressGroup.js'

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
