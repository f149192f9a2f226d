/** Who may say what, and what may not contradict what was said. */
import { ZERO_HASH } from '../../core/artifact.js'
import { type DigestPreimage, decodeDigestPreimage } from '../../core/digest.js'
import type { JsonObject } from '../../core/jsonText.js'
import { fromHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { fromBase64 } from '../log/encoding.js'
import { isEd25519Key } from '../log/keys.js'
import { type EventPayload, keyIdOf } from './event.js'
import { keyProofMessage, type VerifySignature } from './signature.js'
import {
  adminCount,
  isVerifiedWasm,
  type KeyRole,
  keyRow,
  type LedgerView,
  rowKeys,
} from './view.js'

/** Types that a role may write, by domain. `*` at the end stands for any rest. */
export const authorityTable: Readonly<
  Record<KeyRole, Readonly<Record<string, readonly string[]>>>
> = {
  genesis: { audit: ['ets.genesis'], agents: ['ets.key.add'] },
  admin: { agents: ['ets.key.*'] },
  operator: {
    decisions: ['newton.evaluation', 'newton.attestation', 'newton.commit', 'newton.anomaly'],
    context: ['newton.template', 'newton.instance', 'newton.slot'],
  },
  gateway: { decisions: ['newton.evaluation', 'newton.attestation', 'newton.anomaly'] },
  challenger: { decisions: ['newton.challenge', 'newton.anomaly'] },
  auditor: { audit: ['ets.snapshot', 'ets.anchor.*'] },
  builder: { context: ['newton.build-info', 'newton.verification'] },
}

/** Why a key may not write this at `seq`; `undefined` where it may. */
export function authorityProblem(
  payload: EventPayload,
  { seq, view }: { seq: bigint; view: LedgerView },
): string | undefined {
  const { key_id: keyId, domain } = payload.ets
  // The first event makes the ledger and its own key; there is no second one.
  if (payload.type === 'ets.genesis' || seq === 0n) {
    const isGenesis = payload.type === 'ets.genesis' && seq === 0n && domain === 'audit'
    return isGenesis ? undefined : 'ets.genesis is the first event, and no other is'
  }
  const row = keyRow(view, keyId)
  if (row === undefined) return `no event has added the key ${keyId}`
  if (row.status !== 'active') return `the key ${keyId} ended at ${row.until}`
  const allowed = authorityTable[row.role][domain] ?? []
  const may = allowed.some((entry) =>
    entry.endsWith('*') ? payload.type.startsWith(entry.slice(0, -1)) : payload.type === entry,
  )
  return may ? undefined : `the role ${row.role} does not write ${payload.type} in ${domain}`
}

/** What the rules ask for besides the event. */
export type SemanticContext = {
  view: LedgerView
  verify: VerifySignature
  /** Evaluations only with plugins of which a builder says that they match their source, and none that they do not. */
  requireVerifiedWasm?: boolean | undefined
}

type Rule = (
  payload: EventPayload,
  fields: JsonObject,
  context: SemanticContext,
) => string | undefined

/** What contradicts the ledger, or the payload itself; `undefined` where nothing does. */
export function semanticProblem(
  payload: EventPayload,
  context: SemanticContext,
): string | undefined {
  const rule = rules[payload.ets.schema_version]
  return rule?.(payload, payload as unknown as JsonObject, context)
}

const rules: Readonly<Record<string, Rule>> = {
  'ets.key.add/1': (payload, fields, context) => newKeyProblem(payload, fields, context),
  'ets.key.rotate/1': (payload, fields, context) => {
    const old = fields['old_key_id'] as string
    const ending = endingProblem(old, fields['role'] as string, context.view)
    return ending ?? newKeyProblem(payload, fields, context)
  },
  'ets.key.revoke/1': (_, fields, { view }) =>
    endingProblem(fields['key_id'] as string, undefined, view),
  'newton.evaluation/1': (_, fields, context) => evaluationProblem(fields, context),
  'newton.attestation/1': (_, fields, { view }) => {
    const evaluation = view.get(rowKeys.evaluation(fields['evaluation'] as string))
    if (evaluation === undefined) return 'evaluation names no event of this ledger'
    for (const name of ['evaluationResult', 'messageHash'] as const) {
      if ((evaluation as JsonObject)[name] !== fields[name]) {
        return `${name} is not that of the evaluation`
      }
    }
    return undefined
  },
}

function newKeyProblem(
  payload: EventPayload,
  fields: JsonObject,
  { view, verify }: SemanticContext,
): string | undefined {
  const publicKey = fromBase64(fields['public_key'] as string)
  const newKeyId = fields['key_id'] as string
  if (publicKey === undefined || !isEd25519Key(publicKey)) return 'public_key is no Ed25519 key'
  if (keyIdOf(publicKey) !== newKeyId) return 'key_id is not the fingerprint of public_key'
  if (keyRow(view, newKeyId) !== undefined) return `the key ${newKeyId} was there before`
  const message = keyProofMessage({
    ledger: payload.ets.ledger,
    eventId: payload.ets.event_id,
    oldKeyId: fields['old_key_id'] as string | undefined,
    newKeyId,
  })
  const proof = fromBase64(fields['proof'] as string)
  if (proof === undefined || !verify(proof, message, publicKey)) {
    return 'proof is no signature of the new key over this event'
  }
  return undefined
}

function endingProblem(
  keyId: string,
  nextRole: string | undefined,
  view: LedgerView,
): string | undefined {
  const row = keyRow(view, keyId)
  if (row === undefined) return `no event has added the key ${keyId}`
  if (row.status !== 'active') return `the key ${keyId} ended at ${row.until}`
  const staysAdmin = nextRole === 'admin'
  if (row.role === 'admin' && !staysAdmin && adminCount(view) <= 1) {
    return 'it is the last admin key'
  }
  // Without an admin the genesis key is the only one that can add one.
  if (row.role === 'genesis' && adminCount(view) === 0) return 'there is no admin key yet'
  return undefined
}

function evaluationProblem(
  fields: JsonObject,
  { view, requireVerifiedWasm }: SemanticContext,
): string | undefined {
  const bytes = fromHex(fields['digestPreimage'] as string)
  let preimage: DigestPreimage
  try {
    preimage = decodeDigestPreimage(bytes)
  } catch {
    return 'digestPreimage is no preimage of an artifact digest'
  }
  if (keccakHex(bytes) !== fields['artifactDigest']) return 'artifactDigest is not its preimage’s'
  for (const name of ['chainId', 'referenceBlock', 'expirationBlock'] as const) {
    if (preimage[name].toString() !== fields[name]) return `digestPreimage has another ${name}`
  }
  // A template without an optional schema names the zero hash: no artifact.
  const missing = artifactsOf(preimage).find(
    (hash) => hash !== ZERO_HASH && view.get(rowKeys.artifact(hash)) === undefined,
  )
  if (missing !== undefined) return `no template of the context has the artifact ${missing}`
  const unverified = preimage.data.find(({ wasmHash }) => !isVerifiedWasm(view, wasmHash))
  // What is neither true nor false is no leave to pass.
  if ((requireVerifiedWasm ?? false) !== false && unverified !== undefined) {
    return `no builder has verified the plugin ${unverified.wasmHash}`
  }
  if (view.get(rowKeys.task(fields)) !== undefined) return 'the task was evaluated before'
  if (BigInt(fields['expirationBlock'] as string) <= BigInt(fields['referenceBlock'] as string)) {
    return 'expirationBlock is not after referenceBlock'
  }
  return undefined
}

function artifactsOf(preimage: DigestPreimage): string[] {
  const { regoHash, policyParamsSchemaHash, data } = preimage
  const plugins = data.flatMap(({ wasmHash, policyDataParamsSchemaHash, secretsSchemaHash }) => [
    wasmHash,
    policyDataParamsSchemaHash,
    secretsSchemaHash,
  ])
  return [regoHash, policyParamsSchemaHash, ...plugins]
}
