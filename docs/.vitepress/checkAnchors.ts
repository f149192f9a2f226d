/**
 * Every link of the built site to a heading finds it. VitePress refuses dead pages and looks at no
 * anchors. `npm run docs:build` ends with it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const site = process.argv[2] ?? fileURLToPath(new URL('dist', import.meta.url))

const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.html'),
)
const textOf = new Map(files.map((file) => [file, readFileSync(join(site, file), 'utf8')]))
const idsOf = new Map(
  [...textOf].map(([file, text]) => [
    file,
    new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id as string)),
  ]),
)

/** The file that a path of the site is. */
function fileOf(path: string): string | undefined {
  const name = path.replace(/^\//, '').replace(/\.html$/, '')
  return [`${name}.html`, join(name, 'index.html'), name].find((file) => idsOf.has(file))
}

const dead = [...textOf].flatMap(([file, text]) =>
  [...text.matchAll(/ href="([^"#]*)#([^"]+)"/g)].flatMap(([, path = '', anchor = '']) => {
    if (/^[a-z]+:/.test(path)) return []
    const own = new URL(path, `http://site/${file}`).pathname
    const target = path === '' ? file : fileOf(own)
    const id = decodeURIComponent(anchor.replaceAll('&amp;', '&'))
    if (target !== undefined && idsOf.get(target)?.has(id)) return []
    return [`${file}: ${path}#${id}`]
  }),
)

if (!existsSync(join(site, 'llms.txt'))) dead.push('llms.txt is not there')
for (const line of [...new Set(dead)]) console.error(line)
console.log(`${files.length} pages, ${new Set(dead).size} dead anchors`)
process.exitCode = dead.length === 0 ? 0 : 1
