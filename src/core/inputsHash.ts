/**
 * `inputsHash`: binds what a policy was evaluated on besides the chain.
 *
 * keccak-256 of the canonical JSON `{ "outputs": { <policyDataTemplateId>: <output> },
 * "secrets": { <policyDataInstanceId>: <keccak256(envelope)> } }`, both members always present.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { fixedFromHex, toHex } from '../internal/bytes.js'
import { keccakHex } from '../internal/keccak.js'
import { canonicalBytes, type Json } from './canonicalJson.js'

/** Inputs of one evaluation, by id. */
export type EvaluationInputs = {
  /** A plugin's output, a JSON object, by policy-data template id. */
  outputs: Readonly<Record<Hex, Json>>
  /** keccak-256 of the sealed envelope, by policy-data instance id. */
  secrets: Readonly<Record<Hex, Hex>>
}

/**
 * Computes `inputsHash`.
 *
 * @throws {InvalidInputError} for an id that is not 32 bytes or an output that is no object.
 * @throws {CanonicalJsonError} for an output canonical JSON refuses.
 */
export function computeInputsHash(inputs: EvaluationInputs): Hex {
  return keccakHex(canonicalBytes(normalizeInputs(inputs)))
}

function normalizeInputs({ outputs, secrets }: EvaluationInputs): Json {
  const normalized: { outputs: Record<string, Json>; secrets: Record<string, Json> } = {
    outputs: {},
    secrets: {},
  }
  for (const [id, output] of Object.entries(outputs)) {
    if (typeof output !== 'object' || output === null || Array.isArray(output)) {
      throw new InvalidInputError({
        field: `outputs.${id}`,
        reason: 'a plugin output is a JSON object',
      })
    }
    put(normalized.outputs, toHex(fixedFromHex(id, 32, `outputs.${id}`)), output)
  }
  for (const [id, hash] of Object.entries(secrets)) {
    const value = toHex(fixedFromHex(hash, 32, `secrets.${id}`))
    put(normalized.secrets, toHex(fixedFromHex(id, 32, `secrets.${id}`)), value)
  }
  return normalized
}

function put(target: Record<string, Json>, id: Hex, value: Json): void {
  if (Object.hasOwn(target, id)) {
    throw new InvalidInputError({ field: id, reason: 'the same id is given twice' })
  }
  target[id] = value
}
