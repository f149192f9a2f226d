// @vitest-environment happy-dom
/** The hooks, rendered by React over the chain of `attestationWorld`, and once over a real one. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, configure, renderHook, waitFor } from '@testing-library/react'
import { createElement, type ReactNode } from 'react'
import { type Hex, http } from 'viem'
import { foundry } from 'viem/chains'
import { afterEach, describe, expect, test } from 'vitest'
import { createConfig, WagmiProvider } from 'wagmi'
import type { LevelProgress } from '../../src/attestation/index.js'
import { RESULT_ALLOW, RESULT_DENY } from '../../src/core/evaluationResult.js'
import { computeIntentHash, type Intent } from '../../src/core/intent.js'
import type { RegistryReader } from '../../src/core/interfaces/registryReader.js'
import { deploySimulated } from '../../src/eval/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import {
  listLevels,
  registryReaderQueryOptions,
  useEvaluation,
  usePolicy,
  useSimulate,
  useVerifiedAttestation,
} from '../../src/react/index.js'
import { address, client, createWorld, type World } from '../support/attestationWorld.js'
import { createGatewayWorld, operatorOf } from '../support/gatewayWorld.js'

// Pairings take as long as a slow machine needs.
configure({ asyncUtilTimeout: 20_000 })
afterEach(cleanup)

/** Renders hooks as a page does, with a query client of its own. */
function page(url = 'http://127.0.0.1:1') {
  const config = createConfig({ chains: [foundry], transports: { [foundry.id]: http(url) } })
  const cache = new QueryClient()
  const wrapper = ({ children }: { children: ReactNode }) =>
    createElement(
      WagmiProvider,
      { config, reconnectOnMount: false },
      createElement(QueryClientProvider, { client: cache }, children),
    )
  return { config, cache, wrapper }
}

const intent: Intent = {
  from: address(5),
  to: address(6),
  value: 7n,
  data: '0x',
  chainId: 31_337n,
  functionSignature: '0x',
}

describe('usePolicy', () => {
  test('default: the tree and the rows of a client', async () => {
    const { registry } = createWorld().reader
    const { result } = renderHook(() => usePolicy({ client, registry }), page())
    await waitFor(() => expect(result.current.data).toBeDefined())
    expect(result.current.data?.tree).toMatchObject({ kind: 'client', status: 'ok' })
    expect(result.current.data?.snapshot.data.length).toBe(2)
  })

  test('behavior: nothing is read before there is a client', async () => {
    const { result } = renderHook(() => usePolicy({ client: undefined }), page())
    expect(result.current).toMatchObject({ fetchStatus: 'idle', data: undefined })
  })

  test('error: a node that does not answer, with its code', async () => {
    const { result } = renderHook(() => usePolicy({ client, query: { retry: false } }), page())
    await waitFor(() => expect(result.current.error).not.toBeNull())
    expect(result.current.error).toMatchObject({ code: expect.any(String) })
    expect(result.current.data).toBeUndefined()
  })

  test('behavior: one reader for a chain, made once', async () => {
    const { config, cache } = page()
    const made = registryReaderQueryOptions(config, { chainId: 31_337 })
    const { registry } = createWorld().reader
    cache.setQueryData(made.queryKey, registry)
    await expect(cache.ensureQueryData(made)).resolves.toBe(registry)
  })
})

describe('useSimulate', () => {
  const rego = utf8(`package limit
default allow := false
deny contains "over the limit" if to_number(input.value) > data.params.max
deny contains "score too high" if data.wasm.score > 50
allow if count(deny) == 0`)

  /** A policy with one plugin, as it would be on chain. */
  function deployed(): { registry: RegistryReader; artifacts: never } {
    const { snapshot, artifacts } = deploySimulated({
      ...{ rego, intent, client },
      params: { max: 10 },
      paramsSchema: utf8('{"type":"object"}'),
      plugins: [{ wasm: utf8('wasm'), paramsSchema: utf8('{"type":"object"}') }],
    })
    const registry = {
      ...{ chainId: snapshot.chainId, policyRegistry: snapshot.policyRegistry },
      getLatestBlock: async () => snapshot.block,
      snapshot: async () => snapshot,
    } as never
    return { registry, artifacts: artifacts as never }
  }
  const inputs = (score: number) => async () => ({ output: { score }, source: 'a test' })

  test('default: a decision with reasons, inputs and the hash of what was decided', async () => {
    const { registry, artifacts } = deployed()
    const given = { client, artifacts, registry, inputs: inputs(70) }
    const { result, rerender } = renderHook(
      ({ value }: { value: bigint }) => useSimulate({ ...given, intent: { ...intent, value } }),
      { ...page(), initialProps: { value: 99n } },
    )
    await waitFor(() => expect(result.current.data).toBeDefined())
    expect(result.current.data).toMatchObject({
      allow: false,
      reasons: ['over the limit', 'score too high'],
      intentHash: computeIntentHash({ ...intent, value: 99n }),
      inputs: [{ output: { score: 70 }, source: 'a test' }],
    })
    rerender({ value: 1n })
    // Another intent has no verdict until it is checked.
    expect(result.current.data).toBeUndefined()
    await waitFor(() => expect(result.current.data?.reasons).toEqual(['score too high']))
  })

  test('error: an input that cannot be had is no decision', async () => {
    const { registry, artifacts } = deployed()
    const fails = async (): Promise<never> => {
      throw new TypeError('the service is down')
    }
    const { result } = renderHook(
      () => useSimulate({ client, artifacts, registry, intent, inputs: fails }),
      page(),
    )
    await waitFor(() => expect(result.current.error).not.toBeNull())
    expect(result.current.data).toBeUndefined()
  })

  test('error: INVALID_INPUT where nothing gives what a plugin would', async () => {
    const { registry, artifacts } = deployed()
    const { result } = renderHook(
      () => useSimulate({ client, artifacts, registry, intent }),
      page(),
    )
    await waitFor(() => expect(result.current.error).toMatchObject({ code: 'INVALID_INPUT' }))
  })
})

/** A gateway in this process: requests reach it without a socket. */
function gatewayOf({ scores }: { scores?: number[] } = {}) {
  const made = createGatewayWorld()
  const { world, operators, gateway } = made
  if (scores !== undefined) {
    for (const index of operators.keys()) operators[index] = operatorOf(world, index, { scores })
  }
  const fetch = (async (_: unknown, init?: RequestInit) => {
    const { body, status } = await gateway.rpc.handle({
      body: utf8(String(init?.body)),
      authorization: undefined,
    } as never)
    return new Response(body, { status })
  }) as typeof globalThis.fetch
  const { registry, artifacts, certificates, replayer } = world.reader
  return {
    ...made,
    parts: { registry, artifacts, certificates, replayer },
    options: { url: 'http://127.0.0.1/rpc', fetch },
  }
}

describe('useEvaluation', () => {
  test('default: nothing is asked by rendering; what comes back was verified', async () => {
    const { parts, options, gateway, store } = gatewayOf()
    const sent: Hex[] = []
    const { result } = renderHook(
      () =>
        useEvaluation({
          ...parts,
          gateway: options,
          onSent: ({ taskId }) => sent.push(taskId),
        }),
      page(),
    )
    expect(result.current.status).toBe('idle')
    expect(await store.count()).toEqual({})
    const answer = await result.current.mutateAsync({ policyClient: client, intent })
    expect(answer.allowed).toBe(true)
    expect(sent).toEqual([answer.taskId])
    await gateway.close()
  })

  test('behavior: a deny is data', async () => {
    const { parts, options, gateway } = gatewayOf({ scores: [99, 1] })
    const { result } = renderHook(() => useEvaluation({ ...parts, gateway: options }), page())
    expect(await result.current.mutateAsync({ policyClient: client, intent })).toMatchObject({
      allowed: false,
    })
    await gateway.close()
  })

  test('error: a gateway that is not reached, with its code', async () => {
    const { parts, gateway } = gatewayOf()
    const { result } = renderHook(
      () => useEvaluation({ ...parts, gateway: { url: 'http://127.0.0.1:1/rpc', retries: 0 } }),
      page(),
    )
    const controller = new AbortController()
    const asked = result.current.mutateAsync({
      ...{ policyClient: client, intent },
      signal: controller.signal,
    })
    controller.abort(new DOMException('enough', 'AbortError'))
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
    await gateway.close()
  })
})

describe('useVerifiedAttestation', () => {
  test('default: valid, with every level passed', async () => {
    const { world, parts } = gatewayOf()
    const answer = answerOf(world)
    const { result } = renderHook(() => useVerifiedAttestation({ ...parts, answer }), page())
    await waitFor(() => expect(result.current.data).toEqual({ status: 'valid', level: 'result' }))
    expect(result.current.levels.map(({ state }) => state)).toEqual(Array(6).fill('passed'))
  })

  test('behavior: a refusal is data, at its level, and nothing below it is passed', async () => {
    const { world, parts } = gatewayOf()
    const answer = answerOf(world, { evaluationResult: RESULT_DENY })
    const { result } = renderHook(() => useVerifiedAttestation({ ...parts, answer }), page())
    await waitFor(() => expect(result.current.data).toBeDefined())
    expect(result.current.data).toMatchObject({ status: 'disputed', reason: 'WRONG_RESULT' })
    expect(result.current.levels.at(-1)).toEqual({ level: 'result', state: 'failed' })
    expect(result.current.error).toBeNull()
  })

  test('behavior: what nobody signed passed with `verify: false` is refused', async () => {
    const { parts, options, gateway } = gatewayOf()
    const shown = page()
    const asked = renderHook(
      () => useEvaluation({ ...parts, verify: false, gateway: options }),
      shown,
    )
    const answer = await asked.result.current.mutateAsync({ policyClient: client, intent })
    expect('allowed' in answer).toBe(false)
    const flipped = answer.response.evaluationResult === RESULT_ALLOW ? RESULT_DENY : RESULT_ALLOW
    const response = { ...answer.response, evaluationResult: flipped }
    const { result } = renderHook(
      () => useVerifiedAttestation({ ...parts, answer: { ...answer, response } }),
      shown,
    )
    await waitFor(() => expect(result.current.data).toBeDefined())
    expect(result.current.data).toMatchObject({ status: 'reject', reason: 'BAD_CERTIFICATE' })
    expect(result.current.levels.find(({ level }) => level === 'quorum')?.state).toBe('failed')
    await gateway.close()
  })

  test('behavior: what could not be had is undecided, and asked again', async () => {
    const { world, parts } = gatewayOf()
    const answer = answerOf(world)
    let down = true
    const artifacts: typeof parts.artifacts = {
      getArtifact: (...asked) =>
        down ? Promise.reject(new TypeError('down')) : parts.artifacts!.getArtifact(...asked),
    }
    const { result } = renderHook(
      () => useVerifiedAttestation({ ...parts, artifacts, answer }),
      page(),
    )
    await waitFor(() =>
      expect(result.current.data).toMatchObject({ reason: 'ARTIFACT_UNAVAILABLE' }),
    )
    expect(result.current.levels.map(({ state }) => state)).toContain('undecided')
    down = false
    await result.current.refetch()
    await waitFor(() => expect(result.current.data).toMatchObject({ status: 'valid' }))
  })
})

describe('listLevels', () => {
  const progress: LevelProgress[] = [
    { level: 'binding', state: 'checking' },
    { level: 'binding', state: 'passed' },
    { level: 'registry', state: 'checking' },
    { level: 'registry', state: 'passed' },
    { level: 'digest', state: 'checking' },
    { level: 'quorum', state: 'checking' },
    { level: 'quorum', state: 'passed' },
  ]
  const states = (given: Parameters<typeof listLevels>[0]): string =>
    listLevels(given)
      .map(({ state }) => state)
      .join(' ')

  test('default: while it runs, what was told', () => {
    expect(states({ wanted: 'quorum', progress, outcome: undefined })).toBe(
      'passed passed waiting checking passed not-asked',
    )
  })

  test('behavior: a quorum that signed a lie is not shown as passed', () => {
    const outcome = { status: 'reject', reason: 'WRONG_REGO', detail: '' } as const
    expect(states({ wanted: 'result', progress, outcome })).toBe(
      'passed passed not-reached failed not-reached not-reached',
    )
  })

  test('behavior: an outcome without progress is about the first level', () => {
    const outcome = {
      status: 'inconclusive',
      reason: 'INVALID_ARGUMENTS',
      retryable: false,
      detail: '',
    } as const
    expect(states({ wanted: 'digest', progress: [], outcome })).toBe(
      'undecided not-reached not-reached not-reached not-asked not-asked',
    )
  })
})

/** What a quorum of the world signs. */
function answerOf(world: World, changes: object = {}) {
  const { task, response: honest, preimage, inputs } = world.evaluate(world.makeTask())
  const response = { ...honest, ...changes }
  return { task, response, preimage, inputs, certificate: world.sign(response) }
}
