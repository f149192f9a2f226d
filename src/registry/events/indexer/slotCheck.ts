/** Compares what events say of slots with what the contracts hold. */
import type { Address, Hex } from 'viem'
import { ZERO_HASH } from '../../../core/artifact.js'
import type { BlockMark } from '../../../core/follow.js'
import type { ChainEvent, ChainEvents } from '../../../core/interfaces/chainEvents.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import {
  enclaveRequiredAt,
  type IndexState,
  policyDataSlotKey,
  policySlotKey,
  type SlotMove,
} from './state.js'

/** Slots of each kind that are compared in a step although they did not move. */
const SLOTS_IN_TURN = 32

/**
 * A check of one step, before it is applied: slots that moved in it, and some others in turn, so that
 * a move that was missed long ago is found too.
 *
 * @throws {RpcInconsistentError} with `since` where a log was missed.
 */
export function createSlotCheck({
  events,
  state,
}: {
  events: ChainEvents
  state: IndexState
}): (step: { end: BlockMark; found: readonly ChainEvent[] }, io: IoOptions) => Promise<void> {
  const policiesInTurn = inTurn(state.policySlots)
  const dataInTurn = inTurn(state.policyDataSlots)
  return async ({ end, found }, io) => {
    if (events.getSlotValues === undefined) return
    const moved = movesOf(found)
    const policies = [...new Set([...moved.policies.keys(), ...policiesInTurn()])]
    const data = [...new Set([...moved.policyData.keys(), ...dataInTurn()])]
    const held = await events.getSlotValues(
      {
        block: end.number,
        policies: policies as Address[],
        policyData: data.map((key) => {
          const [client, templateId] = key.split(' ') as [Address, Hex]
          return { client, templateId }
        }),
      },
      io,
    )
    if (held.blockHash.toLowerCase() !== end.hash.toLowerCase()) {
      throw new RpcInconsistentError(`block ${end.number} has two hashes`)
    }
    const compare = (
      keys: readonly string[],
      values: readonly (Hex | null)[],
      { steps, slots }: { steps: Map<string, Hex>; slots: Map<string, SlotMove[]> },
    ): void => {
      for (const [index, key] of keys.entries()) {
        const last = slots.get(key)?.at(-1)
        const said = steps.get(key) ?? last?.id ?? ZERO_HASH
        const value = values[index] ?? ZERO_HASH
        if (value.toLowerCase() === said.toLowerCase()) continue
        throw missed(state, `a slot holds ${value}, its logs say ${said}`, last?.block)
      }
    }
    compare(policies, held.policies, { steps: moved.policies, slots: state.policySlots })
    compare(data, held.policyData, { steps: moved.policyData, slots: state.policyDataSlots })
    const said = moved.enclaveRequired ?? enclaveRequiredAt(state, end.number)
    if (held.enclaveRequired !== said) {
      const last = state.enclaveRequired.at(-1)?.block
      throw missed(state, `enclaves are${said ? ' not' : ''} required, logs say otherwise`, last)
    }
  }
}

// The miss is after the last move that is known, or in its block.
function missed(state: IndexState, reason: string, last: bigint | undefined): RpcInconsistentError {
  return new RpcInconsistentError(reason, { since: (last ?? state.fromBlock) - 1n })
}

function movesOf(found: readonly ChainEvent[]): {
  policies: Map<string, Hex>
  policyData: Map<string, Hex>
  enclaveRequired: boolean | undefined
} {
  const policies = new Map<string, Hex>()
  const policyData = new Map<string, Hex>()
  let enclaveRequired: boolean | undefined
  for (const event of found) {
    if (event.type === 'CurrentPolicyInstanceSet') {
      policies.set(policySlotKey(event.client), event.current)
    } else if (event.type === 'CurrentPolicyDataInstanceSet') {
      policyData.set(policyDataSlotKey(event.client, event.templateId), event.current)
    } else if (event.type === 'EnclaveRequirementChanged') enclaveRequired = event.required
  }
  return { policies, policyData, enclaveRequired }
}

/** Some keys at each call, all of them in time. */
function inTurn(slots: Map<string, unknown>): () => string[] {
  let rest = slots.keys()
  return () => {
    const keys: string[] = []
    for (let tries = 0; tries < 2 && keys.length < SLOTS_IN_TURN; tries++) {
      for (let next = rest.next(); !next.done; next = rest.next()) {
        keys.push(next.value)
        if (keys.length === SLOTS_IN_TURN) return keys
      }
      rest = slots.keys()
    }
    return keys
  }
}
