/** Every error of the contracts is expected by name in a test of theirs, and decoded by the package. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { contractErrors } from '../src/core/abi/contractErrors.js'

const root = fileURLToPath(new URL('../contracts', import.meta.url))
const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.sol'))
    .map((file) => readFileSync(join(root, folder, file), 'utf8'))

/** Errors as `Contract.Error`. */
const declared = sources('src').flatMap((source) => {
  let contract = ''
  return source.split('\n').flatMap((line) => {
    contract = /^(?:abstract )?(?:contract|interface|library) (\w+)/.exec(line)?.[1] ?? contract
    const error = /^\s+error (\w+)\(/.exec(line)?.[1]
    return error === undefined ? [] : [{ contract, error }]
  })
})
const tests = sources('test').join('\n')
// These come with vectors that say which error to expect.
const named = new Set(
  readFileSync(fileURLToPath(new URL('vectors/provenance/buildInfo.json', import.meta.url)), 'utf8')
    .match(/"error": ?"(\w+)"/g)
    ?.map((one) => one.replace(/.*"(\w+)"$/, '$1')),
)

test('behavior: each is expected in a forge test', () => {
  expect(declared.length).toBeGreaterThan(200)
  const missing = declared.filter(({ contract, error }) => {
    // By the contract that declares it, or by its signature.
    const expected = new RegExp(`\\b${contract}\\s*\\.\\s*${error}\\.selector|"${error}\\(`)
    return !expected.test(tests) && !named.has(error)
  })
  expect(missing).toEqual([])
})

test('behavior: each is decoded', () => {
  const known = new Set(contractErrors.map((signature) => signature.split('(')[0]))
  // An example with an ABI of its own.
  const decoded = declared.filter(({ contract }) => contract !== 'SealedBidAuction')
  expect(decoded.filter(({ error }) => !known.has(error))).toEqual([])
})
