/**
 * Every accepted response is held against the tree (0x13): each artifact of the client at the reference
 * block has to be under the root that was committed there.
 */
import type { Hex } from 'viem'
import { type BlockMark, checkRead, planRead } from '../../core/follow.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { AcceptedResponse, AcceptedResponses } from '../../core/interfaces/responses.js'
import { createReadSize } from '../../core/readSize.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { ResponseBinding } from '../../statetree/index.js'
import { artifactsOf } from '../tasks/artifacts.js'

/** Keeps how far was read: one JSON text, replaced as a whole. */
export interface TextStore {
  load(): Promise<string | null>
  save(text: string): Promise<void>
}

/** Parameters of {@link createBindingWatch}. */
export type BindingWatchParameters = {
  registry: RegistryReader
  responses: AcceptedResponses
  /** Reports 0x13 where a response is not bound: a replica's `checkBinding`. */
  check: (binding: ResponseBinding, io?: IoOptions) => Promise<boolean>
  /** @default in memory: what was seen before is looked at again after a start */
  store?: TextStore | undefined
  startBlock?: bigint | undefined
  /** @default 2 */
  confirmations?: number | undefined
  /** @default 2000n */
  maxBlocks?: bigint | undefined
  /** A response could not be judged in all its tries: its root is not kept here any more. */
  onUndecided?: ((taskId: Hex, error: unknown) => void) | undefined
}

/** What one look did. */
export type BindingReport = {
  cursor: bigint | null
  checked: number
  /** Responses whose root is not here yet. */
  waiting: number
}

type Waiting = { taskId: Hex; client: Hex; referenceBlock: string; tries: number }
type State = { marks: { number: string; hash: Hex }[]; waiting: Waiting[] }

/** Marks that are kept to find the common ancestor after a reorganization. */
const MAX_MARKS = 64
/** Responses that wait at most; older ones are given up first. */
const MAX_WAITING = 4_096
/** Looks after which a response is given up: its root was pruned, or never comes. */
const MAX_TRIES = 200

/** Creates the check of all responses that are accepted from a block on. */
export function createBindingWatch(parameters: BindingWatchParameters): {
  poll(io?: IoOptions): Promise<BindingReport>
} {
  const { registry, responses, startBlock = 0n, store } = parameters
  const { confirmations = 2 } = parameters
  const size = createReadSize(parameters.maxBlocks ?? 2_000n)
  let state: State | undefined

  const read = async (loaded: State, io: IoOptions): Promise<void> => {
    for (;;) {
      const marks = loaded.marks.map(({ number, hash }): BlockMark => {
        return { number: BigInt(number), hash }
      })
      const follow = { marks, startBlock, confirmations, maxBlocks: size.blocks() }
      const plan = await planRead(registry, follow, io)
      if (plan.status === 'reorganized') {
        const to = plan.kept?.number ?? -1n
        loaded.marks = loaded.marks.filter(({ number }) => BigInt(number) <= to)
        continue
      }
      if (plan.status !== 'read') return
      const { fromBlock, toBlock, anchor, end } = plan
      const range = { fromBlock, toBlock, parentHash: anchor?.hash, blockHash: end.hash }
      const found = await size.learn(
        plan,
        () => responses.getAcceptedResponses(range, io),
        io.signal,
      )
      if ((await checkRead(registry, { plan, found }, io)) !== undefined) return
      loaded.waiting.push(...found.map(waitingOf))
      loaded.waiting.splice(0, Math.max(0, loaded.waiting.length - MAX_WAITING))
      loaded.marks = [...loaded.marks, { number: String(end.number), hash: end.hash }]
      loaded.marks.splice(0, Math.max(0, loaded.marks.length - MAX_MARKS))
    }
  }
  const judge = async (one: Waiting, io: IoOptions): Promise<boolean> => {
    const { taskId, client } = one
    const referenceBlock = BigInt(one.referenceBlock)
    try {
      const snapshot = await registry.snapshot({ client, block: referenceBlock }, io)
      const artifacts = artifactsOf(snapshot)
      await parameters.check({ taskId, referenceBlock, artifacts }, io)
      return true
    } catch (error) {
      io.signal?.throwIfAborted()
      // One that cannot be judged now holds up no other.
      one.tries++
      if (one.tries < MAX_TRIES) return false
      parameters.onUndecided?.(taskId, error)
      return true
    }
  }
  return {
    async poll(io = {}) {
      state ??= parseState(store === undefined ? null : await store.load())
      const loaded = state
      await read(loaded, io)
      let checked = 0
      for (const one of [...loaded.waiting]) {
        if (!(await judge(one, io))) continue
        loaded.waiting = loaded.waiting.filter((other) => other !== one)
        checked++
      }
      await store?.save(JSON.stringify(loaded))
      const last = loaded.marks.at(-1)
      const cursor = last === undefined ? null : BigInt(last.number)
      return { cursor, checked, waiting: loaded.waiting.length }
    },
  }
}

function waitingOf({ response }: AcceptedResponse): Waiting {
  const { taskId, policyClient: client, referenceBlock } = response
  return { taskId, client, referenceBlock: String(referenceBlock), tries: 0 }
}

function parseState(text: string | null): State {
  if (text === null) return { marks: [], waiting: [] }
  try {
    const { marks, waiting } = JSON.parse(text) as State
    if (Array.isArray(marks) && Array.isArray(waiting)) return { marks, waiting }
  } catch (cause) {
    throw badState(cause)
  }
  throw badState()
}

function badState(cause?: unknown): InvalidInputError {
  return new InvalidInputError(
    {
      field: 'store',
      reason: 'it holds no state of this check',
      hint: 'Remove it: responses are then looked at again from the start block.',
    },
    { cause },
  )
}
