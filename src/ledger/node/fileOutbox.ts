/**
 * An outbox in a directory: a file for each record, named by its place. A record is durable before the
 * sink answers for it, and its file goes once the ledger has it. One process at a time has it.
 */
import { join } from 'node:path'
import type { JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { assertKnown, assertMembers } from '../../internal/options.js'
import { LedgerOutboxError } from '../errors.js'
import { isEventId } from '../events/eventId.js'
import type { Outbox, OutboxItem } from '../intake/outbox.js'
import { type DurableFs, nodeFs } from './durableFs.js'

const form = /^(\d{15})-([0-9a-f-]{36})\.json$/

/** An outbox with what is in it. */
export type FileOutbox = Outbox & {
  /** Records that wait. */
  readonly waiting: () => number
}

/**
 * Opens an outbox. What an earlier process kept is in it.
 *
 * @throws {InvalidInputError} for no path.
 * @throws {LedgerOutboxError} with `damaged` from `first`, with `unwritten` from `add` and where the
 * directory cannot be made or read.
 * @example
 * ```ts
 * import { fileOutbox } from '@newton/policy-sdk/ledger/node'
 *
 * const outbox = await fileOutbox({ directory: '/var/lib/newton/operator/outbox' })
 * outbox.waiting() // 0
 * ```
 */
export async function fileOutbox(parameters: {
  directory: string
  fs?: DurableFs | undefined
}): Promise<FileOutbox> {
  assertMembers('parameters', parameters, ['directory'])
  assertKnown('parameters', parameters, ['directory', 'fs'])
  const { directory, fs = nodeFs() } = parameters
  if (typeof directory !== 'string' || directory === '') {
    throw new InvalidInputError({ field: 'directory', reason: 'expected the path of a directory' })
  }
  const files = new Map<string, string>()
  let next = 0
  const names = await listed(fs, directory)
  for (const name of names) {
    const [, place = '', eventId = ''] = form.exec(name) ?? []
    if (place === '') {
      // Written beside, never renamed: nobody was answered for it.
      if (name.endsWith('.tmp')) await fs.remove(join(directory, name))
      continue
    }
    next = Number(place) + 1
    files.set(eventId, name)
  }
  const adding = new Map<string, Promise<void>>()
  const removing = new Map<string, Promise<void>>()
  const write = async (item: OutboxItem, name: string): Promise<void> => {
    const path = join(directory, name)
    try {
      await fs.writeFile(`${path}.tmp`, utf8(JSON.stringify(item)))
      await fs.rename(`${path}.tmp`, path)
      await fs.syncFolder(directory)
    } catch (cause) {
      await fs.remove(`${path}.tmp`).catch(() => undefined)
      throw new LedgerOutboxError({ path: directory, fault: 'unwritten' }, { cause })
    }
    files.set(item.eventId, name)
  }
  return {
    waiting: () => files.size,
    add: (item) => {
      const { eventId } = item
      if (files.has(eventId)) return Promise.resolve()
      const under = adding.get(eventId)
      if (under !== undefined) return under
      const name = `${String(next++).padStart(15, '0')}-${eventId}.json`
      const work = write(item, name).finally(() => adding.delete(eventId))
      adding.set(eventId, work)
      return work
    },
    first: async () => {
      for (;;) {
        const name: string | undefined = files.values().next().value
        if (name === undefined) return undefined
        const path = join(directory, name)
        const bytes = removing.has(name) ? undefined : await fs.readFile(path)
        if (bytes !== undefined) return parseItem(bytes, path)
        // One that is being removed was delivered: the next one is the first.
        const leaving = removing.get(name)
        if (leaving === undefined && [...files.values()].includes(name)) {
          return parseItem(new Uint8Array(), path)
        }
        await leaving?.catch(() => undefined)
      }
    },
    remove: async (eventId) => {
      const name = files.get(eventId)
      if (name === undefined) return
      const leaving = removing.get(name)
      if (leaving !== undefined) return leaving
      // Durability is of no use here: what comes back after a crash is the same event.
      const work = fs
        .remove(join(directory, name))
        .then(() => void files.delete(eventId))
        .finally(() => removing.delete(name))
      removing.set(name, work)
      return work
    },
  }
}

/** What a directory has, made where it is missing. */
async function listed(fs: DurableFs, directory: string): Promise<string[]> {
  try {
    await fs.makeFolder(directory)
    await fs.syncFolder(join(directory, '..'))
    return (await fs.list(directory)).map(({ name }) => name).sort()
  } catch (cause) {
    throw new LedgerOutboxError({ path: directory, fault: 'unwritten' }, { cause })
  }
}

function parseItem(bytes: Uint8Array, path: string): OutboxItem {
  let cause: unknown
  try {
    const item = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as OutboxItem
    const { eventId, domain, schemaVersion, fields, occurredAt, links } = item
    const texts = [domain, schemaVersion].every((text) => typeof text === 'string')
    const isItem = isEventId(eventId) && texts && Number.isSafeInteger(occurredAt)
    if (isItem && isObject(fields) && isObject(links) && isOwn(item.own)) return item
  } catch (error) {
    cause = error
  }
  throw new LedgerOutboxError({ path, fault: 'damaged' }, { cause })
}

function isOwn(own: unknown): boolean {
  return (
    own === undefined || (Array.isArray(own) && own.every((member) => typeof member === 'string'))
  )
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
