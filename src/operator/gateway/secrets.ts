/**
 * A gateway's methods for secrets. It sees envelopes and never what is inside: an operator's enclave judges
 * that. What a delegate has taken is handed to all others, and counts once a commit has it.
 */
import type { Address, Hex } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { type ContractSignatureCheck, HPKE_SUITE } from '../../enclave/index.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import type { OperatorClient } from '../rpc/client.js'
import { refuse, withoutStop } from '../rpc/envelope.js'
import { OperatorRpcError } from '../rpc/errors.js'
import { readHex, readMembers, readText, readUint, readWord } from '../rpc/fields.js'
import type { OperatorMethod } from '../rpc/methods.js'
import type { MethodParams, MethodResult } from '../rpc/server.js'
import { type SecretsUploadRecord, writeMetadata } from '../rpc/uploads.js'
import { type JudgeParameters, judgeUpload } from '../secrets/judging.js'

/** Names of the methods. */
export type SecretsMethod =
  | 'newt_getSecretsPublicKey'
  | 'newt_storeEncryptedSecrets'
  | 'newt_getSecretsMetadata'

/** What answers them. */
export type SecretsHandlers = Readonly<
  Record<SecretsMethod, (params: Json, context: { signal: AbortSignal }) => Promise<Json>>
>

/** Milliseconds for an answer, of whichever operator. */
const PATIENCE = 10_000
/** Milliseconds that the first operator has for itself, before all others are asked too. */
const HEAD_START = 1_000
/** Milliseconds for handing to the others what one has taken. */
const HANDING = 5_000
/** Longest envelope as text. */
const MAX_ENVELOPE = 140_000

/** Creates the methods. */
export function createSecretsMethods(parameters: {
  operators: () => readonly OperatorClient[]
  registry: RegistryReader
  /** Asks owners that are contracts; left out, operators do. */
  isValidContractSignature?: ContractSignatureCheck | undefined
  /** Milliseconds. */
  now: () => number
  /** `keccak256(PCR0)` of the build that operators are asked for. */
  pcr0Commitment: Hex
}): SecretsHandlers {
  const { operators, registry, pcr0Commitment } = parameters
  const { chainId } = registry
  const assertChain = (given: Json | undefined): void => {
    if (given === undefined) return
    if (typeof given !== 'number' && typeof given !== 'string') {
      const reason = 'expected a number, or its text'
      throw new InvalidInputError({ field: 'params.chain_id', reason })
    }
    const text = String(given)
    const readable = /^(0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(text)
    if (readable && BigInt(text) === chainId) return
    const detail = `this gateway is of chain ${chainId}`
    throw refuse('FOREIGN_CHAIN', detail, { by: 'gateway' })
  }
  return {
    newt_getSecretsPublicKey: async (params, { signal }) => {
      readMembers(params, 'params', { required: [] })
      const key = await firstOf(operators(), 'newt_getSecretsKey', { pcr0Commitment }, signal)
      return {
        ...{ public_key: key.publicKey, key_type: 'x25519', encryption_suite: HPKE_SUITE },
        ...{ epoch: key.epoch.toString(), document: key.document },
      }
    },
    newt_getSecretsMetadata: async (params, { signal }) => {
      const members = { required: ['policy_data_instance_id'], optional: ['chain_id'] }
      const given = readMembers(params, 'params', members)
      assertChain(given['chain_id'])
      const id = readWord(given['policy_data_instance_id'], 'params.policy_data_instance_id')
      const call = { policyDataInstanceId: id }
      return toClient(
        writeMetadata(await firstOf(operators(), 'newt_getSecretsMetadata', call, signal)),
      )
    },
    newt_storeEncryptedSecrets: async (params, { signal }) => {
      const given = readMembers(params, 'params', {
        required: [
          ...['policy_client', 'chain_id', 'envelope', 'policy_data_instance_id'],
          ...['owner_signature', 'sequence', 'deadline'],
        ],
      })
      assertChain(given['chain_id'])
      const upload = readUpload(given)
      const policyClient = readPolicyClient(given['policy_client'])
      try {
        await assertOfClient(upload, { ...parameters, policyClient, signal })
        return await store(operators(), upload, signal)
      } catch (error) {
        const refused = error instanceof OperatorRpcError && error.fault === 'SECRETS_REFUSED'
        if (!refused) throw error
        return { success: false, schema: null, error: withoutStop(error.shortMessage) }
      }
    },
  }
}

function readUpload(given: JsonObject): SecretsUploadRecord {
  return {
    policyDataInstanceId: readWord(
      given['policy_data_instance_id'],
      'params.policy_data_instance_id',
    ),
    envelope: utf8(readText(given['envelope'], 'params.envelope', MAX_ENVELOPE)),
    ownerSignature: readHex(given['owner_signature'], 'params.owner_signature', 8_192),
    sequence: readUint(given['sequence'], 'params.sequence'),
    deadline: readUint(given['deadline'], 'params.deadline'),
  }
}

function readPolicyClient(given: Json | undefined): Address {
  if (typeof given === 'string' && /^0x[0-9a-fA-F]{40}$/.test(given)) return given as Address
  throw new InvalidInputError({ field: 'params.policy_client', reason: 'expected an address' })
}

/** Holds an upload against the chain before any operator is asked: its instance, client and owner. */
async function assertOfClient(
  upload: SecretsUploadRecord,
  at: Pick<JudgeParameters, 'registry' | 'now' | 'isValidContractSignature'> & {
    policyClient: Address
    signal: AbortSignal
  },
): Promise<void> {
  const { registry, now, isValidContractSignature, policyClient, signal } = at
  const parameters: JudgeParameters = {
    ...{ registry, now, isValidContractSignature },
    leavesContracts: isValidContractSignature === undefined,
    by: 'gateway',
  }
  const { client } = await judgeUpload(upload, parameters, { signal })
  if (client.toLowerCase() === policyClient.toLowerCase()) return
  const detail = `policy_client is ${policyClient}, the instance’s is ${client}`
  throw refuse('SECRETS_REFUSED', detail, { by: 'gateway' })
}

/** One operator's enclave judges it; the others take it on its owner's word. */
async function store(
  operators: readonly OperatorClient[],
  upload: SecretsUploadRecord,
  signal: AbortSignal,
): Promise<JsonObject> {
  const judged = { upload, validate: true }
  const { envelopeHash } = await firstOf(operators, 'newt_putEnvelope', judged, signal)
  const taken = await Promise.allSettled(
    operators.map((client) =>
      withDeadline('newt_putEnvelope', { signal, timeout: HANDING }, (inner) =>
        client.call(
          'newt_putEnvelope',
          { upload, validate: false },
          { signal: inner, timeout: HANDING },
        ),
      ),
    ),
  )
  const holders = taken.filter(({ status }) => status === 'fulfilled').length
  return { success: true, schema: null, status: 'pending', envelope_hash: envelopeHash, holders }
}

/**
 * The answer of the first operator that gives one. One by chance is asked first; where it fails, or is
 * silent for a moment, all others are asked at once, so that silent ones cost one wait together. One
 * that says what is wrong with the question is not asked over: all would say the same.
 */
async function firstOf<name extends OperatorMethod>(
  operators: readonly OperatorClient[],
  method: name,
  params: MethodParams<name>,
  signal: AbortSignal,
): Promise<MethodResult<name>> {
  const [first, ...others] = shuffled(operators)
  if (first === undefined) throw noAnswer(undefined)
  // Who is still asked when an answer is there, is asked no more.
  const over = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const race = (): Promise<MethodResult<name>> =>
    new Promise((resolve, reject) => {
      let left = operators.length
      const ask = async (client: OperatorClient): Promise<void> => {
        try {
          resolve(await client.call(method, params, { signal: over.signal, timeout: PATIENCE }))
        } catch (error) {
          left--
          if (isFinal(error) || left === 0) reject(error)
          else if (!over.signal.aborted) askOthers()
        }
      }
      const askOthers = (): void => {
        for (const client of others.splice(0)) void ask(client)
      }
      timer = setTimeout(askOthers, HEAD_START)
      void ask(first)
    })
  try {
    return await withDeadline(method, { signal, timeout: PATIENCE }, race)
  } catch (error) {
    signal.throwIfAborted()
    throw isFinal(error) ? error : noAnswer(error)
  } finally {
    clearTimeout(timer)
    over.abort()
  }
}

function noAnswer(failure: unknown): OperatorRpcError {
  const detail = isPolicySdkError(failure)
    ? `no operator answers: ${withoutStop(failure.shortMessage)}`
    : 'no operator answers'
  return refuse('NO_QUORUM', detail, { by: 'gateway', cause: failure })
}

function isFinal(error: unknown): boolean {
  return error instanceof OperatorRpcError && final.has(error.fault)
}

const final: ReadonlySet<string> = new Set(['SECRETS_REFUSED', 'FOREIGN_CHAIN', 'INVALID_PARAMS'])

function shuffled<item>(items: readonly item[]): item[] {
  const start = items.length === 0 ? 0 : globalThis.crypto.getRandomValues(new Uint32Array(1))[0]
  const at = (start ?? 0) % Math.max(1, items.length)
  return [...items.slice(at), ...items.slice(0, at)]
}

/** As clients of a gateway know it: names with underscores. */
function toClient(metadata: JsonObject): JsonObject {
  const rename = (value: Json): Json =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value).map(([name, inner]) => [
            name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
            rename(inner as Json),
          ]),
        )
      : value
  return rename(metadata) as JsonObject
}
