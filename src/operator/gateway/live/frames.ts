/** What travels over a connection for updates. */
import type { Hex } from 'viem'
import { type Json, type JsonObject, parseJson } from '../../../core/canonicalJson.js'
import { InvalidInputError } from '../../../errors/common.js'
import { MAX_FRAME } from '../../../gateway/subscription.js'
import { refuse } from '../../rpc/envelope.js'
import { readMembers, readText } from '../../rpc/fields.js'
import type { StoredTask } from '../store/store.js'

/** A frame of a client. */
export type SubscriptionFrame =
  | { type: 'subscribe'; id: string; taskId: Hex }
  | { type: 'unsubscribe'; id: string }

/**
 * Most characters that an update or a delivery has: a larger answer is left out, and can be asked for. With
 * what is around it, the name of a subscription included, it is a frame that clients read.
 */
export const MAX_UPDATE = MAX_FRAME - 1_024

/** Reads a frame. @throws {OperatorRpcError} `PARSE_ERROR` or `INVALID_REQUEST`. */
export function readSubscriptionFrame(text: string | undefined): SubscriptionFrame {
  const value = parse(text)
  try {
    const frame = readMembers(value, 'frame', {
      required: ['type', 'id'],
      optional: ['method', 'params'],
    })
    const { type, method, params = null } = frame
    const id = readText(frame['id'], 'frame.id', 128)
    if (id === '') throw bad('id', 'expected 1 to 128 characters')
    if (type === 'unsubscribe') return { type, id }
    if (type !== 'subscribe') throw bad('type', 'expected subscribe or unsubscribe')
    if (params !== null) throw bad('params', 'expected null')
    // A list or an object is no text, whatever it would be as one.
    const named = typeof method === 'string' ? method : ''
    const [, taskId] = /^newton\.task\.(0x[0-9a-f]{64})$/.exec(named) ?? []
    if (taskId === undefined) throw bad('method', 'expected newton.task.0x…')
    return { type, id, taskId: taskId as Hex }
  } catch (cause) {
    if (!(cause instanceof InvalidInputError)) throw cause
    const detail = cause.shortMessage.replace(/\.+$/, '')
    throw refuse('INVALID_REQUEST', detail, { cause, by: 'gateway' })
  }
}

/** What a change of a task is called: the current protocol's names for the decision, then states. */
export function eventOf({ state, failure }: StoredTask, first: boolean): string {
  if (state === 'failed') return failure?.fault === 'TIMED_OUT' ? 'timeout' : 'failed'
  return first ? 'success' : state
}

/** A change, as updates and deliveries tell it. */
export function writeChange(change: {
  task: StoredTask
  /** Of `newt_getTask`. */
  status: JsonObject
  /** Whether the task's decision is told by it. */
  first: boolean
  /** Unix milliseconds. */
  timestamp: number
}): string {
  const { task, status, first, timestamp } = change
  const write = (data: JsonObject): string =>
    JSON.stringify({ event: eventOf(task, first), task_id: task.taskId, timestamp, data })
  const text = write(status)
  if (text.length <= MAX_UPDATE) return text
  const { answer: _, ...rest } = status
  return write(rest)
}

/** An update of a subscription. */
export function writeUpdate(change: Parameters<typeof writeChange>[0] & { id: string }): string {
  const subscription = JSON.stringify(change.id)
  return `{"type":"update","subscription":${subscription},"result":${writeChange(change)}}`
}

function parse(text: string | undefined): Json {
  try {
    if (text !== undefined) return parseJson(text)
  } catch {}
  throw refuse('PARSE_ERROR', 'expected a frame of JSON text', { by: 'gateway' })
}

function bad(name: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field: `frame.${name}`, reason })
}
