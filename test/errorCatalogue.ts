/**
 * Reads every error class out of the sources, and renders docs/errors.md from them.
 *
 * `tsx test/errorCatalogue.ts` writes the page; the test compares it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export type ErrorEntry = {
  name: string
  declaredName: string
  codes: string[]
  file: string
  summary: string
}

const root = fileURLToPath(new URL('../', import.meta.url))

/** Every `class … extends …Error` of src, with its codes and the first sentence of its comment. */
export function errorCatalogue(): ErrorEntry[] {
  return files(join(root, 'src'))
    .filter((path) => /\.ts$/.test(path) && !/\.(test|test-d|fuzz)\.ts$/.test(path))
    .flatMap((path) => {
      const text = readFileSync(path, 'utf8')
      const pattern =
        /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?export class (\w+)(?:<[^>]*>)? extends (\w*Error)\b[\s\S]*?\n\}/g
      return [...text.matchAll(pattern)].map((match) => {
        const body = match[0].slice(match[0].indexOf('export class'))
        const declared = /readonly name(?:: string)? = '([^']+)'/.exec(body)?.[1]
        const literal = /readonly code(?:: [^=]+)? = '([^']+)'/.exec(body)?.[1]
        return {
          name: match[2] as string,
          declaredName: declared ?? '',
          codes: literal === undefined ? [] : [literal],
          file: relative(root, path),
          summary: firstSentence(match[1] ?? ''),
        }
      })
    })
    .sort((a, b) => a.file.localeCompare(b.file) || a.name.localeCompare(b.name))
}

/** The page docs/errors.md. */
export function renderErrors(entries: readonly ErrorEntry[]): string {
  const rows = entries
    .filter(({ codes }) => codes.length > 0)
    .map(
      ({ codes, name, summary, file }) =>
        `| \`${codes[0]}\` | \`${name}\` | ${summary.replaceAll('|', '\\|')} | ${file.split('/')[1]} |`,
    )
    .sort()
  return `# Errors

Every error has a stable \`code\`, the cause it came from, \`retryable\`, and a message that says what
to do. Recognize them with \`isPolicySdkError(error)\` and \`error.code\`; classes are exported by the
entry point of their area. This page is generated: \`npm run docs:errors\`.

| code | class | when | area |
|---|---|---|---|
${rows.join('\n')}
`
}

function firstSentence(comment: string): string {
  const text = comment
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
  return /^.*?[.!?](?=\s|$)/.exec(text)?.[0] ?? text
}

function files(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? files(path) : [path]
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(join(root, 'docs/errors.md'), renderErrors(errorCatalogue()))
}
