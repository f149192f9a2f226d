/** All connections of one server: together they use no more than there is. */
import { EnclaveProtocolError } from './errors.js'
import type { ServerLimits } from './limits.js'

/** A connection as the pool sees it. */
export type PoolMember = {
  /** Ends it. */
  drop(cause: unknown): void
  /** Whether it has requests in flight. */
  busy(): boolean
}

/** A connection's account. */
export type PoolPlace = {
  /** Notes bytes that are held from now on, or no longer. May end the connection that moves least. */
  hold(bytes: number): void
  /** Notes that a frame came or went. */
  progress(): void
  /** Takes a place for a request of `bytes`; `undefined` where there is none. The result gives it back. */
  startWork(bytes: number): (() => void) | undefined
  leave(): void
}

/** The pool. */
export type ConnectionPool = {
  /** `undefined` where it is full and nobody is idle. */
  enter(member: PoolMember): PoolPlace | undefined
}

type Account = PoolMember & { held: number; movedAt: number }

/** Creates a pool. */
export function createConnectionPool(
  limits: Pick<ServerLimits, 'maxConnections' | 'maxTotalBytes' | 'maxTotalInflight'>,
): ConnectionPool {
  const accounts = new Set<Account>()
  let total = 0
  let working = 0
  let moves = 0

  const leastMoved = (of: readonly Account[]): Account | undefined =>
    of.reduce<Account | undefined>(
      (least, account) =>
        least === undefined || account.movedAt < least.movedAt ? account : least,
      undefined,
    )
  const drop = (account: Account): void => {
    account.drop(new EnclaveProtocolError({ fault: 'budget' }))
    release(account)
  }
  const release = (account: Account): void => {
    if (!accounts.delete(account)) return
    total -= account.held
    account.held = 0
  }

  return {
    enter: (member) => {
      if (accounts.size >= limits.maxConnections) {
        const idle = leastMoved([...accounts].filter((account) => !account.busy()))
        if (idle === undefined) return undefined
        drop(idle)
      }
      const account: Account = { ...member, held: 0, movedAt: moves++ }
      accounts.add(account)
      return {
        hold: (bytes) => {
          if (!accounts.has(account)) return
          account.held += bytes
          total += bytes
          while (total > limits.maxTotalBytes) {
            const victim = leastMoved([...accounts].filter(({ held }) => held > 0))
            if (victim === undefined) return
            drop(victim)
          }
        },
        progress: () => {
          account.movedAt = moves++
        },
        startWork: (bytes) => {
          if (working >= limits.maxTotalInflight || total + bytes > limits.maxTotalBytes) {
            return undefined
          }
          working++
          total += bytes
          let ended = false
          return () => {
            if (ended) return
            ended = true
            working--
            total -= bytes
          }
        },
        leave: () => release(account),
      }
    },
  }
}
