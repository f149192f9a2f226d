/**
 * How what went wrong in a load or a run becomes the error a caller sees.
 */
import { TimeoutError } from '../../../errors/common.js'
import {
  PluginComponentError,
  PluginError,
  PluginFailedError,
  type PluginFailureContext,
  PluginHttpRefusedError,
  type PluginLimit,
  PluginLimitError,
  PluginNondeterministicError,
  PluginOutputError,
  PluginReplayError,
  PluginTrapError,
  PluginWorkerError,
} from '../errors.js'
import type { RunReply } from '../protocol.js'

/** The error of a run that ended without an output. */
export function toError(
  reply: Exclude<RunReply, { status: 'ok' } | { status: 'request' }>,
  { secret, replaying }: { secret: boolean; replaying: boolean },
): PluginError {
  switch (reply.status) {
    case 'guest-error':
      return new PluginFailedError(secret ? undefined : reply.message)
    case 'limit':
      return new PluginLimitError(reply.limit as PluginLimit, reply.message)
    case 'trap':
      return new PluginTrapError(
        secret ? 'the message is not shown because the run had secrets' : reply.message,
      )
    case 'diverged':
      return replaying
        ? new PluginReplayError(`request ${reply.index} differs from the transcript's`)
        : new PluginNondeterministicError(`request ${reply.index} differs between two runs`)
    case 'load-error':
      return new PluginComponentError(`its glue code does not load: ${reply.message}`)
  }
}

/** Errors that quote what a guest said, without the quote: a guest with secrets may say them. */
export function withoutDetails(error: unknown): unknown {
  const unsaid = 'its run has secrets, so no more is said'
  if (error instanceof PluginHttpRefusedError) return new PluginHttpRefusedError(unsaid)
  if (error instanceof PluginOutputError) return new PluginOutputError(unsaid)
  return error
}

/** A worker stopped for its time or its heap is a limit of the plugin; other errors stay. */
export function asTimeLimit(error: unknown, message: string): unknown {
  if (error instanceof TimeoutError) return new PluginLimitError('time', message, { cause: error })
  if (error instanceof PluginWorkerError && /memory/i.test(error.shortMessage)) {
    return new PluginLimitError('memory', 'it exhausted the heap of its worker', { cause: error })
  }
  return error
}

/** Adds to a plugin's error which plugin it was and what it had done. */
export function attach(error: unknown, context: PluginFailureContext): unknown {
  if (error instanceof PluginError) error.context = { ...error.context, ...context }
  return error
}

/** Runs `work`; its plugin errors say which plugin it was. */
export function withContext<value>(context: PluginFailureContext, work: () => value): value {
  try {
    return work()
  } catch (error) {
    throw attach(error, context)
  }
}
