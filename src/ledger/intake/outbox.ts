/** What waits to be delivered, and where it is kept. */
import type { JsonObject } from '../../core/jsonText.js'

/** A record with its id, as an outbox keeps it. JSON. */
export type OutboxItem = {
  eventId: string
  domain: string
  schemaVersion: string
  fields: JsonObject
  occurredAt: number
  links: Readonly<Record<string, string>>
  /** Members that another's record of the same thing has otherwise. */
  own?: readonly string[] | undefined
}

/** Keeps what is to be delivered, in its order. What `add` answered for is there after a crash. */
export type Outbox = {
  add(item: OutboxItem): Promise<void>
  /** The oldest item. */
  first(): Promise<OutboxItem | undefined>
  remove(eventId: string): Promise<void>
}

/** An outbox in memory. */
export function memoryOutbox(): Outbox {
  const items = new Map<string, OutboxItem>()
  return {
    // One that waits is what was answered for: the same id says nothing else.
    add: async (item) => void (items.has(item.eventId) || items.set(item.eventId, item)),
    first: async () => items.values().next().value,
    remove: async (eventId) => void items.delete(eventId),
  }
}
