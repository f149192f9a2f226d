/** At a terminal: colour, questions, and what is typed without being seen. `terminal.deep` runs every command. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { colour, hasPty, person } from './pty.js'
import { isBuilt, shell } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-terminal-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const key = `0x${'7a5b'.repeat(16)}`
const password = 'correct horse battery'

describe.skipIf(!isBuilt || !hasPty)('at a terminal', () => {
  test('behavior: colour, unless NO_COLOR says otherwise', async () => {
    const [plain, coloured, piped] = await Promise.all([
      person(home, { NO_COLOR: '1' })(['artifact', '--help']),
      person(home)(['artifact', '--help']),
      shell(home)('artifact', '--help'),
    ])
    expect(coloured).toMatchObject({ code: 0, output: expect.stringMatching(colour) as string })
    expect(plain.code).toBe(0)
    expect(plain.output).not.toMatch(colour)
    expect(piped.stdout).not.toMatch(colour)
    expect(plain.output.trim()).toBe(piped.stdout.trim())
  }, 60_000)

  test('behavior: a key that is typed is not seen, and lies in a keystore', async () => {
    const typed = await person(home)(
      ['config', 'set', 'signer-key', '--profile', 'own'],
      [
        { after: /signer_key/, type: `${key}\r` },
        { after: /Password/, type: `${password}\r` },
        { after: /again/, type: `${password}\r` },
      ],
    )
    expect(typed.code, typed.output).toBe(0)
    for (const secret of [key, key.slice(2), password]) expect(typed.output).not.toContain(secret)
    const config = readFileSync(join(home, '.newton/config.toml'), 'utf8')
    expect(config).not.toContain(key.slice(2))
    const file = join(home, '.newton/keystores/own.json')
    expect(readFileSync(file, 'utf8')).not.toContain(key.slice(2))
    expect(statSync(file).mode & 0o777).toBe(0o600)
  }, 60_000)

  test('behavior: Ctrl-C at a question ends the command, and nothing is changed', async () => {
    const ctrlC = '\u0003'
    const at = await person(home)(
      ['config', 'set', 'signer-key', '--profile', 'none'],
      [{ after: /signer_key/, type: ctrlC }],
    )
    expect(at.code, at.output).toBe(130)
    expect(at.output).toContain('INTERRUPTED')
    const later = await person(home)(
      ['config', 'set', 'signer-key', '--profile', 'none'],
      [
        { after: /signer_key/, type: `${key}\r` },
        { after: /Password/, type: ctrlC },
      ],
    )
    expect(later.code, later.output).toBe(130)
    expect(readFileSync(join(home, '.newton/config.toml'), 'utf8')).not.toContain('none')
  }, 60_000)

  test('behavior: nobody is asked in CI, and nobody without a terminal', async () => {
    const words = ['config', 'set', 'gateway-api-key']
    const [ci, piped] = await Promise.all([
      person(home, { CI: 'true' })(words),
      shell(home)(...words),
    ])
    expect(ci.code).toBe(2)
    expect(ci.output).toContain('needs a value')
    expect(piped).toMatchObject({ code: 2, stdout: '' })
  }, 60_000)
})
