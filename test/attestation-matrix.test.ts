/**
 * Every row of the misbehaviour matrix on a real chain: operators sign it, the chain accepts it
 * where it can, a verifier finds it from chain state alone, and a challenger makes them pay where
 * it is slashable. Honest operators keep their stake whatever happens afterwards.
 */
import { type Address, type Hex, keccak256, stringToHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type AttestationOutcome,
  type ChallengerParameters,
  createChallenger,
  operatorWitness,
  verifyTaskAttestation,
} from '../src/attestation/index.js'
import { ZERO_HASH } from '../src/core/artifact.js'
import type { Certificate } from '../src/core/bn254/index.js'
import { addG1, addG2, blsKeyFromSeed, computeSignableDigest } from '../src/core/bn254/index.js'
import { computeArtifactDigest, type DigestPreimage } from '../src/core/digest.js'
import { RESULT_ALLOW } from '../src/core/evaluationResult.js'
import { computeMessageHash, type PolicyTaskResponse } from '../src/core/response.js'
import { computeTaskId, type Task } from '../src/core/task.js'
import { utf8 } from '../src/internal/bytes.js'
import {
  acceptResponseSync,
  activateEnclaveVersionSync,
  challengeAttestationDigestSync,
  createAcceptedResponses,
  createChallengeSink,
  createOperatorTrees,
  createRegistryReader,
  deprecateEnclaveVersionSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
  setEnclaveRequiredSync,
} from '../src/registry/index.js'
import { deployContracts } from '../src/testing/index.js'
import { type ChainWorld, createChainWorld } from './support/chainWorld.js'

type Signed = {
  task: Task
  response: PolicyTaskResponse
  certificate: Certificate
  preimage?: DigestPreimage
  inputs?: { outputs: Record<Hex, never>; secrets: Record<Hex, Hex> }
}

let world: ChainWorld
beforeAll(async () => {
  world = await createChainWorld()
})
afterAll(() => world?.anvil.stop())

const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
const first = <item>(list: readonly item[]): item => list[0] as item

/** What honest operators sign; tests that need one signature less leave the last one out. */
async function honest({
  task,
  scores,
  pcr0Commitment,
}: {
  task?: Task
  scores?: [number, number]
  pcr0Commitment?: Hex
} = {}): Promise<Signed> {
  const asked = task ?? (await world.makeTask())
  const { response, digestPreimage, outputs, secrets } = await world.evaluate(asked, {
    ...(scores === undefined ? {} : { scores }),
    ...(pcr0Commitment === undefined ? {} : { pcr0Commitment }),
  })
  return {
    task: asked,
    response,
    certificate: world.sign(response, { signers: [0, 1, 2] }),
    preimage: digestPreimage,
    inputs: { outputs, secrets } as never,
  }
}

/** Operators who sign another digest, and whatever of it shows in the response. */
async function forge(
  change: (preimage: DigestPreimage) => Partial<DigestPreimage>,
  of: Promise<Signed> = honest(),
): Promise<Signed> {
  const { response, preimage: base, ...rest } = await of
  const preimage = { ...(base as DigestPreimage), ...change(base as DigestPreimage) }
  return sign({
    ...rest,
    preimage,
    response: {
      ...response,
      policyInstanceId: preimage.policyInstanceId,
      expirationBlock: preimage.expirationBlock,
      pcr0Commitment: preimage.pcr0Commitment ?? ZERO_HASH,
      artifactDigest: computeArtifactDigest(preimage),
    },
  })
}

function sign(signed: Omit<Signed, 'certificate'>): Signed {
  return { ...signed, certificate: world.sign(signed.response, { signers: [0, 1, 2] }) }
}

const data = (change: Partial<DigestPreimage['data'][number]>) => (preimage: DigestPreimage) => ({
  data: [{ ...first(preimage.data), ...change }, ...preimage.data.slice(1)],
})

async function verdict(
  signed: Signed,
  { at, reader = world.reader }: { at?: bigint; reader?: ChainWorld['reader'] } = {},
): Promise<string> {
  const outcome: AttestationOutcome = await verifyTaskAttestation({
    reader,
    ...signed,
    level: 'result',
    at,
  })
  return outcome.status === 'valid' || outcome.status === 'consistent'
    ? `${outcome.status} ${outcome.level}`
    : `${outcome.status} ${outcome.reason}`
}

/** Lands a response. Returns the block of acceptance. */
async function accept({ response, certificate, task }: Signed): Promise<bigint> {
  const { addresses, challenger: wallet } = world
  const { receipt } = await acceptResponseSync(wallet, { response, certificate, task, addresses })
  await world.mine()
  return receipt.blockNumber
}

const revertOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (error) {
    return String((error as { errorName?: string }).errorName ?? error)
  }
  return 'went through'
}
const acceptRevert = ({ response, certificate, task }: Signed): Promise<string> =>
  revertOf(
    acceptResponseSync(world.challenger, {
      response,
      certificate,
      task,
      addresses: world.addresses,
      preflight: false,
    }),
  )
const challengeRevert = ({ response, certificate }: Signed, signers = [0, 1, 2]): Promise<string> =>
  revertOf(
    challengeAttestationDigestSync(world.challenger, {
      response,
      certificate,
      signers: signers.map((index) => operatorWitness(world.current.table, index)),
      addresses: world.addresses,
      preflight: false,
    }),
  )

/** A challenger that reads from a block on. */
const challenge = (startBlock: bigint, changes: Partial<ChallengerParameters> = {}) =>
  createChallenger({
    reader: world.reader,
    responses: createAcceptedResponses({ client: world.client, addresses: world.addresses }),
    operators: createOperatorTrees({ client: world.client, addresses: world.addresses }),
    sink: createChallengeSink({
      client: world.challenger,
      addresses: world.addresses,
      pollingInterval: 10,
    }),
    challengeWindow: 1_000n,
    confirmations: 0,
    startBlock,
    ...changes,
  })

/** What is left of a stake after one slashing of 10 %. */
const slashed = (before: readonly bigint[], signers = [0, 1, 2]): bigint[] =>
  before.map((stake, index) => (signers.includes(index) ? stake - stake / 10n : stake))

describe('slashable', () => {
  const rows: [string, () => Promise<Signed>, string][] = [
    [
      'a made-up policy instance',
      () => forge(() => ({ policyInstanceId: word(1) })),
      'WRONG_INSTANCE',
    ],
    [
      'another instance of the client',
      async () => {
        const policyInstanceId = await world.addPolicyInstance(world.mainClient, { max: 99_999 })
        return forge(() => ({ policyInstanceId }))
      },
      'WRONG_INSTANCE',
    ],
    [
      'a client without a slot',
      async () => {
        const policyClient = await world.addClient({ filled: false })
        const { response, preimage, inputs } = await honest()
        const task = await world.makeTask({ policyClient })
        const { referenceBlock, referenceBlockHash } = task
        const taskId = computeTaskId(task)
        const moved = { ...response, policyClient, taskId, referenceBlock, referenceBlockHash }
        return sign({
          task,
          response: moved,
          preimage: preimage as DigestPreimage,
          inputs: inputs as never,
        })
      },
      'WRONG_INSTANCE',
    ],
    ['another template', () => forge(() => ({ policyTemplateId: word(1) })), 'WRONG_TEMPLATE'],
    ['other params', () => forge(() => ({ paramsHash: word(1) })), 'WRONG_PARAMS'],
    ['other params of a plugin', () => forge(data({ dataParamsHash: word(1) })), 'WRONG_PARAMS'],
    [
      'another data instance',
      async () =>
        forge(
          data({
            policyDataInstanceId: await world.addDataInstance(world.mainClient, first(world.refs), {
              n: 77,
            }),
          }),
        ),
      'WRONG_DATA_INSTANCE',
    ],
    [
      'a data instance left out',
      () => forge(({ data: all }) => ({ data: all.slice(1) })),
      'WRONG_DATA_INSTANCE',
    ],
    [
      'a data template the policy does not name',
      async () => {
        const policyDataTemplateId = await world.addDataTemplate('three')
        const policyDataInstanceId = await world.addDataInstance(
          world.mainClient,
          policyDataTemplateId,
        )
        return forge(data({ policyDataTemplateId, policyDataInstanceId }))
      },
      'KIND_MISMATCH',
    ],
    [
      'an instance not there yet',
      async () => {
        const base = honest()
        await base
        const policyInstanceId = await world.addPolicyInstance(world.mainClient, { max: 31 })
        return forge(() => ({ policyInstanceId }), base)
      },
      'NOT_YET_DEPLOYED',
    ],
    ['other Rego', () => forge(() => ({ regoHash: word(1) })), 'WRONG_REGO'],
    ['a forged plugin', () => forge(data({ wasmHash: word(1) })), 'WRONG_DATA_ARTIFACT'],
    [
      'another schema',
      () => forge(data({ policyDataParamsSchemaHash: word(1) })),
      'WRONG_DATA_ARTIFACT',
    ],
    [
      'a later expiration',
      () => forge(({ expirationBlock }) => ({ expirationBlock: expirationBlock + 1n })),
      'WRONG_EXPIRATION',
    ],
    [
      'the latest expiration that is accepted',
      () => forge(({ referenceBlock }) => ({ expirationBlock: referenceBlock + 36_000n })),
      'WRONG_EXPIRATION',
    ],
    [
      'Rego, where everything lasts as long as it can',
      async () => {
        const policyClient = await world.addClient({ expireAfter: 36_000n })
        await world.mine()
        return forge(
          () => ({ regoHash: word(1) }),
          honest({ task: await world.makeTask({ policyClient }) }),
        )
      },
      'WRONG_REGO',
    ],
    [
      'an expiration of the response alone',
      async () => {
        const { response, ...rest } = await honest()
        return sign({
          ...rest,
          response: { ...response, expirationBlock: response.expirationBlock - 1n },
        })
      },
      'WRONG_EXPIRATION',
    ],
    [
      'a measurement nobody whitelisted',
      () => forge(() => ({ pcr0Commitment: word(9) })),
      'INVALID_TEE_ATTESTATION',
    ],
    [
      'a digest without a preimage',
      async () => {
        const { response, preimage: _, ...rest } = await honest()
        return sign({ ...rest, response: { ...response, artifactDigest: word(3) } })
      },
      'DIGEST_MISMATCH',
    ],
  ]

  test.each(rows)(
    '%s',
    async (_name, make, reason) => {
      const lie = await make()
      const before = await world.stakes()
      const at = await accept(lie)
      expect(await verdict(lie, { at })).toBe(`slashable ${reason}`)
      const challenger = challenge(at)
      expect(await challenger.poll()).toMatchObject({ verified: 1, filed: 1, waiting: 0 })
      expect(await world.stakes()).toEqual(slashed(before))
      // Once for each signer and message, whoever tries again.
      expect(await challengeRevert(lie)).toBe('NothingToSlash')
      expect(await world.stakes()).toEqual(slashed(before))
    },
    60_000,
  )

  test('a lie that the filing node sees late, filed in batches beside another challenger', async () => {
    const lie = await forge(() => ({ regoHash: word(3) }))
    const before = await world.stakes()
    const head = await world.reader.registry.getLatestBlock()
    const hash = word(0)
    const position = { blockNumber: head.number, blockHash: head.hash, transactionHash: hash }
    const seen = { ...lie, ...position, transactionIndex: 0, logIndex: 0 }
    const errors: unknown[] = []
    const challenger = challenge(head.number, {
      responses: {
        getAcceptedResponses: async ({ fromBlock, toBlock }) =>
          fromBlock <= head.number && head.number <= toBlock ? [seen] : [],
      },
      signersPerChallenge: 1,
      backoff: () => 0,
      onEvent: (event) => {
        if (event.type === 'retry') errors.push(event.error)
      },
    })
    expect(await challenger.poll()).toMatchObject({ filed: 0, waiting: 1 })
    expect(errors).toMatchObject([{ code: 'PREFLIGHT_FAILED', retryable: false }])
    await accept(lie)
    expect(await challengeRevert(lie, [1])).toBe('went through')
    expect(await challenger.poll()).toMatchObject({ filed: 1, waiting: 0 })
    const [entry] = await challenger.outbox()
    expect(entry?.transactionHashes).toHaveLength(2)
    expect(await world.stakes()).toEqual(slashed(before))
  }, 60_000)

  test('an enclave is required and none is named', async () => {
    const { owner, addresses } = world
    const pcr0Commitment = keccak256(stringToHex('a build'))
    await activateEnclaveVersionSync(owner, {
      pcr0Hash: pcr0Commitment,
      label: 'a build',
      addresses,
    })
    await setEnclaveRequiredSync(owner, { required: true, addresses })
    try {
      const named = await honest({ pcr0Commitment })
      const lie = await forge(() => ({ pcr0Commitment: undefined }), honest({ pcr0Commitment }))
      const before = await world.stakes()
      const at = await accept(named)
      expect(await verdict(named, { at })).toBe('valid result')
      await accept(lie)
      expect(await verdict(lie, { at: at + 2n })).toBe('slashable INVALID_TEE_ATTESTATION')
      expect(await challenge(at).poll()).toMatchObject({ verified: 2, filed: 1 })
      expect(await world.stakes()).toEqual(slashed(before))
      // The build is deprecated afterwards: what it signed before stays honest.
      await deprecateEnclaveVersionSync(owner, { pcr0Hash: pcr0Commitment, addresses })
      await world.mine()
      expect(await verdict(named, { at })).toBe('valid result')
      expect(await challengeRevert(named)).toBe('ChallengeFailed')
      expect(await world.stakes()).toEqual(slashed(before))
    } finally {
      await setEnclaveRequiredSync(owner, { required: false, addresses })
      await world.mine()
    }
  }, 60_000)
})

describe('disputed', () => {
  test('the right digest and a false result: found by the re-run, not slashable without a proof', async () => {
    const { response, ...rest } = await honest({ scores: [1, 99] })
    const lie = sign({ ...rest, response: { ...response, evaluationResult: RESULT_ALLOW } })
    const before = await world.stakes()
    const at = await accept(lie)
    expect(await verdict(lie, { at })).toBe('disputed WRONG_RESULT')
    expect(await challenge(at).poll()).toMatchObject({ verified: 1, filed: 0 })
    expect(await challengeRevert(lie)).toBe('ChallengeFailed')
    expect(await world.stakes()).toEqual(before)
  })
})

describe('rejected: nobody accepts it, nobody is slashed for it', () => {
  const rows: [string, () => Promise<Signed>, string, string, string][] = [
    [
      'another chain',
      async () => {
        const { response, ...rest } = await honest()
        return sign({ ...rest, response: { ...response, chainId: 1n } })
      },
      'reject CROSS_CHAIN_REPLAY',
      'WrongChain',
      'WrongChain',
    ],
    [
      'another registry',
      async () => {
        const { response, ...rest } = await honest()
        return sign({
          ...rest,
          response: { ...response, policyRegistry: world.addresses.policyDataRegistry },
        })
      },
      'reject CROSS_CHAIN_REPLAY',
      'WrongPolicyRegistry',
      'WrongPolicyRegistry',
    ],
    [
      'another task',
      async () => ({ ...(await honest()), task: await world.makeTask() }),
      'reject REFERENCE_BLOCK_MISMATCH',
      'TaskIdMismatch',
      'ResponseNotAccepted',
    ],
    [
      'another intent',
      async () => {
        const { task, ...rest } = await honest()
        return { ...rest, task: { ...task, intent: { ...task.intent, value: 5n } } }
      },
      'reject TASK_MISMATCH',
      'TaskIdMismatch',
      'ResponseNotAccepted',
    ],
    [
      'a block hash that is not canonical',
      async () => {
        const task = await world.makeTask()
        const { response, ...rest } = await honest({ task })
        const other = { ...task, referenceBlockHash: word(5) }
        return sign({
          ...rest,
          task: other,
          response: { ...response, taskId: computeTaskId(other), referenceBlockHash: word(5) },
        })
      },
      'reject REFERENCE_BLOCK_MISMATCH',
      'ReferenceBlockHashMismatch',
      'ResponseNotAccepted',
    ],
    [
      'an expired response',
      async () => {
        const { response, preimage, ...rest } = await honest()
        const expirationBlock = response.referenceBlock + 1n
        return sign({
          ...rest,
          response: { ...response, expirationBlock },
          preimage: preimage as DigestPreimage,
        })
      },
      'reject EXPIRED',
      'ResponseExpired',
      'ResponseNotAccepted',
    ],
    [
      'a foreign signer',
      async () => {
        const signed = await honest()
        const { certificate, response } = signed
        const key = blsKeyFromSeed(utf8('foreign'))
        const { referenceTimestamp } = response
        const digest = computeSignableDigest({
          referenceTimestamp,
          messageHash: computeMessageHash(response),
        })
        return {
          ...signed,
          certificate: {
            ...certificate,
            signature: addG1([certificate.signature, key.sign(digest)]),
            apk: addG2([certificate.apk, key.publicKey.pubkeyG2]),
          },
        }
      },
      'reject UNKNOWN_OPERATOR',
      'VerificationFailed',
      'ResponseNotAccepted',
    ],
    [
      'too few signers',
      async () => {
        const signed = await honest()
        return { ...signed, certificate: world.sign(signed.response, { signers: [0, 1] }) }
      },
      'reject BAD_CERTIFICATE',
      'QuorumNotReached',
      'ResponseNotAccepted',
    ],
    [
      'a certificate of another response',
      async () => ({ ...(await honest()), certificate: (await honest()).certificate }),
      'reject BAD_CERTIFICATE',
      'CertificateMessageHashMismatch',
      'ResponseNotAccepted',
    ],
    [
      'a lie that no quorum signed',
      async () => {
        const lie = await forge(() => ({ regoHash: word(1) }))
        return { ...lie, certificate: world.sign(lie.response, { signers: [0, 1] }) }
      },
      'reject BAD_CERTIFICATE',
      'QuorumNotReached',
      'ResponseNotAccepted',
    ],
  ]

  test.each(rows)(
    '%s',
    async (_name, make, outcome, acceptError, challengeError) => {
      const signed = await make()
      const before = await world.stakes()
      expect(await verdict(signed)).toBe(outcome)
      expect(await acceptRevert(signed)).toBe(acceptError)
      expect(await challengeRevert(signed)).toBe(challengeError)
      expect(await world.stakes()).toEqual(before)
    },
    60_000,
  )
})

describe('honest operators', () => {
  test('keep their stake when slots move, and when a challenger is wrong', async () => {
    const { clientOwner, addresses, mainClient } = world
    const signed = await honest()
    const before = await world.stakes()
    const at = await accept(signed)
    const instanceId = await world.addPolicyInstance(mainClient, { max: 12 })
    await setCurrentPolicyInstanceSync(clientOwner, { client: mainClient, instanceId, addresses })
    const templateId = first(world.refs)
    const moved = await world.addDataInstance(mainClient, templateId, { n: 78 })
    await setCurrentPolicyDataInstanceSync(clientOwner, {
      client: mainClient,
      templateId,
      instanceId: moved,
      addresses,
    })
    await world.mine()
    expect(await verdict(signed, { at })).toBe('valid result')
    expect(await challenge(at).poll()).toMatchObject({ verified: 1, filed: 0, waiting: 0 })
    expect(await challengeRevert(signed)).toBe('ChallengeFailed')
    expect(await world.stakes()).toEqual(before)
  })

  test('keep it when the table and the quorum change afterwards', async () => {
    const signed = await honest()
    const lie = await forge(() => ({ regoHash: word(2) }))
    const before = await world.stakes()
    const at = await accept(signed)
    await accept(lie)
    await world.publish(world.operators.slice(1))
    await world.setQuorumBps(10_000)
    await world.mine()
    expect(await verdict(signed, { at })).toBe('valid result')
    // The liar's table is the one at the reference block too.
    expect(await challenge(at).poll()).toMatchObject({ verified: 2, filed: 1 })
    expect(await world.stakes()).toEqual(slashed(before))
    await world.setQuorumBps(6_700)
    Object.assign(world.current, await world.publish(world.operators))
  })

  test('are not slashable elsewhere: another registry on the same chain', async () => {
    const other = await deployContracts(world.owner)
    const registry = await createRegistryReader({ client: world.client, addresses: other })
    const signed = await honest({ task: await world.makeTask() })
    expect(await verdict(signed, { reader: { ...world.reader, registry } })).toBe(
      'reject CROSS_CHAIN_REPLAY',
    )
    const { response, certificate, task } = signed
    const wrong = acceptResponseSync(world.challenger, {
      response,
      certificate,
      task,
      addresses: other,
      preflight: false,
    })
    expect(await revertOf(wrong)).toBe('WrongPolicyRegistry')
    const signers = [0, 1, 2].map((index) => operatorWitness(world.current.table, index))
    const accused = challengeAttestationDigestSync(world.challenger, {
      response,
      certificate,
      signers,
      addresses: other,
      preflight: false,
    })
    expect(await revertOf(accused)).toBe('WrongPolicyRegistry')
  })

  test('are not slashable after a reorganization across the reference block', async () => {
    const snapshot = await world.anvil.rpc('evm_snapshot', [])
    await world.mine(2)
    const signed = await honest()
    const before = await world.stakes()
    const at = await accept(signed)
    expect(await verdict(signed, { at })).toBe('valid result')
    await world.anvil.rpc('evm_revert', [snapshot])
    // Another history of the same length.
    const marker: Address = '0x00000000000000000000000000000000000000ff'
    await world.anvil.rpc('anvil_setBalance', [marker, '0x1'])
    await world.anvil.rpc('evm_increaseTime', [17])
    await world.mine(8)
    expect(await verdict(signed, { at })).toBe('reject REFERENCE_BLOCK_MISMATCH')
    expect(await acceptRevert(signed)).toBe('ReferenceBlockHashMismatch')
    expect(await challengeRevert(signed)).toBe('ResponseNotAccepted')
    expect(await world.stakes()).toEqual(before)
  })
})
