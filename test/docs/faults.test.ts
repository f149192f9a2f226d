import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')

test.each([
  ['attestation', 'attestation-faults.md'],
  ['the layers of bytes', 'data-faults.md'],
])('every fault that %s had names tests that are there', (_, file) => {
  const page = read(`docs/decisions/${file}`)
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
  expect(rows.length).toBeGreaterThan(20)
  for (const row of rows) {
    const cell = row.split(' | ').at(-1) as string
    const files = [
      ...cell.matchAll(/`([\w./-]+\.test(?:-d)?\.ts)`: ((?:"(?:\\"|[^"])+"(?:, )?)+)/g),
    ]
    expect(files.length, row).toBeGreaterThan(0)
    for (const [, file, titles] of files) {
      const text = read(file as string)
      for (const [, title] of (titles as string).matchAll(/"((?:\\"|[^"])+)"/g)) {
        const named = (title as string).replaceAll('\\"', '"')
        expect(text.includes(`'${named}'`), `${file}: ${named}`).toBe(true)
      }
    }
  }
})

test('every fault that the contracts had names tests that are there', () => {
  const page = read('docs/decisions/contract-faults.md')
  const lists = [...page.matchAll(/`([\w./]+\.t\.sol)`(?:: | \()((?:\w+(?:, )?)+)/g)]
  const named = lists.flatMap(([, file, tests]) =>
    (tests as string).split(', ').map((name) => ({ file: file as string, name })),
  )
  expect(named.length).toBeGreaterThan(50)
  const missing = named.filter(
    ({ file, name }) => !read(`contracts/test/${file}`).includes(`function ${name}(`),
  )
  expect(missing).toEqual([])
  const rows = page.split('\n').filter((line) => line.startsWith('| '))
  for (const row of rows.slice(1)) expect(row).toMatch(/\.t\.sol`: (test|invariant)/)
})
