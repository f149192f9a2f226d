import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { lintPolicy, lintRules } from './policy.js'

const corpus = new URL('../../../test/corpus/lint/', import.meta.url)

function fixture(rule: string, file: string): string | undefined {
  const url = new URL(`${rule}/${file}`, corpus)
  return existsSync(url) ? readFileSync(url, 'utf8') : undefined
}

async function lint(rule: string, file: string): ReturnType<typeof lintPolicy> {
  return lintPolicy({
    rego: fixture(rule, file) as string,
    paramsSchema: fixture(rule, 'params.schema.json'),
  })
}

describe('lintPolicy', () => {
  const ids = [...new Set(lintRules.map((rule) => rule.id))].sort()

  test('every rule has a bad and a good fixture, and every fixture a rule', () => {
    expect(readdirSync(corpus).sort()).toEqual(ids)
  })

  describe.each(ids)('%s', (id) => {
    test('finds the bad policy, says why and what to do, and where', async () => {
      const findings = (await lint(id, 'bad.rego')).filter((finding) => finding.rule === id)
      expect(findings.length).toBeGreaterThan(0)
      for (const finding of findings) {
        expect(finding.explanation.length).toBeGreaterThan(40)
        expect(finding.fix.length).toBeGreaterThan(20)
        expect(finding.location?.line).toBeGreaterThan(0)
      }
    })

    test('is silent on the good policy, and no other rule calls it an error', async () => {
      const findings = await lint(id, 'good.rego')
      expect(findings.filter((finding) => finding.rule === id)).toEqual([])
      expect(findings.filter((finding) => finding.severity === 'error')).toEqual([])
    })
  })

  test('recursion through a function is a finding, not a failure', async () => {
    const rego = 'package p\nf(x) := f(x)\nallow if f(input.value)\n'
    expect(await lintPolicy({ rego })).toMatchObject([
      { rule: 'recursion', severity: 'error', location: { line: 2, column: 1 } },
    ])
  })

  test.each([
    ['input.chain_id == format_int(data.params.chain_id, 10)', 'error'],
    ['format_int(input.chain_id, 10) == 1', 'error'],
    ['input.chain_id == to_number(data.params.chain_id)', undefined],
    ['format_int(input.chain_id, 10) == "1"', undefined],
  ])('behavior: number-form looks at what a builtin gives: %s', async (condition, severity) => {
    const findings = await lintPolicy({ rego: `package p\nallow if ${condition}` })
    const found = findings.find(({ rule }) => rule === 'number-form')
    expect(found?.severity).toBe(severity)
  })

  test('behavior: `not` of a calculation differs as one of a call does', async () => {
    const rego = 'package p\nallow if not data.wasm.score + 1 > 5'
    const rules = (await lintPolicy({ rego })).map(({ rule }) => rule)
    expect(rules).toContain('opa-not-undefined')
    const plain = 'package p\nallow if not data.wasm.score > 5'
    expect((await lintPolicy({ rego: plain })).map(({ rule }) => rule)).not.toContain(
      'opa-not-undefined',
    )
  })

  test('behavior: amounts are told apart from other numbers', async () => {
    const severityOf = async (condition: string): Promise<string | undefined> => {
      const findings = await lintPolicy({ rego: `package p\nallow if ${condition}` })
      return findings.find(({ rule }) => rule === 'large-integers')?.severity
    }
    expect(await severityOf('to_number(input.value) == 5')).toBe('warning')
    expect(await severityOf('to_number(input.decoded_function_arguments[1]) < 5')).toBe('info')
    expect(await severityOf('to_number(data.wasm.score) < 5')).toBeUndefined()
    expect(await severityOf('data.wasm.score < 18446744073709551616')).toBe('warning')
    expect(await severityOf('data.wasm.score < 9007199254740993')).toBeUndefined()
  })

  test('behavior: the params of composed packs come in an envelope', async () => {
    const paramsSchema = JSON.stringify({
      type: 'object',
      properties: {
        _manifest: { type: 'object' },
        modules: { type: 'array' },
        params: { type: 'object', properties: { vaults: { type: 'object' } } },
      },
    })
    const rego = 'package p\nallow if input.value < data.params.vaults.max'
    const found = await lintPolicy({ rego, paramsSchema })
    const about = ['params-not-in-schema', 'param-never-read', 'misspelled-key']
    expect(found.filter(({ rule }) => about.includes(rule))).toEqual([])
    const other = await lintPolicy({ rego: rego.replace('vaults', 'oracle'), paramsSchema })
    expect(other.map(({ rule }) => rule)).toEqual(expect.arrayContaining(about.slice(0, 2)))
  })

  test('behavior: places carry the name of the file', async () => {
    const rego = 'package p\ndefault allow := true'
    const findings = await lintPolicy({ rego, file: 'mine.rego' })
    expect(findings[0]?.location?.file).toBe('mine.rego')
    await expect(lintPolicy({ rego: 'package', file: 'mine.rego' })).rejects.toMatchObject({
      location: { file: 'mine.rego' },
    })
  })

  test('behavior: a function that only operators have is an unknown one here', async () => {
    const rego = 'package p\nallow if newton.crypto.tlsn_verify(input.data)'
    expect(await lintPolicy({ rego })).toMatchObject([
      { rule: 'unknown-function', severity: 'error', location: { line: 2 } },
    ])
  })

  test('error: INVALID_INPUT for what is no policy', async () => {
    for (const none of [undefined, {}, { rego: 5 }, new Uint8Array(4)]) {
      await expect(lintPolicy(none as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
  })

  test('error: RegoSourceError for what does not parse', async () => {
    await expect(lintPolicy({ rego: 'package p\nallow if {' })).rejects.toMatchObject({
      code: 'REGO_SOURCE',
    })
  })
})
