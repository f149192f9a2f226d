import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { author } from '../../../../test/statetree/fakeChain.js'
import { seeded } from '../../../../test/statetree/model.js'
import { ARTIFACT_ABSENT, ZERO_HASH } from '../../../core/artifact.js'
import type { ChainEvent } from '../../../core/interfaces/chainEvents.js'
import { uintToBytes } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { type ChainIndex, createChainIndex } from './chainIndex.js'

const retention = {
  keepBlocks: 20n,
  challengeWindow: 3n,
  taskResponseWindow: 2n,
  safetyMargin: 1n,
  locatorKey: new Uint8Array(32),
}
const id = (n: number): Hex => keccakHex(uintToBytes(n, 4))
const rego = (template: number): Hex => id(1_000 + Math.floor(template / 2))

/** The rule, word for word: nothing is forgotten, everything is looked through. */
function model() {
  const templates = new Map<number, bigint>()
  const instances = new Map<Hex, { template: number; deployedAt: bigint; entered: boolean }>()
  const left: { template: number; until: bigint }[] = []
  const slots = new Map<Hex, Hex>()
  return {
    templates,
    instances,
    slots,
    move(client: Hex, to: Hex, block: bigint): void {
      const from = slots.get(client) ?? ZERO_HASH
      const before = instances.get(from)
      if (from !== to && before !== undefined)
        left.push({ template: before.template, until: block + 7n + 3n + 2n + 1n })
      slots.set(client, to)
      const entering = instances.get(to)
      if (entering !== undefined) entering.entered = true
    },
    isLive: (template: number, block: bigint): boolean =>
      block <= (templates.get(template) as bigint) + 20n ||
      [...slots.values()].some((current) => instances.get(current)?.template === template) ||
      left.some((one) => one.template === template && block <= one.until) ||
      [...instances.values()].some(
        (one) => one.template === template && !one.entered && block <= one.deployedAt + 20n,
      ),
  }
}

describe('which artifacts are live', () => {
  test.each([1, 2, 3, 4, 5, 6])('as the rule says, over forks and merges: history %i', (seed) => {
    const next = seeded(seed)
    const index = createChainIndex(retention)
    const rule = model()
    let view: ChainIndex & { merge?: () => void } = index
    for (let step = 0, block = 1n; step < 400; step++, block += BigInt(next(3))) {
      const at = { blockNumber: block } as const
      const kind = next(5)
      if (kind === 0 && rule.templates.size < 12) {
        const template = rule.templates.size
        rule.templates.set(template, block)
        view.apply({
          ...at,
          type: 'PolicyTemplateRegistered',
          id: id(template),
          author: author(0),
          regoHash: rego(template),
          paramsSchemaHash: ARTIFACT_ABSENT,
          refs: [],
        } as unknown as ChainEvent)
      } else if (kind <= 2 && rule.templates.size > 0) {
        const template = next(rule.templates.size)
        const instance = id(10_000 + step)
        rule.instances.set(instance, { template, deployedAt: block, entered: false })
        view.apply({
          ...at,
          type: 'PolicyInstanceDeployed',
          id: instance,
          client: author(1),
          templateId: id(template),
          expireAfter: 7n,
        } as unknown as ChainEvent)
      } else if (rule.instances.size > 0) {
        const client = author(next(3))
        const previous = rule.slots.get(client) ?? ZERO_HASH
        const known = [...rule.instances.keys()]
        const current = next(4) === 0 ? ZERO_HASH : (known[next(known.length)] as Hex)
        rule.move(client, current, block)
        view.apply({
          ...at,
          type: 'CurrentPolicyInstanceSet',
          client,
          previous,
          current,
        } as unknown as ChainEvent)
      }
      if (next(4) === 0) {
        view.merge?.()
        view = index.fork()
      }
      for (let template = 0; template < rule.templates.size; template += 2) {
        const ref = { namespace: 4 as const, hash: rego(template) }
        for (const when of [
          block,
          block + 1n,
          block + 13n,
          block + 14n,
          block + 20n,
          block + 21n,
        ]) {
          const both = [template, template + 1].filter((one) => rule.templates.has(one))
          expect(view.isLive(ref, when)).toBe(both.some((one) => rule.isLive(one, when)))
        }
      }
    }
  })
})
