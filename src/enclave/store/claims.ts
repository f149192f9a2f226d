/**
 * Who may write what next. A transaction that lost claims all that it touched and waits its turn; while it
 * works, nobody else in this process writes there, so it does not lose again.
 */

/** Keys and prefixes that a transaction touched. */
export type Footprint = { keys: ReadonlySet<string>; prefixes: ReadonlySet<string> }

/** A place in the line. */
export type Claim = {
  footprint: Footprint
  /** Resolves when every earlier claim on the same keys was given back. */
  granted: Promise<void>
  release(): void
}

/** The line of one store. */
export type Claims = {
  /** Joins the end of the line. */
  enter(footprint: Footprint): Claim
  /** Whether somebody else who does not wait for `own` has claimed one of `keys`. */
  blocks(keys: Iterable<string>, own: Claim | undefined): boolean
}

/** Creates an empty line. */
export function createClaims(): Claims {
  const line = new Set<Claim & { done: Promise<void>; before: readonly Claim[] }>()
  return {
    enter: (footprint) => {
      const before = [...line].filter((claim) => overlap(claim.footprint, footprint))
      let settle: () => void = () => undefined
      const done = new Promise<void>((resolve) => {
        settle = resolve
      })
      const claim = {
        footprint,
        done,
        before,
        granted: Promise.all(before.map((earlier) => earlier.done)).then(() => undefined),
        release: () => {
          line.delete(claim)
          settle()
        },
      }
      line.add(claim)
      return claim
    },
    blocks: (keys, own) => {
      if (line.size === 0) return false
      const written = { keys: new Set(keys), prefixes: new Set<string>() }
      return [...line].some((claim) => {
        const waits = own !== undefined && claim.before.includes(own)
        return claim !== own && !waits && overlap(claim.footprint, written)
      })
    },
  }
}

/** All that either footprint holds. */
export function joinFootprints(a: Footprint | undefined, b: Footprint): Footprint {
  if (a === undefined) return b
  return {
    keys: new Set([...a.keys, ...b.keys]),
    prefixes: new Set([...a.prefixes, ...b.prefixes]),
  }
}

function overlap(a: Footprint, b: Footprint): boolean {
  return (
    [...a.keys].some((key) => b.keys.has(key)) ||
    anyStarts(a.keys, b.prefixes) ||
    anyStarts(b.keys, a.prefixes)
  )
}

function anyStarts(keys: ReadonlySet<string>, prefixes: ReadonlySet<string>): boolean {
  if (prefixes.size === 0) return false
  return [...keys].some((key) => [...prefixes].some((prefix) => key.startsWith(prefix)))
}
