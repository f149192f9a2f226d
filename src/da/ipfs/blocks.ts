/** Blocks from several gateways: asked for in order of health, and held for one read. */
import type { CID } from 'multiformats/cid'
import { toHex } from '../../internal/bytes.js'
import { isWrongCopy } from '../artifactSource.js'
import type { HealthBoard } from '../health.js'
import { createGate } from '../internal/gate.js'
import { hedged } from '../internal/hedge.js'
import { fetchBlock, fetchCar, type Gateway } from './gateway.js'

/** Runs `work` over the gateways; `key` names what is asked for where one serves it wrong. */
export type GatewayRace = <value>(
  key: string,
  signal: AbortSignal,
  work: (gateway: Gateway, signal: AbortSignal) => Promise<value>,
) => Promise<value>

/** Creates a race over the gateways in order of health, hedged. */
export function createGatewayRace(parameters: {
  gateways: readonly Gateway[]
  health: HealthBoard
  /** Milliseconds after which the next gateway joins. */
  hedgeDelay: number
}): GatewayRace {
  const { gateways, health, hedgeDelay } = parameters
  return async (key, signal, work) => {
    const good = gateways.filter((gateway) => !health.isBad(gateway.source, key))
    const ordered = health.order(good.length > 0 ? good : gateways, (gateway) => gateway.source)
    const { value, winner } = await hedged(
      ordered.map((gateway) => ({
        source: gateway.source,
        run: (inner: AbortSignal) =>
          work(gateway, inner).catch((error: unknown) => {
            if (!inner.aborted) {
              if (isWrongCopy(error)) health.servedWrongCopy(gateway.source, key)
              else health.failed(gateway.source)
            }
            throw error
          }),
      })),
      { delay: hedgeDelay, signal },
    )
    health.succeeded(winner)
    return value
  }
}

/** Blocks of one read that are asked for at once, whatever the depth of its tree. */
const CONCURRENCY = 8

/** Blocks of one read: what a CAR brought, then singly, a few at a time. */
export function createBlockSource(parameters: {
  race: GatewayRace
  maxBytes: number
  maxBlocks: number
  signal: AbortSignal
}) {
  const { race, maxBytes, maxBlocks, signal } = parameters
  const have = new Map<string, Uint8Array>()
  const pending = new Map<string, Promise<Uint8Array>>()
  const gate = createGate(CONCURRENCY)
  return {
    /** A stop on the way is no failure: the missing blocks are asked for singly. */
    async fill(root: CID, path?: string | undefined): Promise<void> {
      try {
        const blocks = await race(`car ${root}/${path ?? ''}`, signal, async (gateway, inner) => {
          const found: [string, Uint8Array][] = []
          const limit = maxBytes + maxBlocks * 128
          await fetchCar(gateway, root, {
            signal: inner,
            path,
            maxBytes: limit,
            onBlock: (cid, bytes) => found.push([keyOf(cid), bytes]),
          })
          return found
        })
        for (const [key, bytes] of blocks) have.set(key, bytes)
      } catch {
        signal.throwIfAborted()
      }
    },
    get(cid: CID): Promise<Uint8Array> {
      const key = keyOf(cid)
      const known = have.get(key)
      if (known) return Promise.resolve(known)
      let fetching = pending.get(key)
      if (!fetching) {
        fetching = gate(() => {
          signal.throwIfAborted()
          return race(key, signal, (gateway, inner) => fetchBlock(gateway, cid, inner))
        })
        pending.set(key, fetching)
      }
      return fetching
    },
  }
}

// Blocks are found by hash: the codec in a CID says how to read one, not which one it is.
function keyOf({ multihash }: CID): string {
  return toHex(multihash.bytes)
}
