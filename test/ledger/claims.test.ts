/** Which plugins count as verified, as builders speak one after another. */
import { describe, expect, test } from 'vitest'
import {
  createAuditor,
  keyIdOf,
  type Ledger,
  memoryTiles,
  type NoteSigner,
  type SubmitResult,
} from '../../src/ledger/index.js'
import { opensslEventSigner } from '../../src/ledger/node/index.js'
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

const claim = (word: Word, by = people.builder, wasmHash = preimage.data[0]?.wasmHash): Draft => ({
  ...{ domain: 'context', schemaVersion: 'newton.verification/1', by },
  fields: {
    ...{ wasmHash: wasmHash as string, buildInfoHash: '12'.repeat(32), result: word },
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
      'a match, and a build that did not run later',
      [
        ['MATCH', 'own'],
        ['DID_NOT_RUN', 'own'],
      ],
      true,
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
