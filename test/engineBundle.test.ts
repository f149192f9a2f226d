/**
 * The browser's bundle of the engine, run where nothing of Node is and no text becomes code, decides
 * the corpus as Node does. In Chromium: engineChromium.deep.test.ts.
 */
import { createContext, runInContext } from 'node:vm'
import { expect, test } from 'vitest'
import { engineScript, policies } from './support/engineCorpus.js'
import { decideAll } from './support/engineEntry.js'

/** What a page has beside the language itself; bytes are of one realm there. */
const platform = {
  Uint8Array,
  TextEncoder,
  TextDecoder,
  Blob,
  Response,
  DecompressionStream,
  crypto,
  atob,
  btoa,
}

test('behavior: the bundle needs no Node and no eval', async () => {
  const context = createContext({ ...platform }, { codeGeneration: { strings: false, wasm: true } })
  expect(() => runInContext('new Function("return 1")()', context)).toThrow('Code generation')
  expect(runInContext('typeof process + typeof require + typeof Buffer', context)).toBe(
    'undefined'.repeat(3),
  )
  runInContext(await engineScript('iife'), context)
  context['policies'] = JSON.stringify(policies)
  const theirs = await runInContext('decideAll(JSON.parse(policies))', context)
  expect(theirs).toBe(await decideAll(policies))
  expect(JSON.parse(theirs).length).toBeGreaterThan(60)
}, 60_000)
