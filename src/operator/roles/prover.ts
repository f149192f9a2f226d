/** Proofs from a service of one's own, which may take as long as they take. */
import type { Hex } from 'viem'
import type { ChallengeProver } from '../../attestation/index.js'
import type { JsonObject } from '../../core/canonicalJson.js'
import { encodeResponse } from '../../core/response.js'
import { encodeTask } from '../../core/task.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'

/**
 * Connects to a service that proves: `POST <url>/result` and `POST <url>/document` with the statement as
 * JSON, answered with `{ "proof": "0x…" }`.
 *
 * @param parameters.timeout - Milliseconds for one proof. @default 3_600_000
 */
export function createHttpProver(parameters: {
  url: string
  timeout?: number | undefined
  fetch?: typeof globalThis.fetch | undefined
}): Required<ChallengeProver> {
  const { url, timeout = 3_600_000 } = parameters
  const fetch: typeof globalThis.fetch =
    parameters.fetch ?? ((...given) => globalThis.fetch(...given))
  const ask = (path: string, body: JsonObject, io: IoOptions | undefined): Promise<Hex> =>
    withDeadline('the prover', { timeout, ...io }, async (signal) => {
      const response = await fetch(`${url}/${path}`, {
        ...{ method: 'POST', redirect: 'error', signal },
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const answer = (await response.json().catch(() => undefined)) as { proof?: unknown }
      const proof = answer?.proof
      if (response.ok && typeof proof === 'string' && /^0x([0-9a-f]{2})*$/i.test(proof)) {
        return proof as Hex
      }
      const reason = `the prover answered ${response.status} and no proof`
      throw new InvalidInputError({ field: 'proof', reason })
    })
  return {
    proveResult: ({ values, task, response, outputs, secrets }, io) =>
      ask(
        'result',
        {
          values: { ...values },
          task: encodeTask(task),
          response: encodeResponse(response),
          outputs: outputs as JsonObject,
          secrets: secrets as JsonObject,
        },
        io,
      ),
    proveDocument: ({ values, response, document }, io) =>
      ask(
        'document',
        { values: { ...values }, response: encodeResponse(response), document: toHex(document) },
        io,
      ),
  }
}
