/** Whatever is given to a public function, what it throws is an error of this package. */
import { expect, test } from 'vitest'
import { isPolicySdkError } from '../errors/base.js'
import * as evaluation from './index.js'
import * as node from './node/index.js'

const junk: readonly unknown[] = [
  ...[undefined, null, 5, Number.NaN, 5n, 'x', Symbol('s'), () => 1, [], {}, new Map()],
  ...[{ rego: 5 }, { workers: {} }, { engine: {} }, { signal: 5 }, { timeout: 'x' }],
  ...[
    { heapMb: Number.NaN },
    { directory: 5, key: new Uint8Array(32) },
    { lookup: 5 },
    { fetch: 5 },
  ],
]
/** What is set once for the whole process. */
const global = new Set(['setEngineModule'])

const functions = Object.entries({ ...evaluation, ...node }).filter(
  ([name, value]) => typeof value === 'function' && /^[a-z]/.test(name) && !global.has(name),
) as [string, (...values: unknown[]) => unknown][]

test.each(functions)('error: %s refuses junk by name', async (_, call) => {
  const thrown: unknown[] = []
  for (const first of junk) {
    for (const second of [undefined, null, 5, { nope: 1 }]) {
      try {
        const made = call(first, second)
        // What answers later is given a moment: what does not fail by then found nothing wrong.
        await Promise.race([made, new Promise((resolve) => setTimeout(resolve, 20))])
      } catch (error) {
        if (!isPolicySdkError(error)) thrown.push([first, second, error])
      }
    }
  }
  expect(thrown).toEqual([])
})
