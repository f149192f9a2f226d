/** Every command of the tree: its help, its example, and what it says to mistakes. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ArgDef, CommandDef, CommandMeta } from 'citty'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rootCommand } from '../../src/cli/commands/index.js'
import { run } from '../../src/cli/main.js'
import { session } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-tree-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
const ask = session(home)

type Leaf = { path: string[]; args: Record<string, ArgDef>; example: string; description: string }
const leaves: Leaf[] = []
const groups: { path: string[]; names: string[] }[] = []

const resolve = async <value>(value: unknown): Promise<value> =>
  (typeof value === 'function' ? await value() : await value) as value

async function walk(node: CommandDef, path: string[]): Promise<void> {
  const children = await resolve<Record<string, unknown> | undefined>(node.subCommands)
  if (children !== undefined) {
    groups.push({ path, names: Object.keys(children) })
    for (const [name, child] of Object.entries(children)) {
      await walk(await resolve<CommandDef>(child), [...path, name])
    }
    return
  }
  const meta = await resolve<CommandMeta & { example: string }>(node.meta)
  const args = (await resolve<Record<string, ArgDef> | undefined>(node.args)) ?? {}
  leaves.push({ path, args, example: meta.example, description: meta.description ?? '' })
}
beforeAll(() => walk(rootCommand, []))

/** A terminal that a person sits at. */
async function seen(words: readonly string[], env: Record<string, string> = {}): Promise<string> {
  let text = ''
  const add = (more: string): void => {
    text += more
  }
  const terminal = { stdout: add, stderr: add, env, interactive: true, cwd: home, home }
  await run(words, terminal, new AbortController().signal)
  return text
}

describe('every command', () => {
  test('behavior: has a help with an example that begins with its own words', async () => {
    expect(leaves.length).toBeGreaterThan(75)
    for (const { path, example, description, args } of leaves) {
      const name = path.join(' ')
      const help = await ask(...path, '--help')
      expect(help, name).toMatchObject({ code: 0, stderr: '' })
      expect(help.stdout, name).toContain(`EXAMPLE\n\n  ${example}`)
      expect(`${example} `, name).toMatch(new RegExp(`^newton-policy ${name} `))
      expect(description, name).not.toBe('')
      for (const option of Object.keys(args)) {
        const { type, description: said } = args[option] as ArgDef
        expect(said, `${name} ${option}`).toBeTruthy()
        const written = type === 'positional' ? option.toUpperCase() : `--${option}`
        expect(help.stdout, `${name} ${option}`).toContain(written)
      }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours start with ESC
      expect(help.stdout, name).not.toMatch(/\u001b|[ \t]$/m)
    }
  })

  test('behavior: a misspelled option is named, with the one that was meant, and nothing is done', async () => {
    const before = readdirSync(home)
    for (const { path, args } of leaves) {
      const name = path.join(' ')
      const option = Object.keys(args).find((word) => args[word]?.type !== 'positional') as string
      const wrong = `--${option}x`
      // A key may stand behind a slip of the hand: what was given is not said again.
      const said = await ask(...path, `${wrong}=0x59c6995e998f97a5`)
      expect(said, name).toMatchObject({ code: 2, stdout: '' })
      expect(said.stderr, name).not.toContain('59c6995e998f97a5')
      expect(said.stderr, name).toContain(`There is no option ${wrong}.`)
      if (option.length > 2) expect(said.stderr, name).toContain(`Did you mean --${option}?`)
      const json = await ask(...path, wrong, '--json')
      expect(json, name).toMatchObject({ code: 2, stderr: '' })
      expect(JSON.parse(json.stdout), name).toMatchObject({
        ok: false,
        error: { code: 'USAGE', retryable: false },
        meta: { command: `newton-policy ${name}`, exitCode: 2 },
      })
    }
    expect(readdirSync(home)).toEqual(before)
  })

  test('behavior: what it cannot do without is asked for by name, as a usage error', async () => {
    for (const { path, args } of leaves) {
      const required = Object.entries(args).filter(
        ([, definition]) => (definition as { required?: boolean }).required === true,
      )
      if (required.length === 0) continue
      const name = path.join(' ')
      const said = await ask(...path)
      expect(said, name).toMatchObject({ code: 2, stdout: '' })
      const [first, { type }] = required[0] as [string, ArgDef]
      expect(said.stderr, name).toContain(
        type === 'positional' ? first.toUpperCase() : `--${first}`,
      )
      expect(said.stderr, name).toContain(`newton-policy ${name} --help`)
      // Once is enough.
      expect(said.stderr.match(/Missing required/g), name).toHaveLength(1)
    }
  })

  test('behavior: a key in the place of anything is not said again, by no command, nor in JSON', async () => {
    const key = '59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
    const silent = async (words: string[]): Promise<void> => {
      for (const more of [[], ['--json']]) {
        const said = await ask(...words, ...more)
        expect(said.code, words.join(' ')).not.toBe(0)
        expect(said.stdout + said.stderr, words.join(' ')).not.toContain(key)
      }
    }
    for (const written of [key, `0x${key}`]) {
      await silent([written])
      for (const { path } of groups) await silent([...path, written])
      await silent(['config', 'set', written, 'x'])
      await silent(['config', 'set', 'chains.x.rpc_url', written])
      await silent(['config', 'use-profile', written])
    }
    for (const { path, args } of leaves) {
      const positionals = Object.values(args).filter(({ type }) => type === 'positional').length
      const words = Array.from({ length: positionals }, () => 'x')
      // One more than it takes; `policy test` takes any.
      if (path.join(' ') !== 'policy test')
        await silent([...path, ...words, 'x', 'x', 'x', `0x${key}`])
      await silent([...path, `--${key}`])
      await silent([...path, '--unknown', `0x${key}`])
    }
  }, 60_000)

  test('behavior: `help` and `version` are words too, and what is missing comes with an example', async () => {
    for (const words of [[], ['policy'], ['policy', 'lint']]) {
      expect(await ask('help', ...words)).toEqual(await ask(...words, '--help'))
    }
    expect(await ask('version')).toEqual(await ask('--version'))
    expect((await ask('help')).stdout).not.toContain('Default: false')
    const said = await ask('artifact', 'verify')
    expect(said.stderr).toContain('Such as: newton-policy artifact verify policy.rego --hash 0x…')
    const local = await ask('state', 'root', '--rpc-url', 'http://127.0.0.1:1')
    expect(local).toMatchObject({ code: 5, stdout: '' })
    expect(local.stderr).toContain('newton-policy devnet')
  })

  test('behavior: a switch takes no value, and an option is given once', async () => {
    for (const { path, args } of leaves) {
      const name = path.join(' ')
      const maybe = await ask(...path, '--json=maybe')
      expect(maybe, name).toMatchObject({ code: 2, stdout: '' })
      expect(maybe.stderr, name).toContain('--json is a switch')
      const option = Object.keys(args).find((word) => args[word]?.type === 'string')
      if (option === undefined) continue
      const twice = await ask(...path, `--${option}`, 'a', `--${option}=b`)
      expect(twice, name).toMatchObject({ code: 2, stdout: '' })
      expect(twice.stderr, name).toContain(`--${option} is given twice`)
    }
  })

  test('behavior: a word that is wrong is named, with the one that was meant', async () => {
    for (const { path, names } of groups) {
      const none = await ask(...path)
      expect(none.code).toBe(2)
      for (const name of names) {
        expect(none.stderr).toContain(name)
        if (name.length < 4) continue
        const wrong = await ask(...path, `${name.slice(0, 2)}${name.slice(3)}`)
        expect(wrong).toMatchObject({ code: 2, stdout: '' })
        expect(wrong.stderr).toMatch(/Did you mean [\w-]+\?/)
      }
    }
  })

  test('behavior: completions of each shell know it, and each of its options', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const { stdout } = await ask('completions', shell)
      for (const { path, args } of leaves) {
        const options = Object.keys(args).filter((name) => args[name]?.type !== 'positional')
        const lines = stdout
          .split('\n')
          .filter((line) =>
            shell === 'fish'
              ? path.every((word) => line.includes(`__fish_seen_subcommand_from ${word}`))
              : line.includes(`'${path.join(' ')}'`),
          )
        for (const option of options) {
          const written = shell === 'fish' ? `-l ${option}` : `--${option}`
          expect(
            lines.some((line) => `${line} `.replace(/[';]/g, ' ').includes(`${written} `)),
            `${shell}: ${path.join(' ')} ${option}`,
          ).toBe(true)
        }
      }
    }
  })

  // What colours it asks the process it is in: the test of terminals sees them.
  test('behavior: no colour where it is not wanted', async () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours start with ESC
    const colour = /\u001b\[\d/
    expect(await seen(['artifact', 'hash', '--help'], { NO_COLOR: '1' })).not.toMatch(colour)
    expect(await seen(['artifact', 'hash', '--help', '--json'])).not.toMatch(colour)
    expect(await seen(['artifact'], { NO_COLOR: '1' })).not.toMatch(colour)
    expect(await seen(['artifact', '--json'])).not.toMatch(colour)
  })
})
