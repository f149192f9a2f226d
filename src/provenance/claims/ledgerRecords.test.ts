import type { Hex } from 'viem'
import { expect, test } from 'vitest'
import { canonicalBytes, type JsonObject } from '../../core/canonicalJson.js'
import type { LedgerRecord } from '../../core/interfaces/ledgerSink.js'
import type { ProvenanceEvent } from '../../core/interfaces/provenance.js'
import { toHex } from '../../internal/bytes.js'
import { encodeBuildInfo } from '../build/buildInfo.js'
import { createProvenanceRecorder } from './ledgerRecords.js'

const hash: Hex = `0x${'04'.repeat(32)}`
const digest = `@sha256:${'ab'.repeat(32)}`

/** What a ledger gets of an entry of the registry. */
async function recordedOf(info: { image: string; sourceUri: string }): Promise<JsonObject> {
  const xdr = toHex(
    encodeBuildInfo({ ...info, wasmSha256: hash, sourceSha256: hash, args: ['a'], options: [] }),
  )
  const event = {
    ...{ type: 'BuildInfoSubmitted', wasmHash: hash, buildInfoHash: hash, submitter: '0x', xdr },
    ...{ blockNumber: 0n, logIndex: 0, transactionHash: hash, timestamp: 1n },
  } as ProvenanceEvent
  const records: JsonObject[] = []
  const recorder = createProvenanceRecorder({
    events: { getFinalizedBlock: async () => 0n, getEvents: async () => [event] },
    sink: {
      record: async ({ fields }: LedgerRecord) => {
        // What has no canonical form is no event, and would stop all that come after it.
        canonicalBytes(fields as JsonObject)
        records.push(fields as JsonObject)
      },
    } as never,
    ...{ verifiers: [], fromBlock: 0n },
  })
  await recorder.record()
  return records[0] as JsonObject
}

test('behavior: every entry makes a record, wherever its texts are cut', async () => {
  for (const character of ['x', 'é', '\u{1f600}', '\u{1f600}x', 'x\u{1f600}']) {
    for (let length = 975; length < 1_005; length++) {
      const text = character
        .repeat(1_000)
        .slice(0, length)
        .replace(/[\ud800-\udbff]$/, '')
      const image = `a.example/${'x'.repeat(Math.min(length, 1_000) - 10 - digest.length)}${digest}`
      const sourceUri = `https://a.example/${text}`
      const fields = await recordedOf({ image, sourceUri })
      const uri = String(fields['sourceUri'])
      expect(uri.length).toBeLessThanOrEqual(1_000)
      expect(sourceUri.startsWith(uri)).toBe(true)
      expect(uri.length).toBeGreaterThanOrEqual(Math.min(999, sourceUri.length))
      expect(fields['buildImage']).toBe(image)
      expect(image.length).toBeLessThanOrEqual(1_000)
    }
  }
})
