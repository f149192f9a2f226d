/**
 * What a run asked of the network: kept for whoever runs it again, and replayed.
 */
import type { Hex } from 'viem'
import { canonicalJson, type Json } from '../../core/canonicalJson.js'
import type { HttpExchange, PluginTranscript } from '../../core/interfaces/evaluator.js'
import { fromHex, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { PluginReplayError } from './errors.js'
import type { RunJob } from './protocol.js'

/** An answer with the identity of the request it belongs to, as a worker takes it. */
export type KeyedAnswer = RunJob['answers'][number]

/** Which plugin a transcript is of, and what it was given. */
export type TranscriptSubject = Pick<
  PluginTranscript,
  'policyDataTemplateId' | 'policyDataInstanceId' | 'wasmHash' | 'input'
>

/** Answers of a transcript, keyed by what the guest will ask. */
export function seedReplay(
  replay: readonly HttpExchange[],
  answers: KeyedAnswer[],
  exchanges: HttpExchange[],
): void {
  if (!Array.isArray(replay)) throw new PluginReplayError('it is no list of exchanges')
  for (const exchange of replay) {
    const { method, url, headers, bodyHash } = exchange.request
    const { response } = exchange
    answers.push({
      request: JSON.stringify([method, url, headers, bodyHash]),
      answer:
        'error' in response
          ? { error: response.error }
          : {
              status: response.status,
              headers: response.headers,
              body: fromHex(response.body, 'response.body'),
            },
    })
    exchanges.push(exchange)
  }
}

/** The transcript of a run. That of a run with secrets holds a hash in place of the exchanges. */
export function buildTranscript(
  subject: TranscriptSubject,
  exchanges: readonly HttpExchange[],
  secret: boolean,
): PluginTranscript {
  const { policyDataTemplateId, policyDataInstanceId, wasmHash, input } = subject
  const base = { policyDataTemplateId, policyDataInstanceId, wasmHash, input }
  if (!secret) return { ...base, exchanges: [...exchanges] }
  // A request may carry a key and a response may echo it, in any encoding: only the hash leaves.
  return { ...base, exchanges: [], transcriptHash: computeTranscriptHash(exchanges) }
}

/** keccak-256 of the canonical JSON of the exchanges. */
export function computeTranscriptHash(exchanges: readonly HttpExchange[]): Hex {
  return keccakHex(utf8(canonicalJson(exchanges as unknown as Json)))
}
