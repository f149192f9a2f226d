/**
 * A gateway's methods for secrets. It sees envelopes and never what is inside: an operator's enclave judges
 * that. What a delegate has taken is handed to all others, and counts once a commit has it.
 */
import type { Hex } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { HPKE_SUITE } from '../../enclave/index.js'
import { isPolicySdkError } from '../../errors/base.js'
import { utf8 } from '../../internal/bytes.js'
import type { OperatorClient } from '../rpc/client.js'
import { refuse, withoutStop } from '../rpc/envelope.js'
import { OperatorRpcError } from '../rpc/errors.js'
import { readHex, readMembers, readText, readUint, readWord } from '../rpc/fields.js'
import type { OperatorMethod } from '../rpc/methods.js'
import type { MethodParams, MethodResult } from '../rpc/server.js'
import { type SecretsUploadRecord, writeMetadata } from '../rpc/uploads.js'

/** Names of the methods. */
export type SecretsMethod =
  | 'newt_getSecretsPublicKey'
  | 'newt_storeEncryptedSecrets'
  | 'newt_getSecretsMetadata'

/** What answers them. */
export type SecretsHandlers = Readonly<
  Record<SecretsMethod, (params: Json, context: { signal: AbortSignal }) => Promise<Json>>
>

/** Milliseconds for one operator. */
const PATIENCE = 20_000
/** Longest envelope as text. */
const MAX_ENVELOPE = 140_000

/** Creates the methods. */
export function createSecretsMethods(parameters: {
  operators: () => readonly OperatorClient[]
  chainId: bigint
  /** `keccak256(PCR0)` of the build that operators are asked for. */
  pcr0Commitment: Hex
}): SecretsHandlers {
  const { operators, chainId, pcr0Commitment } = parameters
  const assertChain = (given: Json | undefined): void => {
    const text = String(given)
    const readable = /^(0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(text)
    if (given === undefined || (readable && BigInt(text) === chainId)) return
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
      return store(operators(), upload, signal)
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

/** One operator's enclave judges it; the others take it on its owner's word. */
async function store(
  operators: readonly OperatorClient[],
  upload: SecretsUploadRecord,
  signal: AbortSignal,
): Promise<JsonObject> {
  let envelopeHash: Hex
  try {
    const judged = { upload, validate: true }
    const taken = await firstOf(operators, 'newt_putEnvelope', judged, signal)
    envelopeHash = taken.envelopeHash
  } catch (error) {
    const refused = error instanceof OperatorRpcError && error.fault === 'SECRETS_REFUSED'
    if (!refused) throw error
    return { success: false, schema: null, error: withoutStop(error.shortMessage) }
  }
  const taken = await Promise.allSettled(
    operators.map((client) =>
      client.call('newt_putEnvelope', { upload, validate: false }, { signal, timeout: PATIENCE }),
    ),
  )
  const holders = taken.filter(({ status }) => status === 'fulfilled').length
  return { success: true, schema: null, status: 'pending', envelope_hash: envelopeHash, holders }
}

/**
 * The answer of the first operator that gives one, in an order by chance. One that says what is wrong with
 * the question is not asked over: all would say the same.
 */
async function firstOf<name extends OperatorMethod>(
  operators: readonly OperatorClient[],
  method: name,
  params: MethodParams<name>,
  signal: AbortSignal,
): Promise<MethodResult<name>> {
  let failure: unknown
  for (const client of shuffled(operators)) {
    try {
      return await client.call(method, params, { signal, timeout: PATIENCE })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof OperatorRpcError && final.has(error.fault)) throw error
      failure = error
    }
  }
  const detail = isPolicySdkError(failure)
    ? `no operator answers: ${withoutStop(failure.shortMessage)}`
    : 'no operator answers'
  throw refuse('NO_QUORUM', detail, { by: 'gateway', cause: failure })
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
