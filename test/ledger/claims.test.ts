/** Which plugins count as verified, as builders speak one after another. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import type { VerificationResult } from '../../src/core/interfaces/provenance.js'
import type { Json } from '../../src/core/jsonText.js'
import type { LedgerEvent } from '../../src/ledger/events/event.js'
import { isVerifiedWasm, reduceEvent } from '../../src/ledger/events/view.js'
import {
  createAuditor,
  keyIdOf,
  type Ledger,
  memoryTiles,
  type NoteSigner,
  type SubmitResult,
} from '../../src/ledger/index.js'
import { opensslEventSigner } from '../../src/ledger/node/index.js'
import { evaluateTrust, type ProvenanceRecord } from '../../src/provenance/index.js'
import { createWorld } from '../support/attestationWorld.js'
import { evaluationDraft, templateDraft } from './evaluationDrafts.js'
import {
  addKey,
  type Draft,
  ledgerName,
  openTestLedger,
  people,
  schemas,
  submit,
  verify,
} from './ledgerWorld.js'

type Word = 'MATCH' | 'NO_MATCH' | 'DID_NOT_RUN'
const other = opensslEventSigner(new Uint8Array(32).fill(99))
const world = createWorld()
const { response, preimage } = world.evaluate(world.makeTask())

const claim = (
  word: Word,
  by = people.builder,
  wasmHash = preimage.data[0]?.wasmHash,
  build = '12',
): Draft => ({
  ...{ domain: 'context', schemaVersion: 'newton.verification/1', by },
  fields: {
    ...{ wasmHash: wasmHash as string, buildInfoHash: build.repeat(32), result: word },
    ...{ level: word === 'MATCH' ? 'exact' : 'none', reportHash: '34'.repeat(32) },
  },
})
const taken = (result: SubmitResult): void => expect(result).toMatchObject({ status: 201 })

/** A ledger that wants verified plugins, with two builders; all plugins but the first are verified. */
async function open() {
  const store = memoryTiles()
  const ledger = await openTestLedger({ store, requireVerifiedWasm: true })
  taken(await addKey(ledger, { key: other, role: 'builder', by: people.admin }))
  taken(await submit(ledger, templateDraft(preimage)))
  for (const { wasmHash } of preimage.data.slice(1)) {
    taken(await submit(ledger, claim('MATCH', people.builder, wasmHash)))
  }
  return { store, ledger }
}
const evaluate = async (ledger: Ledger): Promise<string> => {
  const result = await submit(ledger, evaluationDraft({ response, preimage }))
  return 'code' in result ? result.detail : String(result.status)
}

const word = (byte: string): Hex => `0x${byte.repeat(32)}`

/** What a trust policy makes of the same claims, each with evidence that is worth as much as there is. */
function isVerifiedByPolicy(
  claims: readonly { result: VerificationResult; build: string; who: string }[],
): boolean {
  const wasmHash = word('07')
  const image = `newton-toolchain@sha256:${'ab'.repeat(32)}`
  const hashes = { wasmHash, wasmSha256: word('08'), codeSha256: word('09') }
  const told = { image, sourceSha256: word('0a') }
  const said = claims.map(({ result, build, who }) => ({
    ...{ wasmHash, verifier: `0x${who.repeat(40)}` as Hex, result, buildInfoHash: word(build) },
    ...{ evidenceUri: '', timestamp: 0n, blockNumber: 0n, transactionHash: word('00') },
    evidence: {
      schema: 'newton.verification-evidence/1' as const,
      ...{
        ...hashes,
        ...told,
        buildInfoHash: word(build),
        result,
        isolation: 'bubblewrap' as const,
      },
    },
  }))
  const standing = new Map(said.map((each) => [`${each.verifier}${each.buildInfoHash}`, each]))
  const record: ProvenanceRecord = {
    ...{ wasmHash, hashes, registered: true, updatedAt: 0n, history: said },
    claims: [...standing.values()],
    builds: ['12', '34'].map((build) => ({
      buildInfoHash: word(build),
      info: { ...told, wasmSha256: hashes.wasmSha256, args: ['a'], options: [] },
      origin: 'registry',
    })),
  }
  const verifiers = ['a', 'b'].map((who) => `0x${who.repeat(40)}` as Hex)
  const policy = { images: { [image]: 'trusted' as const }, verifiers }
  return evaluateTrust(policy, wasmHash, record).status === 'verified'
}

describe('requireVerifiedWasm', () => {
  test.each(['true', 1, null, {}])('error: %j is neither true nor false', async (value) => {
    await expect(
      openTestLedger({ store: memoryTiles(), requireVerifiedWasm: value as never }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test.each<[string, [Word, 'own' | 'other'][], boolean]>([
    ['nobody spoke', [], false],
    ['a build that did not run', [['DID_NOT_RUN', 'own']], false],
    ['a match', [['MATCH', 'own']], true],
    [
      'a match that the same builder takes back: its build did not run later',
      [
        ['MATCH', 'own'],
        ['DID_NOT_RUN', 'own'],
      ],
      false,
    ],
    [
      'a match taken back',
      [
        ['MATCH', 'own'],
        ['NO_MATCH', 'own'],
      ],
      false,
    ],
    [
      'a match that another builder contradicts',
      [
        ['MATCH', 'own'],
        ['NO_MATCH', 'other'],
      ],
      false,
    ],
    [
      'a contradiction that a match of somebody else does not end',
      [
        ['NO_MATCH', 'other'],
        ['MATCH', 'own'],
      ],
      false,
    ],
    [
      'a contradiction taken back',
      [
        ['MATCH', 'own'],
        ['NO_MATCH', 'other'],
        ['MATCH', 'other'],
      ],
      true,
    ],
    ['a contradiction alone', [['NO_MATCH', 'own']], false],
  ])('behavior: %s', async (_, words, isTaken) => {
    const { ledger, store } = await open()
    for (const [word, who] of words) {
      taken(await submit(ledger, claim(word, who === 'own' ? people.builder : other)))
    }
    const before = ledger.head()
    const answer = await evaluate(ledger)
    if (isTaken) expect(answer).toBe('201')
    else {
      expect(answer).toContain(`no builder has verified the plugin ${preimage.data[0]?.wasmHash}`)
      expect(ledger.head()).toEqual(before)
    }
    await ledger.flush()
    await ledger.close()
    // The rule is the same for whoever replays it.
    const log = (ledger.signers.get('meta') as NoteSigner).key
    const auditor = createAuditor({
      ...{ store, ledger: ledgerName, trust: { log }, schemas, verify, requireVerifiedWasm: true },
      report: async () => undefined,
    })
    expect((await auditor.replay()).violations).toEqual([])
  })

  test('behavior: the ledger and a trust policy say the same of the same claims, whatever their order', async () => {
    const kinds = ['match', 'no_match', 'did_not_run'] as const
    const builds = ['12', '34']
    const ledgerWords = {
      match: 'MATCH',
      no_match: 'NO_MATCH',
      did_not_run: 'DID_NOT_RUN',
    } as const
    // Three claims in a row, of two builders about two builds: all there are.
    const each = kinds.flatMap((result) =>
      builds.flatMap((build) => ['a', 'b'].map((who) => ({ result, build, who }))),
    )
    const rows = each.flatMap((a) => each.flatMap((b) => each.map((c) => [a, b, c])))
    const wrong = rows.filter((claims) => {
      const view = new Map<string, Json>()
      for (const { result, build, who } of claims) {
        const fields = { wasmHash: word('07'), buildInfoHash: build.repeat(32), level: 'exact' }
        const event = {
          ...{ domain: 'context', schema_version: 'newton.verification/1', key_id: who },
          payload: { ...fields, result: ledgerWords[result], reportHash: '34'.repeat(32) },
        } as unknown as LedgerEvent
        view.set('key/a', { status: 'active' }).set('key/b', { status: 'active' })
        for (const [key, value] of reduceEvent(event, 1n, view)) view.set(key, value)
      }
      return isVerifiedWasm(view, word('07')) !== isVerifiedByPolicy(claims)
    })
    expect(wrong.slice(0, 3)).toEqual([])
  })

  test('behavior: what a key said that ended is answered by the match of one that acts', async () => {
    const { ledger } = await open()
    taken(await submit(ledger, claim('NO_MATCH', other)))
    taken(await submit(ledger, claim('MATCH')))
    taken(
      await submit(ledger, {
        ...{ domain: 'agents', schemaVersion: 'ets.key.revoke/1', by: people.admin },
        fields: { key_id: keyIdOf(other.publicKey), reason: 'lost' },
      }),
    )
    // The end of a key unsays nothing.
    expect(await evaluate(ledger)).toContain('no builder has verified')
    taken(await submit(ledger, claim('MATCH')))
    expect(await evaluate(ledger)).toBe('201')
    await ledger.close()
  })

  test('behavior: an auditor finds an evaluation whose match was taken back', async () => {
    const store = memoryTiles()
    const ledger = await openTestLedger({ store })
    taken(await submit(ledger, templateDraft(preimage)))
    for (const { wasmHash } of preimage.data) {
      taken(await submit(ledger, claim('MATCH', people.builder, wasmHash)))
    }
    taken(await submit(ledger, claim('NO_MATCH')))
    taken(await submit(ledger, evaluationDraft({ response, preimage })))
    await ledger.flush()
    await ledger.close()
    const log = (ledger.signers.get('meta') as NoteSigner).key
    const auditor = createAuditor({
      ...{ store, ledger: ledgerName, trust: { log }, schemas, verify, requireVerifiedWasm: true },
      report: async () => undefined,
    })
    expect((await auditor.replay()).violations).toMatchObject([
      { kind: 'replay', detail: expect.stringContaining('no builder has verified') },
    ])
  })
})
