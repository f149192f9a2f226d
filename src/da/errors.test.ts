import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../core/artifact.js'
import { isPolicySdkError } from '../errors/base.js'
import {
  ArtifactUnavailableError,
  DaConfigError,
  DaError,
  DaExpiredError,
  DaFailoverError,
  DaIntegrityError,
  DaOutcomeUnknownError,
  DaRateLimitedError,
  DaUnavailableError,
  ReplicationError,
  UnsupportedLocatorError,
} from './errors.js'
import { redactText, redactUrl } from './internal/http.js'
import { paidIn } from './internal/paid.js'
import { memoryDa } from './memoryDa.js'

const hash = computeArtifactHash(new Uint8Array([1]))

describe('errors of data availability', () => {
  test('name their source, keep their cause, and say whether to try again', () => {
    const cause = new TypeError('below')
    const error = new DaUnavailableError(
      { source: 'gateway.example', reason: 'it is down', status: 502 },
      { cause },
    )
    expect(error).toBeInstanceOf(DaError)
    expect(isPolicySdkError(error)).toBe(true)
    expect(error).toMatchObject({
      name: 'DaUnavailableError',
      code: 'DA_UNAVAILABLE',
      source: 'gateway.example',
      status: 502,
      retryable: true,
      cause,
    })
    expect(error.shortMessage).toBe('gateway.example: unavailable: it is down.')
    expect(new DaConfigError({ source: 'x', reason: 'y' }).retryable).toBe(false)
    expect(new DaIntegrityError({ source: 'x', reason: 'y' }).retryable).toBe(false)
    expect(new DaFailoverError({ source: 'x', reason: 'y' }).retryable).toBe(true)
    expect(new DaRateLimitedError({ source: 'x', retryAfter: 5 }).message).toMatch(
      /try again in 5 ms/,
    )
    expect(new DaExpiredError({ source: 'x', what: 'it', expiredAt: 0 }).message).toMatch(
      /1970-01-01/,
    )
    expect(new DaExpiredError({ source: 'x', what: 'it', expiredAt: Number.NaN }).message).toMatch(
      /NaN ms/,
    )
    expect(new DaError('plain', { source: 'x' })).toMatchObject({ code: 'DA', message: 'x: plain' })
  })
  test('a failed resolution lists every try', () => {
    const attempts = [
      { source: 'a', error: new DaIntegrityError({ source: 'a', reason: 'other bytes' }) },
      { source: 'b', error: new TypeError('odd') },
    ]
    const error = new ArtifactUnavailableError({ artifactHash: hash, attempts })
    expect(error.metaMessages).toEqual(['- a: wrong bytes: other bytes.', '- b: TypeError: odd'])
    expect(error.retryable).toBe(false)
    expect(new ArtifactUnavailableError({ artifactHash: hash, attempts: [] })).toMatchObject({
      retryable: true,
      message: expect.stringMatching(/No source is known/),
    })
    expect(new ReplicationError({ required: 2, receipts: [1], attempts }).message).toMatch(
      /^1 of 2 required copies/,
    )
  })
  test('a locator of another kind is refused by its own error', async () => {
    const error = await memoryDa()
      .getWithVerification({ kind: 'eigenDaArchive' }, hash)
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(UnsupportedLocatorError)
    expect(error).toMatchObject({ code: 'DA_UNSUPPORTED_LOCATOR', source: 'memory' })
    const named = memoryDa({ name: 'one' })
    await expect(named.get({ kind: 'keccakStore', name: 'two' })).rejects.toMatchObject({
      code: 'DA_UNSUPPORTED_LOCATOR',
    })
  })
  test('a read without the name it needs says so', async () => {
    await expect(memoryDa().get({ kind: 'keccakStore', name: '' })).rejects.toMatchObject({
      code: 'DA_REQUEST_REJECTED',
    })
  })
})

describe('a write to several', () => {
  const commitments = ['0x01'] as const
  const paid = { kind: 'eigenDa', commitments } as const
  const source = 'eigenda'
  const reason = 'no answer'
  const unknown = new DaOutcomeUnknownError({ source, reason, commitments, locator: paid })
  const part = new DaOutcomeUnknownError({ source, reason, commitments })
  const wrong = new DaIntegrityError({ source, reason, commitments, locator: paid })
  const copy = { kind: 'keccakStore', name: '' } as const
  const failed = (errors: unknown[], receipts: unknown[] = []): ReplicationError =>
    new ReplicationError({
      ...{ required: 2, receipts },
      attempts: errors.map((error) => ({ source, error })),
    })
  const nothing = { commitments: [], locator: undefined }

  test.each([
    ['nothing', failed([new Error('no')]), nothing],
    ['an open write', failed([new DaOutcomeUnknownError({ source, reason })]), nothing],
    ['a part', failed([new Error('no'), part]), { commitments, locator: undefined }],
    ['a certificate', failed([new Error('no'), unknown]), { commitments, locator: paid }],
    ['one for other bytes', failed([wrong]), { commitments, locator: paid }],
    ['one of several of several', failed([failed([unknown])]), { commitments, locator: paid }],
    ['a copy', failed([unknown], [{ locator: copy }]), { commitments: [], locator: copy }],
  ])('says what was paid for, by itself and to a keeper: %s', (_, error, expected) => {
    expect({ commitments: error.commitments, locator: error.locator }).toEqual(expected)
    const isPaid = expected.commitments.length > 0 || expected.locator !== undefined
    expect(paidIn(error)).toEqual(isPaid ? expected : undefined)
  })
})

describe('what is told of a peer', () => {
  test('has no credentials, queries, long hex or line breaks', () => {
    expect(redactUrl('https://user:pass@host.example/path?token=secret#x')).toBe(
      'https://host.example/path',
    )
    expect(redactUrl('not a url')).toBe('an unparsable URL')
    expect(redactText(`a\nb https://user:pass@host/ 0x${'ab'.repeat(100)}`)).toBe(
      'a b https://host/ abababababababab…',
    )
    expect(redactText('x'.repeat(9_999)).length).toBe(512)
  })
})
