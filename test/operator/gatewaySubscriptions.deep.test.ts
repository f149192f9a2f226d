/** A page in Chromium that is told of a task over its own WebSocket, and verifies it. */
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { build, type Rolldown } from 'vite'
import { afterEach, expect, test } from 'vitest'
import { apiKeyCallers, createTaskClient, hashApiKey } from '../../src/operator/index.js'
import { listenGateway } from '../../src/operator/node/index.js'
import { address, client } from '../support/attestationWorld.js'
import { createGatewayWorld, operatorOf } from '../support/gatewayWorld.js'
import type { watchTask } from '../support/watchEntry.js'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const present = existsSync(executablePath)
if (!present && process.env['CI_REQUIRE_ALL'] !== '1') {
  console.log(`skipped: no browser at ${executablePath}`)
}

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function bundle(): Promise<string> {
  const built = (await build({
    ...{ configFile: false, publicDir: false, logLevel: 'silent' },
    build: {
      ...{ write: false, target: 'es2022', modulePreload: false },
      rolldownOptions: {
        input: fileURLToPath(new URL('../support/watchEntry.ts', import.meta.url)),
      },
    },
  })) as Rolldown.RolldownOutput
  return built.output.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n')
}

test.runIf(present || process.env['CI_REQUIRE_ALL'] === '1')(
  'behavior: a page is told over its own connection, and verifies what it is told',
  async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const apiKey = 'key-of-shop'
    const asked: string[] = []
    const made = createGatewayWorld({
      callers: apiKeyCallers({ shop: [hashApiKey(apiKey)] }),
      onEvent: (event) => {
        if (event.type === 'gateway.call') asked.push(event.method)
      },
    })
    closers.push(made.gateway.close)
    for (const index of made.operators.keys()) {
      made.operators[index] = operatorOf(made.world, index, { before: () => held })
    }
    const listening = await listenGateway({ gateway: made.gateway })
    closers.push(() => listening.close(1_000))
    const url = `${listening.url}/rpc`
    const tasks = createTaskClient({ gateway: { url, apiKey }, reader: made.world.reader })
    const sent = await tasks.sendTask({
      policyClient: client,
      intent: {
        ...{ from: address(5), to: address(6), value: 7n, data: '0x' },
        ...{ chainId: 31_337n, functionSignature: '0x' },
      },
      timeout: 60_000,
    })
    const script = await bundle()
    const pages = createServer((request, response) => {
      const isScript = request.url === '/watch.js'
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
      response.end(isScript ? script : '<script type="module" src="/watch.js"></script>')
    })
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
    closers.push(() => pages.close())
    const browser = await chromium.launch({
      executablePath,
      args: ['--headless=new', '--no-sandbox', '--disable-background-networking'],
    })
    closers.push(() => browser.close())
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`)
    await page.waitForFunction(() => 'watchTask' in globalThis)
    const watched = page.evaluate(
      (given) => (globalThis as unknown as { watchTask: typeof watchTask }).watchTask(given),
      { url, apiKey, sent },
    )
    await expect
      .poll(() => made.gateway.subscriptions.counts(), { timeout: 30_000 })
      .toEqual({ connections: 1, tasks: 1 })
    release()
    expect(await watched).toEqual({ state: 'signed', allowed: true })
    // One look at the beginning: the rest was told.
    expect(asked.filter((method) => method === 'newt_getTask')).toHaveLength(1)
    await expect.poll(() => made.gateway.subscriptions.counts().connections).toBe(0)
  },
  120_000,
)
