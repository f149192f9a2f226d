/** A chain in memory: blocks every 12 seconds, events of the registries, commits that land. */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, ZERO_HASH } from '../../src/core/artifact.js'
import { computePolicyDataTemplateId, computePolicyTemplateId } from '../../src/core/ids.js'
import type {
  ChainEvent,
  ChainEvents,
  EventPosition,
} from '../../src/core/interfaces/chainEvents.js'
import type { BlockReference } from '../../src/core/interfaces/registryReader.js'
import type { CommitSink } from '../../src/core/interfaces/sinks.js'
import { encodeLocator } from '../../src/core/locator.js'
import { toHex, uintToBytes, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'

type Body<event> = event extends unknown ? Omit<event, keyof EventPosition> : never

export type FakeChain = ReturnType<typeof createFakeChain>

export function createFakeChain({
  chainId = 31337n,
  blockSeconds = 12n,
  windows = { challengeWindow: 1n, taskResponseWindow: 1n },
} = {}) {
  const blocks: BlockReference[] = []
  const events: ChainEvent[] = []
  let pending: Body<ChainEvent>[] = []
  const mine = (count = 1): BlockReference => {
    for (let i = 0; i < count; i++) {
      const number = BigInt(blocks.length)
      const block = {
        number,
        hash: keccakHex(utf8(`block ${number}`)),
        timestamp: number * blockSeconds + 1_200n,
      }
      blocks.push(block)
      pending.forEach((body, logIndex) => {
        events.push({
          ...body,
          blockNumber: number,
          blockHash: block.hash,
          transactionIndex: logIndex,
          logIndex,
          transactionHash: keccakHex(
            block.hash === '0x' ? utf8('') : utf8(`tx ${number} ${logIndex}`),
          ),
        } as ChainEvent)
      })
      pending = []
    }
    return blocks[blocks.length - 1] as BlockReference
  }
  const emit = (body: Body<ChainEvent>): void => {
    pending.push(body)
  }
  /** View of one operator; `lag` blocks behind in what it holds final. */
  const view = ({ lag = 0n }: { lag?: bigint } = {}): ChainEvents => ({
    chainId,
    getEvents: async ({ fromBlock, toBlock, types }) =>
      events.filter(
        (event) =>
          event.blockNumber >= fromBlock &&
          event.blockNumber <= toBlock &&
          (types === undefined || types.includes(event.type)),
      ),
    getBlock: async (number) => blocks[Number(number)] ?? null,
    getLatestBlock: async () => blocks[blocks.length - 1] as BlockReference,
    getFinalizedBlock: async () => {
      const at = blocks.length - 1 - Number(lag)
      return blocks[Math.max(0, at)] as BlockReference
    },
    getWindows: async () => windows,
  })
  let latest: { sequenceNo: bigint; root: Hex; timestamp: bigint } | null = null
  const sink: CommitSink = {
    async commitStateRoot({ commit }) {
      latest = {
        sequenceNo: commit.sequenceNo,
        root: commit.newStateRoot,
        timestamp: commit.timestamp,
      }
      emit({ type: 'StateRootCommitted', ...commit })
      return { transactionHash: ZERO_HASH }
    },
    async announceCommit({ sequenceNo, deltaHash, locators }) {
      emit({
        type: 'CommitAnnounced',
        sequenceNo,
        deltaHash,
        locators: locators.map(encodeLocator),
      })
      return { transactionHash: ZERO_HASH }
    },
    latest: async () => latest,
  }
  mine(2)
  return { chainId, blocks, events, mine, emit, view, sink }
}

export const author = (n: number): Address => toHex(uintToBytes(n + 1, 20))

/** Registers a policy template and returns its id. */
export function registerPolicy(
  chain: FakeChain,
  rego: Uint8Array,
  { by = author(0), schema }: { by?: Address; schema?: Uint8Array } = {},
): Hex {
  const regoHash = keccakHex(rego)
  const paramsSchemaHash = schema === undefined ? ARTIFACT_ABSENT : keccakHex(schema)
  const id = computePolicyTemplateId({ regoHash, paramsSchemaHash, policyDataTemplateRefs: [] })
  chain.emit({
    type: 'PolicyTemplateRegistered',
    id,
    author: by,
    regoHash,
    paramsSchemaHash,
    refs: [],
  })
  return id
}

/** Registers a policy-data template and returns its id. */
export function registerData(
  chain: FakeChain,
  wasm: Uint8Array,
  { by = author(0) }: { by?: Address } = {},
): Hex {
  const hashes = {
    wasmHash: keccakHex(wasm),
    paramsSchemaHash: ARTIFACT_ABSENT,
    secretsSchemaHash: ARTIFACT_ABSENT,
  }
  const id = computePolicyDataTemplateId(hashes)
  chain.emit({ type: 'PolicyDataTemplateRegistered', id, author: by, ...hashes })
  return id
}
