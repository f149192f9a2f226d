/** Plugins that wait to be looked at: one of each requester in turn, whatever number of them wait. */
import type { Hex } from 'viem'

/** Milliseconds in which a queue that was full is not asked again. */
const fullMs = 10_000

/** Whose events name nobody: one requester, as they may all be of the same. */
export const nobody = ''

/** A plugin to look at. */
type Waiting = { requester: string; tries: number; notBefore: number }

/** What is known of a requester while something of it waits. */
type Line = { waiting: number; lastTurn: number }

/** Plugins that wait, and whose they are. */
export type WaitingList = {
  /** Adds a plugin; of several who ask for it, the one of whom fewer wait counts. */
  add(wasmHash: Hex, requester?: string): void
  /** What is due, in its order. */
  due(limit: number): readonly (readonly [Hex, Waiting])[]
  /** Whether the queue takes more of a requester, for all that is known. */
  isOpen(requester: string): boolean
  /** Notes that the queue is full: of a requester, or altogether. */
  close(requester?: string): void
  done(wasmHash: Hex): void
  /** Asks for it again later, and behind the others: bytes may be published after their hash. */
  later(wasmHash: Hex): void
}

/** Creates an empty list. */
export function createWaitingList(now: () => number): WaitingList {
  const waiting = new Map<Hex, Waiting>()
  const lines = new Map<string, Line>()
  /** Who asked first for each plugin, for when its next build is due. */
  const askers = new Map<Hex, string>()
  /** Until when the queue takes no more; `undefined` is everybody's. */
  const closed = new Map<string | undefined, number>()
  let turns = 0
  const lineOf = (requester: string): Line => {
    const line = lines.get(requester) ?? { waiting: 0, lastTurn: ++turns }
    lines.set(requester, line)
    return line
  }
  const set = (wasmHash: Hex, value: Waiting): void => {
    remove(wasmHash)
    lineOf(value.requester).waiting += 1
    waiting.set(wasmHash, value)
  }
  const remove = (wasmHash: Hex): void => {
    const held = waiting.get(wasmHash)
    if (held === undefined) return
    waiting.delete(wasmHash)
    const line = lineOf(held.requester)
    line.waiting -= 1
    if (line.waiting === 0) lines.delete(held.requester)
  }
  const hadTurn = (requester: string): void => {
    lineOf(requester).lastTurn = ++turns
  }
  const isOpen = (requester: string): boolean =>
    [undefined, requester].every((each) => (closed.get(each) ?? 0) <= now())
  return {
    isOpen,
    add: (wasmHash, requester = askers.get(wasmHash) ?? nobody) => {
      if (!askers.has(wasmHash)) askers.set(wasmHash, requester)
      const held = waiting.get(wasmHash)?.requester ?? requester
      const isShorter = (lines.get(requester)?.waiting ?? 0) < (lines.get(held)?.waiting ?? 0)
      set(wasmHash, { requester: isShorter ? requester : held, tries: 0, notBefore: 0 })
    },
    due: (limit) => {
      for (const [requester, until] of closed) if (until <= now()) closed.delete(requester)
      const found = new Map<string, (readonly [Hex, Waiting])[]>()
      for (const entry of waiting) {
        const { requester, notBefore } = entry[1]
        if (notBefore > now() || !isOpen(requester)) continue
        const own = found.get(requester) ?? []
        own.push(entry)
        found.set(requester, own)
      }
      const inTurn = [...found].sort(([a], [b]) => lineOf(a).lastTurn - lineOf(b).lastTurn)
      const chosen: (readonly [Hex, Waiting])[] = []
      for (let round = 0; chosen.length < limit; round++) {
        const next = inTurn.flatMap(([, own]) => own.slice(round, round + 1))
        if (next.length === 0) break
        chosen.push(...next.slice(0, limit - chosen.length))
      }
      return chosen
    },
    close: (requester) => {
      closed.set(requester, now() + fullMs)
    },
    done: (wasmHash) => {
      const held = waiting.get(wasmHash)
      if (held === undefined) return
      hadTurn(held.requester)
      remove(wasmHash)
    },
    later: (wasmHash) => {
      const held = waiting.get(wasmHash)
      if (held === undefined) return
      const delay = Math.min(3_600_000, 1_000 * 2 ** Math.min(held.tries, 12))
      set(wasmHash, { ...held, tries: held.tries + 1, notBefore: now() + delay })
      hadTurn(held.requester)
    },
  }
}
