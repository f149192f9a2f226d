/**
 * Events of a chain in a file, so that a start reads from the chain what is new and not all from the first block
 * on. The file is believed as far as its end still is a block of the chain, and each line as far as its digest; else
 * all is read again. What is near the end of what stays is not kept: it is read again each time.
 *
 * ```
 * { "version", "chainId", "name", "startBlock" }
 * [ from, to, hash, events, digest ]     of blocks from–to, with the hash of the last one
 * ```
 */
import { appendFile, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from 'viem'
import type { ChainEvent, ChainEvents } from '../../core/interfaces/chainEvents.js'
import { utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { createOrder } from '../../internal/singleFlight.js'

/** Blocks below the newest one that stays, which are read again: a node's word on them is young. */
const MARGIN = 64n
const VERSION = 1

/** Events with a memory. */
export type KeptEvents = {
  /** Reads from the first block on begin with what is kept. Others go to the chain. */
  readonly events: ChainEvents
  /** Keeps what came since, up to {@link MARGIN} blocks below what stays. */
  extend(io?: IoOptions): Promise<void>
}

/** The last block of what is kept. */
type Mark = { number: bigint; hash: Hex }
type Loaded = { mark: Mark; events: readonly ChainEvent[] }

/**
 * Keeps events of `startBlock` and later in a directory of this process alone.
 *
 * @param parameters.name - What else the events depend on, such as addresses: a file of others is begun anew.
 */
export function keepEvents(parameters: {
  events: ChainEvents
  startBlock: bigint
  directory: string
  name: string
  /** Told that a file was not of this chain or damaged, and is begun anew. */
  onReset?: ((reason: string) => void) | undefined
}): KeptEvents {
  const { events, startBlock, onReset } = parameters
  const path = join(parameters.directory, 'events.jsonl')
  const header = JSON.stringify({
    ...{ version: VERSION, chainId: String(events.chainId), name: parameters.name },
    startBlock: String(startBlock),
  })
  const inOrder = createOrder()
  const reset = async (reason: string): Promise<void> => {
    onReset?.(reason)
    await rm(path, { force: true })
  }
  /** What is kept and still on the chain. */
  const load = async (io: IoOptions | undefined): Promise<Loaded | undefined> => {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (text === undefined) return undefined
    const read = readLines(text, { header, startBlock })
    if (typeof read === 'string') {
      await reset(read)
      return undefined
    }
    // A line that a crash has torn: what comes next begins a line of its own.
    if (read.length < text.length) await truncate(path, utf8(text.slice(0, read.length)).length)
    const { mark } = read
    if (mark === undefined) return undefined
    const block = await events.getBlock(mark.number, io)
    // A node that is behind says nothing of it: it is asked itself.
    if (block === null) return undefined
    if (block.hash.toLowerCase() === mark.hash) return { mark, events: read.events }
    await reset(`block ${mark.number} is another one now`)
    return undefined
  }
  const getEvents: ChainEvents['getEvents'] = async (asked, io) => {
    const { fromBlock, toBlock, types } = asked
    if (fromBlock !== startBlock) return events.getEvents(asked, io)
    const kept = await inOrder(() => load(io))
    if (kept === undefined || kept.mark.number > toBlock) return events.getEvents(asked, io)
    const wanted = types === undefined ? undefined : new Set(types)
    const own = kept.events.filter(({ type }) => wanted === undefined || wanted.has(type))
    const { number, hash: parentHash } = kept.mark
    if (number === toBlock) {
      // The same block by its number is the same one by its hash, or nothing of it counts.
      const same = asked.blockHash === undefined || asked.blockHash.toLowerCase() === parentHash
      return same ? own : events.getEvents(asked, io)
    }
    const fresh = await events.getEvents({ ...asked, fromBlock: number + 1n, parentHash }, io)
    return [...own, ...fresh]
  }
  return {
    // Other methods are the chain's own.
    events: new Proxy(events, {
      get(target, name) {
        if (name === 'getEvents') return getEvents
        const member = Reflect.get(target, name) as unknown
        return typeof member === 'function' ? member.bind(target) : member
      },
    }),
    extend: (io) =>
      inOrder(async () => {
        const kept = await load(io)
        const { number } = await events.getFinalizedBlock(io)
        const to = await events.getBlock(number - MARGIN < 0n ? 0n : number - MARGIN, io)
        const fromBlock = kept === undefined ? startBlock : kept.mark.number + 1n
        if (to === null || to.number < fromBlock || number < MARGIN) return
        const anchors = { parentHash: kept?.mark.hash, blockHash: to.hash }
        const found = await events.getEvents({ fromBlock, toBlock: to.number, ...anchors }, io)
        const line = writeLine({ fromBlock, mark: to, found })
        // Without a file, or with none that counts.
        if (kept === undefined) await rm(path, { force: true })
        const text = kept === undefined ? `${header}\n${line}` : line
        await appendFile(path, text, { mode: 0o600 })
      }),
  }
}

function writeLine(part: { fromBlock: bigint; mark: Mark; found: readonly ChainEvent[] }): string {
  const { fromBlock, mark, found } = part
  const events = JSON.stringify(found, (_, value) =>
    typeof value === 'bigint' ? `${value}n` : (value as unknown),
  )
  const parts = [String(fromBlock), String(mark.number), mark.hash.toLowerCase(), events]
  return `${JSON.stringify([...parts, digestOf(parts)])}\n`
}

/** What the lines hold, up to the first that is not whole; a reason where the file is of another chain. */
function readLines(
  text: string,
  expected: { header: string; startBlock: bigint },
): { mark: Mark | undefined; events: readonly ChainEvent[]; length: number } | string {
  const [first = ''] = text.split('\n', 1)
  if (first !== expected.header) return 'it is of another chain, other contracts or another version'
  const events: ChainEvent[] = []
  let mark: Mark | undefined
  let at = first.length + 1
  let next = expected.startBlock
  while (at < text.length) {
    const end = text.indexOf('\n', at)
    const line = end < 0 ? undefined : readLine(text.slice(at, end))
    if (line === undefined || line.from !== next || line.mark.number < next) break
    for (const event of line.events) events.push(event)
    mark = line.mark
    next = mark.number + 1n
    at = end + 1
  }
  return { mark, events, length: Math.min(at, text.length) }
}

function readLine(
  text: string,
): { from: bigint; mark: Mark; events: readonly ChainEvent[] } | undefined {
  try {
    const parts = JSON.parse(text) as string[]
    const [from = '', to = '', hash = '', events = '', digest] = parts
    if (digest !== digestOf([from, to, hash, events])) return undefined
    return {
      from: BigInt(from),
      mark: { number: BigInt(to), hash: hash as Hex },
      events: JSON.parse(events, (_, value) =>
        typeof value === 'string' && /^-?\d+n$/.test(value)
          ? BigInt(value.slice(0, -1))
          : (value as unknown),
      ) as ChainEvent[],
    }
  } catch {
    return undefined
  }
}

function digestOf(parts: readonly string[]): Hex {
  return keccakHex(utf8(JSON.stringify(parts)))
}
