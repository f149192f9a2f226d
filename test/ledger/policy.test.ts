import { describe, expect, test } from 'vitest'
import {
  cosign,
  formatCheckpoint,
  formatNoteKey,
  noteSigner,
  parseNote,
  parseTlogPolicy,
  signNote,
  verifyCheckpoint,
  witnessSigner,
} from '../../src/ledger/index.js'

const log = noteSigner({ name: 'example.com/log', seed: new Uint8Array(32).fill(1) })
const other = noteSigner({ name: 'example.com/other', seed: new Uint8Array(32).fill(2) })
const witnesses = Array.from({ length: 6 }, (_, at) =>
  witnessSigner({ name: `witness.example/${at}`, seed: new Uint8Array(32).fill(10 + at) }),
)
const keys = witnesses.map(({ key }) => formatNoteKey(key))
const text = formatCheckpoint({ origin: log.key.name, size: 7n, root: new Uint8Array(32) })
const note = (...by: readonly number[]): string =>
  signNote({ text, signers: [log] }) +
  by.map((at) => cosign({ text, time: 9n, signer: witnesses[at] as never })).join('')

/** The example of the specification. */
const twoLevels = `# comment
log ${formatNoteKey(log.key)}
log\t${formatNoteKey(other.key)} https://other.example/

witness X1 ${keys[0]}
 witness  X2 ${keys[1]}\thttps://x2.example
witness X3 ${keys[2]}
group X-witnesses 2 X1 X2 X3
witness Y1 ${keys[3]}
witness Y2 ${keys[4]}
witness Y3 ${keys[5]}
group Y-witnesses any Y1 Y2 Y3
  # another comment
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`

describe('tlog-policy', () => {
  test('behavior: the quorum of two levels is met as the specification says', () => {
    const policy = parseTlogPolicy(twoLevels)
    expect(policy.logs.map(({ url }) => url)).toEqual([undefined, 'https://other.example/'])
    expect(policy.witnesses.map(({ name }) => name)).toEqual(['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'])
    for (let bits = 0; bits < 64; bits += 1) {
      const by = [0, 1, 2, 3, 4, 5].filter((at) => (bits >> at) & 1)
      const met = by.filter((at) => at < 3).length >= 2 && by.some((at) => at >= 3)
      const result = verifyCheckpoint(note(...by), policy)
      expect(result.status, by.join()).toBe(met ? 'verified' : 'invalid')
      if (result.status === 'invalid') expect(result.reason).toBe('quorum')
      else expect(result.cosigned).toHaveLength(by.length)
    }
    // A witness that signs often counts once.
    expect(verifyCheckpoint(note(0, 0, 0, 3), policy)).toMatchObject({ reason: 'quorum' })
  })

  test('behavior: any of the logs is believed under its own name only', () => {
    const policy = parseTlogPolicy(twoLevels.replace('quorum X-and-Y', 'quorum none'))
    expect(verifyCheckpoint(signNote({ text, signers: [log] }), policy).status).toBe('verified')
    expect(verifyCheckpoint(signNote({ text, signers: [other] }), policy)).toMatchObject({
      reason: 'origin',
    })
    const foreign = text.replace(log.key.name, other.key.name)
    const signed = signNote({ text: foreign, signers: [other] })
    expect(verifyCheckpoint(signed, policy).status).toBe('verified')
    const none = parseTlogPolicy('quorum none\n')
    expect(() => verifyCheckpoint(signed, none)).toThrow(/names a log/)
  })

  test('behavior: one witness, and thresholds in every form', () => {
    const of = (lines: string) =>
      parseTlogPolicy(
        `log ${formatNoteKey(log.key)}\nwitness a ${keys[0]}\nwitness b ${keys[1]}\n${lines}`,
      )
    const met = (lines: string, ...by: number[]) =>
      verifyCheckpoint(note(...by), of(lines)).status === 'verified'
    expect([met('quorum a\n', 0), met('quorum a\n', 1)]).toEqual([true, false])
    for (const [form, least] of [
      ['any', 1],
      ['all', 2],
      ['1', 1],
      ['2', 2],
    ] as const) {
      const lines = `group g ${form} a b\nquorum g\n`
      expect([met(lines), met(lines, 1), met(lines, 0, 1)]).toEqual([false, least < 2, true])
    }
  })

  test('error: InvalidInputError names the line of every fault', () => {
    const head = `log ${formatNoteKey(log.key)}\nwitness a ${keys[0]}\nwitness b ${keys[1]}\n`
    const faults: [string, RegExp][] = [
      ['', /one quorum line/],
      ['quorum a', /ends with a newline/],
      ['quorum a\nquorum a\n', /line 5.*one quorum/],
      ['quorum a b\n', /line 4/],
      ['quorum\n', /line 4/],
      ['quorum c\n', /line 4.*not defined/],
      ['group g 0 a b\nquorum g\n', /threshold/],
      ['group g 3 a b\nquorum g\n', /threshold/],
      ['group g 01 a b\nquorum g\n', /threshold/],
      ['group g 1.5 a b\nquorum g\n', /threshold/],
      ['group g -1 a b\nquorum g\n', /threshold/],
      ['group g most a b\nquorum g\n', /threshold/],
      ['group g any\nquorum g\n', /line 4/],
      ['group g any none\nquorum g\n', /not defined/],
      ['group g any g\nquorum g\n', /not defined/],
      ['group g any a a\nquorum g\n', /member already/],
      ['group g any a\ngroup h all a b\nquorum h\n', /line 5.*member already/],
      ['group a any b\nquorum a\n', /taken/],
      ['group none any b\nquorum none\n', /taken/],
      [`witness c ${keys[1]}\nquorum a\n`, /there already/],
      [`log ${formatNoteKey(log.key)}\nquorum a\n`, /there already/],
      [`witness c ${formatNoteKey(other.key)}\nquorum a\n`, /not a witness/],
      [`log ${keys[4]}\nquorum a\n`, /not a log/],
      ['witness c nonsense\nquorum a\n', /does not read/],
      [`witness ${keys[4]}\nquorum a\n`, /line 4/],
      [`witness c ${keys[4]} url more\nquorum a\n`, /line 4/],
      [`log ${formatNoteKey(other.key)} url more\nquorum a\n`, /line 4/],
      ['Quorum a\n', /no line of a policy/],
      ['quorum a\u0007\n', /control/],
      ['quorum a\r\n', /control/],
      ['quorum\u00a0a\n', /no line of a policy/],
    ]
    for (const [lines, why] of faults) {
      expect(() => parseTlogPolicy(head + lines), lines).toThrow(why)
    }
    // A log that witnesses itself is one party.
    const own = witnessSigner({ name: 'w', seed: new Uint8Array(32).fill(1) })
    expect(() => parseTlogPolicy(`${head}witness w ${formatNoteKey(own.key)}\nquorum w\n`)).toThrow(
      /there already/,
    )
    for (const hostile of [undefined, 3, {}, new Uint8Array([0xff, 10]), 'x'.repeat(1_000_001)]) {
      expect(() => parseTlogPolicy(hostile as never)).toThrow(/policy/)
    }
  })

  test('error: groups nested without end are refused by their line', () => {
    const nested = (levels: number) => {
      const groups = Array.from(
        { length: levels },
        (_, at) => `group g${at} any ${at === 0 ? 'w' : `g${at - 1}`}\n`,
      )
      return `log ${formatNoteKey(log.key)}\nwitness w ${keys[0]}\n${groups.join('')}quorum g${levels - 1}\n`
    }
    expect(verifyCheckpoint(note(0), parseTlogPolicy(nested(64))).status).toBe('verified')
    expect(() => parseTlogPolicy(nested(65))).toThrow('policy line 67')
    expect(() => parseTlogPolicy(nested(20_000))).toThrow('policy line 67')
  })

  test('behavior: a file that was cut off is no weaker policy', () => {
    const parsed = parseNote(note(0, 3))
    expect(parsed).toBeDefined()
    for (let end = 0; end < twoLevels.length; end += 1) {
      expect(() => parseTlogPolicy(twoLevels.slice(0, end))).toThrow(/not valid/)
    }
  })
})
