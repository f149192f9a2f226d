/**
 * What one process keeps in memory: compiled plugins, prepared policies, parsed schemas, rows of the
 * chain. All of it under one bound of bytes, so that several caches together are not several times
 * the bound; each form has a bound of entries of its own, so that many small ones push out no large.
 *
 * What is held is trusted on a hit: only this process put it there.
 */
import { InvalidInputError } from '../errors/common.js'
import { type IoOptions, withDeadline } from './deadline.js'

/** One thing that is held: its form, such as `wasm`, and its key among those of the form. */
export type MemorySlot = { form: string; key: string }

/** Something to hold, and the bytes it is charged with. */
export type MemoryEntry<value> = {
  value: value
  weight: number
  /** Called once when it leaves after it was held, however it leaves. */
  dispose?: (() => void) | undefined
  /** `false` where it is an answer for those who wait, and nothing to keep. @default true */
  keep?: boolean | undefined
}

/** Why an entry left: too many of its form, too many bytes in all, or told to go. */
export type EvictionReason = 'count' | 'size' | 'cleared'

/** Counts of one form since creation, and what is held of it now. */
export type MemoryStats = {
  hits: number
  misses: number
  /** Misses that waited for one under way. */
  joined: number
  evictions: number
  entries: number
  bytes: number
}

/** What happened, for metrics. */
export type MemoryEvent =
  | { type: 'lookup'; form: string; key: string; result: 'hit' | 'miss' }
  | { type: 'filled'; form: string; key: string; weight: number }
  | { type: 'evicted'; form: string; key: string; reason: EvictionReason }

/** The memory of a process, to be shared by all that keeps something. */
export type ProcessMemory = {
  /**
   * The value of a slot, made by `make` on a miss, once for all who ask at that time.
   *
   * `signal` and `timeout` end the waiting of their caller; `make` goes on while anyone waits. One
   * that fails is not remembered.
   */
  get<value>(
    slot: MemorySlot,
    make: (signal: AbortSignal) => Promise<MemoryEntry<value>>,
    options?: IoOptions,
  ): Promise<value>
  /** The value if it is held. Counts as a use and as nothing else. */
  peek<value>(slot: MemorySlot): value | undefined
  /** Adds or replaces; `false` where it is heavier than there is room. */
  set<value>(slot: MemorySlot, entry: MemoryEntry<value>): boolean
  delete(slot: MemorySlot): boolean
  /** Keeps whatever is or will be in the slot, also before it is there. */
  pin(slot: MemorySlot): void
  unpin(slot: MemorySlot): void
  /** Calls back for each event until the returned function is called. A throwing one is passed over. */
  observe(listener: (event: MemoryEvent) => void): () => void
  /** Counts of a form, or of all. */
  stats(form?: string): MemoryStats
  /** Forgets a form, or everything. */
  clear(form?: string): void
}

/** Bounds of {@link createProcessMemory}. */
export type ProcessMemoryOptions = {
  /** Bytes in all. @default 512 MiB */
  maxBytes?: number | undefined
  /** Entries of each form. @default 256, and 4,096 rows */
  maxEntries?: number | undefined
  /** Other bounds of entries, by form. */
  entriesOf?: Readonly<Record<string, number>> | undefined
}

/**
 * Creates an empty memory.
 *
 * @throws {InvalidInputError} for bounds that leave no room.
 * @example
 * ```ts
 * import { createProcessMemory } from '@newton/policy-sdk'
 * import { createSchemaValidator } from '@newton/policy-sdk/eval'
 *
 * const memory = createProcessMemory({ maxBytes: 256 * 1024 * 1024 })
 * createSchemaValidator({ memory })
 * ```
 */
export function createProcessMemory(options: ProcessMemoryOptions = {}): ProcessMemory {
  const { maxBytes = 536_870_912, maxEntries = 256 } = options
  const entriesOf: Record<string, number> = { row: 4_096, ...options.entriesOf }
  requireBound('maxBytes', maxBytes, Number.isFinite(maxBytes) && maxBytes > 0)
  for (const [name, count] of Object.entries({ maxEntries, ...entriesOf }))
    requireBound(name, count, Number.isInteger(count) && count > 0)
  const forms = new Map<string, Form>()
  const listeners = new Set<(event: MemoryEvent) => void>()
  let bytes = 0
  let uses = 0

  const formOf = (name: string): Form => {
    const known = forms.get(name)
    if (known) return known
    const max = Object.hasOwn(entriesOf, name) ? (entriesOf[name] as number) : maxEntries
    const fresh = newForm(max)
    forms.set(name, fresh)
    return fresh
  }
  const emit = (event: MemoryEvent): void => {
    for (const listener of listeners) {
      try {
        listener(event)
      } catch {
        // The listener's own failure is its owner's.
      }
    }
  }
  const remove = (form: Form, key: string): boolean => {
    const entry = form.held.get(key)
    if (!entry) return false
    form.held.delete(key)
    form.bytes -= entry.weight
    bytes -= entry.weight
    entry.dispose?.()
    return true
  }
  const evict = (victim: Victim | undefined, reason: EvictionReason): boolean => {
    if (!victim) return false
    const form = formOf(victim.form)
    remove(form, victim.key)
    form.counts.evictions += 1
    emit({ type: 'evicted', ...victim, reason })
    return true
  }
  /** The least recently used entry that may go, of a form or of all. */
  const oldest = (among: Iterable<[string, Form]>, spared: MemorySlot): Victim | undefined => {
    let found: (Victim & { use: number }) | undefined
    for (const [name, form] of among) {
      for (const [key, { use }] of form.held) {
        if (form.pinned.has(key) || (name === spared.form && key === spared.key)) continue
        if (found === undefined || use < found.use) found = { form: name, key, use }
        break
      }
    }
    return found && { form: found.form, key: found.key }
  }
  const touch = (form: Form, key: string): Held | undefined => {
    const entry = form.held.get(key)
    if (!entry) return undefined
    form.held.delete(key)
    entry.use = ++uses
    form.held.set(key, entry)
    return entry
  }

  const memory: ProcessMemory = {
    async get<value>(
      slot: MemorySlot,
      make: (signal: AbortSignal) => Promise<MemoryEntry<value>>,
      io: IoOptions = {},
    ) {
      io.signal?.throwIfAborted()
      const form = formOf(slot.form)
      const entry = touch(form, slot.key)
      if (listeners.size > 0)
        emit({ type: 'lookup', ...pick(slot), result: entry ? 'hit' : 'miss' })
      if (entry) {
        form.counts.hits += 1
        return entry.value as value
      }
      const joined = form.flights.get(slot.key)
      if (joined) form.counts.joined += 1
      else form.counts.misses += 1
      const flight = joined ?? startFlight(memory, form, slot, make)
      return (await waitFor(form, slot, flight, io)) as value
    },
    peek: <value>(slot: MemorySlot) =>
      touch(formOf(slot.form), slot.key)?.value as value | undefined,
    set(slot, { value, weight, dispose }) {
      const form = formOf(slot.form)
      remove(form, slot.key)
      if (!(weight >= 0 && weight <= maxBytes)) return false
      form.held.set(slot.key, { value, weight, dispose, use: ++uses })
      form.bytes += weight
      bytes += weight
      const own: [string, Form][] = [[slot.form, form]]
      while (form.held.size > form.max && evict(oldest(own, slot), 'count'));
      while (bytes > maxBytes && evict(oldest(forms, slot), 'size'));
      // What is pinned may fill the bounds alone; then the newcomer goes.
      if ((bytes > maxBytes || form.held.size > form.max) && !form.pinned.has(slot.key)) {
        remove(form, slot.key)
        return false
      }
      emit({ type: 'filled', ...pick(slot), weight })
      return true
    },
    delete: (slot) => remove(formOf(slot.form), slot.key),
    pin: (slot) => void formOf(slot.form).pinned.add(slot.key),
    unpin: (slot) => void formOf(slot.form).pinned.delete(slot.key),
    observe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stats: (name) => statsOf(name === undefined ? [...forms.values()] : [formOf(name)]),
    clear(name) {
      for (const [form, { held }] of name === undefined ? forms : [[name, formOf(name)] as const]) {
        for (const key of [...held.keys()]) {
          remove(formOf(form), key)
          emit({ type: 'evicted', form, key, reason: 'cleared' })
        }
      }
    },
  }
  return memory
}

type Victim = { form: string; key: string }
type Held = {
  value: unknown
  weight: number
  dispose: (() => void) | undefined
  use: number
}
type Flight = { promise: Promise<unknown>; controller: AbortController; waiting: number }
type Form = {
  /** In the order of use, the oldest first. */
  readonly held: Map<string, Held>
  readonly flights: Map<string, Flight>
  readonly pinned: Set<string>
  readonly max: number
  readonly counts: { hits: number; misses: number; joined: number; evictions: number }
  bytes: number
}

function newForm(max: number): Form {
  return {
    held: new Map(),
    flights: new Map(),
    pinned: new Set(),
    max,
    counts: { hits: 0, misses: 0, joined: 0, evictions: 0 },
    bytes: 0,
  }
}

function startFlight<value>(
  memory: ProcessMemory,
  form: Form,
  slot: MemorySlot,
  make: (signal: AbortSignal) => Promise<MemoryEntry<value>>,
): Flight {
  const controller = new AbortController()
  const work = async (): Promise<unknown> => {
    const made = await make(controller.signal)
    // Also where everybody left meanwhile: it is made, and the next one may ask for it.
    if (made.keep !== false) memory.set(slot, made)
    return made.value
  }
  const flight: Flight = { promise: work(), controller, waiting: 0 }
  form.flights.set(slot.key, flight)
  const landed = (): void => {
    if (form.flights.get(slot.key) === flight) form.flights.delete(slot.key)
  }
  // Waiters see a rejection; without one left it is nobody's business.
  flight.promise.then(landed, landed)
  return flight
}

async function waitFor(
  form: Form,
  slot: MemorySlot,
  flight: Flight,
  io: IoOptions,
): Promise<unknown> {
  flight.waiting += 1
  try {
    if (io.signal === undefined && io.timeout === undefined) return await flight.promise
    return await withDeadline(`Making ${slot.form}`, io, () => flight.promise)
  } finally {
    flight.waiting -= 1
    if (flight.waiting === 0 && form.flights.get(slot.key) === flight) {
      form.flights.delete(slot.key)
      flight.controller.abort(new DOMException('No caller is left.', 'AbortError'))
    }
  }
}

function statsOf(forms: readonly Form[]): MemoryStats {
  const total = { hits: 0, misses: 0, joined: 0, evictions: 0, entries: 0, bytes: 0 }
  for (const { counts, held, bytes } of forms) {
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) total[name] += counts[name]
    total.entries += held.size
    total.bytes += bytes
  }
  return total
}

function pick({ form, key }: MemorySlot): MemorySlot {
  return { form, key }
}

function requireBound(field: string, value: number, fits: boolean): void {
  if (fits) return
  throw new InvalidInputError({
    field,
    reason: `expected at least one, and a number, got ${String(value)}`,
  })
}
