import { describe, expect, test } from 'vitest'
import { word } from '../../../test/support/attestationWorld.js'
import {
  ChecksError,
  CodedError,
  type Filed,
  lie,
  RevertError,
  setup,
} from '../../../test/support/challengerWorld.js'
import type { BaseError } from '../../errors/base.js'
import { createChallenger } from './challenger.js'
import { type ChallengerStore, memoryChallengerStore, parseState } from './state.js'
import type { ChallengerParameters } from './types.js'

const everyone = [0, 1, 2, 3]

/** A contract that slashes each signer once, reverts for some, and refuses what is too large. */
function contract({
  unslashable = [],
  most = 100,
  failure = new RevertError('SlasherPaused'),
}: {
  unslashable?: number[]
  most?: number
  failure?: unknown
} = {}) {
  const slashed = new Set<number>()
  const calls: number[][] = []
  const state = { unslashable }
  const challengeAttestationDigest = async ({ signers }: Filed) => {
    const indices = signers.map((one) => one.operatorIndex)
    calls.push(indices)
    if (indices.length > most) throw failure
    if (indices.some((index) => state.unslashable.includes(index))) throw failure
    const fresh = indices.filter((index) => !slashed.has(index))
    if (fresh.length === 0) throw new RevertError('NothingToSlash')
    for (const index of fresh) slashed.add(index)
    return { transactionHash: word(calls.length) }
  }
  const slashedNow = (): number[] => [...slashed].sort()
  return { sink: { challengeAttestationDigest }, calls, slashedNow, state }
}

function filing(chain: ReturnType<typeof contract>, changes: Partial<ChallengerParameters> = {}) {
  const made = setup({ sink: chain.sink, ...changes })
  made.accept(lie(made.world), { signers: everyone })
  return made
}

describe('a refusal', () => {
  const transient: [string, unknown][] = [
    ['a node one block behind, before signing', new ChecksError('ResponseNotAccepted')],
    ['a node one block behind, on the call', new RevertError('ResponseNotAccepted')],
    ['registries that cannot be read yet', new ChecksError('BlockNotMined')],
    ['a final rule that passed', new ChecksError('BlockNotMined', ['ChallengeWindowClosed'])],
    ['another node’s view of the verdict', new RevertError('ChallengeFailed')],
    ['the same, before signing', new ChecksError('ChallengeFailed')],
    ['a contract that is not there yet', new CodedError('CONTRACT_NOT_FOUND')],
    ['a transaction without its event', new CodedError('EVENT_MISSING')],
    ['a node on another chain for now', new CodedError('CHAIN_MISMATCH')],
    ['a timeout', new CodedError('TIMEOUT', { retryable: true })],
    ['what is no error of the package', { errorName: 'ChallengeWindowClosed' }],
  ]
  test.each(transient)('that may pass is tried again: %s', async (_name, failure) => {
    const { world, accept, filed, failures, clock, parameters, types } = setup()
    accept(lie(world))
    failures.push(failure, failure)
    const challenger = createChallenger(parameters)
    for (const attempts of [1, 2]) {
      expect(await challenger.poll()).toMatchObject({ filed: 0, waiting: 1 })
      expect(await challenger.outbox()).toMatchObject([{ status: 'pending', attempts }])
      clock.now += 10_000
    }
    expect(types()).not.toContain('refused')
    expect(await challenger.poll()).toMatchObject({ filed: 1, waiting: 0 })
    expect(filed).toHaveLength(1)
  })

  const final = [
    'ChallengeWindowClosed',
    'WrongChain',
    'WrongPolicyRegistry',
    'ReferenceBlockHashUnchecked',
  ].flatMap((name): [string, string, BaseError][] => [
    ['revert', name, new RevertError(name)],
    ['check', name, new ChecksError(name)],
    ['cause', name, new CodedError('OTHER', { cause: new RevertError(name) })],
  ])
  test.each(final)('that nothing changes is final: %s %s', async (_kind, _name, failure) => {
    const { world, accept, filed, failures, clock, parameters, types } = setup()
    accept(lie(world))
    failures.push(failure)
    const challenger = createChallenger(parameters)
    await challenger.poll()
    expect(await challenger.outbox()).toMatchObject([{ status: 'refused' }])
    expect(types().at(-1)).toBe('refused')
    clock.now += 10_000_000
    await challenger.poll()
    expect(filed).toHaveLength(0)
  })

  test('is tried until the window is past, and no longer', async () => {
    const chain = contract({ unslashable: everyone, failure: new ChecksError('X') })
    const { world, clock, parameters, types } = filing(chain)
    const challenger = createChallenger(parameters)
    for (let i = 0; i < 5; i++) {
      await challenger.poll()
      clock.now += 10_000_000
    }
    expect(chain.calls).toHaveLength(5)
    world.state.head = 10_000n
    while (!(await challenger.poll()).caughtUp);
    expect(chain.calls).toHaveLength(5)
    expect(types().at(-1)).toBe('expired')
  })

  test('as unfounded is final once a fresh verification agrees, and not before', async () => {
    const { world, accept, failures, filed, clock, parameters, events } = setup()
    const honest = world.evaluate(world.makeTask())
    accept(honest)
    // A slot read wrongly accuses an honest response.
    const { snapshot } = world.reader.registry
    let wrong = true
    world.reader.registry.snapshot = async (...query) => {
      const read = await snapshot(...query)
      return wrong ? { ...read, policyInstanceId: null, policyInstance: null } : read
    }
    failures.push(new RevertError('ChallengeFailed'), new RevertError('ChallengeFailed'))
    const challenger = createChallenger(parameters)
    await challenger.poll()
    expect(await challenger.outbox()).toMatchObject([{ status: 'pending', attempts: 1 }])
    wrong = false
    clock.now += 1_000
    await challenger.poll()
    expect(await challenger.outbox()).toMatchObject([{ status: 'refused' }])
    expect(events.slice(-2)).toMatchObject([
      { type: 'verified', outcome: { status: 'valid' } },
      { type: 'refused' },
    ])
    expect(filed).toHaveLength(0)
  })
})

describe('signers', () => {
  test('are filed in batches', async () => {
    const chain = contract()
    const { parameters, types } = filing(chain, { signersPerChallenge: 3 })
    const challenger = createChallenger(parameters)
    expect(await challenger.poll()).toMatchObject({ filed: 1, waiting: 0 })
    expect(chain.calls).toEqual([[0, 1, 2], [3]])
    expect(await challenger.outbox()).toMatchObject([
      {
        status: 'filed',
        unfiled: [],
        transactionHash: word(2),
        transactionHashes: [word(1), word(2)],
      },
    ])
    expect(types()).toEqual(['verified', 'filed', 'filed'])
  })

  test.each(everyone)('one that cannot be slashed shields nobody: %i', async (index) => {
    const chain = contract({ unslashable: [index] })
    const { clock, parameters } = filing(chain)
    const challenger = createChallenger(parameters)
    expect(await challenger.poll()).toMatchObject({ filed: 0, waiting: 1 })
    expect(chain.slashedNow()).toEqual(everyone.filter((one) => one !== index))
    expect(await challenger.outbox()).toMatchObject([{ status: 'pending', unfiled: [index] }])
    // The rest is not filed again, and this one is once it can be.
    chain.calls.length = 0
    clock.now += 1_000
    await challenger.poll()
    chain.state.unslashable = []
    clock.now += 2_000
    expect(await challenger.poll()).toMatchObject({ filed: 1, waiting: 0 })
    expect(chain.calls).toEqual([[index], [index]])
    expect(chain.slashedNow()).toEqual(everyone)
  })

  test('of a later batch are filed though an earlier batch is stuck', async () => {
    const chain = contract({ unslashable: [0] })
    const { parameters } = filing(chain, { signersPerChallenge: 1 })
    await createChallenger(parameters).poll()
    expect(chain.slashedNow()).toEqual([1, 2, 3])
  })

  const sizes: [string, unknown][] = [
    ['a revert without data', new CodedError('CONTRACT_REVERT')],
    ['gas', new CodedError('RPC_FAILED', { cause: new Error('gas required exceeds allowance') })],
    ['data', new CodedError('RPC_FAILED', { cause: new Error('oversized data: 200 kB') })],
    [
      'the request',
      new CodedError('RPC_FAILED', { cause: Object.assign(Error(), { status: 413 }) }),
    ],
  ]
  test.each(sizes)('too many for one transaction are halved: %s', async (_name, failure) => {
    const chain = contract({ most: 1, failure })
    const { parameters } = filing(chain)
    expect(await createChallenger(parameters).poll()).toMatchObject({ filed: 1 })
    expect(chain.calls).toEqual([everyone, [0, 1], [0], [1], [2, 3], [2], [3]])
  })

  test.each([
    ['a lost connection', new CodedError('RPC_FAILED', { retryable: true })],
    ['a response that is not accepted', new RevertError('ResponseNotAccepted')],
  ])('are not halved for what is not about them: %s', async (_name, failure) => {
    const chain = contract({ most: 0, failure })
    const { parameters } = filing(chain, { signersPerChallenge: 2 })
    await createChallenger(parameters).poll()
    expect(chain.calls).toEqual([[0, 1]])
  })

  test('slashed already by somebody else are passed over', async () => {
    const chain = contract()
    const { parameters, world, accepted } = filing(chain, { signersPerChallenge: 2 })
    const [one] = accepted
    await chain.sink.challengeAttestationDigest({
      ...(one as NonNullable<typeof one>),
      signers: [0, 1].map((operatorIndex) => ({ operatorIndex }) as never),
    })
    const challenger = createChallenger(parameters)
    expect(await challenger.poll()).toMatchObject({ filed: 1 })
    expect(chain.slashedNow()).toEqual(everyone)
    expect((await challenger.outbox())[0]).toMatchObject({ transactionHashes: [word(3)] })
    expect(world.table.operators).toHaveLength(everyone.length)
  })

  test('are each slashed once, and no batch saved is sent again, wherever it crashes', async () => {
    for (let crashAt = 1; crashAt <= 6; crashAt++) {
      const chain = contract()
      const kept = memoryChallengerStore()
      let saves = 0
      const store: ChallengerStore = {
        load: () => kept.load(),
        save: async (state) => {
          if (++saves === crashAt) throw new Error('power lost')
          await kept.save(state)
        },
      }
      const { parameters } = filing(chain, { signersPerChallenge: 1, store })
      await createChallenger(parameters)
        .poll()
        .catch(() => undefined)
      const unfiled = parseState(await kept.load()).outbox[0]?.unfiled ?? everyone
      const before = chain.calls.length
      const after = createChallenger({ ...parameters, store: kept })
      await after.poll()
      expect(chain.slashedNow(), `crash at save ${crashAt}`).toEqual(everyone)
      expect(chain.calls.slice(before).flat(), `crash at save ${crashAt}`).toEqual(unfiled)
      expect(parseState(await kept.load()).outbox).toMatchObject([{ status: 'filed', unfiled: [] }])
    }
  })

  test.each([0, -1, 1.5, Number.NaN])('error: %d in a batch', (signersPerChallenge) => {
    const { parameters } = setup()
    expect(() => createChallenger({ ...parameters, signersPerChallenge })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })
})

describe('a response that the contract accepted and its verification refuses', () => {
  test('waits, is told, and is filed when the node catches up', async () => {
    const { world, accept, filed, clock, parameters, events } = setup()
    const { response } = accept(lie(world))
    // The node is on another branch at the reference block.
    world.state.blockHashes.set(response.referenceBlock, word(5))
    const challenger = createChallenger(parameters)
    expect(await challenger.poll()).toMatchObject({ filed: 0, waiting: 1 })
    expect(events.at(-1)).toMatchObject({
      type: 'contradicted',
      outcome: { status: 'reject', reason: 'REFERENCE_BLOCK_MISMATCH' },
    })
    world.state.blockHashes.delete(response.referenceBlock)
    clock.now += 1_000
    expect(await challenger.poll()).toMatchObject({ filed: 1, waiting: 0 })
    expect(filed).toHaveLength(1)
  })

  test('is dropped when the window is past', async () => {
    const { world, accept, clock, parameters, types } = setup()
    const { response } = accept(lie(world))
    world.state.blockHashes.set(response.referenceBlock, word(5))
    const challenger = createChallenger(parameters)
    await challenger.poll()
    world.state.head = 10_000n
    clock.now += 1_000
    expect((await challenger.poll()).waiting).toBe(0)
    expect(types().at(-1)).toBe('expired')
  })
})
