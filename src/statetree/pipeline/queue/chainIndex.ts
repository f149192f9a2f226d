/**
 * What the commit pipeline knows of the registries: templates, instances, slots, and from them
 * which artifacts are live at a block. Derived from events alone.
 */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, isArtifactNamespace, namespaces } from '../../../core/artifact.js'
import type { ChainEvent } from '../../../core/interfaces/chainEvents.js'
import { type DaLocator, decodeLocator } from '../../../core/locator.js'
import type { ArtifactRef } from '../delta.js'
import {
  createTables,
  forkTables,
  type IndexedTemplate,
  itemsOf,
  type Tables,
} from './chainTables.js'
import {
  deployInstance,
  type IndexOptions,
  isTemplateLive,
  moveSlot,
  type RetentionParameters,
  registerTemplate,
} from './liveness.js'
import { type ArtifactLocators, addAnnouncement } from './locators.js'
import { refKey } from './queue.js'

export type { RetentionParameters } from './liveness.js'

/** A template whose artifacts may have to be queued. */
export type QueuedTemplate = { artifacts: readonly ArtifactRef[]; author: Address }

/** Read access to the index, and changes by events. */
export type ChainIndex = {
  /** Takes an event in, and returns the template whose artifacts it may bring to the queue. */
  apply(event: ChainEvent): QueuedTemplate | undefined
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

/**
 * Creates an empty index.
 *
 * @param options.locatorKey - Secret of at least 16 bytes. Random where left out.
 */
export function createChainIndex(
  options: RetentionParameters & { locatorKey?: Uint8Array | undefined },
): ChainIndex {
  const locatorKey = options.locatorKey ?? crypto.getRandomValues(new Uint8Array(32))
  return onTables(createTables(), { ...options, locatorKey })
}

function onTables(tables: Tables, options: IndexOptions): ChainIndex {
  const { templates, users, refs } = tables
  return {
    apply: (event) => applyEvent(tables, event, options),
    isRegistered: (ref) => users.get(refKey(ref)) !== undefined,
    isLive(ref, block) {
      for (const key of itemsOf(users.get(refKey(ref)))) {
        const row = templates.get(key)
        if (row !== undefined && isTemplateLive(row, block, options)) return true
      }
      return false
    },
    *artifacts() {
      for (const key of refs.keys()) yield refs.get(key) as ArtifactRef
    },
    locatorsOf: (ref) => locatorsOf(tables, ref),
    fork() {
      const fork = forkTables(tables)
      return { ...onTables(fork.tables, options), merge: fork.merge }
    },
  }
}

function applyEvent(
  tables: Tables,
  event: ChainEvent,
  options: IndexOptions,
): IndexedTemplate | undefined {
  switch (event.type) {
    case 'PolicyTemplateRegistered':
      return registerTemplate(tables, policyKey(event.id), {
        author: event.author,
        registeredAt: event.blockNumber,
        artifacts: present([
          [namespaces.rego, event.regoHash],
          [namespaces.policyParamsSchema, event.paramsSchemaHash],
        ]),
      })
    case 'PolicyDataTemplateRegistered':
      return registerTemplate(tables, dataKey(event.id), {
        author: event.author,
        registeredAt: event.blockNumber,
        artifacts: present([
          [namespaces.wasm, event.wasmHash],
          [namespaces.policyDataParamsSchema, event.paramsSchemaHash],
          [namespaces.secretsSchema, event.secretsSchemaHash],
        ]),
      })
    case 'PolicyInstanceDeployed':
      return deployInstance(tables, policyKey(event.templateId), event)
    case 'PolicyDataInstanceDeployed':
      return deployInstance(tables, dataKey(event.templateId), event)
    case 'CurrentPolicyInstanceSet':
    case 'CurrentPolicyDataInstanceSet':
      return moveSlot(tables, event, options)
    case 'ArtifactAnnounced':
      announce(tables, event, options)
      return undefined
    default:
      return undefined
  }
}

function announce(
  tables: Tables,
  event: Extract<ChainEvent, { type: 'ArtifactAnnounced' }>,
  { locatorKey: key }: IndexOptions,
): void {
  const { hash, namespace, announcer, blockNumber: block } = event
  if (!isArtifactNamespace(namespace)) return
  const ref = { namespace, hash: hash.toLowerCase() as Hex }
  const template = firstTemplate(tables, ref)
  const locator = readLocator(event.locator)
  if (template === undefined || locator === undefined) return
  const known = tables.announced.get(refKey(ref)) ?? []
  const entry = { announcer, block, locator }
  tables.announced.set(refKey(ref), addAnnouncement(known, entry, { template, key }))
}

function locatorsOf(tables: Tables, ref: ArtifactRef): ArtifactLocators {
  const { announced, users, clients } = tables
  return {
    announcements: announced.get(refKey(ref)) ?? [],
    template: firstTemplate(tables, ref),
    clients: [...itemsOf(users.get(refKey(ref)))]
      .flatMap((templateKey) => clients.get(templateKey) ?? [])
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
      .slice(0, 32)
      .map(({ address }) => address),
  }
}

function firstTemplate(
  { templates, firstUser }: Tables,
  ref: ArtifactRef,
): IndexedTemplate | undefined {
  return templates.get(firstUser.get(refKey(ref)) ?? '')
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
