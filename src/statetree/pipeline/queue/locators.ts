/** Who announced where an artifact is, kept within bounds, and the order in which that is tried. */
import type { Address, Hex } from 'viem'
import { namespaces } from '../../../core/artifact.js'
import type { DaLocator } from '../../../core/locator.js'
import {
  type LocatorAnnouncement,
  MAX_LOCATORS_TRIED,
  orderLocators,
  rankAnnouncer,
} from '../../../core/locatorOrder.js'
import { concat, uintToBytes } from '../../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../../internal/deadline.js'
import { keccak } from '../../../internal/keccak.js'
import type { ArtifactRef } from '../delta.js'

/** An address with its place in this operator's own order. */
export type Ranked = { address: Address; rank: Hex }

/** What is kept of an announcement. */
export type KeptAnnouncement = LocatorAnnouncement & { rank: Hex }

/** What the index knows of where an artifact is. */
export type ArtifactLocators = {
  /** Oldest first. */
  announcements: readonly LocatorAnnouncement[]
  /** The first template that names the artifact. */
  template: { author: Address; registeredAt: bigint } | undefined
  /** Some clients with a current instance of a template that names it. */
  clients: readonly Address[]
}

/** Asks who owns a client; `null` where nobody does. */
export type ClientOwner = (client: Address, options: IoOptions) => Promise<Address | null>

/** Bounds of what is kept for one artifact or template. */
const limits = { announcers: 256, perAnnouncer: 2, clients: 32 } as const

/**
 * Adds an announcement. Of each announcer the newest two stay, of the author the registration's too;
 * above 256 announcers the last one in this operator's own order goes, never the author.
 */
export function addAnnouncement(
  known: readonly KeptAnnouncement[],
  entry: LocatorAnnouncement,
  { template, key }: { template: { author: Address; registeredAt: bigint }; key: Uint8Array },
): readonly KeptAnnouncement[] {
  const announcer = entry.announcer.toLowerCase() as Address
  const author = template.author.toLowerCase()
  const same = known.filter((other) => other.announcer === announcer)
  const before = same.filter(
    (other, i) =>
      i > same.length - limits.perAnnouncer ||
      (announcer === author && other.block === template.registeredAt && i < 2),
  )
  const rank = same[0]?.rank ?? rankAnnouncer(announcer, key)
  const kept = [
    ...known.filter((other) => other.announcer !== announcer || before.includes(other)),
    { ...entry, announcer, rank },
  ]
  if (same.length > 0 || kept.length <= limits.announcers) return kept
  const others = new Set(kept.map((other) => other.rank))
  others.delete(rankAnnouncer(author as Address, key))
  if (others.size <= limits.announcers) return kept
  const last = [...others].sort().at(-1)
  return kept.filter((other) => other.rank !== last)
}

/** Adds a client, or takes it out; the first 32 in this operator's own order stay. */
export function changeClients(
  known: readonly Ranked[],
  { address, current, key }: { address: Address; current: boolean; key: Uint8Array },
): readonly Ranked[] {
  const rest = known.filter((other) => other.address.toLowerCase() !== address.toLowerCase())
  if (!current) return rest
  return [...rest, { address, rank: rankAnnouncer(address, key) }]
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, limits.clients)
}

/** Where an operator looks for locators. */
export type LocatorSource = {
  index: { locatorsOf(ref: ArtifactRef): ArtifactLocators }
  key: Uint8Array
  ownerOf: ClientOwner | undefined
}

/**
 * The locators of an artifact in the order they are tried. Owners of clients are only asked for
 * where more was announced than is tried.
 *
 * @param request.round - Another round is another order of strangers, so that one who was not
 *   reached in a window is in another.
 */
export async function findLocators(
  { index, key, ownerOf }: LocatorSource,
  request: { ref: ArtifactRef; round: bigint },
  io: IoOptions = {},
): Promise<DaLocator[]> {
  const { ref, round } = request
  const roundKey = keccak(concat(key, uintToBytes(round, 8)))
  const own = index.locatorsOf(ref)
  const owners =
    own.announcements.length > MAX_LOCATORS_TRIED ? await readOwners(own.clients, ownerOf, io) : []
  const locators = orderLocators({ ...own, owners: [...own.clients, ...owners], key: roundKey })
  // The same bytes may be known under another namespace: hints like any other.
  for (const namespace of artifactNamespaces) {
    if (locators.length >= MAX_LOCATORS_TRIED || namespace === ref.namespace) continue
    const other = index.locatorsOf({ namespace, hash: ref.hash })
    locators.push(...orderLocators({ ...other, owners: other.clients, key: roundKey }))
  }
  return locators.slice(0, MAX_LOCATORS_TRIED)
}

const artifactNamespaces = [
  namespaces.rego,
  namespaces.policyParamsSchema,
  namespaces.wasm,
  namespaces.policyDataParamsSchema,
  namespaces.secretsSchema,
] as const

// An owner that cannot be read has no place of its own; it is still one of the others.
async function readOwners(
  clients: readonly Address[],
  ownerOf: ClientOwner | undefined,
  io: IoOptions,
): Promise<Address[]> {
  if (ownerOf === undefined) return []
  const options = { signal: io.signal, timeout: Math.min(io.timeout ?? 5_000, 5_000) }
  const found = await Promise.all(
    clients.map((client) =>
      withDeadline('Reading the owner of a client', options, (signal) =>
        ownerOf(client, { signal }),
      ).catch(() => {
        io.signal?.throwIfAborted()
        return null
      }),
    ),
  )
  return found.filter((owner) => owner !== null)
}
