/**
 * Links of the pages lead to pages and headings that are there, without building the site: what
 * `docs/.vitepress/checkAnchors.ts` finds in the built one, at once.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const docs = join(root, 'docs')
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
  ...readdirSync(docs, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !/^(reference|\.vitepress)\//.test(file))
    .map((file) => `docs/${file}`),
]

const withoutCode = (text: string): string =>
  text.replace(/^```[\s\S]*?^```/gm, '').replace(/<!--[\s\S]*?-->/g, '')

/** A heading's anchor, as the site makes it. */
function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]*>/g, '')
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[\s~`!@#$%^&*()\-_+=[\]{}|\\;:"'“”‘’<>,.?/]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .replace(/^(\d)/, '_$1')
    .toLowerCase()
}

const anchors = new Map<string, ReadonlySet<string>>()
function anchorsOf(file: string): ReadonlySet<string> {
  const known = anchors.get(file)
  if (known !== undefined) return known
  const text = withoutCode(readFileSync(file, 'utf8'))
  const made = [...text.matchAll(/^#{1,6} (.+?)(?: \{#([\w-]+)\})?$/gm)].map(
    ([, heading = '', own]) => own ?? anchorOf(heading),
  )
  const written = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id as string)
  const all = new Set([...made, ...written])
  anchors.set(file, all)
  return all
}

/** Why a link of a page leads nowhere; `undefined` where it leads somewhere. */
function problemOf(page: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined
  const [path = '', anchor] = link.split('#')
  // From the top of the site: pages, generated ones, and what is in `public`.
  if (path.startsWith('/reference/')) return undefined
  const target =
    path === ''
      ? join(root, page)
      : path.startsWith('/')
        ? [join(docs, 'public', path), join(docs, `${path}.md`)].find(existsSync)
        : join(root, dirname(page), path)
  if (target === undefined || !existsSync(target)) return `${page}: ${link}`
  if (anchor === undefined || !target.endsWith('.md') || anchorsOf(target).has(anchor)) return
  return `${page}: ${link} (there is no such heading in ${relative(root, target)})`
}

test('behavior: every link leads to a file, and to a heading of it', () => {
  const problems = pages.flatMap((page) => {
    const text = withoutCode(readFileSync(join(root, page), 'utf8')).replace(/`[^`\n]*`/g, '')
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(
      ([, link]) => problemOf(page, link as string) ?? [],
    )
  })
  expect(problems).toEqual([])
})

test('behavior: every page is in the sidebar of the site', () => {
  const config = readFileSync(join(docs, '.vitepress/config.ts'), 'utf8')
  const missing = pages
    // Whole folders are listed by themselves; the start page is the title's link.
    .filter((page) => /^docs\/(?!decisions\/|contracts\/|index\.md)/.test(page))
    .map((page) => page.replace(/^docs/, '').replace(/\.md$/, ''))
    .filter((page) => !/README$/.test(page) && !config.includes(`'${page}'`))
  expect(missing).toEqual([])
})

test('behavior: a heading that is not there is found', () => {
  expect(problemOf('docs/index.md', 'start.md#nowhere')).toContain('no such heading')
  expect(problemOf('docs/index.md', 'nowhere.md')).toBe('docs/index.md: nowhere.md')
  expect(problemOf('docs/index.md', 'start.md#a-network')).toBeUndefined()
})
