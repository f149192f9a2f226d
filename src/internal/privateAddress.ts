/**
 * Which hosts and addresses are not on the public internet.
 *
 * Sources: the IANA special-purpose address registries (RFC 6890, RFC 8190) for IPv4 and IPv6, RFC
 * 6761 and RFC 8375 for names.
 */

/** Whether a URL's host is a private name or a literal private address, before any resolution. */
export function isPrivateHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.+$/, '')
  const literal = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
  if (parseIpv4(literal) !== undefined || literal.includes(':')) return isPrivateAddress(literal)
  if (!name.includes('.')) return true
  return privateSuffixes.some((suffix) => name === suffix.slice(1) || name.endsWith(suffix))
}

/** Whether an IP address, as text, is anything but public unicast. Unreadable text is private. */
export function isPrivateAddress(address: string): boolean {
  const v4 = parseIpv4(address)
  if (v4 !== undefined) return isPrivateIpv4(v4)
  const v6 = parseIpv6(address.split('%')[0] as string)
  if (v6 === undefined) return true
  const embedded = embeddedIpv4(v6)
  if (embedded !== undefined) return isPrivateIpv4(embedded)
  // Only 2000::/3 is global unicast; of it, documentation, benchmarking and ORCHID ranges are not.
  if (((v6[0] as number) & 0xe000) !== 0x2000) return true
  if (v6[0] === 0x2001 && ((v6[1] as number) < 0x0200 || v6[1] === 0x0db8)) return true
  // AS112.
  if (v6[0] === 0x2620 && v6[1] === 0x004f && v6[2] === 0x8000) return true
  return v6[0] === 0x3fff && (v6[1] as number) < 0x1000
}

const privateSuffixes = [
  '.localhost',
  '.local',
  '.internal',
  '.intranet',
  '.lan',
  '.localdomain',
  '.private',
  '.home',
  '.corp',
  '.home.arpa',
  // Services of a Kubernetes cluster, which its resolver completes.
  '.svc',
  '.onion',
]

/** First address, prefix length. */
const privateIpv4: readonly (readonly [number, number])[] = [
  [0x00000000, 8],
  [0x0a000000, 8],
  [0x64400000, 10],
  [0x7f000000, 8],
  // The host of an Azure machine, reached under an address that looks public.
  [0xa83f8110, 32],
  [0xa9fe0000, 16],
  [0xac100000, 12],
  [0xc0000000, 24],
  [0xc0000200, 24],
  // Anycast services, which answer from wherever they are near: AS112 twice, AMT relays, 6to4 relays.
  [0xc01fc400, 24],
  [0xc034c100, 24],
  [0xc0af3000, 24],
  [0xc0586300, 24],
  [0xc0a80000, 16],
  [0xc6120000, 15],
  [0xc6336400, 24],
  [0xcb007100, 24],
  [0xe0000000, 4],
  [0xf0000000, 4],
]

function isPrivateIpv4(address: number): boolean {
  return privateIpv4.some(
    ([first, length]) => address >>> (32 - length) === first >>> (32 - length),
  )
}

function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return undefined
  let value = 0
  for (const part of match.slice(1)) {
    const byte = Number(part)
    if (byte > 255) return undefined
    value = value * 256 + byte
  }
  return value >>> 0
}

/** The eight groups of an IPv6 address. */
function parseIpv6(text: string): number[] | undefined {
  let address = text
  const lastColon = text.lastIndexOf(':')
  const tail = parseIpv4(text.slice(lastColon + 1))
  if (tail !== undefined) {
    address = `${text.slice(0, lastColon + 1)}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`
  }
  const halves = address.split('::')
  if (halves.length > 2) return undefined
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')))
  const [head = [], rest] = groups
  const missing = 8 - head.length - (rest?.length ?? 0)
  if (rest === undefined ? missing !== 0 : missing < 1) return undefined
  const all =
    rest === undefined ? head : [...head, ...new Array<string>(missing).fill('0'), ...rest]
  const values = all.map((group) =>
    /^[\da-f]{1,4}$/i.test(group) ? Number.parseInt(group, 16) : Number.NaN,
  )
  return values.some(Number.isNaN) ? undefined : values
}

/** The IPv4 address that an IPv6 address stands for: mapped, translated or 6to4. */
function embeddedIpv4(groups: readonly number[]): number | undefined {
  const [a, b, c, d, e, f, g, h] = groups as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const low = ((g << 16) | h) >>> 0
  if (a === 0 && b === 0 && c === 0 && d === 0 && (e === 0xffff || (e === 0 && f === 0xffff)))
    return low
  if (a === 0x64 && b === 0xff9b && c === 0 && d === 0 && e === 0 && f === 0) return low
  if (a === 0x2002) return ((b << 16) | c) >>> 0
  return undefined
}

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
