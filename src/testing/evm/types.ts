/** What a chain in this process is made with, and what tests can do to it. */
import type { Address, Transport } from 'viem'

/** One JSON-RPC request. */
export type RpcArguments = { method: string; params?: readonly unknown[] | undefined }

/** Options of {@link createMockNode}. */
export type MockNodeOptions = {
  /** @default 31337 */
  chainId?: number | undefined
  /** Accounts with 10,000 ether. @default the ten that anvil funds */
  accounts?: readonly Address[] | undefined
  /**
   * Unix seconds of the first block. Where given, the clock stands still: each block comes one second
   * after the one before, and a run is the same every time.
   */
  at?: number | undefined
  /** Milliseconds, where `at` is not given. @default Date.now */
  now?: (() => number) | undefined
  /** Blocks in an epoch: `safe` is one epoch behind the head, `finalized` two. @default 32 */
  slotsInAnEpoch?: number | undefined
}

/** A JSON-RPC error as nodes answer it. */
export type NodeError = { code: number; message: string; data?: unknown }

/**
 * How a node misbehaves: it answers an error, it never answers, or it answers something else than is
 * so: what the function makes of the true answer.
 */
export type NodeFault = {
  /** The method, such as `eth_call`. @default every one */
  method?: string | undefined
  /** Requests that it befalls. @default all until it is taken back */
  times?: number | undefined
  with: NodeError | 'silence' | ((answer: unknown, request: RpcArguments) => unknown)
}

/** A chain in this process, behind the JSON-RPC of a node. */
export type MockNode = {
  readonly chainId: number
  /**
   * Answers a request as a node does, with the errors of a node. Beside `eth_*` it knows
   * `anvil_mine`, `anvil_setBalance`, `anvil_setCode`, `anvil_setNonce`, `anvil_setStorageAt`,
   * `anvil_reorg`, `evm_snapshot`, `evm_revert`, `evm_increaseTime`, `evm_setNextBlockTimestamp` and
   * `evm_setAutomine`.
   */
  request(
    request: RpcArguments,
    options?: { signal?: AbortSignal | null | undefined },
  ): Promise<unknown>
  /** The node as a transport of viem. Nothing is retried. */
  readonly transport: Transport
  /** Mines blocks. */
  mine(blocks?: number): Promise<void>
  /** Lets time pass; the next block shows it. */
  increaseTime(seconds: number): Promise<void>
  /** Remembers the state of now. What comes back goes back to it, as often as it is called. */
  snapshot(): Promise<() => Promise<void>>
  /** Replaces the newest blocks by empty ones: what was in them is gone. */
  reorg(depth: number): Promise<void>
  /** Makes the node misbehave. What comes back takes it back. */
  fail(fault: NodeFault): () => void
  /** Milliseconds that every answer takes from now on. */
  delay(milliseconds: number): void
}
