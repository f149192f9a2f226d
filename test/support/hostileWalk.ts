/** A chain that grows and forks at random, seen through nodes that lag, cut, refuse and take turns. */
import { FakeRpcError, type RpcHandler } from '../registry/fakeNode.js'
import { account, createPolicyChain, type PolicyChain } from '../registry/policyChain.js'

/** Numbers from a seed: the same walk each time. */
export function createDice(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

export const walkers = [1, 2, 3, 4, 5].map((n) => account(0xc0 + n))

export type HostileWalk = {
  chain: PolicyChain
  dice: (below: number) => number
  isHostile(): boolean
  /** The endpoint that is never the same twice, until `calm`. */
  handler: RpcHandler
  /** What happens to the chain in one step. */
  step(): void
  /** From now on the endpoint is one honest node. */
  calm(): void
}

/**
 * Starts a walk.
 *
 * @param parameters.lies - Whether nodes also leave out logs of a block that they are asked for by its
 * hash. None that is only behind does.
 * @param parameters.blocks - Blocks before the walk begins.
 */
export function createHostileWalk({
  seed,
  lies,
  blocks = 0,
}: {
  seed: number
  lies: boolean
  blocks?: number
}): HostileWalk {
  const chain = createPolicyChain()
  for (let i = 0; i < blocks; i++) chain.mine()
  const dice = createDice(seed)
  let hostile = true
  const nodeOf = (lag: number): RpcHandler => chain.node({ lag })
  const front = nodeOf(0)

  const handler: RpcHandler = (call) => {
    if (!hostile) return front(call)
    const trouble = dice(40)
    if (trouble === 0) throw new FakeRpcError(-32005, 'rate limit exceeded')
    if (trouble === 1) throw new FakeRpcError(-32603, 'connection reset by peer')
    if (trouble === 2) throw new FakeRpcError(429, 'Too Many Requests')
    // A balancer with one node in front and one behind, which is behind by more at some times.
    const answer = (dice(3) === 0 ? nodeOf(1 + dice(4)) : front)(call)
    if (call.method !== 'eth_getLogs') return answer
    const logs = answer as unknown[]
    if (trouble === 3) throw new FakeRpcError(-32602, 'block range is too wide')
    // Cut, empty, or in another order, without an error.
    const byHash = (call.params[0] as { blockHash?: string }).blockHash !== undefined
    if (trouble === 4 && (lies || !byHash)) return logs.slice(0, dice(logs.length + 1))
    if (trouble === 5 && (lies || !byHash)) return []
    if (trouble === 6) return [...logs].reverse()
    return answer
  }

  return {
    chain,
    dice,
    isHostile: () => hostile,
    handler,
    step() {
      const kind = dice(10)
      // The block that registers the template stays: without it no chain has these instances.
      if (kind === 0) chain.reorganize(Math.min(1 + dice(5), chain.height() - 1))
      else if (kind < 6) chain.move(...walkers.filter(() => dice(3) === 0))
      else chain.mine()
      if (kind === 0) for (let i = 1 + dice(6); i > 0; i--) chain.mine()
    },
    calm() {
      hostile = false
      for (let i = 0; i < 8; i++) chain.mine()
    },
  }
}
