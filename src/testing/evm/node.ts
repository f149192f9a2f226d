/** A node in this process: a chain behind JSON-RPC, one request at a time, with faults that tests ask for. */
import { custom, type Hex, numberToHex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { assertCount, assertObject } from '../../internal/options.js'
import { sleep } from '../../internal/pause.js'
import { createChain } from './chain/chain.js'
import { loadEvm } from './libraries.js'
import { answer, developmentAccount } from './methods.js'
import { nodeError } from './nodeError.js'
import type { MockNode, MockNodeOptions, NodeFault, RpcArguments } from './types.js'

/**
 * Starts a chain in this process: the EVM of `@ethereumjs/vm` behind the JSON-RPC of a node. No port,
 * no other process; works in browsers too.
 *
 * Blocks carry the roots that proofs are checked against, reverts come as code 3 with their data, and
 * `eth_getProof` answers for every block. A transaction is mined at once, in a block of its own.
 *
 * @throws {MissingPeerError} when the optional peer `@ethereumjs/vm` is not installed.
 * @throws {InvalidInputError} for options that are none.
 * @example
 * ```ts
 * import { createPublicClient } from 'viem'
 * import { createMockNode } from '@newton/policy-sdk/testing'
 *
 * const node = await createMockNode({ chainId: 31337 })
 * const client = createPublicClient({ transport: node.transport })
 * await node.mine(3)
 * await client.getBlockNumber({ cacheTime: 0 }) // 3n
 * ```
 */
export async function createMockNode(options: MockNodeOptions = {}): Promise<MockNode> {
  const { chainId = 31_337, at, now = Date.now, slotsInAnEpoch = 32 } = options
  for (const [field, value] of Object.entries({ chainId, slotsInAnEpoch, at: at ?? 1 })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidInputError({ field, reason: 'expected a positive integer' })
    }
  }
  const seconds = (): number => Math.floor(now() / 1_000)
  const accounts =
    options.accounts ?? Array.from({ length: 10 }, (_, index) => developmentAccount(index).address)
  const chain = await createChain(await loadEvm(), {
    ...{ chainId, accounts, slotsInAnEpoch },
    seconds: at === undefined ? seconds : undefined,
    start: at ?? seconds(),
  })
  const faults: { fault: NodeFault; left: number }[] = []
  let latency = 0
  let queue: Promise<unknown> = Promise.resolve()
  // The EVM has one state: requests wait for each other.
  const inTurn = (request: RpcArguments): Promise<unknown> => {
    const turn = queue.then(() => answer(chain, request))
    queue = turn.catch(() => undefined)
    return turn
  }
  const faultOf = (method: string): NodeFault['with'] | undefined => {
    const found = faults.find(
      ({ fault, left }) => left > 0 && (fault.method === undefined || fault.method === method),
    )
    if (found === undefined) return undefined
    found.left--
    return found.fault.with
  }
  const request: MockNode['request'] = async (asked, { signal } = {}) => {
    signal?.throwIfAborted()
    if (latency > 0) await sleep(latency, signal ?? undefined)
    const fault = faultOf(asked.method)
    if (fault === 'silence') return untilAborted(signal)
    if (typeof fault === 'object') throw nodeError(fault, asked.method)
    const given = await inTurn(asked)
    return fault === undefined ? given : fault(given, asked)
  }
  const ask = async (method: string, ...params: readonly unknown[]): Promise<unknown> =>
    inTurn({ method, params })
  return {
    chainId,
    request,
    transport: custom(
      {
        request: (
          asked: RpcArguments,
          io?: { signal?: AbortSignal | null | undefined } | undefined,
        ) => request(asked, io ?? {}),
      } as never,
      { retryCount: 0, key: 'mock', name: 'Mock chain' },
    ),
    mine: async (blocks = 1) => {
      await ask('anvil_mine', numberToHex(blocks))
    },
    increaseTime: async (by) => {
      await ask('evm_increaseTime', by)
    },
    snapshot: async () => {
      let id = (await ask('evm_snapshot')) as Hex
      return async () => {
        if ((await ask('evm_revert', id)) !== true) {
          throw new InvalidInputError({
            field: 'snapshot',
            reason: 'the chain has gone back to an older one',
          })
        }
        id = (await ask('evm_snapshot')) as Hex
      }
    },
    reorg: async (depth) => {
      await ask('anvil_reorg', depth)
    },
    fail: (fault) => {
      assertFault(fault)
      const entry = { fault, left: fault.times ?? Number.POSITIVE_INFINITY }
      faults.push(entry)
      return () => {
        entry.left = 0
      }
    },
    delay: (milliseconds) => {
      latency = milliseconds
    },
  }
}

function assertFault(fault: NodeFault): void {
  assertObject('fault', fault)
  const { times, with: answer } = fault
  if (times !== undefined) assertCount('fault.times', times)
  if (answer === 'silence' || typeof answer === 'function') return
  if (typeof answer === 'object' && answer !== null) return
  throw new InvalidInputError({
    field: 'fault.with',
    reason: "expected 'silence', an error of a node, or a function of the answer",
  })
}

function untilAborted(signal: AbortSignal | null | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
