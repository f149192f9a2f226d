/** Work that waits for its turn, so that no caller starts more of it at once than one can bear. */

/** Runs `work` when fewer than the gate's number are running, in the order of the calls. */
export type Gate = <value>(work: () => Promise<value>) => Promise<value>

/** Creates a gate that lets `width` pieces of work through at once. */
export function createGate(width: number): Gate {
  const waiting: (() => void)[] = []
  let running = 0
  return async (work) => {
    if (running >= width) await new Promise<void>((turn) => waiting.push(turn))
    else running += 1
    try {
      return await work()
    } finally {
      // The place goes to the next in line, so that nobody who comes now is first.
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
