/**
 * The one order in which the announced locators of an artifact are tried.
 *
 * Anyone may announce a locator, so the order is made so that no number of announcements pushes the
 * bytes out of sight: the registration, its author and the owners of clients have places of their
 * own, and strangers share the rest in an order that they cannot know.
 */
import type { Address, Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { concat, fixedFromHex, toHex } from '../internal/bytes.js'
import { keccak } from '../internal/keccak.js'
import { type DaLocator, encodeLocator } from './locator.js'

/** Most locators of one artifact that are tried. */
export const MAX_LOCATORS_TRIED = 16

/** Most of those that have a place for who announced them. */
const places = { registration: 2, author: 2, owners: 4 } as const

/** A locator and who announced it, in which block. */
export type LocatorAnnouncement = { announcer: Address; block: bigint; locator: DaLocator }

/** Parameters of {@link orderLocators}. */
export type OrderLocatorsParameters = {
  /** All that is known for one artifact, oldest first. */
  announcements: readonly LocatorAnnouncement[]
  /** The first template that names the artifact. */
  template?: { author: Address; registeredAt: bigint } | undefined
  /** Owners of clients with a current instance of a template that names it, and those clients. */
  owners?: Iterable<Address> | undefined
  /** At least 16 secret bytes. Another key is another order of those without a place. */
  key: Uint8Array
}

/**
 * Puts announced locators in the order they are tried: two of the registration, the author's newest
 * two, the newest of at most four owners, then the newest of each other announcer in an order keyed
 * by `key`; where room is left, older ones. 16 in all, none twice, none of an unknown kind.
 *
 * @throws {InvalidInputError} for a key under 16 bytes.
 * @example
 * ```ts
 * import { orderLocators } from '@newton/policy-sdk'
 *
 * const author = '0x00000000000000000000000000000000000000a1'
 * orderLocators({
 *   announcements: [{ announcer: author, block: 7n, locator: { kind: 'eigenDaArchive' } }],
 *   template: { author, registeredAt: 7n },
 *   key: crypto.getRandomValues(new Uint8Array(32)),
 * })
 * ```
 */
export function orderLocators(parameters: OrderLocatorsParameters): DaLocator[] {
  const { template, key } = parameters
  assertKey(key)
  const byAnnouncer = newestByAnnouncer(parameters.announcements)
  const author = template?.author.toLowerCase()
  const own = (author === undefined ? undefined : byAnnouncer.get(author)) ?? []
  const registered = own.filter(({ block }) => block === template?.registeredAt).reverse()
  const ranked = [...byAnnouncer.keys()]
    .filter((announcer) => announcer !== author)
    .map((announcer) => ({ announcer, rank: rankAnnouncer(announcer as Address, key) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ announcer }) => announcer)
  const owners = new Set([...(parameters.owners ?? [])].map((owner) => owner.toLowerCase()))
  const placed = ranked.filter((announcer) => owners.has(announcer)).slice(0, places.owners)
  const others = ranked.filter((announcer) => !placed.includes(announcer))
  const newest = (announcer: string): LocatorAnnouncement[] =>
    byAnnouncer.get(announcer)?.slice(0, 1) ?? []
  return distinct([
    ...registered.slice(0, places.registration),
    ...own
      .filter((entry) => !registered.slice(0, places.registration).includes(entry))
      .slice(0, places.author),
    ...placed.flatMap(newest),
    ...others.flatMap(newest),
    ...own,
    ...[...placed, ...others].flatMap((announcer) => byAnnouncer.get(announcer)?.slice(1) ?? []),
  ])
}

/**
 * Where an announcer stands among others: `keccak256(key ‖ announcer)`, the lower the earlier.
 *
 * @throws {InvalidInputError} for a key under 16 bytes.
 */
export function rankAnnouncer(announcer: Address, key: Uint8Array): Hex {
  assertKey(key)
  return toHex(keccak(concat(key, fixedFromHex(announcer, 20, 'announcer'))))
}

function assertKey(key: Uint8Array): void {
  if (key instanceof Uint8Array && key.length >= 16) return
  throw new InvalidInputError({ field: 'key', reason: 'expected at least 16 bytes' })
}

/** Announcements by announcer in lower case, the newest first, without those that lead nowhere. */
function newestByAnnouncer(
  announcements: readonly LocatorAnnouncement[],
): Map<string, LocatorAnnouncement[]> {
  const byAnnouncer = new Map<string, LocatorAnnouncement[]>()
  for (const entry of announcements) {
    if (entry.locator.kind === 'unknown') continue
    const announcer = entry.announcer.toLowerCase()
    const known = byAnnouncer.get(announcer)
    if (known === undefined) byAnnouncer.set(announcer, [entry])
    else known.push(entry)
  }
  for (const known of byAnnouncer.values()) known.reverse()
  return byAnnouncer
}

function distinct(entries: readonly LocatorAnnouncement[]): DaLocator[] {
  const seen = new Set<Hex>()
  const locators: DaLocator[] = []
  for (const { locator } of entries) {
    if (locators.length === MAX_LOCATORS_TRIED) break
    const key = encodeLocator(locator)
    if (seen.has(key)) continue
    seen.add(key)
    locators.push(locator)
  }
  return locators
}
