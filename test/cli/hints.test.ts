/** Every command line that the package writes somewhere can be typed. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CommandDef } from 'citty'
import { expect, test } from 'vitest'
import { rootCommand } from '../../src/cli/commands/index.js'
import { projectFiles } from '../../src/cli/scaffold/projectFiles.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

function textsOf(directory: string): { path: string; text: string }[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return textsOf(path)
    return /\.(ts|md)$/.test(entry.name) && !/\.test\.ts$/.test(entry.name)
      ? [{ path: path.slice(root.length), text: readFileSync(path, 'utf8') }]
      : []
  })
}

/** Command lines in a text: from the program's name to the end of the line, quote or comment. */
function linesOf(text: string): string[] {
  const joined = text.replaceAll('\\\n', ' ')
  const found = joined.matchAll(/(?<![\w/@.-])newton-policy ((?:[a-z]|--|\$)[^\n`'"#|;)]*)/g)
  return [...found].map(([, words]) => (words as string).trim())
}

async function resolve<value>(value: value | (() => value | Promise<value>)): Promise<value> {
  return typeof value === 'function' ? (value as () => Promise<value>)() : value
}

/** Why a line cannot be typed; `undefined` where it can. */
async function problem(line: string): Promise<string | undefined> {
  let command: CommandDef = rootCommand
  const words = line.replace(/[.,:]$/, '').split(/\s+/)
  for (;;) {
    const commands = (await resolve(command.subCommands as never)) as Record<string, CommandDef>
    if (commands === undefined) break
    const word = words[0]
    if (word === undefined || word.startsWith('-') || word.startsWith('<')) return undefined
    // A name that is put together when it is needed: the words before it are there.
    if (word.startsWith('${')) return undefined
    const next = Object.hasOwn(commands, word) ? commands[word] : undefined
    if (next === undefined) return `there is no command ${word}`
    command = await resolve(next as never)
    words.shift()
  }
  const args = ((await resolve(command.args as never)) ?? {}) as Record<
    string,
    { type: string; alias?: string; required?: boolean }
  >
  const names = new Set([...Object.keys(args), ...Object.values(args).map(({ alias }) => alias)])
  const given = words
    .filter((word) => word.startsWith('--'))
    .map((word) => word.slice(2).split('=')[0])
  for (const name of given) {
    if (!names.has(name) && !names.has((name as string).replace(/^no-/, ''))) {
      return `there is no option --${name}`
    }
  }
  return undefined
}

// Prose names commands by their first words: what is checked is that each word leads on.
const prose = /^(?:a|an|and|as|is|it|of|on|or|the|to|with|can|does|prints|reads)\b/

test('every command that a hint, a page or an example names is there, with its options', async () => {
  const texts = [...textsOf(join(root, 'src')), ...textsOf(join(root, 'docs'))]
  texts.push({ path: 'README.md', text: readFileSync(join(root, 'README.md'), 'utf8') })
  for (const language of ['javascript', 'rust'] as const) {
    const files = projectFiles({ name: 'x', language, version: '1.0.0' })
    for (const [path, text] of Object.entries(files)) texts.push({ path: `project/${path}`, text })
  }
  const problems: string[] = []
  let lines = 0
  for (const { path, text } of texts) {
    for (const line of linesOf(text)) {
      if (prose.test(line)) continue
      lines++
      const found = await problem(line)
      if (found !== undefined) problems.push(`${path}: newton-policy ${line}: ${found}`)
    }
  }
  expect(problems).toEqual([])
  expect(lines).toBeGreaterThan(30)
}, 120_000)
