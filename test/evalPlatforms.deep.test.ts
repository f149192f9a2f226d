/** The same tasks in Node, in a worker thread and in Chromium give identical bytes. */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { chromium } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import type { evaluateAll } from './support/platformEntry.js'
import { bundle, jco, platformSuite, root } from './support/platformSuite.js'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const world = platformSuite({ javaScript: true })

describe('identical bytes', () => {
  test('behavior: in Chromium, under a content security policy', async (context) => {
    if (!existsSync(executablePath)) {
      if (process.env['CI_REQUIRE_ALL'] === '1') expect.fail(`no browser at ${executablePath}`)
      context.skip(`no browser at ${executablePath}: set CHROMIUM_PATH`)
    }
    const { outputFiles } = await bundle({
      stdin: {
        contents: `
          import { evaluateAll } from './test/support/platformEntry.ts'
          import { browserPluginWorkers } from './src/eval/index.ts'
          globalThis.evaluateHere = (requests) => evaluateAll(requests, browserPluginWorkers({
            transpiler: new URL('/jco/transpiler.js', location.href).href, concurrency: 1 }))`,
        resolveDir: root,
        loader: 'ts',
        sourcefile: 'app.ts',
      },
      platform: 'browser',
      splitting: true,
      outdir: 'out',
      entryNames: 'app',
    })
    for (const { path, text } of outputFiles ?? []) world.files.set(basename(path), text)
    const transpiler = await bundle({
      entryPoints: [join(jco, 'js-component-bindgen-component.js')],
      platform: 'browser',
      external: ['node:fs/promises'],
    })
    world.files.set('jco/transpiler.js', transpiler.outputFiles?.[0]?.text ?? '')
    world.files.set('index.html', '<!doctype html><script type="module" src="/app.js"></script>')
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--headless=new', '--disable-background-networking'],
    })
    try {
      const page = await browser.newPage()
      const problems: string[] = []
      page.on('console', (message) => problems.push(message.text()))
      page.on('pageerror', (error) => problems.push(String(error)))
      await page.goto(world.origin)
      await page
        .waitForFunction('globalThis.evaluateHere !== undefined', undefined, { timeout: 30_000 })
        .catch(() => {
          expect.fail(problems.join('\n'))
        })
      const results = await page.evaluate(
        (given) =>
          (globalThis as unknown as { evaluateHere: typeof evaluateAll }).evaluateHere(
            given,
            undefined as never,
          ),
        world.requests,
      )
      expect(results).toEqual(world.expected)
    } finally {
      await browser.close()
    }
  }, 240_000)
})
