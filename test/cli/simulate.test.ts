/** `policy simulate`: identity data, and what a change of a file changes. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { differenceOf } from '../../src/cli/commands/policy/watching.js'
import { run } from '../../src/cli/main.js'
import { session } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-simulate-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const to = ['--to', `0x${'22'.repeat(20)}`]

const kyc = {
  status: 'approved',
  selectedCountryCode: 'US',
  addressSubdivision: 'CA',
  addressCountryCode: 'US',
  birthdate: '1990-05-17',
  expirationDate: '2030-01-01',
  issueDate: '2020-01-01',
  issuingAuthority: 'DMV',
}

describe('--identity', () => {
  const ask = session(home)
  writeFileSync(
    join(home, 'kyc.rego'),
    'package k\ndefault allow := false\nallow if newton.identity.kyc.check_approved()\n',
  )
  const words = ['policy', 'simulate', '--rego', 'kyc.rego', ...to]

  test('behavior: from a file or as it is; without it there is no decision', async () => {
    writeFileSync(join(home, 'identity.json'), JSON.stringify({ kyc }))
    const allowed = await ask(...words, '--identity', 'identity.json')
    expect(allowed, allowed.stderr).toMatchObject({ code: 0, stdout: 'allow\n' })
    const pending = JSON.stringify({ kyc: { ...kyc, status: 'pending' } })
    expect(await ask(...words, '--identity', pending)).toMatchObject({ code: 3, stdout: 'deny\n' })
    const none = await ask(...words)
    expect(none).toMatchObject({ code: 1, stdout: '' })
  }, 60_000)

  test('error: what is no identity data stops it, and names the member', async () => {
    const { status: _, ...rest } = kyc
    const wrong = await ask(...words, '--identity', JSON.stringify({ kyc: rest }))
    expect(wrong).toMatchObject({ code: 1, stdout: '' })
    expect(wrong.stderr).toContain('`identity.kyc.status` is not valid')
  }, 60_000)
})

describe('--watch', () => {
  test('behavior: tells which file changed and what came out otherwise, until Ctrl-C', async () => {
    const write = (max: string): void => {
      const text = `package l\ndefault allow := false\ndeny contains "over ${max}" if input.value > ${max}\nallow if count(deny) == 0\n`
      // As editors do it: a new file in the old one's place.
      writeFileSync(join(home, 'new'), text)
      renameSync(join(home, 'new'), join(home, 'limit.rego'))
    }
    write('5')
    let text = ''
    let waiting = (): void => undefined
    const add = (more: string): void => {
      text += more
      if (text.includes('watching for changes')) waiting()
    }
    const terminal = { stdout: add, stderr: add, env: {}, interactive: false, cwd: home, home }
    const next = async (change: () => void): Promise<string> => {
      text = ''
      const done = new Promise<void>((resolve) => {
        waiting = resolve
      })
      change()
      await done
      return text
    }
    const controller = new AbortController()
    const words = ['policy', 'simulate', '--rego', 'limit.rego', ...to, '--value', '7']
    let ended: Promise<number> = Promise.resolve(-1)
    const first = await next(() => {
      ended = run([...words, '--watch', '--params', '{}'], terminal, controller.signal)
    })
    expect(first).toContain('deny\n  - over 5\n')
    const allowed = await next(() => write('9'))
    expect(allowed).toContain('changed: limit.rego\n')
    expect(allowed).toContain('deny → allow\n  - over 5\n')
    const broken = await next(() => write('{'))
    expect(broken).toContain('allow → no decision (')
    const mended = await next(() => write('6'))
    expect(mended).toMatch(/no decision \(.*\) → deny/)
    controller.abort(new DOMException('interrupted', 'AbortError'))
    expect(await ended).toBe(130)
    // A file that is not there is a mistake of the command line: nothing is waited for.
    const none = ['policy', 'simulate', '--rego', 'none.rego', ...to, '--watch']
    expect(await run(none, terminal, new AbortController().signal)).toBe(4)
  }, 60_000)

  test('behavior: with --json each run is a line of its own, also one that fails', async () => {
    const lines: string[] = []
    const controller = new AbortController()
    let waits = (): void => undefined
    const waiting = () =>
      new Promise<void>((done) => {
        waits = done
      })
    const terminal = {
      ...{ env: {}, interactive: false, cwd: home, home },
      stdout: (text: string) => {
        lines.push(text)
      },
      stderr: (text: string) => {
        if (text.includes('watching for changes')) waits()
      },
    }
    const write = (text: string): void => writeFileSync(join(home, 'lines.rego'), text)
    write('package l\ndefault allow := false\n')
    const words = ['policy', 'simulate', 'lines.rego', ...to, '--watch', '--json']
    const first = waiting()
    const ended = run(words, terminal, controller.signal)
    await first
    const second = waiting()
    write('package l\nallow if {\n')
    await second
    controller.abort(new DOMException('interrupted', 'AbortError'))
    expect(await ended).toBe(130)
    expect(lines.every((line) => /^[^\n]+\n$/.test(line))).toBe(true)
    const said = lines.map((line) => JSON.parse(line) as object)
    expect(said).toMatchObject([
      { ok: true, data: { allow: false }, meta: { exitCode: 3 } },
      { ok: false, error: { code: expect.any(String) as string } },
      { ok: false, error: { code: 'INTERRUPTED' }, meta: { exitCode: 130 } },
    ])
    const help = await session(home)('policy', 'simulate', '--help')
    expect(help.stdout).toContain('with --watch one a line')
  }, 60_000)

  test('behavior: what differs between two outcomes', () => {
    const deny = { status: 'decided', allow: false, reasons: ['a', 'b'], outputs: '[]' } as const
    expect(differenceOf(deny, deny)).toEqual([])
    expect(differenceOf(deny, { ...deny, reasons: ['b', 'c'] })).toEqual(['  - a', '  + c'])
    expect(differenceOf(deny, { ...deny, allow: true, reasons: ['a', 'b'] })).toEqual([
      'deny → allow',
    ])
    expect(differenceOf(deny, { ...deny, outputs: '[1]' })).toEqual([
      '  plugin outputs:',
      '  - []',
      '  + [1]',
    ])
  })
})

describe('without files', () => {
  const project = join(home, 'transfer-limit')

  test('behavior: lint, test and simulate find those of the project, from any of its folders', async () => {
    expect((await session(home)('init', 'transfer-limit')).code).toBe(0)
    for (const folder of [project, join(project, 'policy')]) {
      const ask = session(folder)
      const lint = await ask('policy', 'lint')
      expect(lint, lint.stderr).toMatchObject({ code: 0, stdout: 'no findings\n' })
      expect(lint.stderr).toContain('policy.rego, ')
      const tested = await ask('policy', 'test')
      expect(tested.code, tested.stderr).toBe(0)
      expect(tested.stdout).toContain('5 passed, 0 failed')
    }
    const unbuilt = await session(project)('policy', 'simulate')
    expect(unbuilt).toMatchObject({ code: 2, stdout: '' })
    expect(unbuilt.stderr).toMatch(/plugin\/plugin.wasm is not there.*npm run build/s)
    // A policy without a plugin needs no build.
    rmSync(join(project, 'plugin'), { recursive: true })
    writeFileSync(
      join(project, 'policy/policy.rego'),
      'package p\ndefault allow := false\nallow if to_number(input.value) <= to_number(data.params.maxAmount)\n',
    )
    const ask = session(project)
    expect(await ask('policy', 'simulate')).toMatchObject({ code: 0, stdout: 'allow\n' })
    const denied = await ask('policy', 'simulate', '--value', '2000000000000000000')
    expect(denied).toMatchObject({ code: 3, stdout: 'deny\n' })
  }, 60_000)

  test('behavior: the example of the help can be typed', async () => {
    writeFileSync(
      join(home, 'policy.rego'),
      'package p\ndefault allow := false\nallow if input.value <= data.params.max\n',
    )
    writeFileSync(join(home, 'params.json'), '{"max":7}')
    writeFileSync(join(home, 'params.schema.json'), '{"type":"object"}')
    const ask = session(home)
    const { stdout } = await ask('policy', 'simulate', '--help')
    const example = /^ {2}newton-policy (policy simulate .*)$/m.exec(stdout)?.[1] as string
    const tried = await ask(...example.split(' '))
    expect(tried, tried.stderr).toMatchObject({ code: 0, stdout: 'allow\n' })
  })

  test('error: in no project they name what is missing', async () => {
    for (const [name, option] of [
      ['lint', '--rego'],
      ['test', 'FILES'],
      ['simulate', '--rego'],
    ] as const) {
      const said = await session(home)('policy', name)
      expect(said).toMatchObject({ code: 2, stdout: '' })
      expect(said.stderr).toContain(`Missing required argument: ${option}`)
      expect(said.stderr).toContain('newton-policy init')
    }
  })

  test('error: a word and an option for the same file, params without a schema, a plugin’s without one', async () => {
    writeFileSync(join(home, 'open.rego'), 'package o\ndefault allow := false\n')
    const ask = session(home)
    const cases: [string[], string][] = [
      [['policy', 'lint', 'open.rego', '--rego', 'limit.rego'], 'are for the same file'],
      [['policy', 'simulate', 'open.rego', '--rego', 'limit.rego', ...to], 'are for the same file'],
      [['policy', 'template', 'compute-id', 'a', '--rego', 'open.rego'], 'are for the same file'],
      [['policy', 'lint', 'open.rego', 'limit.rego'], 'a word too many'],
      [['policy', 'simulate', 'open.rego', ...to, '--params', '{"a":1}'], 'needs --params-schema'],
      [['policy', 'simulate', 'open.rego', ...to, '--plugin-params', 'x'], 'needs --plugin.'],
    ]
    for (const [words, message] of cases) {
      const said = await ask(...words)
      expect(said, words.join(' ')).toMatchObject({ code: 2, stdout: '' })
      expect(said.stderr, words.join(' ')).toContain(message)
    }
  })
})
