/**
 * Whom an address of a connection counts as, where something is bounded for each: one IPv4 address, or the /64 of
 * an IPv6 address, of which whoever has one has all. `undefined` for what is on this machine, such as a proxy that
 * brings everybody, and for what is no address.
 */
export function addressGroup(address: string | undefined): string | undefined {
  const [plain = ''] = (address ?? '').toLowerCase().split('%')
  const mapped = plain.startsWith('::ffff:') && plain.includes('.') ? plain.slice(7) : plain
  if (/^\d+\.\d+\.\d+\.\d+$/.test(mapped)) return mapped.startsWith('127.') ? undefined : mapped
  if (!mapped.includes(':') || mapped === '::1') return undefined
  const [before = '', after] = mapped.split('::')
  const first = before === '' ? [] : before.split(':')
  const last = after === undefined || after === '' ? [] : after.split(':')
  const left = after === undefined ? 0 : Math.max(0, 8 - first.length - last.length)
  const parts = [...first, ...Array<string>(left).fill('0'), ...last]
  return parts
    .slice(0, 4)
    .map((part) => part.replace(/^0+(?=.)/, ''))
    .join(':')
}
