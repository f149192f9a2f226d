/** Endpoints that lie, lag, hang and fail under a verification, an index and a challenger on a real chain. */
import { createPublicClient, custom, type Hex, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type AttestationReader,
  createChallenger,
  verifyTaskAttestation,
} from '../src/attestation/index.js'
import type { Certificate } from '../src/core/bn254/index.js'
import { computeArtifactDigest } from '../src/core/digest.js'
import type { PolicyTaskResponse } from '../src/core/response.js'
import type { Task } from '../src/core/task.js'
import { isPolicySdkError } from '../src/errors/base.js'
import {
  acceptResponseSync,
  createAcceptedResponses,
  createCertificateReader,
  createChainEvents,
  createChallengeSink,
  createIndexedReader,
  createOperatorTrees,
  createRegistryReader,
  indexRegistry,
  setCurrentPolicyInstanceSync,
} from '../src/registry/index.js'
import { type ChainWorld, createChainWorld } from './support/chainWorld.js'

type Call = { method: string; params: readonly unknown[] }
type Hook = (call: Call & { count: number; next(): Promise<unknown> }) => unknown

let world: ChainWorld
let honest: { task: Task; response: PolicyTaskResponse; certificate: Certificate }
beforeAll(async () => {
  world = await createChainWorld({ maxStaleness: 86_400 })
  const task = await world.makeTask()
  const { response } = await world.evaluate(task)
  honest = { task, response, certificate: world.sign(response, { signers: [0, 1, 2] }) }
})
afterAll(() => world?.anvil.stop())

/** A client whose endpoint does what `hook` says; what is asked is counted by method. */
function clientOf(hook: Hook, { chain = true } = {}) {
  const counts = new Map<string, number>()
  const calls: Call[] = []
  const request = async ({ method, params }: Call): Promise<unknown> => {
    const count = (counts.get(method) ?? 0) + 1
    counts.set(method, count)
    calls.push({ method, params })
    const next = (): Promise<unknown> => world.anvil.rpc(method, [...(params ?? [])])
    return hook({ method, params, count, next })
  }
  const transport = custom({ request: request as never }, { retryCount: 0 })
  return {
    calls,
    client: createPublicClient({ ...(chain ? { chain: world.chain } : {}), transport }),
  }
}

async function readerOf(
  hook: Hook,
  {
    timeout = 8_000,
    maxHeadAge,
    now,
    chain = true,
  }: {
    timeout?: number
    maxHeadAge?: number
    now?: () => number
    chain?: boolean
  } = {},
): Promise<AttestationReader> {
  const { client } = clientOf(hook, { chain })
  const { addresses } = world
  return {
    ...world.reader,
    registry: await createRegistryReader({ client, addresses, maxHeadAge, now }, { timeout }),
    certificates: await createCertificateReader({ client, addresses }, { timeout }),
  }
}

/** The verdict on the honest response through such an endpoint, or the code of what was thrown. */
async function verdict(hook: Hook, options: Parameters<typeof readerOf>[1] = {}): Promise<string> {
  try {
    const reader = await readerOf(hook, options)
    const { timeout = 8_000 } = options
    const outcome = await verifyTaskAttestation({ ...honest, reader, timeout })
    return 'reason' in outcome ? `${outcome.status} ${outcome.reason}` : outcome.status
  } catch (error) {
    expect(isPolicySdkError(error), String(error)).toBe(true)
    return `error ${(error as { code: string }).code}`
  }
}

const block = (change: (answer: object, count: number) => unknown): Hook => {
  return async ({ method, next, count }) => {
    const answer = await next()
    return method === 'eth_getBlockByNumber' ? change(answer as object, count) : answer
  }
}
const call = (change: (answer: Hex, count: number) => unknown): Hook => {
  return async ({ method, next, count }) => {
    const answer = await next()
    return method === 'eth_call' ? change(answer as Hex, count) : answer
  }
}
const rpcError = (code: number, message: string): Error =>
  Object.assign(new Error(message), { code })

describe('an honest response through an endpoint', () => {
  const cases: [name: string, hook: Hook, allowed: RegExp][] = [
    ['that is honest', ({ next }) => next(), /^valid$/],
    [
      'whose blocks have another hash at every second look',
      block((answer, n) => (n % 2 === 0 ? { ...answer, hash: toHex(n, { size: 32 }) } : answer)),
      /^(inconclusive|error RPC_|error BLOCK_)/,
    ],
    [
      'whose blocks have another hash at each look',
      block((answer, n) => ({ ...answer, hash: toHex(n, { size: 32 }) })),
      /^(inconclusive|error RPC_)/,
    ],
    [
      'that gives another block than was asked for',
      block((answer) => ({ ...answer, number: '0x5' })),
      /^(inconclusive|error (RPC_INCONSISTENT|RPC_FAILED|CONTRACT_NOT_FOUND|BLOCK_NOT_FOUND))/,
    ],
    ['that has no blocks', block(() => null), /^(inconclusive|error (RPC_FAILED|BLOCK_NOT_FOUND))/],
    ['that has no code', call(() => '0x'), /^error CONTRACT_NOT_FOUND/],
    [
      'that answers noise',
      call(() => `0x${'ab'.repeat(4_096)}`),
      /^error (MALFORMED_RETURN_DATA|RPC_|REGISTRY_MISMATCH|CONTRACT_)/,
    ],
    [
      'that cuts answers',
      call((answer) => answer.slice(0, -64)),
      /^error (MALFORMED_RETURN_DATA|REGISTRY_MISMATCH|CONTRACT_|RPC_)/,
    ],
    [
      'that answers megabytes',
      call(() => `0x${'00'.repeat(8 << 20)}`),
      /^error (MALFORMED_RETURN_DATA|REGISTRY_MISMATCH|CONTRACT_|RPC_)/,
    ],
    [
      'that always refuses for the rate',
      () => {
        throw rpcError(429, 'Too Many Requests')
      },
      /^error RPC_(FAILED|RATE_LIMITED)/,
    ],
  ]
  test.each(cases)('%s', async (_name, hook, allowed) => {
    expect(await verdict(hook)).toMatch(allowed)
  })

  test('that says to be on another chain', async () => {
    const foreign: Hook = ({ method, next }) => (method === 'eth_chainId' ? '0x1' : next())
    // A client that knows its chain does not ask; one that does not is told another.
    expect(await verdict(foreign)).toBe('valid')
    expect(await verdict(foreign, { chain: false })).toMatch(/^(reject CROSS_CHAIN_REPLAY|error)/)
  })

  test('that hangs ends at the deadline', async () => {
    const started = performance.now()
    const never = new Promise<never>(() => undefined)
    expect(await verdict(() => never, { timeout: 300 })).toBe('error TIMEOUT')
    // It hangs once everything is set up: the reads of the verification.
    let hangs = false
    const reader = await readerOf(({ next }) => (hangs ? never : next()))
    hangs = true
    expect(await verifyTaskAttestation({ ...honest, reader, timeout: 300 })).toMatchObject({
      status: 'inconclusive',
      reason: 'TIMEOUT',
    })
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('that changes any answer is never believed to blame somebody', async () => {
    let touched = 0
    const reader = async (part: number) => {
      let ready = false
      const made = await readerOf(async ({ method, next }) => {
        const answer = (await next()) as string
        if (!ready || method !== 'eth_call') return answer
        touched++
        const at = 2 + Math.floor(((part + 0.5) / 48) * (answer.length - 2))
        return `${answer.slice(0, at)}${answer[at] === '0' ? '1' : '0'}${answer.slice(at + 1)}`
      })
      ready = true
      return made
    }
    const seen = new Set<string>()
    for (let part = 0; part < 48; part++) {
      const outcome = await verifyTaskAttestation({
        ...{ ...honest, reader: await reader(part) },
        level: 'quorum',
      })
      seen.add(outcome.status)
    }
    expect(touched).toBeGreaterThan(48)
    expect([...seen]).not.toContain('slashable')
    expect([...seen]).not.toContain('valid')
  })

  test('that is stuck is found by the age of its newest block', async () => {
    const stuckAt = await world.client.getBlock()
    const until = Number(honest.response.expirationBlock - honest.response.referenceBlock) + 1
    await world.mine(until)
    const stuck: Hook = ({ method, params, next }) =>
      method === 'eth_getBlockByNumber' && params[0] === 'latest'
        ? world.anvil.rpc(method, [toHex(stuckAt.number), false])
        : next()
    expect(await verdict(({ next }) => next())).toBe('reject EXPIRED')
    // Nothing of the answers themselves shows it.
    expect(await verdict(stuck)).toBe('valid')
    const now = () => Number(stuckAt.timestamp) * 1_000 + 60_001
    expect(await verdict(stuck, { maxHeadAge: 60_000, now })).toMatch(
      /^(error STALE_HEAD|inconclusive)/,
    )
  })
})

/** An endpoint whose logs come from a backend that stands still at a block, and all else from the head. */
function laggingLogs() {
  let heldAt: bigint | undefined
  const { client, calls } = clientOf(async ({ method, params, next }) => {
    if (method !== 'eth_getLogs' || heldAt === undefined) return next()
    const [{ blockHash }] = params as [{ blockHash?: Hex }]
    const asked = blockHash && (await world.client.getBlock({ blockHash }))
    if (asked && asked.number > heldAt) throw rpcError(-32000, 'unknown block')
    const logs = (await next()) as { blockNumber: Hex }[]
    return logs.filter((log) => BigInt(log.blockNumber) <= (heldAt as bigint))
  })
  return {
    client,
    calls,
    hold: async () => {
      heldAt = (await world.client.getBlock()).number
    },
    release: () => {
      heldAt = undefined
    },
  }
}

describe('a backend for logs that is behind', () => {
  test('never makes a revoked response valid, or an honest one slashable, through the index', async () => {
    const { addresses, mainClient: client } = world
    const { hold, release, ...endpoint } = laggingLogs()
    const events = await createChainEvents({
      client: endpoint.client,
      addresses,
      finality: 'latest',
    })
    const index = await indexRegistry({ events, fromBlock: 0n, confirmations: 0 })
    const before = await world.registry.currentPolicyInstanceAt({
      client,
      block: (await world.client.getBlock()).number,
    })
    const strict = await world.addPolicyInstance(client, { max: 3 })
    await index.sync()
    await hold()
    await setCurrentPolicyInstanceSync(world.clientOwner, {
      ...{ client, instanceId: strict, addresses },
    })
    await world.mine(3)
    await expect(index.sync()).rejects.toMatchObject({ code: 'RPC_FAILED', retryable: true })

    const task = await world.makeTask()
    const { response, digestPreimage } = await world.evaluate(task)
    expect(response.policyInstanceId).toBe(strict)
    const old = await world.registry.snapshot({ client, block: task.referenceBlock - 6n })
    const preimage = {
      ...digestPreimage,
      policyInstanceId: before as Hex,
      paramsHash: old.policyInstance?.paramsHash as Hex,
    }
    const revoked = {
      ...response,
      policyInstanceId: before as Hex,
      artifactDigest: computeArtifactDigest(preimage),
    }
    const registry = createIndexedReader({ index, reader: world.registry })
    const judge = async (signed: PolicyTaskResponse): Promise<string> => {
      const certificate = world.sign(signed, { signers: [0, 1, 2] })
      const reader = { ...world.reader, registry }
      const outcome = await verifyTaskAttestation({ reader, task, response: signed, certificate })
      return 'reason' in outcome ? `${outcome.status} ${outcome.reason}` : outcome.status
    }
    // While it lags the index answers only for what it has read; the reader beside it for the rest.
    expect([await judge(response), await judge(revoked)]).toEqual([
      'valid',
      'slashable WRONG_INSTANCE',
    ])
    release()
    await index.sync()
    expect([await judge(response), await judge(revoked)]).toEqual([
      'valid',
      'slashable WRONG_INSTANCE',
    ])
    expect(index.policySlotAt({ client, block: index.state.cursor?.number ?? 0n })).toBe(strict)
  })

  test('lets no accepted lie pass a challenger', async () => {
    const { addresses, challenger: wallet } = world
    const { client, hold, release } = laggingLogs()
    const startBlock = (await world.client.getBlock()).number
    const challenger = createChallenger({
      reader: world.reader,
      responses: createAcceptedResponses({ client, addresses }),
      operators: createOperatorTrees({ client: world.client, addresses }),
      sink: createChallengeSink({ client: wallet, addresses, pollingInterval: 10 }),
      ...{ challengeWindow: 1_000n, confirmations: 0, startBlock, backoff: () => 1 },
    })
    await challenger.poll()
    await hold()
    const task = await world.makeTask()
    const { response: true_, digestPreimage } = await world.evaluate(task)
    const artifactDigest = computeArtifactDigest({
      ...digestPreimage,
      regoHash: toHex(6, { size: 32 }),
    })
    const response = { ...true_, artifactDigest }
    const certificate = world.sign(response, { signers: [0, 1, 2] })
    await acceptResponseSync(wallet, { response, certificate, task, addresses })
    await world.mine()
    await expect(challenger.poll()).rejects.toMatchObject({ reason: 'RPC_FAILED' })
    release()
    const before = await world.stakes()
    await challenger.poll()
    expect(await world.stakes()).toEqual(
      before.map((stake, index) => (index < 3 ? stake - stake / 10n : stake)),
    )
  })
})

describe('an operator table', () => {
  test('is found by its topic, with one request for logs whatever the length of the chain', async () => {
    await world.mine(400)
    const { client, calls } = clientOf(({ next }) => next())
    const { addresses } = world
    const trees = createOperatorTrees({ client, addresses })
    const { number } = await world.client.getBlock()
    const tree = await trees.operatorTreeAt(number - 1n)
    expect(tree?.info).toEqual(world.current.table.info)
    const asked = calls.filter(({ method }) => method === 'eth_getLogs')
    expect(asked).toHaveLength(1)
    const [{ topics }] = (asked[0] as Call).params as [{ topics: unknown[] }]
    expect(topics[1]).toBe(toHex(world.current.referenceTimestamp, { size: 32 }))
    // Kept: the same table is not looked for again.
    await trees.operatorTreeAt(number - 2n)
    expect(calls.filter(({ method }) => method === 'eth_getLogs')).toHaveLength(1)
  })

  test('that is too old is refused off chain as on chain, where acceptance is asked for', async () => {
    await world.anvil.rpc('evm_increaseTime', [toHex(3 * 86_400)])
    await world.mine(2)
    const { addresses } = world
    const task = await world.makeTask()
    const { response } = await world.evaluate(task)
    const certificate = world.sign(response, { signers: [0, 1, 2] })
    const signed = { task, response, certificate }
    const { reader } = world
    expect(await verifyTaskAttestation({ reader, ...signed })).toMatchObject({ status: 'valid' })
    expect(await verifyTaskAttestation({ reader, ...signed, acceptance: true })).toMatchObject({
      status: 'reject',
      reason: 'CERTIFICATE_STALE',
    })
    const accepted = acceptResponseSync(world.challenger, {
      ...signed,
      addresses,
      preflight: false,
    })
    await expect(accepted).rejects.toMatchObject({ errorName: 'CertificateStale' })
  })
})
