/**
 * The one place that signs: whether this operator may sign now, then the journal, then the signer.
 *
 * | kind | key | digest | height |
 * |---|---|---|---|
 * | outputs | task id | `computeOutputsDigest` | reference block |
 * | response | task id | message hash | reference block |
 * | document | task id | `computeTeeDocumentDigest` | reference block |
 * | commit | `H(sequence number(8) ‖ timestamp(8))` | commit's message hash | timestamp |
 *
 * Chain, registry and key are those of the journal's domain.
 */
import type { Address, Hex } from 'viem'
import {
  computeOutputHashes,
  computeOutputsDigest,
  computeTeeDocumentDigest,
  type OutputCommitment,
} from '../../attestation/index.js'
import {
  type BlsPublicKey,
  computeSignableDigest,
  encodeG1,
  type G1Point,
  type SignatureShare,
} from '../../core/bn254/index.js'
import {
  canonicalBytes,
  type Json,
  type JsonObject,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { computeStateCommitHash, type StateCommitDomain } from '../../core/stateCommit.js'
import { InvalidInputError } from '../../errors/common.js'
import { concat, fixedFromHex, fromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import {
  type CommitProposal,
  ProposalRefusedError,
  type ProposalVerdict,
} from '../../statetree/index.js'
import { EquivocationRefusedError } from '../errors.js'
import { computeIdentityDigest } from '../identity/identity.js'
import type { IdentitySigner } from '../identity/stating.js'
import type { RecordedAnswer, SigningJournal } from './journal.js'
import type { JournalKind, JournalRecord } from './record.js'
import { computeJournalDomain } from './rules.js'

/** What a signer is told about the digest it signs. Never a bare point. */
export type SigningContext = {
  /**
   * Outside any journal: the proof of a key that is registered, once, and what an operator says of itself,
   * which contradicts nothing.
   */
  kind: JournalKind | 'possession' | 'identity'
  chainId: bigint
  policyRegistry: Address
  key: Hex
}

/** Signs digests: a `BlsKey` is one, as are remote signers and hardware. */
export type OperatorSigner = {
  readonly publicKey: BlsPublicKey
  sign(digest: Hex, context: SigningContext, options?: IoOptions): G1Point | Promise<G1Point>
}

/** Signs what an operator states. See {@link createSigningGuard}. */
export type SigningGuard = IdentitySigner & {
  readonly operator: Address
  readonly publicKey: BlsPublicKey
  readonly journal: SigningJournal
  /** Commits to the outputs of a task. What was committed to before is committed to again. */
  signOutputs(
    parameters: { taskId: Hex; referenceBlock: bigint; outputs: Readonly<Record<Hex, Json>> },
    options?: IoOptions,
  ): Promise<OutputCommitment>
  /** The outputs that a task was committed to with, `undefined` where there are none. */
  findOutputs(taskId: Hex): Promise<Readonly<Record<Hex, Json>> | undefined>
  /** Signs a response. `answer` is kept with it, and what was kept before comes back. */
  signResponse(
    parameters: { response: PolicyTaskResponse; answer: Uint8Array },
    options?: IoOptions,
  ): Promise<{ share: SignatureShare; answer: Uint8Array }>
  /** The answer that was kept with a task's response, with its message hash. */
  findResponse(taskId: Hex): Promise<{ messageHash: Hex; answer: Uint8Array } | undefined>
  /** Signs that an enclave's document belongs to a response. The first one of a task is given again. */
  signDocument(
    parameters: { response: PolicyTaskResponse; document: Hex },
    options?: IoOptions,
  ): Promise<{ document: Hex; signature: G1Point }>
  /** Signs a response and the document of its enclave: both are recorded in one step, or neither. */
  signAnswer(
    parameters: { response: PolicyTaskResponse; answer: Uint8Array; document: Hex },
    options?: IoOptions,
  ): Promise<{
    share: SignatureShare
    answer: Uint8Array
    document: { bytes: Hex; signature: G1Point }
  }>
  /** The document that a task's response was answered for with. */
  findDocument(taskId: Hex): Promise<Hex | undefined>
  /** Signs a commit that this operator has derived itself. */
  signCommit(
    parameters: {
      proposal: CommitProposal
      verdict: ProposalVerdict
      domain: StateCommitDomain
      referenceTimestamp: number
    },
    options?: IoOptions,
  ): Promise<SignatureShare>
}

/** What is recorded, and what is signed for it. */
type Statement = { record: JournalRecord; signable: Hex }
type Signed = { signature: G1Point; answer: Uint8Array }

/**
 * Joins a signer with its journal.
 *
 * @param parameters.assertReady - Throws where this operator must not sign now: index behind, no
 * enclave session, endpoints that disagree. Asked before each signature.
 * @throws {InvalidInputError} for parameters that are none, and where the journal is of another chain, registry or key.
 * @example
 * ```ts
 * import { createSigningGuard } from '@newton/policy-sdk/operator'
 *
 * const guard = createSigningGuard({
 *   operator,
 *   chainId: 1n,
 *   policyRegistry,
 *   signer: key,
 *   journal,
 *   assertReady: async () => undefined,
 * })
 * ```
 */
export function createSigningGuard(parameters: {
  operator: Address
  chainId: bigint
  policyRegistry: Address
  signer: OperatorSigner
  journal: SigningJournal
  assertReady: (kind: JournalKind, options?: IoOptions) => Promise<void>
}): SigningGuard {
  assertMembers('parameters', parameters, [
    ...(['operator', 'chainId', 'policyRegistry', 'signer', 'journal', 'assertReady'] as const),
  ])
  assertOptions(
    parameters,
    {
      ...{ operator: 'text', chainId: 'uint', policyRegistry: 'text', signer: 'object' },
      ...{ journal: 'object', assertReady: 'function' },
    },
    { field: 'parameters' },
  )
  const { operator, chainId, policyRegistry, signer, journal, assertReady } = parameters
  fixedFromHex(operator, 20, 'operator')
  const { publicKey } = signer
  if (computeJournalDomain({ chainId, policyRegistry, publicKey }) !== journal.domain) {
    throw new InvalidInputError({
      field: 'journal',
      reason: 'it is of another chain, registry or key',
    })
  }

  /** The only call of the signer for what is stated once. */
  const signAll = async (
    statements: readonly Statement[],
    options: IoOptions | undefined,
  ): Promise<Signed[]> => {
    for (const { record } of statements) await assertReady(record.kind, options)
    const kept = await journal.recordAll(statements.map(({ record }) => record))
    return Promise.all(
      statements.map(async ({ record: { kind, key }, signable }, index) => {
        const context = { kind, chainId, policyRegistry, key }
        const signature = await signer.sign(signable, context, options)
        encodeG1(signature)
        return { signature, answer: (kept[index] as RecordedAnswer).answer }
      }),
    )
  }
  const sign = async (
    record: JournalRecord,
    signable: Hex,
    options: IoOptions | undefined,
  ): Promise<Signed> => {
    const [signed] = await signAll([{ record, signable }], options)
    return signed as NonNullable<typeof signed>
  }
  const assertOwn = (response: PolicyTaskResponse): void => {
    if (response.chainId !== chainId) {
      throw new InvalidInputError({ field: 'response.chainId', reason: `expected ${chainId}` })
    }
    if (response.policyRegistry.toLowerCase() !== policyRegistry.toLowerCase()) {
      throw new InvalidInputError({
        field: 'response.policyRegistry',
        reason: `expected ${policyRegistry}`,
      })
    }
  }
  const responseStatement = (response: PolicyTaskResponse, answer: Uint8Array): Statement => {
    const messageHash = computeMessageHash(response)
    const { referenceTimestamp, taskId: key, referenceBlock: height } = response
    return {
      record: { kind: 'response', key, digest: messageHash, height, answer },
      signable: computeSignableDigest({ referenceTimestamp, messageHash }),
    }
  }
  const documentStatement = async (
    response: PolicyTaskResponse,
    given: Uint8Array,
  ): Promise<Statement> => {
    const { taskId: key, referenceBlock: height } = response
    const answer = (await journal.find('document', key))?.answer ?? given
    const digest = computeTeeDocumentDigest({
      messageHash: computeMessageHash(response),
      document: answer,
    })
    return { record: { kind: 'document', key, digest, height, answer }, signable: digest }
  }
  const findOutputs: SigningGuard['findOutputs'] = async (taskId) => {
    const found = await journal.find('outputs', taskId)
    return found === undefined
      ? undefined
      : (parseJsonBytes(found.answer) as Readonly<Record<Hex, Json>>)
  }

  return {
    operator,
    publicKey,
    journal,
    findOutputs,
    signOutputs: ({ taskId, referenceBlock, outputs }, options) =>
      // A plugin that ran twice may say two things; the first is what was committed to.
      firstStatement(async () => {
        const stated = (await findOutputs(taskId)) ?? outputs
        const hashes = computeOutputHashes(stated)
        const digest = computeOutputsDigest({ taskId, hashes })
        const answer = canonicalBytes(stated as JsonObject)
        const { signature } = await sign(
          { kind: 'outputs', key: taskId, digest, height: referenceBlock, answer },
          digest,
          options,
        )
        return { operator, taskId, hashes, signature }
      }),
    async signResponse({ response, answer }, options) {
      assertOwn(response)
      const [signed] = await signAll([responseStatement(response, answer)], options)
      const { signature, answer: kept } = signed as NonNullable<typeof signed>
      return { share: { operator, signature }, answer: kept }
    },
    async findResponse(taskId) {
      const found = await journal.find('response', taskId)
      return found === undefined ? undefined : { messageHash: found.digest, answer: found.answer }
    },
    async signDocument({ response, document }, options) {
      assertOwn(response)
      const given = fromHex(document, 'document')
      // An enclave that answers twice makes two documents; the first one is answered for.
      return firstStatement(async () => {
        const [signed] = await signAll([await documentStatement(response, given)], options)
        const { signature, answer } = signed as NonNullable<typeof signed>
        return { document: toHex(answer), signature }
      })
    },
    async signAnswer({ response, answer, document }, options) {
      assertOwn(response)
      const given = fromHex(document, 'document')
      return firstStatement(async () => {
        const statements = [
          responseStatement(response, answer),
          await documentStatement(response, given),
        ]
        const [own, beside] = (await signAll(statements, options)) as [Signed, Signed]
        return {
          share: { operator, signature: own.signature },
          answer: own.answer,
          document: { bytes: toHex(beside.answer), signature: beside.signature },
        }
      })
    },
    async findDocument(taskId) {
      const found = await journal.find('document', taskId)
      return found === undefined ? undefined : toHex(found.answer)
    },
    async signIdentity(stated, options) {
      const identity = { ...stated, chainId, policyRegistry, operator }
      const key = toHex(concat(new Uint8Array(12), fromHex(operator)))
      const context = { kind: 'identity', chainId, policyRegistry, key } as const
      const signature = await signer.sign(computeIdentityDigest(identity), context, options)
      encodeG1(signature)
      return { identity, signature }
    },
    async signCommit({ proposal, verdict, domain, referenceTimestamp }, options) {
      const { commit } = proposal
      if (verdict.status !== 'valid' || verdict.root !== commit.newStateRoot) {
        const refused = verdict.status === 'refuse' ? verdict.reason : 'WRONG_COMMIT'
        const detail =
          verdict.status === 'valid' ? 'the verdict is of another proposal' : verdict.detail
        throw new ProposalRefusedError({ reason: refused, detail })
      }
      if (domain.chainId !== chainId) {
        throw new InvalidInputError({ field: 'domain.chainId', reason: `expected ${chainId}` })
      }
      const messageHash = computeStateCommitHash(commit, commit.version === 1 ? undefined : domain)
      const key = keccakHex(uintToBytes(commit.sequenceNo, 8), uintToBytes(commit.timestamp, 8))
      const { signature } = await sign(
        {
          kind: 'commit',
          key,
          digest: messageHash,
          height: commit.timestamp,
          answer: new Uint8Array(),
        },
        computeSignableDigest({ referenceTimestamp, messageHash }),
        options,
      )
      return { operator, signature }
    },
  }
}

/**
 * Runs `state`, which takes what the journal holds or else its own; again where another call came
 * first in between.
 */
async function firstStatement<value>(state: () => Promise<value>): Promise<value> {
  try {
    return await state()
  } catch (error) {
    if (error instanceof EquivocationRefusedError) return state()
    throw error
  }
}
