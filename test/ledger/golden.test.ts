/** Bytes that others computed: Tessera's log, and the vectors of the ledger's specification. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { canonicalBytes } from '../../src/core/canonicalJson.js'
import type { JsonObject } from '../../src/core/jsonText.js'
import {
  computeMetaRoot,
  ed25519EventSigner,
  encodeEvent,
  eventHash,
  eventIdTime,
  formatCheckpoint,
  keyIdOf,
  leafHash,
  noteSigner,
  signEvent,
  signNote,
} from '../../src/ledger/index.js'
import { edgeRoot, emptyEdge, growLog } from '../../src/ledger/log/growth.js'
import { publicVectors } from '../publicVectors.js'

const golden = publicVectors('tessera/testdata/log')
const words =
  'one two three four five six seven eit nain ten ileven twelf threeten fourten fivten'.split(' ')

describe.skipIf(golden === undefined)('the log that Tessera wrote', () => {
  test('behavior: grown entry by entry it has the same files, byte for byte', () => {
    const seed = Uint8Array.from(
      Buffer.from('AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg', 'base64'),
    )
    const signer = noteSigner({ name: 'example.com/log/testdata', seed: seed.slice(1) })
    let edge = emptyEdge
    let compared = 0
    for (let size = 0; size <= words.length; size += 1) {
      const files = size === 0 ? [] : growLog(edge, [Buffer.from(words[size - 1] as string)])
      const parts = Array.isArray(files) ? [] : files.files
      if (!Array.isArray(files)) edge = files.edge
      for (const { path, bytes } of parts) {
        expect(new Uint8Array(readFileSync(join(golden as string, path)))).toEqual(bytes)
        compared += 1
      }
      const checkpoint = { origin: signer.key.name, size: edge.size, root: edgeRoot(edge) }
      const note = signNote({ text: formatCheckpoint(checkpoint), signers: [signer] })
      expect(readFileSync(join(golden as string, `checkpoint.${size}`), 'utf8')).toBe(note)
      compared += 1
    }
    expect(compared).toBe(46)
  })
})

describe('vectors', () => {
  const signer = ed25519EventSigner(new Uint8Array(32).fill(1))
  const key_id = 'sha256:34750f98bd59fcfc946da45aaabe933be154a4b5094e1c4abf42866505f3c97e'
  const payloadOf = (domain: string, id: string, version: string, at: string, fields = {}) =>
    ({
      ...fields,
      ets: {
        domain,
        event_id: id,
        key_id,
        ledger: 'ledger.newton.example/eval',
        occurred_at: at,
        schema_version: version,
      },
      type: version.slice(0, -2),
    }) as never
  const genesis = payloadOf(
    'audit',
    '01970000-0000-7000-8000-000000000000',
    'ets.genesis/1',
    '2026-01-01T00:00:00.000Z',
  )

  test('behavior: key id, hash and signature of the first event', async () => {
    expect(keyIdOf(signer.publicKey)).toBe(key_id)
    const { currentHash, body } = await signEvent({
      payload: genesis,
      previousHash: '0'.repeat(64),
      signer,
    })
    expect(currentHash).toBe('f0c792e92bbf05a2996b09f9c91eeac337ab15cb13266206822b61542cf93363')
    expect(body.signature).toBe(
      'ULBT7W6WBDu5+mfv0+iTuRBbI7/rCoKB3+opG8N98kDoJxnJERK5zWrX8VIpo1OF1+Cj/I+TZaOWsUBNCqqxDA==',
    )
    const second = payloadOf(
      'decisions',
      '01970000-0001-7000-8000-000000000001',
      'newton.evaluation/1',
      '2026-01-01T00:00:01.000Z',
      { decision: true },
    )
    const hash = eventHash(canonicalBytes(second as unknown as JsonObject), currentHash)
    expect(hash).toBe('8ad7627a65233fa9f819f9207975cf8d06d3b953cb329aab723b0ee1806a3d70')
    const { payload } = body
    const { event_id, schema_version } = payload.ets
    const event = { event_id, schema_version, key_id, ...body, current_hash: currentHash }
    const entry = encodeEvent({ ...event, timestamp: '2026-01-01T00:00:00.000Z' })
    expect(bytesToHex(leafHash(entry))).toBe(
      'b08bda084997b1f423f4c1a6a4684b74ba2693adb9ee7e5c2ba79be4423adcca',
    )
  })

  test('behavior: the root over two domains', () => {
    const domains = [
      ['decisions', 'd9bc250488f70d9895f9d4c61966df2a00763cf020ec062318b11fe8fdfbe396'],
      ['audit', 'b08bda084997b1f423f4c1a6a4684b74ba2693adb9ee7e5c2ba79be4423adcca'],
    ].map(([name = '', root = '']) => ({ name, size: 1n, root: hexToBytes(root) }))
    const checkpointEventId = '01970000-0001-7000-8000-000000000001'
    expect(bytesToHex(computeMetaRoot({ checkpointEventId, domains }))).toBe(
      '7892ed07f39e2a603c65f05bdd1bf7ce8ebede0765ecead4f43da7923fb88bf2',
    )
    expect(eventIdTime('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')).toBe(1_645_557_742_000)
  })
})
