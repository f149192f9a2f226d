/** The tables of a chain index, and forks of them that are thrown away or merged. */
import type { Address, Hex } from 'viem'
import type { ArtifactRef } from '../delta.js'
import type { KeptAnnouncement, Ranked } from './locators.js'

/** A table whose fork takes changes of its own. Values are never changed in place. */
export type Table<value> = {
  get(key: string): value | undefined
  set(key: string, value: value): void
  keys(): Iterable<string>
  fork(): Table<value> & { merge(): void }
}

/** A list that forks share: adding one costs the same however many there are. */
export type Chained<item> = { item: item; before: Chained<item> | undefined }

/** A template as the pipeline sees it. */
export type IndexedTemplate = {
  artifacts: readonly ArtifactRef[]
  author: Address
  registeredAt: bigint
  /** Slots whose current instance is of this template. */
  slots: number
  /** Last block for which an instance that left a slot keeps it. */
  leftUntil: bigint
  /** Deployed instances, the newest first; the first one was never current. */
  waiting: Chained<{ id: Hex; deployedAt: bigint }> | undefined
}

/** An instance: its template, and whether it was ever current. */
export type IndexedInstance = { templateKey: string; expireAfter: bigint; entered: boolean }

/** All that is known. */
export type Tables = {
  templates: Table<IndexedTemplate>
  instances: Table<IndexedInstance>
  /** Keys of the templates that name an artifact, the newest first. */
  users: Table<Chained<string>>
  /** The first of them. */
  firstUser: Table<string>
  refs: Table<ArtifactRef>
  /** By artifact. */
  announced: Table<readonly KeptAnnouncement[]>
  /** Clients with a current instance, by template. */
  clients: Table<readonly Ranked[]>
}

/** Empty tables. */
export function createTables(): Tables {
  return {
    templates: createTable(),
    instances: createTable(),
    users: createTable(),
    firstUser: createTable(),
    refs: createTable(),
    announced: createTable(),
    clients: createTable(),
  }
}

/** Tables on top of others; `merge` moves their changes down. */
export function forkTables(tables: Tables): { tables: Tables; merge(): void } {
  const forks = {
    templates: tables.templates.fork(),
    instances: tables.instances.fork(),
    users: tables.users.fork(),
    firstUser: tables.firstUser.fork(),
    refs: tables.refs.fork(),
    announced: tables.announced.fork(),
    clients: tables.clients.fork(),
  }
  return {
    tables: forks,
    merge() {
      for (const table of Object.values(forks)) table.merge()
    },
  }
}

/** The items of a chained list. */
export function* itemsOf<item>(list: Chained<item> | undefined): Generator<item> {
  for (let at = list; at !== undefined; at = at.before) yield at.item
}

function createTable<value>(parent?: Table<value>): Table<value> & { merge(): void } {
  const own = new Map<string, value>()
  const table: Table<value> & { merge(): void } = {
    get: (key) => (own.has(key) ? own.get(key) : parent?.get(key)),
    set: (key, value) => {
      own.set(key, value)
    },
    *keys() {
      yield* own.keys()
      if (parent === undefined) return
      for (const key of parent.keys()) if (!own.has(key)) yield key
    },
    fork: () => createTable(table),
    merge() {
      if (parent === undefined) return
      for (const [key, value] of own) parent.set(key, value)
      own.clear()
    },
  }
  return table
}
