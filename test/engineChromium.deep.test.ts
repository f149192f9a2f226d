/**
 * The corpus decided in Chromium, under a content security policy without eval, gives the bytes
 * that it gives in Node.
 */
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { engineScript, policies } from './support/engineCorpus.js'
import { decideAll } from './support/engineEntry.js'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const present = existsSync(executablePath)

describe('the engine in Chromium', () => {
  let server: Server
  beforeAll(async () => {
    if (!present && process.env['CI_REQUIRE_ALL'] !== '1') {
      console.log(`skipped: no browser at ${executablePath}`)
    }
    const script = await engineScript('esm')
    server = createServer((request, response) => {
      const csp = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'"
      response.setHeader('content-security-policy', csp)
      const isScript = request.url === '/engine.js'
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
      response.end(isScript ? script : '<script type="module" src="/engine.js"></script>')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  }, 120_000)

  afterAll(() => {
    server?.closeAllConnections()
    server?.close()
  })

  test.runIf(present || process.env['CI_REQUIRE_ALL'] === '1')(
    'decides the corpus as Node does',
    async () => {
      const browser = await chromium.launch({
        executablePath,
        args: ['--headless=new', '--no-sandbox', '--disable-background-networking'],
      })
      try {
        const page = await browser.newPage()
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
        await page.waitForFunction(() => 'decideAll' in globalThis)
        const theirs = await page.evaluate(
          (given) => (globalThis as unknown as { decideAll: typeof decideAll }).decideAll(given),
          policies,
        )
        expect(theirs).toBe(await decideAll(policies))
      } finally {
        await browser.close()
      }
    },
    180_000,
  )
})
