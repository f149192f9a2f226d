/** What the chain says of commits: those that landed, where their deltas are, anchored snapshots. */
import type { Hex } from 'viem'
import type { ChainEvent, ChainEvents } from '../../../core/interfaces/chainEvents.js'
import { type DaLocator, decodeLocator } from '../../../core/locator.js'
import { computeDaCertHash } from '../../../core/stateCommit.js'
import { fromHex, toHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { keccak } from '../../../internal/keccak.js'
import { finalEvents } from './finalEvents.js'

/** A commit as it landed. */
export type LandedCommit = Extract<ChainEvent, { type: 'StateRootCommitted' }>

/** A root that was put on chain without the commits that lead to it. */
export type AnchoredSnapshot = Extract<ChainEvent, { type: 'SnapshotAnchored' }>

/** A delta that somebody announced for a commit, and that its `daCertHash` does not rule out. */
export type DeltaCandidate = { deltaHash: Hex; locators: readonly DaLocator[] }

/** Commits of one chain, read as far as they are final. */
export type LandedCommits = {
  read(io: IoOptions): Promise<void>
  get(sequenceNo: bigint): LandedCommit | undefined
  /** The lowest number above `sequenceNo` under which a commit landed. */
  nextAfter(sequenceNo: bigint): bigint | undefined
  /** The newest snapshot above `sequenceNo`. */
  anchoredAfter(sequenceNo: bigint): AnchoredSnapshot | undefined
  /** One for each delta hash, in the order of announcement. */
  candidates(commit: LandedCommit): readonly DeltaCandidate[]
}

/** Starts with no event read. */
export function landedCommits(options: { events: ChainEvents; startBlock: bigint }): LandedCommits {
  const { events, startBlock } = options
  const landed = new Map<bigint, LandedCommit>()
  const announced = new Map<bigint, { deltaHash: Hex; locators: readonly Hex[] }[]>()
  const anchored = new Map<bigint, AnchoredSnapshot>()
  const final = finalEvents({
    events,
    startBlock,
    types: ['StateRootCommitted', 'CommitAnnounced', 'SnapshotAnchored'],
    onReset: () => {
      for (const known of [landed, announced, anchored]) known.clear()
    },
  })

  const take = (event: ChainEvent): void => {
    if (event.type === 'StateRootCommitted') landed.set(event.sequenceNo, event)
    if (event.type === 'SnapshotAnchored') anchored.set(event.sequenceNo, event)
    if (event.type === 'CommitAnnounced') {
      const { sequenceNo, deltaHash, locators } = event
      announced.set(sequenceNo, [...(announced.get(sequenceNo) ?? []), { deltaHash, locators }])
    }
  }
  return {
    read: (io) => final.read(take, io),
    get: (sequenceNo) => landed.get(sequenceNo),
    nextAfter: (sequenceNo) => lowest([...landed.keys()].filter((other) => other > sequenceNo)),
    anchoredAfter(sequenceNo) {
      const above = [...anchored.keys()].filter((other) => other > sequenceNo)
      return above.length === 0 ? undefined : anchored.get(above[above.length - 1] as bigint)
    },
    candidates({ sequenceNo, daCertHash }) {
      const found = new Map<Hex, DeltaCandidate>()
      for (const { deltaHash, locators } of announced.get(sequenceNo) ?? []) {
        const candidate = { deltaHash, locators: readLocators(locators) }
        if (!fits(candidate, daCertHash)) continue
        const known = found.get(deltaHash)?.locators ?? []
        found.set(deltaHash, { deltaHash, locators: [...known, ...candidate.locators] })
      }
      return [...found.values()]
    },
  }
}

// Version 1 does not bind the delta, and anybody may announce: its `daCertHash` is that of an
// EigenDA commitment, or the delta's own hash. Version 2 binds both.
function fits({ deltaHash, locators }: DeltaCandidate, daCertHash: Hex): boolean {
  if (deltaHash === daCertHash || computeDaCertHash(deltaHash, locators) === daCertHash) return true
  return locators.some(
    (locator) =>
      locator.kind === 'eigenDa' &&
      locator.commitments.some((one) => toHex(keccak(fromHex(one).slice(1))) === daCertHash),
  )
}

function readLocators(locators: readonly Hex[]): DaLocator[] {
  return locators.flatMap((locator) => {
    try {
      return [decodeLocator(locator)]
    } catch {
      // A hint that cannot be read: the delta may still be had by its hash.
      return []
    }
  })
}

function lowest(numbers: readonly bigint[]): bigint | undefined {
  let found: bigint | undefined
  for (const number of numbers) if (found === undefined || number < found) found = number
  return found
}
