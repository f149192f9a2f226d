import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { configPath } from '../config/config.js'
import { decryptKey } from '../config/keystore.js'
import { run } from '../main.js'
import type { Prompt, Terminal } from '../terminal/output.js'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'newton-policy-config-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const key = `0x${'7'.repeat(64)}` as const

function typed(...answers: (string | undefined)[]): Prompt {
  return { secret: async () => answers.shift(), confirm: async () => false }
}

async function config(words: string[], options: Partial<Terminal> = {}) {
  const out: string[] = []
  const err: string[] = []
  const code = await run(
    ['config', ...words],
    {
      stdout: (text) => out.push(text),
      stderr: (text) => err.push(text),
      env: {},
      interactive: false,
      cwd: home,
      home,
      ...options,
    },
    new AbortController().signal,
  )
  return { code, out: out.join(''), err: err.join('') }
}

test('configPath: NEWTON_CONFIG, XDG_CONFIG_HOME, home', () => {
  const at = (env: Record<string, string>) =>
    configPath({ ...({} as Terminal), env, home: '/home/a', cwd: '/project' })
  expect(at({ NEWTON_CONFIG: 'x.toml', XDG_CONFIG_HOME: '/xdg' })).toBe('/project/x.toml')
  expect(at({ XDG_CONFIG_HOME: '/xdg' })).toBe('/xdg/newton/config.toml')
  expect(at({})).toBe('/home/a/.newton/config.toml')
})

describe('set', () => {
  test('behavior: a typed key goes into a keystore and never into the file', async () => {
    const prompt = typed(key, 'pass', 'pass')
    const done = await config(['set', 'signer-key'], { interactive: true, prompt })
    expect(done).toMatchObject({ code: 0 })
    const text = readFileSync(join(home, '.newton', 'config.toml'), 'utf8')
    expect(text).toContain('keystore = ')
    expect(text).not.toContain(key.slice(2))
    const store = join(home, '.newton', 'keystores', 'default.json')
    expect(statSync(store).mode & 0o777).toBe(0o600)
    expect(decryptKey(readFileSync(store, 'utf8'), 'pass', store)).toBe(key)
  })

  test('behavior: a credential among the words lies in clear, which is said', async () => {
    const done = await config(['set', 'signer-key', key])
    expect(done.err).toContain('lies in clear')
    expect(done.out + done.err).not.toContain(key)
    const shown = await config(['show'])
    expect(shown.out).toContain('********')
    expect(shown.out).not.toContain(key)
  })

  test.each([
    [typed(undefined), 'Nothing was given'],
    [typed('0x12'), 'not 32 bytes'],
    [typed(key, undefined), 'needs a password'],
    [typed(key, 'a', 'b'), 'passwords differ'],
  ])('error: nothing changes where the questions are not answered', async (prompt, message) => {
    const refused = await config(['set', 'signer-key'], { interactive: true, prompt })
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toContain(message)
    expect((await config(['show'])).out).toContain('no profiles yet')
  })

  test.each([
    ['signer-key'],
    ['gateway_url'],
    ['network', 'othernet'],
    ['gateway_url', 'nowhere'],
    ['signer_key', '0x12'],
    ['chains.a.contracts.policyRegistry', '0x12'],
    ['chains.a.from_block', '-1'],
    ['da_proxy_url', 'ftp://host'],
    ['operator_urls', 'https://one.example, two.example'],
  ])('error: USAGE for %s %s without a terminal', async (...words) => {
    const refused = await config(['set', ...words])
    expect(refused).toMatchObject({ code: 2, out: '' })
  })

  test('behavior: each setting is kept, dashes or not', async () => {
    const settings = {
      network: 'testnet',
      'default-chain': 'sepolia',
      'da-directory': './artifacts',
      'chains.sepolia.chain_id': '11155111',
      'chains.sepolia.from_block': '0',
      'chains.sepolia.contracts.policyRegistry': `0x${'11'.repeat(20)}`,
    }
    for (const [name, value] of Object.entries(settings)) {
      expect(await config(['set', name, value, '--profile', 'test'])).toMatchObject({ code: 0 })
    }
    const shown = JSON.parse((await config(['show', '--json'])).out) as { data: object }
    expect(shown.data).toMatchObject({
      profile: 'test',
      profiles: {
        test: {
          ...{ network: 'testnet', default_chain: 'sepolia', da_directory: './artifacts' },
          chains: { sepolia: { chain_id: 11_155_111, from_block: 0 } },
        },
      },
    })
  })
})
