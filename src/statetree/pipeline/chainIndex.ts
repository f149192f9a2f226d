/**
 * What the commit pipeline knows of the registries: templates, instances, slots, and from them
 * which artifacts are live at a block. Derived from events alone.
 */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, isArtifactNamespace, namespaces, ZERO_HASH } from '../../core/artifact.js'
import type { ChainEvent } from '../../core/interfaces/chainEvents.js'
import { type DaLocator, decodeLocator } from '../../core/locator.js'
import type { ArtifactRef } from './delta.js'
import {
  type ArtifactLocators,
  addAnnouncement,
  changeClients,
  type KeptAnnouncement,
  type Ranked,
} from './locators.js'
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

/** A template as the pipeline sees it. */
export type IndexedTemplate = {
  artifacts: readonly ArtifactRef[]
  author: Address
  registeredAt: bigint
  /** Slots whose current instance is of this template. */
  slots: number
  /** Last block for which an instance that left a slot keeps it. */
  leftUntil: bigint
  /** Deployed instances that were never current, with their blocks. */
  waiting: ReadonlyMap<Hex, bigint>
}

type IndexedInstance = { templateKey: string; expireAfter: bigint }

/** Read access to the index, and changes by events. */
export type ChainIndex = {
  /** Takes an event in, and returns the template whose artifacts it may bring to the queue. */
  apply(event: ChainEvent): IndexedTemplate | undefined
  /** Whether some template of this chain names the artifact. */
  isRegistered(ref: ArtifactRef): boolean
  /** Whether a live template names the artifact at `block`. */
  isLive(ref: ArtifactRef, block: bigint): boolean
  /** All artifacts that templates name. */
  artifacts(): Iterable<ArtifactRef>
  /** What was announced of where an artifact is, and by whom. */
  locatorsOf(ref: ArtifactRef): ArtifactLocators
  /** A view that takes changes of its own; `merge` moves them here. */
  fork(): ChainIndex & { merge(): void }
}

type Table<value> = {
  get(key: string): value | undefined
  set(key: string, value: value): void
  keys(): Iterable<string>
  fork(): Table<value> & { merge(): void }
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

type Tables = {
  templates: Table<IndexedTemplate>
  instances: Table<IndexedInstance>
  /** Keys of the templates that name an artifact. */
  users: Table<readonly string[]>
  refs: Table<ArtifactRef>
  /** By artifact. */
  announced: Table<readonly KeptAnnouncement[]>
  /** Clients with a current instance, by template. */
  clients: Table<readonly Ranked[]>
}

/** Retention, and the secret by which an operator keeps some announcers of very many. */
type IndexOptions = RetentionParameters & { locatorKey: Uint8Array }

/**
 * Creates an empty index.
 *
 * @param options.locatorKey - Secret of at least 16 bytes. Random where left out.
 */
export function createChainIndex(
  options: RetentionParameters & { locatorKey?: Uint8Array | undefined },
): ChainIndex {
  const locatorKey = options.locatorKey ?? crypto.getRandomValues(new Uint8Array(32))
  return onTables(
    {
      templates: createTable(),
      instances: createTable(),
      users: createTable(),
      refs: createTable(),
      announced: createTable(),
      clients: createTable(),
    },
    { ...options, locatorKey },
  )
}

function onTables(tables: Tables, retention: IndexOptions): ChainIndex {
  const { templates, instances, users, refs, announced, clients } = tables
  const key = retention.locatorKey

  const register = (
    key: string,
    template: Pick<IndexedTemplate, 'artifacts' | 'author' | 'registeredAt'>,
  ): IndexedTemplate => {
    const row = { ...template, slots: 0, leftUntil: -1n, waiting: new Map<Hex, bigint>() }
    templates.set(key, row)
    for (const ref of template.artifacts) {
      users.set(refKey(ref), [...(users.get(refKey(ref)) ?? []), key])
      refs.set(refKey(ref), ref)
    }
    return row
  }
  const change = (
    key: string | undefined,
    next: (row: IndexedTemplate) => Partial<IndexedTemplate>,
  ): IndexedTemplate | undefined => {
    const row = key === undefined ? undefined : templates.get(key)
    if (key === undefined || row === undefined) return undefined
    const changed = { ...row, ...next(row) }
    templates.set(key, changed)
    return changed
  }
  const deploy = (
    key: string,
    id: Hex,
    event: { blockNumber: bigint; expireAfter: bigint },
  ): IndexedTemplate | undefined => {
    instances.set(id.toLowerCase(), { templateKey: key, expireAfter: event.expireAfter })
    return change(key, ({ waiting }) => ({
      waiting: new Map([...waiting, [id.toLowerCase() as Hex, event.blockNumber]]),
    }))
  }
  const moveSlot = (
    { previous, current, client }: { previous: Hex; current: Hex; client: Address },
    block: bigint,
  ): IndexedTemplate | undefined => {
    if (previous.toLowerCase() === current.toLowerCase()) {
      return templates.get(instances.get(current.toLowerCase())?.templateKey ?? '')
    }
    const left = previous === ZERO_HASH ? undefined : instances.get(previous.toLowerCase())
    const noteClient = (templateKey: string, isCurrent: boolean): void =>
      clients.set(
        templateKey,
        changeClients(clients.get(templateKey) ?? [], { address: client, current: isCurrent, key }),
      )
    if (left !== undefined) {
      noteClient(left.templateKey, false)
      const until =
        block +
        left.expireAfter +
        retention.challengeWindow +
        retention.taskResponseWindow +
        retention.safetyMargin
      change(left.templateKey, ({ slots, leftUntil }) => ({
        slots: slots - 1,
        leftUntil: laterBlock(until, leftUntil),
      }))
    }
    const entered = current === ZERO_HASH ? undefined : instances.get(current.toLowerCase())
    if (entered !== undefined) noteClient(entered.templateKey, true)
    return change(entered?.templateKey, ({ slots, waiting }) => {
      const rest = new Map(waiting)
      rest.delete(current.toLowerCase() as Hex)
      return { slots: slots + 1, waiting: rest }
    })
  }
  const isTemplateLive = (row: IndexedTemplate, block: bigint): boolean => {
    if (row.slots > 0 || block <= row.leftUntil) return true
    if (block <= row.registeredAt + retention.keepBlocks) return true
    for (const deployedAt of row.waiting.values())
      if (block <= deployedAt + retention.keepBlocks) return true
    return false
  }
  const firstTemplate = (ref: ArtifactRef): IndexedTemplate | undefined =>
    templates.get(users.get(refKey(ref))?.[0] ?? '')
  const announce = (event: Extract<ChainEvent, { type: 'ArtifactAnnounced' }>): void => {
    const { hash, namespace, announcer, blockNumber: block } = event
    if (!isArtifactNamespace(namespace)) return
    const ref = { namespace, hash: hash.toLowerCase() as Hex }
    const template = firstTemplate(ref)
    const locator = readLocator(event.locator)
    if (template === undefined || locator === undefined) return
    announced.set(
      refKey(ref),
      addAnnouncement(
        announced.get(refKey(ref)) ?? [],
        { announcer, block, locator },
        { template, key },
      ),
    )
  }
  return {
    apply(event) {
      switch (event.type) {
        case 'PolicyTemplateRegistered':
          return register(policyKey(event.id), {
            author: event.author,
            registeredAt: event.blockNumber,
            artifacts: present([
              [namespaces.rego, event.regoHash],
              [namespaces.policyParamsSchema, event.paramsSchemaHash],
            ]),
          })
        case 'PolicyDataTemplateRegistered':
          return register(dataKey(event.id), {
            author: event.author,
            registeredAt: event.blockNumber,
            artifacts: present([
              [namespaces.wasm, event.wasmHash],
              [namespaces.policyDataParamsSchema, event.paramsSchemaHash],
              [namespaces.secretsSchema, event.secretsSchemaHash],
            ]),
          })
        case 'PolicyInstanceDeployed':
          return deploy(policyKey(event.templateId), event.id, event)
        case 'PolicyDataInstanceDeployed':
          return deploy(dataKey(event.templateId), event.id, event)
        case 'CurrentPolicyInstanceSet':
        case 'CurrentPolicyDataInstanceSet':
          return moveSlot(event, event.blockNumber)
        case 'ArtifactAnnounced':
          announce(event)
          return undefined
        default:
          return undefined
      }
    },
    isRegistered: (ref) => users.get(refKey(ref)) !== undefined,
    isLive: (ref, block) =>
      (users.get(refKey(ref)) ?? []).some((key) => {
        const row = templates.get(key)
        return row !== undefined && isTemplateLive(row, block)
      }),
    *artifacts() {
      for (const key of refs.keys()) yield refs.get(key) as ArtifactRef
    },
    locatorsOf: (ref) => ({
      announcements: announced.get(refKey(ref)) ?? [],
      template: firstTemplate(ref),
      clients: (users.get(refKey(ref)) ?? [])
        .flatMap((templateKey) => clients.get(templateKey) ?? [])
        .sort((a, b) => (a.rank < b.rank ? -1 : 1))
        .slice(0, 32)
        .map(({ address }) => address),
    }),
    fork() {
      const forks = {
        templates: templates.fork(),
        instances: instances.fork(),
        users: users.fork(),
        refs: refs.fork(),
        announced: announced.fork(),
        clients: clients.fork(),
      }
      return {
        ...onTables(forks, retention),
        merge() {
          for (const table of Object.values(forks)) table.merge()
        },
      }
    },
  }
}

// The two kinds of template have ids of their own kinds; the prefix keeps a forged event of one
// kind from naming a row of the other.
function policyKey(id: Hex): string {
  return `policy:${id.toLowerCase()}`
}

function dataKey(id: Hex): string {
  return `data:${id.toLowerCase()}`
}

function present(artifacts: readonly (readonly [ArtifactRef['namespace'], Hex])[]): ArtifactRef[] {
  return artifacts
    .filter(([, hash]) => hash.toLowerCase() !== ARTIFACT_ABSENT)
    .map(([namespace, hash]) => ({ namespace, hash: hash.toLowerCase() as Hex }))
}

// A locator is a hint: one that cannot be read helps nobody and hurts nobody.
function readLocator(locator: Hex): DaLocator | undefined {
  try {
    return decodeLocator(locator)
  } catch {
    return undefined
  }
}

function laterBlock(a: bigint, b: bigint): bigint {
  if (a > b) return a
  return b
}
