/** What a caller kept of a task that was sent: it may come back from a file, with what JSON left of it. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../../errors/common.js'
import { fixedFromHex, toHex } from '../../../internal/bytes.js'
import { assertMembers, assertObject } from '../../../internal/options.js'
import { type TaskRequest, writeTaskRequest } from '../wire.js'

/**
 * A task that was sent: keep it to wait for the answer, in another process too. JSON has no bigint: `since`,
 * and those of the intent, are read back as such, or waiting for it is refused.
 */
export type SentRequest = {
  taskId: Hex
  request: TaskRequest
  /** The head of the chain when it was asked for. */
  since: bigint
}

/**
 * Reads what was kept, once, before anything is asked for: an answer is held against all of it. Without the
 * head of the chain when it was asked for, an answer of any age would do.
 *
 * @throws {InvalidInputError} naming the member.
 */
export function readSent(value: SentRequest): SentRequest {
  assertMembers('sent', value, ['taskId', 'request', 'since'])
  const { taskId, request, since } = value
  if (typeof since !== 'bigint' || since < 0n) {
    const reason = 'expected the block of when it was asked for, as a bigint: JSON has none'
    throw new InvalidInputError({ field: 'sent.since', reason })
  }
  assertRequest('sent.request', request)
  writeTaskRequest(request)
  return {
    taskId: toHex(fixedFromHex(taskId, 32, 'sent.taskId')),
    request: { ...request, intent: { ...request.intent } },
    since,
  }
}

/** Refuses what is no request at all; its members are looked at where it is written. */
export function assertRequest(field: string, request: TaskRequest): void {
  assertMembers(field, request, ['policyClient', 'intent'])
  assertObject(`${field}.intent`, request.intent)
}
