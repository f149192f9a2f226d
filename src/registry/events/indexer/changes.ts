/** How an event changes the state of an index, and what it must fit. */
import type { Address, Hex } from 'viem'
import { getAddress } from 'viem'
import { ZERO_HASH } from '../../../core/artifact.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../../core/ids.js'
import type { ChainEvent } from '../../../core/interfaces/chainEvents.js'
import type {
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
} from '../../../core/interfaces/registryReader.js'
import { fromHex } from '../../../internal/bytes.js'
import { RowMismatchError, RpcInconsistentError } from '../../chain/errors.js'
import {
  type IndexedLocator,
  type IndexState,
  MAX_LOCATORS,
  MAX_LOCATORS_PER_ANNOUNCER,
  policyDataSlotKey,
  policySlotKey,
  recordKey,
  rowOrdinals,
  type SlotMove,
} from './state.js'

/**
 * Applies one event, in chain order.
 *
 * @throws {RowMismatchError} when a row does not hash to its id.
 * @throws {RpcInconsistentError} when a log before it is missing or came twice.
 */
export function applyEvent(state: IndexState, event: ChainEvent): void {
  const block = event.blockNumber
  switch (event.type) {
    case 'PolicyTemplateRegistered': {
      const row: PolicyTemplateRow = {
        regoHash: event.regoHash,
        paramsSchemaHash: event.paramsSchemaHash,
        policyDataTemplateRefs: event.refs,
        author: event.author,
        registeredAt: block,
      }
      insert(state, state.policyTemplates, {
        ...{ id: event.id, row, since: row.registeredAt, key: recordKey.policyTemplate },
        computed: computePolicyTemplateId(row),
      })
      return
    }
    case 'PolicyDataTemplateRegistered': {
      const row: PolicyDataTemplateRow = {
        wasmHash: event.wasmHash,
        paramsSchemaHash: event.paramsSchemaHash,
        secretsSchemaHash: event.secretsSchemaHash,
        author: event.author,
        registeredAt: block,
      }
      insert(state, state.policyDataTemplates, {
        ...{ id: event.id, row, since: row.registeredAt, key: recordKey.policyDataTemplate },
        computed: computePolicyDataTemplateId(row),
      })
      return
    }
    case 'PolicyInstanceDeployed':
    case 'PolicyDataInstanceDeployed': {
      const { templateId, expireAfter, params } = event
      const client = getAddress(event.client)
      const paramsHash = computeParamsHash({ expireAfter, params: fromHex(params, 'params') })
      const row: InstanceRow = {
        templateId,
        client,
        expireAfter,
        deployedAt: block,
        paramsHash,
        params,
      }
      const policy = event.type === 'PolicyInstanceDeployed'
      const compute = policy ? computePolicyInstanceId : computePolicyDataInstanceId
      const computed = compute({ chainId: state.chainId, client, templateId, paramsHash })
      needTemplate(state, { policy, templateId })
      insert(state, policy ? state.policyInstances : state.policyDataInstances, {
        ...{ id: event.id, row, computed, since: block },
        key: policy ? recordKey.policyInstance : recordKey.policyDataInstance,
      })
      return
    }
    case 'CurrentPolicyInstanceSet':
      needInstance(state, state.policyInstances, event.current)
      move(state, state.policySlots, { key: policySlotKey(event.client), block, event })
      return
    case 'CurrentPolicyDataInstanceSet':
      needInstance(state, state.policyDataInstances, event.current)
      move(state, state.policyDataSlots, {
        key: policyDataSlotKey(event.client, event.templateId),
        block,
        event,
      })
      return
    case 'EnclaveRequirementChanged': {
      if (state.enclaveRequired.at(-1)?.block === block) state.enclaveRequired.pop()
      state.enclaveRequired.push({ block, required: event.required })
      state.changed?.add(recordKey.enclave(block))
      return
    }
    case 'ArtifactAnnounced': {
      announce(state, event)
      return
    }
    default:
  }
}

function insert<row extends { registeredAt: bigint } | { deployedAt: bigint }>(
  state: IndexState,
  rows: Map<Hex, row>,
  parameters: {
    id: Hex
    row: row
    computed: Hex
    since: bigint
    key: (id: Hex) => string
  },
): void {
  const { id, row, computed, since, key } = parameters
  if (computed !== id.toLowerCase())
    throw new RowMismatchError({ id, computed, row: 'row of a log' })
  const known = rows.get(id)
  if (known !== undefined) {
    const first = 'registeredAt' in known ? known.registeredAt : known.deployedAt
    throw missed(state, `${id} was registered at blocks ${first} and ${since}`, first)
  }
  rows.set(id, row)
  rowOrdinals.set(row, state.nextOrdinal++)
  state.changed?.add(key(id))
}

// The contracts take no instance without its templates, and no slot without its instance: what is
// not there was missed, nobody knows where.
function needTemplate(
  state: IndexState,
  { policy, templateId }: { policy: boolean; templateId: Hex },
): void {
  const rows = policy ? state.policyTemplates : state.policyDataTemplates
  const row = rows.get(templateId)
  const refs =
    row !== undefined && 'policyDataTemplateRefs' in row ? row.policyDataTemplateRefs : []
  const absent =
    row === undefined ? templateId : refs.find((ref) => !state.policyDataTemplates.has(ref))
  if (absent !== undefined) throw missed(state, `no log registered the template ${absent}`)
}

function needInstance(state: IndexState, rows: Map<Hex, InstanceRow>, id: Hex): void {
  if (!rows.has(id)) throw missed(state, `no log deployed the instance ${id}`)
}

// Every move names the value before it, so a log that is missing cannot stay unnoticed.
function move(
  state: IndexState,
  slots: Map<string, SlotMove[]>,
  parameters: { key: string; block: bigint; event: { previous: Hex; current: Hex } },
): void {
  const { key, block, event } = parameters
  const moves = slots.get(key) ?? []
  const last = moves.at(-1)
  if ((last?.id ?? ZERO_HASH) !== event.previous) {
    const reason = `a slot moved from ${event.previous}, the logs before it say ${last?.id ?? 'empty'}`
    throw missed(state, reason, last?.block)
  }
  // What is there already is said again, and is no move: the contract keeps none either.
  if (event.current === event.previous) return
  if (last?.block === block) moves.pop()
  moves.push({ block, id: event.current })
  state.changed?.add(recordKey.move(key, block))
  slots.set(key, moves)
}

function announce(
  state: IndexState,
  event: { hash: Hex; announcer: Address; locator: Hex; blockNumber: bigint },
): void {
  const { hash, announcer, locator, blockNumber: block } = event
  const list = state.locators.get(hash) ?? []
  const own = list.filter((one) => one.announcer === announcer)
  const full = own.length >= MAX_LOCATORS_PER_ANNOUNCER || list.length >= MAX_LOCATORS
  const [oldest] = own
  if (full && oldest === undefined) return
  if (full) list.splice(list.indexOf(oldest as IndexedLocator), 1)
  list.push({ block, announcer, locator })
  state.changed?.add(recordKey.locators(hash))
  state.locators.set(hash, list)
}

// What is certain ends before the block of the last log that fits.
function missed(state: IndexState, reason: string, last?: bigint): RpcInconsistentError {
  return new RpcInconsistentError(reason, { since: (last ?? state.fromBlock) - 1n })
}
