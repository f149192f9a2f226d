/** A challenger on a hostile walk: true and false responses land, reorganizations take them and its challenges. */
import { encodeAbiParameters, encodeEventTopics, type Hex } from 'viem'
import { expect } from 'vitest'
import { createChallenger, memoryChallengerStore } from '../../src/attestation/index.js'
import { responseRegistryAbi } from '../../src/core/abi/responseRegistryAbi.js'
import type { Certificate } from '../../src/core/bn254/index.js'
import { computeArtifactDigest } from '../../src/core/digest.js'
import type { ChainEvents } from '../../src/core/interfaces/chainEvents.js'
import type { ChallengeSink } from '../../src/core/interfaces/sinks.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../src/core/response.js'
import { RpcRateLimitError } from '../../src/registry/chain/errors.js'
import { createAcceptedResponses } from '../../src/registry/index.js'
import { fakeClient } from '../registry/fakeNode.js'
import type { BareLog } from '../registry/logChain.js'
import { createWorld, word } from './attestationWorld.js'
import { RevertError } from './challengerWorld.js'
import type { HostileWalk } from './hostileWalk.js'

const responseRegistry = '0x00000000000000000000000000000000000000e1'
const confirmations = 2
/** Deeper than any reorganization of a walk. */
const finalityDepth = 12n

type Signed = { response: PolicyTaskResponse; certificate: Certificate; isFalse: boolean; id: Hex }
type Mined<value> = { number: number; hash: Hex; value: value }

/** Joins a challenger to a walk of more than a hundred blocks. */
export async function joinChallenger(walk: HostileWalk, events: ChainEvents) {
  const { chain, dice } = walk
  const world = createWorld()
  const accepted: Mined<Signed>[] = []
  const slashed: Mined<{ id: Hex; signers: readonly number[] }>[] = []
  const standing = <value>(list: readonly Mined<value>[], at = chain.height()): value[] =>
    list
      .filter(({ number, hash }) => number <= at && chain.blocks[number]?.hash === hash)
      .map(({ value }) => value)
  const mine = <value>(list: Mined<value>[], value: value, logs: readonly BareLog[]): void => {
    const { number, hash } = chain.mine(logs)
    list.push({ number, hash, value })
  }
  const slashedOf = (id: Hex, at?: number): number[] =>
    standing(slashed, at).flatMap((one) => (one.id === id ? one.signers : []))

  const counts = { reopened: 0 }
  let nonce = 0n
  const pool: Signed[] = []
  const makeResponse = (): Signed => {
    const isFalse = dice(2) === 0
    nonce += 1n
    // A block that stays.
    const number = chain.height() - 10
    const referenceBlock = BigInt(number)
    const referenceBlockHash = chain.blocks[number]?.hash as Hex
    world.state.blockHashes.set(referenceBlock, referenceBlockHash)
    const task = world.makeTask({ nonce, referenceBlock, referenceBlockHash })
    const { response: honest, preimage } = world.evaluate(task)
    const artifactDigest = computeArtifactDigest({ ...preimage, regoHash: word(1) })
    const response = isFalse ? { ...honest, artifactDigest } : honest
    const certificate = world.sign(response, { signers: [0, 1, 2] })
    const made = { response, certificate, isFalse, id: computeMessageHash(response) }
    pool.push(made)
    return made
  }
  const accept = (): void => {
    // What a reorganization took comes back, sooner or later, or never.
    const gone = pool.find(
      ({ id, response }) =>
        response.expirationBlock > BigInt(chain.height() + 1) &&
        // The contract compares the reference block, which several reorganizations may have taken.
        chain.blocks[Number(response.referenceBlock)]?.hash === response.referenceBlockHash &&
        !standing(accepted).some((one) => one.id === id),
    )
    const one = gone !== undefined && dice(2) === 0 ? gone : makeResponse()
    mine(accepted, one, [acceptedLog(one)])
  }

  const trouble = (): void => {
    if (walk.isHostile() && dice(12) === 0) throw new RpcRateLimitError({ cause: undefined })
  }
  const sink: ChallengeSink = {
    async challengeAttestationDigest({ response, signers }) {
      trouble()
      const id = computeMessageHash(response)
      const found = standing(accepted).find((one) => one.id === id)
      if (found === undefined) throw new RevertError('ResponseNotAccepted')
      if (!found.isFalse) throw new RevertError('ChallengeFailed')
      const before = slashedOf(id)
      const fresh = signers.map((one) => one.operatorIndex).filter((one) => !before.includes(one))
      if (fresh.length === 0) throw new RevertError('NothingToSlash')
      mine(slashed, { id, signers: fresh }, [])
      // It was mined, and the answer to it was lost.
      trouble()
      return { transactionHash: word(slashed.length) }
    },
    async slashedSigners({ messageHash, operatorIndices }) {
      trouble()
      const at = chain.height() - (walk.isHostile() && dice(3) === 0 ? 1 + dice(4) : 0)
      const all = slashedOf(messageHash, at)
      const { hash } = chain.blocks[at] as { hash: Hex }
      const block = { number: BigInt(at), hash, timestamp: 0n }
      return { block, slashed: operatorIndices.filter((one) => all.includes(one)) }
    },
  }
  const store = memoryChallengerStore()
  const open = () =>
    createChallenger({
      reader: {
        ...world.reader,
        registry: {
          ...world.registry,
          getBlock: (number, io) => events.getBlock(number, io),
          getLatestBlock: (io) => events.getLatestBlock(io),
        },
      },
      responses: createAcceptedResponses({
        client: fakeClient(walk.handler),
        addresses: { responseRegistry },
      }),
      operators: { operatorTreeAt: async () => world.table },
      ...{ sink, store, confirmations, finalityDepth },
      challengeWindow: 300n,
      startBlock: 100n,
      signersPerChallenge: 2,
      backoff: () => 0,
      onEvent: ({ type }) => {
        if (type === 'reopened') counts.reopened++
      },
    })
  let challenger = open()

  return {
    accept,
    poll: () => challenger.poll(),
    restart: (): void => {
      challenger = open()
    },
    /** After the walk: every lie that stands was punished, nobody else, and each entry has ended. */
    async assertAsReplayed(): Promise<{ challenged: number; reopened: number }> {
      for (let i = 0; i < 40; i++) {
        await challenger.poll()
        chain.mine()
      }
      const on = standing(accepted, chain.height() - confirmations)
      const lies = on.filter(({ isFalse }) => isFalse)
      for (const { id, isFalse } of pool) {
        const punished = slashedOf(id).sort()
        const due = isFalse && lies.some((one) => one.id === id) ? [0, 1, 2] : []
        expect(punished, `${id}, ${isFalse}`).toEqual(due)
      }
      const outbox = await challenger.outbox()
      expect(outbox.filter(({ status }) => status !== 'final')).toEqual([])
      for (const { id } of outbox) expect(lies.map((one) => one.id)).toContain(id)
      return { challenged: lies.length, ...counts }
    },
  }
}

function acceptedLog({ response, certificate, id }: Signed): BareLog {
  const event = responseRegistryAbi.find(
    (one) => one.type === 'event' && one.name === 'ResponseAccepted',
  ) as unknown as { inputs: { name: string; indexed?: boolean }[] }
  const values: Record<string, unknown> = {
    ...{ ...response, response, certificate, messageHash: id, allowed: true },
  }
  const plain = event.inputs.filter(({ indexed }) => indexed !== true)
  return {
    address: responseRegistry,
    topics: encodeEventTopics({
      abi: responseRegistryAbi,
      eventName: 'ResponseAccepted',
      args: values as never,
    }) as Hex[],
    data: encodeAbiParameters(plain as never, plain.map(({ name }) => values[name]) as never),
  }
}
