/** What backends answer beside what they should: each has its code, and says whether to try again. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { certAt } from '../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../core/artifact.js'
import type { DaClient } from '../core/interfaces/daClient.js'
import type { DaLocator } from '../core/locator.js'
import { fallback } from './combined/fallback.js'
import { encodeEigenDaCommitment } from './eigenda/cert/cert.js'
import { eigenDa } from './eigenda/eigenDa.js'
import { https } from './https.js'
import { buildUnixfs, ipfs } from './ipfs/index.js'
import { memoryDa } from './memoryDa.js'
import { mockDa } from './mockDa.js'
import { objectStore } from './objectStore/objectStore.js'

const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const fetching = (answer: () => Response) => async () => answer()
const once = { tries: 1, baseDelay: 1, maxDelay: 1 }
const retry = { reads: 1, writes: 1, baseDelay: 1, maxDelay: 1 }
const text = (body: string, status: number, headers: Record<string, string> = {}) =>
  fetching(() => new Response(body, { status, headers }))

const cert = certAt(1, 1)
const commitment = encodeEigenDaCommitment(cert)
const blob: DaLocator = { kind: 'eigenDa', commitments: [commitment] }
const proxy = (fetch: () => Promise<Response>, more = {}): DaClient =>
  eigenDa({ url: 'http://proxy.test', fetch, retry, probe: false, ...more })
const archive = (fetch: () => Promise<Response>, more = {}): DaClient =>
  eigenDa.archive({ url: 'http://proxy.test', fetch, retry: once, ...more })
const lane: DaLocator = { kind: 'eigenDaArchive' }
const { root } = buildUnixfs(bytes, 'unixfs-v1-2025')
const cid: DaLocator = {
  kind: 'cid',
  cid: `0x${[...root.toV1().bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`,
}
const gateway = (fetch: () => Promise<Response>, more = {}): DaClient =>
  ipfs({ gateways: ['https://gateway.test'], fetch, car: false, ...more })
const stored: DaLocator = { kind: 'keccakStore', name: '' }

const reads: [string, Promise<unknown> | (() => Promise<unknown>), string, boolean][] = []
const reading = (what: string, client: DaClient, locator: DaLocator, code: string, again = false) =>
  reads.push([what, () => client.getWithVerification(locator, hash), code, again])

reading('a proxy that is busy', proxy(text('slow', 429)), blob, 'DA_RATE_LIMITED', true)
reading('a proxy that knows no such form', proxy(text('odd', 400)), blob, 'DA_REQUEST_REJECTED')
reading(
  'a proxy that has left V1 behind',
  proxy(text('V0 certs are no longer supported', 500)),
  blob,
  'DA_REQUEST_REJECTED',
)
reading('a proxy that answers 206', proxy(text('x', 206)), blob, 'DA_PROTOCOL')
reading(
  'a certificate of a blob that nobody has',
  proxy(text('x', 200)),
  { kind: 'eigenDa', commitments: [oddLength()] },
  'DA_INVALID_CERT',
)
reading('an archive that gives nothing', archive(text('', 200)), lane, 'DA_INTEGRITY')
reading('a gateway that is busy', gateway(text('slow', 429)), cid, 'DA_RATE_LIMITED', true)
reading('a gateway that refuses', gateway(text('no', 400)), cid, 'DA_REQUEST_REJECTED')
reading(
  'a URL that leads nowhere',
  https({ fetch: text('', 302) }),
  { kind: 'https', url: 'https://files.test/x' },
  'DA_PROTOCOL',
)
reading(
  'a URL with less than it says',
  https({ fetch: fetching(() => new Response(null, { headers: { 'content-length': '5' } })) }),
  { kind: 'https', url: 'https://files.test/x' },
  'DA_BODY_LENGTH',
  true,
)

const oversized: [string, DaClient][] = [
  ['an archive', archive(text('', 200), { maxBytes: 4 })],
  ['a gateway', gateway(text('', 200), { upload: async () => undefined, maxBytes: 4 })],
  ['an object store', objectStore({ bucket: 'abc', endpoint: 'https://s.test', maxBytes: 4 })],
  ['memory', memoryDa({ maxBytes: 4 })],
  ['a mock', mockDa({ maxBytes: 4 })],
]

describe('backends', () => {
  test.each(reads)('error: %s', async (_, work, code, retryable) => {
    const read = typeof work === 'function' ? work() : work
    await expect(read).rejects.toMatchObject({ code, retryable })
  })

  test.each(oversized)(
    'error: DA_PAYLOAD_TOO_LARGE from %s before anything is sent',
    async (_, da) => {
      await expect(da.put(bytes)).rejects.toMatchObject({
        code: 'DA_PAYLOAD_TOO_LARGE',
        message: expect.stringMatching(/16 bytes .* 4 bytes/),
      })
    },
  )

  test.each([
    ['no JSON', '<html>'],
    ['no object', '[]'],
  ])('error: DA_PROTOCOL for a description that is %s', async (_, body) => {
    const da = eigenDa({ url: 'http://proxy.test', fetch: text(body, 200), retry })
    await expect(da.config()).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
  })

  test('error: DA_UNAVAILABLE for a description that fails', async () => {
    const da = eigenDa({ url: 'http://proxy.test', fetch: text('down', 502), retry })
    await expect(da.config()).rejects.toMatchObject({ code: 'DA_UNAVAILABLE' })
  })

  test('error: DA_PROTOCOL from an archive that answers a write with bytes', async () => {
    await expect(archive(text('0x01', 200)).put(bytes)).rejects.toMatchObject({
      code: 'DA_PROTOCOL',
      retryable: false,
    })
  })

  test('error: DA_UNSUPPORTED_LOCATOR from a look, as from a read', async () => {
    const client = memoryDa()
    await expect(client.head?.(blob)).rejects.toMatchObject({ code: 'DA_UNSUPPORTED_LOCATOR' })
  })
})

describe('members of a fallback that answer with no receipt', () => {
  const other = computeArtifactHash(Uint8Array.of(1))
  const receipt = { artifactHash: hash, byteLength: 1, locator: stored }
  const evidence = { source: 'mine', checks: [] }
  test.each([
    ['nothing', undefined, 'DA_PROTOCOL'],
    ['no locator', { ...receipt, locator: { kind: 'eigenDa' } }, 'DA_PROTOCOL'],
    ['another artifact', { ...receipt, artifactHash: other as Hex }, 'DA_INTEGRITY'],
  ])('error: %s', async (_, answer, free) => {
    let next = 0
    const member = (paid: boolean): DaClient => ({
      ...memoryDa(),
      kind: 'mine',
      paid,
      put: async () => (answer && { evidence, ...answer }) as never,
    })
    const second: DaClient = {
      ...memoryDa(),
      put: async (given) => {
        next += 1
        return { evidence, ...receipt, byteLength: given.length }
      },
    }
    // What may have been paid for is not paid for elsewhere.
    await expect(fallback([member(true), second]).put(bytes)).rejects.toMatchObject({
      code: 'DA_OUTCOME_UNKNOWN',
    })
    expect(next).toBe(0)
    await expect(fallback([member(false)]).put(bytes)).rejects.toMatchObject({
      code: 'DA_REPLICATION',
      attempts: [{ error: { code: free } }],
    })
    await fallback([member(false), second]).put(bytes)
    expect(next).toBe(1)
  })
})

function oddLength(): Hex {
  const odd = structuredClone(cert)
  odd.blobInclusionInfo.blobCertificate.blobHeader.commitment.length = 3
  return encodeEigenDaCommitment(odd)
}
