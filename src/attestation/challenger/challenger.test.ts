import { describe, expect, test } from 'vitest'
import { referenceBlock, word } from '../../../test/support/attestationWorld.js'
import { type Filed, lie, RevertError, setup } from '../../../test/support/challengerWorld.js'
import type { AcceptedResponse } from '../../core/interfaces/responses.js'
import { computeMessageHash, encodeResponse } from '../../core/response.js'
import { isPolicySdkError } from '../../errors/base.js'
import { createChallenger } from './challenger.js'
import { ChallengerStateError, type ChallengerStore, memoryChallengerStore } from './state.js'

describe('createChallenger', () => {
  test('files what is false, with every signer proved, and leaves honest responses alone', async () => {
    const { world, accept, filed, parameters, types, events } = setup()
    accept(world.evaluate(world.makeTask({ nonce: 7n })))
    const false_ = accept(lie(world))
    const challenger = createChallenger(parameters)
    expect(await challenger.poll()).toEqual({
      cursor: 110n,
      caughtUp: true,
      verified: 2,
      filed: 1,
      waiting: 0,
    })
    expect(filed).toHaveLength(1)
    expect(encodeResponse((filed[0] as Filed).response)).toBe(encodeResponse(false_.response))
    expect(filed[0]?.certificate).toEqual(false_.certificate)
    expect(filed[0]?.signers.map((one) => one.operatorIndex)).toEqual([0, 1, 2])
    expect(filed[0]?.signers[1]?.operatorInfoProof).toBe(world.table.proof(1))
    expect(types()).toEqual(['verified', 'verified', 'filed'])
    expect(events[0]).toMatchObject({ outcome: { status: 'valid', level: 'quorum' } })
    expect(await challenger.outbox()).toMatchObject([
      {
        id: computeMessageHash(false_.response),
        status: 'filed',
        transactionHash: word(1),
        reason: 'DIGEST_MISMATCH',
      },
    ])
    await challenger.poll()
    expect(filed).toHaveLength(1)
  })

  test('judges expiry at the block of acceptance, not now', async () => {
    const { world, accept, filed, parameters } = setup()
    accept(lie(world))
    world.state.head = 150n
    await createChallenger(parameters).poll()
    expect(filed).toHaveLength(1)
  })

  test('names the lie where the preimage can be had', async () => {
    const { world, accept, parameters } = setup()
    const { preimage } = lie(world)
    accept(lie(world))
    const challenger = createChallenger({ ...parameters, attachments: async () => ({ preimage }) })
    await challenger.poll()
    expect((await challenger.outbox())[0]?.reason).toBe('WRONG_REGO')
  })

  test('needs no task where another contract made the call', async () => {
    const { world, accept, accepted, filed, parameters } = setup()
    accept(lie(world))
    ;(accepted[0] as AcceptedResponse).task = null
    await createChallenger(parameters).poll()
    expect(filed).toHaveLength(1)
  })

  test('reads on from its cursor, in bounded steps', async () => {
    const { reads, world, parameters } = setup({ maxBlocks: 8n })
    const challenger = createChallenger(parameters)
    expect((await challenger.poll()).caughtUp).toBe(false)
    await challenger.poll()
    expect((await challenger.poll()).caughtUp).toBe(true)
    world.state.head = 112n
    const again = createChallenger(parameters)
    await again.poll()
    await again.poll()
    expect(reads).toEqual([
      [90n, 97n],
      [98n, 105n],
      [106n, 110n],
      [111n, 112n],
    ])
  })

  test('a failed read changes nothing that was saved', async () => {
    const { world, accept, filed, parameters } = setup()
    accept(lie(world))
    let fail = true
    const responses = {
      getAcceptedResponses: async (range: { fromBlock: bigint; toBlock: bigint }) => {
        if (fail) throw new Error('connection reset')
        return parameters.responses.getAcceptedResponses(range)
      },
    }
    const challenger = createChallenger({ ...parameters, responses })
    await expect(challenger.poll()).rejects.toMatchObject({
      code: 'ATTESTATION_INCONCLUSIVE',
      reason: 'RPC_FAILED',
    })
    fail = false
    expect((await challenger.poll()).filed).toBe(1)
    expect(filed).toHaveLength(1)
  })

  test('error: CHALLENGER_STATE for a state that was damaged anywhere', async () => {
    const { world, accept, parameters } = setup()
    accept(lie(world))
    const saved: string[] = []
    const store = memoryChallengerStore()
    const save = async (state: string): Promise<void> => {
      saved.push(state)
      await store.save(state)
    }
    await createChallenger({ ...parameters, store: { ...store, save } }).poll()
    const text = saved.at(-1) as string
    const junk = [null, '', 'x', -1, 1.5, true, [], {}, [null]]
    const places: string[][] = []
    const visit = (value: unknown, path: string[]): void => {
      places.push(path)
      if (typeof value !== 'object') return
      for (const name of Object.keys(Object(value))) visit((value as never)[name], [...path, name])
    }
    visit(JSON.parse(text), [])
    expect(places.length).toBeGreaterThan(15)
    for (const path of places) {
      for (const value of junk) {
        const hostile = JSON.parse(text)
        const parent = path.slice(0, -1).reduce((one, name) => one[name], hostile)
        if (path.length > 0) parent[path.at(-1) as string] = value
        const damaged = JSON.stringify(path.length === 0 ? value : hostile)
        const error = await createChallenger({
          ...{ ...parameters, store: memoryChallengerStore(damaged) },
        })
          .poll()
          .catch((thrown: unknown) => thrown)
        const isOurs = !(error instanceof Error) || isPolicySdkError(error)
        expect(isOurs, `${path.join('.')} ${JSON.stringify(value)} ${String(error)}`).toBe(true)
      }
    }
  })

  test('a crash at any save files late, not never', async () => {
    for (let crashAt = 1; crashAt <= 3; crashAt++) {
      const { world, accept, filed, parameters } = setup()
      accept(lie(world))
      const kept = parameters.store as ChallengerStore
      let saves = 0
      const store: ChallengerStore = {
        load: () => kept.load(),
        save: async (state) => {
          if (++saves === crashAt) throw new Error('power lost')
          await kept.save(state)
        },
      }
      const before = createChallenger({ ...parameters, store })
      await before.poll().catch(() => undefined)
      const after = createChallenger(parameters)
      await after.poll()
      expect(filed.length, `crash at save ${crashAt}`).toBeGreaterThanOrEqual(1)
      expect((await after.outbox()).map((one) => one.status)).toEqual(['filed'])
    }
  })

  test('a lost connection is tried again after its wait; a refusal is final', async () => {
    const { world, accept, filed, failures, clock, parameters, types } = setup()
    accept(lie(world))
    failures.push(new Error('connection reset'))
    const challenger = createChallenger(parameters)
    await challenger.poll()
    expect(await challenger.outbox()).toMatchObject([
      { status: 'pending', attempts: 1, error: 'connection reset' },
    ])
    await challenger.poll()
    expect(filed).toHaveLength(0)
    clock.now += 1_000
    await challenger.poll()
    expect(filed).toHaveLength(1)
    failures.push(new RevertError('ChallengeWindowClosed'))
    accept(lie(world, 2n), { at: 111n })
    world.state.head = 112n
    await challenger.poll()
    expect((await challenger.outbox()).map((one) => one.status)).toEqual(['filed', 'refused'])
    expect(types().slice(-1)).toEqual(['refused'])
  })

  test('what somebody else challenged is settled', async () => {
    const { world, accept, failures, parameters } = setup()
    accept(lie(world))
    failures.push(new RevertError('NothingToSlash'))
    const challenger = createChallenger(parameters)
    await challenger.poll()
    expect((await challenger.outbox()).map((one) => one.status)).toEqual(['settled'])
  })

  test('an inconclusive response waits and is verified again', async () => {
    const { world, accept, filed, clock, parameters } = setup()
    accept(world.evaluate(world.makeTask()))
    accept(lie(world, 2n))
    const artifacts = new Map(world.artifacts)
    world.artifacts.clear()
    const challenger = createChallenger(parameters)
    const report = await challenger.poll()
    // A lie against the chain needs no artifact; an honest response cannot be called valid.
    expect(report).toMatchObject({ filed: 1, waiting: 1 })
    for (const [hash, bytes] of artifacts) world.artifacts.set(hash, bytes)
    expect(await createChallenger(parameters).poll()).toMatchObject({ verified: 0, waiting: 1 })
    clock.now += 1_000
    expect(await createChallenger(parameters).poll()).toMatchObject({ verified: 1, waiting: 0 })
    expect(filed).toHaveLength(1)
  })

  test('past the window nothing is kept', async () => {
    const { world, accept, failures, filed, clock, parameters, types } = setup()
    accept(lie(world))
    failures.push(new Error('connection reset'))
    const challenger = createChallenger(parameters)
    await challenger.poll()
    world.state.head = 241n
    clock.now += 1_000_000
    await challenger.poll()
    expect(types()).toContain('expired')
    expect(filed).toHaveLength(0)
    await challenger.poll()
    expect(await challenger.outbox()).toEqual([])
  })

  test('a reorganization is read again, and its entries forgotten', async () => {
    const { world, accept, accepted, filed, parameters, events } = setup({ maxBlocks: 5n })
    accept(lie(world), { at: 108n })
    const challenger = createChallenger(parameters)
    while (!(await challenger.poll()).caughtUp);
    expect(filed).toHaveLength(1)
    for (let block = 105n; block <= 110n; block++)
      world.state.blockHashes.set(block, word(Number(block)))
    accepted.length = 0
    accept(lie(world), { at: 109n })
    while (!(await challenger.poll()).caughtUp);
    expect(events).toContainEqual({ type: 'reorganized', from: 110n, to: 104n })
    expect(filed).toHaveLength(2)
    expect(await challenger.outbox()).toMatchObject([{ acceptedAt: '109' }])
  })

  test('a reorganization across the reference block slashes nobody', async () => {
    const { world, accept, filed, parameters } = setup()
    accept(world.evaluate(world.makeTask()))
    world.state.blockHashes.set(referenceBlock, word(5))
    await createChallenger(parameters).poll()
    expect(filed).toHaveLength(0)
  })

  test('a node that is behind is waited for', async () => {
    const { world, reads, parameters, types } = setup()
    const challenger = createChallenger(parameters)
    await challenger.poll()
    world.state.head = 100n
    expect(await challenger.poll()).toMatchObject({ cursor: 110n, caughtUp: true })
    expect(types()).toEqual([])
    expect(reads).toHaveLength(1)
  })

  test('responses of blocks that change while they are read are read again', async () => {
    const { world, accept, accepted, filed, parameters } = setup()
    const lied = accept(lie(world), { at: 108n })
    accepted.length = 0
    const asked: unknown[] = []
    let armed = true
    const responses: typeof parameters.responses = {
      getAcceptedResponses: async (range) => {
        asked.push(range)
        const found = await parameters.responses.getAcceptedResponses(range)
        if (!armed) return found
        armed = false
        world.state.blockHashes.set(108n, word(8))
        world.state.blockHashes.set(110n, word(10))
        accepted.push({ ...lied, blockHash: word(8) })
        return found
      },
    }
    const challenger = createChallenger({ ...parameters, responses })
    await expect(challenger.poll()).rejects.toMatchObject({ reason: 'RPC_FAILED' })
    await challenger.poll()
    expect(filed).toHaveLength(1)
    expect(asked[1]).toMatchObject({ fromBlock: 90n, toBlock: 110n, blockHash: word(10) })
  })

  test('waits for confirmations, two where nothing is said', async () => {
    const { world, accept, filed, parameters } = setup({ confirmations: undefined })
    accept(lie(world), { at: 109n })
    const challenger = createChallenger(parameters)
    expect(await challenger.poll()).toMatchObject({ cursor: 108n, caughtUp: true, verified: 0 })
    world.state.head = 111n
    expect(await challenger.poll()).toMatchObject({ cursor: 109n, filed: 1 })
    expect(filed).toHaveLength(1)
    expect(() => createChallenger({ ...parameters, confirmations: -1 })).toThrow('confirmations')
  })

  test('what was filed or settled is looked at until its effect stays', async () => {
    const slashed = new Set<number>()
    const { world, accept, filed, failures, events, types, parameters } = setup({
      finalityDepth: 3n,
    })
    const sink: typeof parameters.sink = {
      challengeAttestationDigest: parameters.sink.challengeAttestationDigest,
      slashedSigners: async ({ operatorIndices }) => ({
        block: world.blockAt(world.state.head),
        slashed: operatorIndices.filter((index) => slashed.has(index)),
      }),
    }
    accept(lie(world))
    failures.push(new RevertError('NothingToSlash'))
    const challenger = createChallenger({ ...parameters, sink })
    await challenger.poll()
    expect((await challenger.outbox())[0]?.status).toBe('settled')
    // Nobody was slashed after all: it is filed.
    await challenger.poll()
    expect(filed).toHaveLength(1)
    for (const index of [0, 1, 2]) slashed.add(index)
    await challenger.poll()
    world.state.head = 112n
    await challenger.poll()
    // The block in which they were seen slashed is another now.
    world.state.head = 113n
    world.state.blockHashes.set(110n, word(7))
    await challenger.poll()
    world.state.head = 114n
    await challenger.poll()
    expect((await challenger.outbox())[0]?.status).toBe('filed')
    world.state.head = 117n
    await challenger.poll()
    expect((await challenger.outbox())[0]?.status).toBe('final')
    expect(types().filter((type) => type !== 'verified' && type !== 'reorganized')).toEqual([
      'settled',
      'reopened',
      'filed',
      'final',
    ])
    expect(events.at(-1)).toMatchObject({ type: 'final', block: 114n })
  })

  test('what was filed, is gone and past its window, has expired', async () => {
    const { world, accept, types, parameters } = setup()
    const sink: typeof parameters.sink = {
      challengeAttestationDigest: parameters.sink.challengeAttestationDigest,
      slashedSigners: async () => ({ block: world.blockAt(world.state.head), slashed: [] }),
    }
    accept(lie(world))
    const challenger = createChallenger({ ...parameters, sink })
    await challenger.poll()
    world.state.head = 400n
    await challenger.poll()
    expect(types().at(-1)).toBe('expired')
    await challenger.poll()
    expect(await challenger.outbox()).toEqual([])
  })

  test('what cannot be encoded or does not verify is not filed', async () => {
    const { world, accept, accepted, filed, parameters, types } = setup()
    accept(lie(world), { signers: [0] })
    accept(lie(world, 2n))
    ;(accepted[1] as AcceptedResponse).response = { chainId: 5 } as never
    await createChallenger(parameters).poll()
    expect(types()).toEqual(['verified', 'contradicted', 'unreadable'])
    expect(filed).toHaveLength(0)
  })

  test('calls made meanwhile share one pass', async () => {
    const { world, accept, filed, parameters } = setup()
    accept(lie(world))
    const challenger = createChallenger(parameters)
    const [a, b] = await Promise.all([challenger.poll(), challenger.poll()])
    expect(a).toBe(b)
    expect(filed).toHaveLength(1)
  })

  test('run polls until it is stopped, and reports failures', async () => {
    const { world, accept, filed, parameters, types } = setup()
    accept(lie(world))
    let failed = false
    const responses = {
      getAcceptedResponses: async (range: { fromBlock: bigint; toBlock: bigint }) => {
        if (!failed) {
          failed = true
          throw new Error('connection reset')
        }
        return parameters.responses.getAcceptedResponses(range)
      },
    }
    const stop = new AbortController()
    const challenger = createChallenger({
      ...parameters,
      responses,
      onEvent: (event) => {
        parameters.onEvent?.(event)
        if (event.type === 'filed') stop.abort()
      },
    })
    await challenger.run({ signal: stop.signal, interval: 1 })
    expect(filed).toHaveLength(1)
    expect(types()[0]).toBe('error')
  })

  test.each(['not json', '{}', '{"version":1,"marks":[]}', 'null'])(
    'error: stored state %s',
    async (text) => {
      const { parameters } = setup({ store: memoryChallengerStore(text) })
      await expect(createChallenger(parameters).poll()).rejects.toBeInstanceOf(ChallengerStateError)
    },
  )

  test('error: a table that is missing is tried again', async () => {
    const { world, accept, parameters } = setup({ operators: { operatorTreeAt: async () => null } })
    accept(lie(world))
    const challenger = createChallenger(parameters)
    await challenger.poll()
    const [entry] = await challenger.outbox()
    expect(entry).toMatchObject({ status: 'pending', attempts: 1 })
  })
})
