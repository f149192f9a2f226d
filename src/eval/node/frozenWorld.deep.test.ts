import { describe, expect, test } from 'vitest'
import { frozenWorldRunner, source } from '../../../test/support/frozenWorld.js'
import { jsPlugin } from '../../../test/support/jsPlugin.js'
import { frozenInputs } from '../plugins/frozenInputs.js'
import { buildPlugin } from './buildPlugin.js'

const timeout = 300_000
const output = frozenWorldRunner()

describe('the world of a JavaScript plugin that is built otherwise', () => {
  test('behavior: what a plugin is built without throws and names the feature', {
    timeout,
  }, async () => {
    const component = await jsPlugin(source, [])
    expect(frozenInputs(component)).toEqual(['clock', 'random'])
    const { running, expired, dates } = await output(component)
    for (const [kind, of] of Object.entries(running)) {
      const feature = kind === 'random' ? 'random' : 'clocks'
      for (const [way, read] of Object.entries(of))
        expect(read, way).toMatch(new RegExp(`^threw .* build it with the feature ${feature}$`))
    }
    expect(expired).toBe('no answer')
    expect(dates.at(-1)).toBe(true)
  })

  test('error: a module that reads the clock while it loads does not build', {
    timeout,
  }, async () => {
    const built = buildPlugin({
      source: '\nconst started = Date.now()\nexport function run() { return String(started) }',
    })
    await expect(built).rejects.toMatchObject({
      code: 'PLUGIN_BUILD_FAILED',
      shortMessage: expect.stringMatching(/plugin\.js:2:\d+ Error: Date\.now\(\) would be that/),
    })
  })
})
