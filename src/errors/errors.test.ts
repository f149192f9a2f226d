import { describe, expect, test } from 'vitest'
import { withDeadline } from '../internal/deadline.js'
import { BaseError, isPolicySdkError } from './base.js'
import { InvalidInputError, MissingPeerError, TimeoutError } from './common.js'

describe('BaseError', () => {
  test('default', () => {
    const cause = new Error('socket closed\nstack follows')
    const error = new BaseError('It failed.', {
      cause,
      metaMessages: ['Do this.'],
      retryable: true,
    })
    expect(error.message).toBe('It failed.\n\nDo this.\n\nDetails: socket closed')
    expect(error.cause).toBe(cause)
    expect(error.toJSON()).toEqual({
      name: 'BaseError',
      code: 'UNKNOWN',
      message: error.message,
      retryable: true,
    })
    expect(new BaseError('Alone.').message).toBe('Alone.')
    expect('cause' in new BaseError('Alone.')).toBe(false)
  })

  test('behavior: walk finds a cause, or the deepest, and survives a cycle', () => {
    const deepest = new TypeError('deepest')
    const error = new BaseError('outer', { cause: new BaseError('inner', { cause: deepest }) })
    expect(error.walk()).toBe(deepest)
    expect(error.walk((cause) => cause instanceof TypeError)).toBe(deepest)
    expect(error.walk((cause) => cause instanceof RangeError)).toBeUndefined()
    const cycle = new Error('cycle')
    cycle.cause = cycle
    expect(new BaseError('x', { cause: cycle }).walk()).toBeUndefined()
  })

  test('behavior: recognized across copies of the package', () => {
    expect(isPolicySdkError(new InvalidInputError({ field: 'a', reason: 'b' }))).toBe(true)
    expect(isPolicySdkError({ [Symbol.for('@newton/policy-sdk/error')]: true })).toBe(true)
    for (const other of [new Error('x'), null, undefined, 'text', {}])
      expect(isPolicySdkError(other)).toBe(false)
  })
})

describe('common errors', () => {
  test('behavior: messages say what and what to do', () => {
    expect(
      new InvalidInputError({ field: 'refs[2]', reason: 'it is zero', hint: 'Sort.' }).message,
    ).toBe('`refs[2]` is not valid: it is zero.\n\nSort.')
    const peer = new MissingPeerError({ peer: 'lmdb', needed: 'lmdbStore' })
    expect(peer.code).toBe('MISSING_PEER')
    expect(peer.message).toContain('npm install lmdb')
  })
})

describe('withDeadline', () => {
  const never = new Promise<never>(() => undefined)

  test('default', async () => {
    await expect(withDeadline('work', { timeout: 1_000 }, async () => 7)).resolves.toBe(7)
  })

  test('error: TimeoutError, also when the work ignores the signal', async () => {
    let seen: AbortSignal | undefined
    const error = await withDeadline('work', { timeout: 10 }, (signal) => {
      seen = signal
      return never
    }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TimeoutError)
    expect((error as TimeoutError).code).toBe('TIMEOUT')
    expect((error as TimeoutError).retryable).toBe(true)
    expect(seen?.aborted).toBe(true)
  })

  test("behavior: the caller's reason comes through unwrapped", async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const pending = withDeadline('work', { signal: controller.signal }, () => never)
    controller.abort(reason)
    await expect(pending).rejects.toBe(reason)
    await expect(withDeadline('work', { signal: controller.signal }, async () => 1)).rejects.toBe(
      reason,
    )
  })
})
