/** What a factory or a check says to somebody without a type checker who leaves something out. */
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { entrySources } from './entryPoints.js'

const root = new URL('../', import.meta.url)
/** A check may be handed anything; a factory, an object from a configuration that lacks something. */
const given: Record<string, [string, unknown[]][]> = {
  create: [['{}', [{}]]],
  verify: [
    ['nothing', []],
    ['null', [null]],
    ['{}', [{}]],
    ['{}, {}', [{}, {}]],
  ],
}

/** What took the call badly: an error of the language, which names a member and not an option. */
async function fault(call: () => unknown): Promise<string | undefined> {
  try {
    await call()
  } catch (error) {
    const { name, code } = error as { name?: string; code?: unknown }
    if (name === 'TypeError' && code === undefined) return String(error)
  }
  return undefined
}

const entries = Object.entries(entrySources()).filter(([, file]) => !/\.tsx$|vitest/.test(file))

describe.each(entries)('%s', (_name, file) => {
  test('error: what is missing is named', async () => {
    const names = (await import(pathToFileURL(new URL(file, root).pathname).href)) as object
    const faults: string[] = []
    for (const [name, value] of Object.entries(names)) {
      const kind = /^(create|verify)[A-Z]/.exec(name)?.[1]
      if (typeof value !== 'function' || kind === undefined) continue
      for (const [text, args] of given[kind] ?? []) {
        const found = await fault(() => value(...args))
        if (found !== undefined) faults.push(`${name} of ${text}: ${found}`)
      }
    }
    expect(faults).toEqual([])
  })
})
