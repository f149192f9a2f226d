/**
 * `examples/dapp` in Chromium, as it is built and served: the whole story, every forgery, each state
 * looked at by axe at two widths and in both colour schemes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import {
  type Address,
  type Chain,
  createPublicClient,
  createWalletClient,
  type Hex,
  http,
  type PublicClient,
  parseEther,
} from 'viem'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { verificationRegistryAbi } from '../../src/core/abi/index.js'
import { submitClaimSync } from '../../src/registry/index.js'
import { injectWallet } from './injectedWallet.js'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const present = existsSync(executablePath)
if (!present && process.env['CI_REQUIRE_ALL'] !== '1') {
  console.log(`skipped: no browser at ${executablePath}`)
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const widths = [360, 1280]
const schemes = ['light', 'dark'] as const
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

type Config = {
  chainId: number
  rpcUrl: string
  accounts: Address[]
  recipients: { friend: Address; listed: Address }
  addresses: Record<string, Address>
  trust: { verifiers: Address[] }
}
/** What the one command started: the page's address, and what the page is told of its network. */
let example: Config & { url: string; client: PublicClient }
let command: ChildProcess | undefined
let browser: Browser
const contexts: BrowserContext[] = []
const problems: string[] = []

/** Runs the command and waits for the address that it prints. With `DAPP_URL`, one that runs already. */
async function runExample(): Promise<string> {
  const running = process.env['DAPP_URL']
  if (running !== undefined) return running
  const started = spawn(process.execPath, ['--import', 'tsx', 'examples/dapp/index.ts'], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: { ...process.env, PORT: '0', BLOCK_TIME: '1000' },
  })
  command = started
  return new Promise<string>((resolve, reject) => {
    let text = ''
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk) => {
        text += String(chunk)
        const found = /^ {2}(http:\S+)$/m.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
    }
    started.once('exit', (code, by) => reject(new Error(`it ended with ${code ?? by}:\n${text}`)))
  })
}

/** What the page is told of its network. */
async function readExample(url: string): Promise<void> {
  const config = (await (await fetch(`${url}/config.json`)).json()) as Config
  example = { ...config, url, client: createPublicClient({ transport: http(config.rpcUrl) }) }
}

/** A page of a visitor of its own, who tells what went wrong in it. */
async function visit(path = '/'): Promise<Page> {
  const context = await browser.newContext({ reducedMotion: 'reduce' })
  contexts.push(context)
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  await page.goto(`${example.url}${path}`)
  return page
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const verdict = (page: Page) => page.locator('.verdict')

/** States that end a story otherwise than it was told. */
const ends = ['no-decision', 'refused', 'undecided', 'unknown', 'stopped', 'valid-deny']

/**
 * Waits until the verdict is in this state, and gives its words. Another end fails with its words,
 * but for the one it leaves: that one still stands until the page has begun anew.
 */
async function settled(page: Page, state: string, { leaving = '' } = {}): Promise<string> {
  await page.waitForFunction(
    ([wanted, others]) => {
      const it = document.querySelector('.verdict')?.getAttribute('data-state') ?? ''
      return it === wanted || others.includes(it)
    },
    [state, ends.filter((end) => end !== leaving)] as const,
    { timeout: 200_000 },
  )
  const words = await verdict(page).innerText()
  expect(`${await verdict(page).getAttribute('data-state')}: ${words}`).toContain(`${state}: `)
  return words
}

/** Fills in a transfer and checks it. */
async function check(page: Page, { to, amount = '1' }: { to: string; amount?: string }) {
  await page.getByLabel('Recipient').fill(to)
  await page.getByLabel('Amount in ETH').fill(amount)
  await button(page, 'Check the transfer').click()
}

type Violation = { id: string; nodes: { html: string }[] }

/** What axe finds at both widths and in both schemes; nothing runs out of the page at the narrow one. */
async function audit(page: Page, state: string): Promise<void> {
  for (const width of widths) {
    for (const colorScheme of schemes) {
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.evaluate(axe)
      const found = await page.evaluate(async (runOnly) => {
        const run = (globalThis as unknown as { axe: { run: (o: object) => Promise<unknown> } }).axe
        return (await run.run({ runOnly })) as { violations: Violation[]; incomplete: Violation[] }
      }, tags)
      const told = (list: Violation[]) =>
        list.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
      expect(told(found.violations), `${state} at ${width}, ${colorScheme}`).toEqual([])
      const open = told(found.incomplete)
      if (open.length > 0) console.log(`axe cannot tell, ${state} at ${width}: ${open.join('\n')}`)
    }
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    expect(overflow, `${state} at ${width} px is wider than the page`).toBeLessThanOrEqual(0)
  }
}

describe.runIf(present || process.env['CI_REQUIRE_ALL'] === '1')('the page', () => {
  beforeAll(async () => {
    await readExample(await runExample())
    browser = await chromium.launch({ executablePath, args: ['--headless=new', '--no-sandbox'] })
  }, 600_000)
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close()
    expect(problems.splice(0)).toEqual([])
  })
  afterAll(async () => {
    await browser?.close()
    // Ctrl-C ends it, and everything that it started.
    if (command === undefined || command.exitCode !== null || command.signalCode !== null) return
    const ended = new Promise<number | null>((resolve) => command?.once('exit', resolve))
    command.kill('SIGINT')
    expect(await ended).toBe(0)
  }, 60_000)

  test('default: from a wallet to a consumed evaluation, verified level by level', async () => {
    const page = await visit()
    await button(page, 'Use the development wallet').click()
    await check(page, { to: example.recipients.friend })
    expect(await settled(page, 'would-allow')).toContain('Operators decide')
    await button(page, 'Ask the operators').click()
    await settled(page, 'valid-allow')
    const levels = page.locator('.levels li')
    expect(await levels.evaluateAll((all) => all.map((one) => one.textContent))).toEqual(
      ['Binding', 'Registry', 'Artifacts', 'Digest', 'Quorum', 'Result'].map((name) =>
        expect.stringContaining(`${name}: passed`),
      ),
    )
    await page.locator('.proofs li').nth(1).waitFor()
    expect(await page.locator('.proofs').innerText()).toMatch(/Is under root[\s\S]*Is under root/)
    expect(await page.locator('main').innerText()).toContain('Of a simulated enclave')
    const proved = await page.locator('.anchor').innerText()
    for (const fact of ['policy slot', 'policy-data slot', 'operator table', 'enclave build']) {
      expect(proved).toContain(fact)
    }
    const balance = () => example.client.getBalance({ address: example.recipients.friend })
    const before = await balance()
    await button(page, 'Accept on chain').click()
    await settled(page, 'accepted')
    expect(await balance()).toBe(before)
    await button(page, 'Make the transfer').click()
    await settled(page, 'spent')
    expect((await balance()) - before).toBe(parseEther('1'))
    // It is used up, and the page offers nothing more.
    expect(await verdict(page).getByRole('button').allInnerTexts()).not.toContain(
      'Make the transfer',
    )
    await audit(page, 'spent')
  }, 600_000)

  test('behavior: a deny has the policy’s reasons, and blocks', async () => {
    const page = await visit()
    await button(page, 'Use the development wallet').click()
    await check(page, { to: example.recipients.listed, amount: '20' })
    const words = await settled(page, 'would-refuse')
    for (const reason of [
      'the recipient is on a sanctions list',
      "the recipient's risk score is too high",
      'the amount is over the limit',
    ]) {
      expect(words).toContain(reason)
    }
    expect(await page.locator('main').innerText()).toMatch(/sanctions\.score\s+97/)
    const ask = button(page, 'Ask the operators')
    expect(await ask.getAttribute('aria-disabled')).toBe('true')
    await ask.click({ force: true })
    expect(await verdict(page).getAttribute('data-state')).toBe('would-refuse')
    await audit(page, 'would-refuse')
    // Any edit empties the verdict.
    await page.getByLabel('Amount in ETH').fill('1')
    expect(await verdict(page).getAttribute('data-state')).toBe('editing')
  }, 200_000)

  test('behavior: what cannot be checked is neither allow nor deny, and blocks', async () => {
    const page = await visit()
    await button(page, 'Use the development wallet').click()
    await page.route('**/screening/**', (route) => route.fulfill({ status: 503 }))
    await check(page, { to: example.recipients.friend })
    expect(await settled(page, 'unknown')).toContain('neither allow nor deny')
    expect(await button(page, 'Ask the operators').count()).toBe(0)
    await audit(page, 'unknown')
    await page.unroute('**/screening/**')
    await button(page, 'Try again').click()
    await settled(page, 'would-allow', { leaving: 'unknown' })
    expect(problems.splice(0).every((text) => text.includes('503'))).toBe(true)
  }, 200_000)

  test('error: fields that are wrong are named in a summary that takes the focus', async () => {
    const page = await visit()
    await check(page, { to: '0x22', amount: 'much' })
    const summary = page.locator('.summary')
    await expect.poll(() => summary.evaluate((it) => it === document.activeElement)).toBe(true)
    await audit(page, 'errors')
    await summary.getByRole('button').first().click()
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('to')
  }, 120_000)

  test.each([
    ['Wrong plugin', 'digest', 'WRONG_DATA_ARTIFACT', 'Another plugin was run'],
    ['False result', 'result', 'WRONG_RESULT', 'the policy decides otherwise'],
    ['Wrong enclave', 'digest', 'INVALID_TEE_ATTESTATION', 'The enclave is not one'],
    ['Stale slot', 'registry', 'WRONG_INSTANCE', 'another policy than the contract had'],
    ['Another chain', 'binding', 'CROSS_CHAIN_REPLAY', 'made for another chain'],
  ])(
    'error: %s is refused with its reason',
    async (forgery, level, code, words) => {
      const page = await visit()
      await button(page, 'Use the development wallet').click()
      await page.getByText('Try to cheat this page').click()
      await page.getByLabel(forgery).check()
      // A false result is an allow where the policy denies: the most that a quorum can steal by.
      const isFalse = forgery === 'False result'
      await check(page, { to: isFalse ? example.recipients.listed : example.recipients.friend })
      await settled(page, isFalse ? 'would-refuse' : 'would-allow')
      await button(page, 'Ask the operators').click()
      const told = await settled(page, 'refused')
      expect(told).toContain(code)
      expect(told).toContain(words)
      expect(await page.locator('.levels li[data-state="failed"]').getAttribute('data-level')).toBe(
        level,
      )
      const after = await page
        .locator(`.levels li[data-level="${level}"] ~ li`)
        .evaluateAll((all) => all.map((one) => one.getAttribute('data-state')))
      expect(new Set(after).size).toBeLessThanOrEqual(1)
      expect(after.every((state) => state === 'not-reached')).toBe(true)
      for (const name of ['Accept on chain', 'Make the transfer']) {
        expect(await button(page, name).count(), name).toBe(0)
      }
      await audit(page, `refused, ${forgery}`)
    },
    240_000,
  )

  test('behavior: anyone may verify from a link, without a wallet, from a hash of their own', async () => {
    const asking = await visit()
    await button(asking, 'Use the development wallet').click()
    await check(asking, { to: example.recipients.friend, amount: '0.5' })
    await settled(asking, 'would-allow')
    await button(asking, 'Ask the operators').click()
    await settled(asking, 'valid-allow')
    const link = new URL(asking.url()).hash
    const page = await visit(`/${link}`)
    await settled(page, 'valid-allow')
    const accept = button(page, 'Accept on chain')
    expect(await accept.getAttribute('aria-disabled')).toBe('true')
    expect(await page.locator('.anchor').innerText()).toContain('not confirmed by anyone else')
    const hash = await page.locator('.anchor .hash').getAttribute('title')
    await page.getByText('Bring a hash of your own').click()
    const field = page.getByLabel('from a source you trust')
    await field.fill(hash as Hex)
    expect(await page.locator('.anchor').innerText()).toContain('confirmed by your own value')
    await audit(page, 'valid-allow from a link')
    await field.fill(`0x${'07'.repeat(32)}`)
    expect(await settled(page, 'refused')).toContain('OTHER_ROOT')
    // What is no task is said beside the field.
    const other = await visit(`/#/verify/0x${'09'.repeat(32)}`)
    await expect
      .poll(() => other.locator('#task-error').innerText(), { timeout: 30_000 })
      .toMatch(/task/i)
    await audit(other, 'lookup')
  }, 300_000)

  test('behavior: a node without proofs is said to be believed, and one that lies is not', async () => {
    const page = await visit()
    const { rpcUrl: url } = example
    let forged = false
    await page.route(`${url}/**`, async (route) => {
      const body = route.request().postData() ?? ''
      if (!body.includes('eth_getProof')) return route.continue()
      if (!forged)
        return route.fulfill({ json: { jsonrpc: '2.0', id: JSON.parse(body).id, result: null } })
      const answer = await route.fetch()
      const text = await answer.text()
      // The last bits of every node of every proof of a slot.
      return route.fulfill({ response: answer, body: text.replace(/[\da-f]"\]/g, '0"]') })
    })
    await button(page, 'Use the development wallet').click()
    await check(page, { to: example.recipients.friend, amount: '0.125' })
    await settled(page, 'would-allow')
    await button(page, 'Ask the operators').click()
    await settled(page, 'valid-allow')
    expect(await page.locator('.anchor').innerText()).toContain('Your node gives no proofs')
    await audit(page, 'valid-allow without proofs')
    forged = true
    await page.reload()
    await page.locator('.verdict').waitFor()
    await settled(page, 'valid-allow')
    expect(await page.locator('.anchor').innerText()).toContain(
      'Your node gives no proofs that hold',
    )
  }, 300_000)

  test('behavior: a wallet of the browser, on another chain, that declines', async () => {
    const context = await browser.newContext({ reducedMotion: 'reduce' })
    contexts.push(context)
    const { rpcUrl, accounts, chainId } = example
    await injectWallet(context, {
      rpcUrl,
      account: accounts[1] as Address,
      chainId: 1,
      declines: 1,
    })
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    await page.goto(example.url)
    await button(page, 'Connect wallet').click()
    await page.getByText('Your wallet is on chain 1').first().waitFor()
    await audit(page, 'wrong-chain')
    await button(page, `Switch the wallet to chain ${chainId}`).click()
    await page.getByText('Your wallet is on chain 1').waitFor({ state: 'detached' })
    await check(page, { to: example.recipients.friend, amount: '0.25' })
    await settled(page, 'would-allow')
    await button(page, 'Ask the operators').click()
    await settled(page, 'valid-allow')
    await button(page, 'Accept on chain').click()
    expect(await settled(page, 'stopped')).toContain('You declined in the wallet')
    await audit(page, 'stopped')
    await button(page, 'Accept on chain').click()
    await settled(page, 'accepted', { leaving: 'stopped' })
    await audit(page, 'accepted')
  }, 300_000)

  test('behavior: where its plugins come from, before anything is signed', async () => {
    const page = await visit()
    const plugin = page.locator('.plugin')
    const shown = async (status: string, within: Page = page): Promise<string> => {
      await within.locator(`.plugin[data-status="${status}"]`).waitFor()
      return within.locator('.plugin').innerText()
    }
    // Without a wallet, and with nothing filled in.
    const verified = await shown('verified')
    expect(verified).toContain('Rebuilt from its source')
    expect(verified).toMatch(/Source archive\s+0x/)
    expect(verified).toMatch(/Build environment\s+trusted/)
    const confirmed = plugin.locator('dt:has-text("Confirmed by") + dd .hash')
    const [first, second, third] = example.trust.verifiers as [Address, Address, Address]
    const titles = await confirmed.evaluateAll((all) => all.map((one) => one.getAttribute('title')))
    expect(new Set(titles)).toEqual(new Set([first, second].map((each) => each.toLowerCase())))
    expect(await page.locator('main').innerText()).toContain('simulated')
    await audit(page, 'a verified plugin')
    // And where somebody came by a link, on the screen that accepts.
    const tree = await visit('/#/policy')
    await tree.locator('.tree').waitFor()
    await expect.poll(() => tree.locator('.tree').innerText()).toMatch(/Source\s+in place/i)

    // A verifier says otherwise: that is shown, and not resolved.
    const wasmHash = (await plugin.locator('dd .hash').first().getAttribute('title')) as Hex
    const { addresses } = example
    const [event] = await example.client.getContractEvents({
      ...{ address: addresses['verificationRegistry'] as Address, fromBlock: 0n },
      ...{ abi: verificationRegistryAbi, eventName: 'ClaimSubmitted', args: { wasmHash } },
    })
    const { buildInfoHash } = (event as unknown as { args: { buildInfoHash: Hex } }).args
    const wallet = createWalletClient({ account: third, transport: http(example.rpcUrl) })
    const chain = { chain: { id: example.chainId } as Chain, account: wallet.account }
    const claim = async (result: 'no_match' | 'did_not_run'): Promise<void> => {
      const evidenceUri = `https://verifier.example/${'00'.repeat(32)}.json`
      await submitClaimSync({ ...wallet, ...chain } as never, {
        ...{ wasmHash, buildInfoHash, result, evidenceUri, addresses },
      })
    }
    const rpc = (method: string) =>
      example.client.request({ method, params: [third] } as never) as Promise<unknown>
    await rpc('anvil_impersonateAccount')
    await claim('no_match')
    await page.reload()
    const disputed = await shown('disputed')
    expect(disputed).toContain('Verifiers disagree')
    expect(await plugin.locator('dt:has-text("Denied by") + dd .hash').getAttribute('title')).toBe(
      third.toLowerCase(),
    )
    await audit(page, 'a disputed plugin')
    await tree.reload()
    await expect.poll(() => tree.locator('.tree').innerText()).toContain('denied by verifiers')
    await claim('did_not_run')
    await page.reload()
    await shown('verified')

    // Evidence that cannot be had is no evidence.
    await page.route('**/evidence/**', (route) => route.fulfill({ status: 404 }))
    await page.reload()
    expect(await shown('unverified')).toMatch(/Build environment\s+arbitrary/)
    await audit(page, 'an unverified plugin')
    await page.unroute('**/evidence/**')
    // A node that does not say what is on chain leaves it open, and names it neither way.
    await page.route(`${example.rpcUrl}/**`, async (route) =>
      (route.request().postData() ?? '').includes('eth_getLogs')
        ? route.fulfill({ status: 503 })
        : route.continue(),
    )
    await page.reload()
    expect(await shown('unknown')).toContain('Cannot be told')
    await audit(page, 'a plugin that cannot be told')
    const expected = /404|503/
    expect(problems.splice(0).every((text) => expected.test(text))).toBe(true)
  }, 300_000)

  test('behavior: the policy as a tree, by its own ids', async () => {
    const page = await visit('/#/policy')
    const tree = page.locator('.tree')
    await tree.waitFor()
    const text = await tree.innerText()
    for (const part of [
      'Policy client',
      'Policy instance',
      'Policy template',
      'Plugin',
      'maxScore',
    ]) {
      expect(text).toContain(part)
    }
    expect(text).toMatch(/Sealed secrets\s+present/)
    expect(text).toMatch(/results valid\s+1200 blocks/)
    await button(page, 'Policy instance').click()
    expect(await tree.innerText()).not.toContain('Policy template')
    await audit(page, 'policy')
  }, 200_000)

  test('behavior: the whole story by keyboard, with the screen’s heading in focus', async () => {
    const page = await visit()
    /** Goes on with Tab until a control has the focus. */
    const reach = async (name: RegExp): Promise<void> => {
      for (let steps = 0; steps < 60; steps++) {
        await page.keyboard.press('Tab')
        const label = await page.evaluate(() => {
          const it = document.activeElement as HTMLElement & { labels?: NodeListOf<HTMLElement> }
          return it.ariaLabel ?? it.labels?.[0]?.innerText ?? it.innerText
        })
        if (name.test(label ?? '')) return
      }
      throw new Error(`${name} is not reached by Tab`)
    }
    await reach(/^Skip to the content$/)
    await reach(/^Use the development wallet$/)
    await page.keyboard.press('Enter')
    await page.getByText('Disconnect').waitFor()
    await page.keyboard.press('Shift+Tab')
    await reach(/^Recipient$/)
    await page.keyboard.type(example.recipients.friend)
    await reach(/^Amount/)
    await page.keyboard.press('Enter')
    await settled(page, 'would-allow')
    await reach(/^Ask the operators$/)
    await page.keyboard.press('Enter')
    await settled(page, 'valid-allow')
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('H1')
    expect(await page.title()).toContain('Verify what operators signed')
    await reach(/^Accept on chain$/)
    await page.keyboard.press('Enter')
    await settled(page, 'accepted')
  }, 240_000)

  test('behavior: a strict content security policy, as a header', async () => {
    const response = await fetch(example.url)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval';")
    for (const weak of ["'unsafe-eval'", "'unsafe-inline'", 'blob:', '*']) {
      expect(policy).not.toContain(weak)
    }
  })
})
