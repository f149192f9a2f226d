import { describe, expect, test } from 'vitest'
import { assertOwnOutputs, computeTeeDocumentDigest } from '../../attestation/index.js'
import { blsKeyFromSeed, computeSignableDigest, verifySignature } from '../../core/bn254/index.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { computeStateCommitHash } from '../../core/stateCommit.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import type { CommitProposal, ProposalVerdict } from '../../statetree/index.js'
import { createSigningGuard, type OperatorSigner, type SigningGuard } from './guard.js'
import { openSigningJournal } from './journal.js'
import { computeJournalDomain } from './rules.js'
import { type JournalStorage, memoryJournalStorage } from './storage.js'

const key = blsKeyFromSeed(utf8('guard'))
const operator = '0x00000000000000000000000000000000000000b1'
const policyRegistry = '0x00000000000000000000000000000000000000aa'
const chainId = 31_337n
const word = (text: string): `0x${string}` => keccakHex(utf8(text))
const template = word('template')

const response = (change: Partial<PolicyTaskResponse> = {}): PolicyTaskResponse => ({
  chainId,
  policyRegistry,
  taskId: word('task'),
  policyClient: '0x00000000000000000000000000000000000000cc',
  intentHash: word('intent'),
  policyInstanceId: word('instance'),
  artifactDigest: word('digest'),
  inputsHash: word('inputs'),
  pcr0Commitment: word('pcr0'),
  evaluationResult: `0x${'01'.padStart(64, '0')}`,
  referenceBlock: 10n,
  referenceBlockHash: word('block'),
  referenceTimestamp: 1_700_000_000,
  expirationBlock: 100n,
  ...change,
})

async function guardOf(
  options: {
    storage?: JournalStorage
    signer?: OperatorSigner
    assertReady?: () => Promise<void>
  } = {},
): Promise<SigningGuard> {
  const storage = options.storage ?? memoryJournalStorage()
  const domain = computeJournalDomain({ chainId, policyRegistry, publicKey: key.publicKey })
  const create = (await storage.segments()).length === 0
  const head = { block: 0n, timestamp: 0n }
  const journal = await openSigningJournal({ storage, domain, head, create })
  return createSigningGuard({
    operator,
    chainId,
    policyRegistry,
    signer: options.signer ?? key,
    journal,
    assertReady: options.assertReady ?? (async () => undefined),
  })
}

const valid = (digest: `0x${string}`, signature: { X: bigint; Y: bigint }): boolean =>
  verifySignature({ digest, signature, ...key.publicKey })

describe('createSigningGuard', () => {
  test('default: a response is signed, and its first answer is given again', async () => {
    const storage = memoryJournalStorage()
    const guard = await guardOf({ storage })
    const messageHash = computeMessageHash(response())
    const signable = computeSignableDigest({ referenceTimestamp: 1_700_000_000, messageHash })
    const first = await guard.signResponse({ response: response(), answer: utf8('first') })
    expect(valid(signable, first.share.signature)).toBe(true)
    const second = await guard.signResponse({ response: response(), answer: utf8('second') })
    expect(second).toEqual(first)
    const again = await guardOf({ storage })
    expect(await again.findResponse(response().taskId)).toEqual({
      messageHash,
      answer: utf8('first'),
    })
    expect(await again.findResponse(word('another task'))).toBeUndefined()
  })

  test('error: EQUIVOCATION_REFUSED for another response; the signer is never asked', async () => {
    let asked = 0
    const signer: OperatorSigner = {
      publicKey: key.publicKey,
      sign: async (digest) => {
        asked++
        return key.sign(digest)
      },
    }
    const guard = await guardOf({ signer })
    await guard.signResponse({ response: response(), answer: utf8('') })
    const other = response({ evaluationResult: `0x${'00'.repeat(32)}` })
    await expect(guard.signResponse({ response: other, answer: utf8('') })).rejects.toMatchObject({
      code: 'EQUIVOCATION_REFUSED',
    })
    expect(asked).toBe(1)
  })

  test('behavior: the record is durable before the signer is asked', async () => {
    const order: string[] = []
    const storage = memoryJournalStorage()
    const guard = await guardOf({
      storage: {
        ...storage,
        append: async (id, bytes) => {
          await new Promise((resolve) => setTimeout(resolve, 10))
          order.push('durable')
          await storage.append(id, bytes)
        },
      },
      signer: {
        publicKey: key.publicKey,
        sign: async (digest, context) => {
          order.push(`sign ${context.kind}`)
          return key.sign(digest)
        },
      },
    })
    await guard.signResponse({ response: response(), answer: utf8('') })
    await guard.signOutputs({ taskId: word('task'), referenceBlock: 10n, outputs: {} })
    expect(order).toEqual(['durable', 'sign response', 'durable', 'sign outputs'])
  })

  test('behavior: nothing is recorded or signed while the operator is not ready', async () => {
    let ready = false
    const guard = await guardOf({
      assertReady: async () => {
        if (!ready) throw new TypeError('the index is behind')
      },
    })
    await expect(guard.signResponse({ response: response(), answer: utf8('') })).rejects.toThrow(
      'behind',
    )
    expect(guard.journal.size()).toBe(0n)
    ready = true
    await guard.signResponse({ response: response(), answer: utf8('') })
  })

  test('behavior: the first outputs of a task are what is committed to', async () => {
    const guard = await guardOf()
    const task = { taskId: word('task'), referenceBlock: 10n }
    const calls = [1, 2, 3].map((score) =>
      guard.signOutputs({ ...task, outputs: { [template]: { score } } }),
    )
    const [first, ...rest] = await Promise.all(calls)
    for (const other of rest) expect(other).toEqual(first)
    const outputs = await guard.findOutputs(task.taskId)
    expect(() => assertOwnOutputs({ agreed: first!.hashes, outputs: outputs! })).not.toThrow()
    expect(outputs).toEqual({ [template]: { score: 1 } })
  })

  test('behavior: the first document of a response is answered for', async () => {
    const guard = await guardOf()
    const calls = ['0x01', '0x02'].map((document) =>
      guard.signDocument({ response: response(), document: document as `0x${string}` }),
    )
    const [first, second] = await Promise.all(calls)
    expect(second).toEqual(first)
    expect(await guard.findDocument(response().taskId)).toBe('0x01')
    expect(await guard.findDocument(word('another task'))).toBeUndefined()
    const messageHash = computeMessageHash(response())
    const digest = computeTeeDocumentDigest({ messageHash, document: Uint8Array.of(1) })
    expect(first!.document).toBe('0x01')
    expect(valid(digest, first!.signature)).toBe(true)
  })

  test('behavior: one commit for a sequence number and timestamp, another for the next window', async () => {
    const guard = await guardOf()
    const domain = { chainId, registry: policyRegistry, operatorSetId: 0 } as const
    const proposal = (root: string, timestamp = 1_320n): CommitProposal => ({
      commit: {
        version: 2,
        sequenceNo: 1n,
        prevStateRoot: `0x${'00'.repeat(32)}`,
        newStateRoot: word(root),
        timestamp,
        daCertHash: word('da'),
        pcr0Commitment: word('pcr0'),
      },
      delta: new Uint8Array(),
      deltaHash: word('delta'),
      locators: [],
    })
    const sign = (of: CommitProposal, verdict?: ProposalVerdict) =>
      guard.signCommit({
        proposal: of,
        verdict: verdict ?? ({ status: 'valid', root: of.commit.newStateRoot } as ProposalVerdict),
        domain,
        referenceTimestamp: 1_200,
      })
    const share = await sign(proposal('a'))
    const messageHash = computeStateCommitHash(proposal('a').commit, domain)
    expect(
      valid(computeSignableDigest({ referenceTimestamp: 1_200, messageHash }), share.signature),
    ).toBe(true)
    await expect(sign(proposal('b'))).rejects.toMatchObject({ code: 'EQUIVOCATION_REFUSED' })
    // The window was lost; the next one has another timestamp.
    await sign(proposal('b', 1_440n))
    for (const verdict of [
      { status: 'refuse', reason: 'WRONG_ROOT', detail: '' },
      { status: 'abstain', reason: 'OTHER_BUILD', detail: '' },
      { status: 'valid', root: word('other') },
    ] as ProposalVerdict[]) {
      await expect(sign(proposal('c', 1_560n), verdict)).rejects.toMatchObject({
        code: 'PROPOSAL_REFUSED',
      })
    }
    await expect(
      guard.signCommit({
        proposal: proposal('c', 1_560n),
        verdict: { status: 'valid', root: word('c') } as ProposalVerdict,
        domain: { ...domain, chainId: 1n },
        referenceTimestamp: 1_200,
      }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('error: INVALID_INPUT for a response or a journal of another chain or registry', async () => {
    const guard = await guardOf()
    for (const change of [{ chainId: 1n }, { policyRegistry: operator }] as const) {
      await expect(
        guard.signResponse({ response: response(change), answer: utf8('') }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      await expect(
        guard.signDocument({ response: response(change), document: '0x01' }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(() =>
      createSigningGuard({
        operator,
        chainId: 1n,
        policyRegistry,
        signer: key,
        journal: guard.journal,
        assertReady: async () => undefined,
      }),
    ).toThrow(expect.objectContaining({ field: 'journal' }))
  })

  test('error: a signer that gives no point', async () => {
    const guard = await guardOf({
      signer: { publicKey: key.publicKey, sign: async () => ({ X: 1n, Y: 1n }) },
    })
    await expect(
      guard.signResponse({ response: response(), answer: utf8('') }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/POINT/) })
  })
})

test('signAnswer: response and document are signed together, and the first ones are given again', async () => {
  const guard = await guardOf()
  const answer = utf8('answer')
  const first = await guard.signAnswer({ response: response(), answer, document: '0xd1' })
  const messageHash = computeMessageHash(response())
  const { referenceTimestamp } = response()
  const check = { ...key.publicKey }
  expect(
    verifySignature({
      ...{ ...check, signature: first.share.signature },
      digest: computeSignableDigest({ referenceTimestamp, messageHash }),
    }),
  ).toBe(true)
  const digest = computeTeeDocumentDigest({ messageHash, document: Uint8Array.of(0xd1) })
  expect(verifySignature({ ...check, digest, signature: first.document.signature })).toBe(true)
  // Another document for the same answer: what was answered for first comes back.
  const again = await guard.signAnswer({
    response: response(),
    answer: utf8('x'),
    document: '0xd2',
  })
  expect(again).toEqual(first)
  const other = {
    response: response({ intentHash: word('other') }),
    answer,
    document: '0xd3',
  } as const
  await expect(guard.signAnswer(other)).rejects.toMatchObject({ code: 'EQUIVOCATION_REFUSED' })
  expect(await guard.findDocument(word('task'))).toBe('0xd1')
  // A refused response leaves no document behind.
  const fresh = await guardOf({ assertReady: () => Promise.reject(new Error('behind')) })
  await expect(fresh.signAnswer(other)).rejects.toThrow('behind')
  expect(await fresh.findDocument(word('task'))).toBeUndefined()
})
