/** Which templates are needed, and until which block. */
import type { Address, Hex } from 'viem'
import { ZERO_HASH } from '../../../core/artifact.js'
import type { IndexedTemplate, Tables } from './chainTables.js'
import { changeClients } from './locators.js'
import { refKey } from './queue.js'

/** Constants of a chain that decide how long artifacts stay. Blocks. */
export type RetentionParameters = {
  /** 7 days of blocks: `7 × 86,400 / blockSeconds`. */
  keepBlocks: bigint
  /** The contracts' windows. */
  challengeWindow: bigint
  taskResponseWindow: bigint
  /** Beyond them. */
  safetyMargin: bigint
}

/** Retention, and the secret by which an operator keeps some announcers of very many. */
export type IndexOptions = RetentionParameters & { locatorKey: Uint8Array }

/** Takes in a template. */
export function registerTemplate(
  { templates, users, firstUser, refs }: Tables,
  key: string,
  template: Pick<IndexedTemplate, 'artifacts' | 'author' | 'registeredAt'>,
): IndexedTemplate {
  const row = { ...template, slots: 0, leftUntil: -1n, waiting: undefined }
  templates.set(key, row)
  for (const ref of template.artifacts) {
    const name = refKey(ref)
    const before = users.get(name)
    users.set(name, { item: key, before })
    if (before === undefined) firstUser.set(name, key)
    refs.set(name, ref)
  }
  return row
}

/** Takes in an instance, which keeps its template while it waits to become current. */
export function deployInstance(
  tables: Tables,
  templateKey: string,
  event: { id: Hex; blockNumber: bigint; expireAfter: bigint },
): IndexedTemplate | undefined {
  const id = event.id.toLowerCase() as Hex
  const { expireAfter, blockNumber: deployedAt } = event
  tables.instances.set(id, { templateKey, expireAfter, entered: false })
  return change(tables, templateKey, ({ waiting }) => ({
    waiting: { item: { id, deployedAt }, before: waiting },
  }))
}

/** A slot goes from one instance to another, or to none. */
export function moveSlot(
  tables: Tables,
  event: { previous: Hex; current: Hex; client: Address; blockNumber: bigint },
  options: IndexOptions,
): IndexedTemplate | undefined {
  const { templates, instances } = tables
  const previous = event.previous.toLowerCase() as Hex
  const current = event.current.toLowerCase() as Hex
  if (previous === current) return templates.get(instances.get(current)?.templateKey ?? '')
  const left = previous === ZERO_HASH ? undefined : instances.get(previous)
  if (left !== undefined) {
    noteClient(tables, left.templateKey, { event, current: false, options })
    const until =
      event.blockNumber +
      left.expireAfter +
      options.challengeWindow +
      options.taskResponseWindow +
      options.safetyMargin
    change(tables, left.templateKey, ({ slots, leftUntil }) => ({
      slots: slots - 1,
      leftUntil: laterBlock(until, leftUntil),
    }))
  }
  const entered = current === ZERO_HASH ? undefined : instances.get(current)
  if (entered === undefined) return undefined
  noteClient(tables, entered.templateKey, { event, current: true, options })
  instances.set(current, { ...entered, entered: true })
  return change(tables, entered.templateKey, ({ slots, waiting }) => ({
    slots: slots + 1,
    waiting: dropEntered(tables, waiting),
  }))
}

/** Whether something may still need a template's artifacts at `block`. */
export function isTemplateLive(
  row: IndexedTemplate,
  block: bigint,
  { keepBlocks }: RetentionParameters,
): boolean {
  if (row.slots > 0 || block <= row.leftUntil) return true
  if (block <= row.registeredAt + keepBlocks) return true
  // The first one is the newest of those that wait, so the others go before it does.
  return row.waiting !== undefined && block <= row.waiting.item.deployedAt + keepBlocks
}

// Instances that were current do not wait any more. Those behind one that does are dropped later.
function dropEntered(
  { instances }: Tables,
  waiting: IndexedTemplate['waiting'],
): IndexedTemplate['waiting'] {
  let first = waiting
  while (first !== undefined && instances.get(first.item.id)?.entered === true) first = first.before
  return first
}

function change(
  { templates }: Tables,
  key: string,
  next: (row: IndexedTemplate) => Partial<IndexedTemplate>,
): IndexedTemplate | undefined {
  const row = templates.get(key)
  if (row === undefined) return undefined
  const changed = { ...row, ...next(row) }
  templates.set(key, changed)
  return changed
}

function noteClient(
  { clients }: Tables,
  templateKey: string,
  at: { event: { client: Address }; current: boolean; options: IndexOptions },
): void {
  const { current, options } = at
  const client = { address: at.event.client, current, key: options.locatorKey }
  clients.set(templateKey, changeClients(clients.get(templateKey) ?? [], client))
}

function laterBlock(a: bigint, b: bigint): bigint {
  if (a > b) return a
  return b
}
