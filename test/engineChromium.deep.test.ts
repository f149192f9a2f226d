/**
 * The corpus decided in Chromium, under a content security policy without eval, gives the bytes
 * that it gives in Node.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CorpusPolicy, decideAll } from './support/engineEntry.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const present = existsSync(executablePath)
const folder = new URL('./corpus/rego/', import.meta.url)

type Case = { input?: unknown; inputText?: string; data: unknown }

const policies: readonly CorpusPolicy[] = readdirSync(folder)
  .sort()
  .map((file) => {
    const source = readFileSync(new URL(file, folder), 'utf8')
    const cases = source
      .split('\n')
      .filter((line) => line.startsWith('# case: '))
      .map((line) => JSON.parse(line.slice('# case: '.length)) as Case)
    return {
      rego: source.replaceAll(/^# case: .*\n/gm, ''),
      documents: cases.map(({ input, inputText, data }) => ({
        inputJson: inputText ?? JSON.stringify(input),
        dataJson: JSON.stringify(data),
      })),
    }
  })

describe('the engine in Chromium', () => {
  let server: Server
  beforeAll(async () => {
    if (!present && process.env['CI_REQUIRE_ALL'] !== '1') {
      console.log(`skipped: no browser at ${executablePath}`)
    }
    const bundle = await build({
      entryPoints: [`${root}test/support/engineEntry.ts`],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      external: ['@open-policy-agent/opa-wasm', '@bytecodealliance/*', 'node:*'],
    })
    const script = bundle.outputFiles[0]?.text ?? ''
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
