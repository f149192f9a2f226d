/**
 * Every TypeScript block of the README and the pages compiles, against the public entries.
 *
 * Each block is a module of its own. What it takes from its reader is declared in a comment of the
 * page, `<!-- given … -->`, and said in words beside the block; a block may also use what blocks above
 * it on the page made.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

const compiler = join(root, 'node_modules/typescript7/bin/tsc')

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    // The reference is generated, from doc comments.
    .filter((file) => file.endsWith('.md') && !/^(reference|\.vitepress)\//.test(file))
    .map((file) => `docs/${file}`),
]

type Snippet = { name: string; code: string }

const importLine = /^import (?:type )?\{[^}]*\} from '[^']+'\n/gm

/** The blocks of a page as modules. */
function snippetsOf(page: string, text: string): Snippet[] {
  const parts = [
    ...text.matchAll(/^<!-- given\n([\s\S]*?)-->|^```(?:ts|typescript)\n([\s\S]*?)^```/gm),
  ]
  let given = ''
  const made: string[] = []
  return parts.flatMap(([, declarations, code], index) => {
    if (declarations !== undefined) {
      given += declarations
      return []
    }
    const block = code as string
    const before = made.filter((earlier) => usesNamesOf(block, earlier))
    made.push(block)
    const own = declared([...before, block].join('\n'))
    // What a block makes by itself is not given.
    const lines = given
      .split('\n')
      .filter((line) => !own.some((name) => line.startsWith(`declare const ${name}:`)))
    return [
      {
        name: `${page.replaceAll('/', '-')}.${index}.ts`,
        code: moduleOf([lines.join('\n'), ...before, block]),
      },
    ]
  })
}

const declared = (code: string): string[] =>
  [
    ...code.matchAll(
      /^(?:export )?(?:const|let|function|async function|class) (?:\{([^}]*)\}|(\w+))/gm,
    ),
  ]
    .flatMap(([, group, name]) => (name === undefined ? (group as string).split(',') : [name]))
    .map((name) => name.split(':').at(-1)?.trim() ?? '')
    .filter((name) => name !== '')

// A block that makes a name itself does not take it from above.
function usesNamesOf(block: string, earlier: string): boolean {
  const own = new Set(declared(block))
  const theirs = declared(earlier)
  return (
    !theirs.some((name) => own.has(name)) &&
    theirs.some((name) => new RegExp(`\\b${name}\\b`).test(block))
  )
}

/** Parts as one module: their imports once, at the top. */
function moduleOf(parts: readonly string[]): string {
  const names = new Map<string, Set<string>>()
  const bodies = parts.map((part) => {
    for (const [line] of part.matchAll(importLine)) {
      const [, type, list = '', from = ''] =
        /^import (type )?\{([^}]*)\} from '([^']+)'/.exec(line) ?? []
      const known = names.get(from) ?? new Set()
      names.set(from, known)
      for (const name of list.split(',').map((word) => word.trim())) {
        if (name !== '') known.add(type === undefined ? name : `type ${name}`)
      }
    }
    return part.replace(importLine, '')
  })
  const imports = [...names].map(
    ([from, list]) => `import { ${[...list].join(', ')} } from '${from}'`,
  )
  return `${[...imports, ...bodies].join('\n')}\nexport {}\n`
}

test('behavior: every block of the README and the pages compiles', () => {
  const snippets = pages.flatMap((page) => snippetsOf(page, readFileSync(join(root, page), 'utf8')))
  expect(snippets.length).toBeGreaterThan(20)
  // Beside the sources, so that packages and the package's own entries are found as theirs are.
  const folder = mkdtempSync(join(root, '.snippets-'))
  try {
    for (const { name, code } of snippets) writeFileSync(join(folder, name), code)
    const settings = {
      extends: '../tsconfig.json',
      compilerOptions: { incremental: false, tsBuildInfoFile: null },
      include: ['*.ts'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))
    expect(problemsOf(folder, snippets)).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 240_000)

/** What the compiler says of the blocks in a folder, each with the line it is about. */
function problemsOf(folder: string, snippets: readonly Snippet[]): string[] {
  const { status, stdout } = spawnSync(
    process.execPath,
    [compiler, '-p', folder, '--pretty', 'false'],
    { encoding: 'utf8' },
  )
  const code = new Map(snippets.map((snippet) => [snippet.name, snippet.code]))
  const problems = stdout.split('\n').flatMap((said) => {
    const [, name, line, message] = /([^/\s]+\.ts)\((\d+),\d+\): (.*)/.exec(said) ?? []
    if (name === undefined) return []
    return [`${name}: ${message}\n    ${code.get(name)?.split('\n')[Number(line) - 1]}`]
  })
  // A compiler that did not run, or said what is not understood here, has not passed the blocks.
  return status === 0 || problems.length > 0 ? problems : [stdout]
}
