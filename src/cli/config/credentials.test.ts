import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateKeyToAddress } from 'viem/accounts'
import { afterAll, describe, expect, test } from 'vitest'
import type { Terminal } from '../terminal/output.js'
import { apiKeyOf, signerOf } from './credentials.js'
import { decryptKey, encryptKey } from './keystore.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-credentials-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const keys = [1, 2, 3, 4, 5].map((n) => `0x${String(n).repeat(64)}` as const)
const [flag, keystore, environment, profileStore, profileKey] = keys as [
  `0x${string}`,
  `0x${string}`,
  `0x${string}`,
  `0x${string}`,
  `0x${string}`,
]
const stores = { given: join(home, 'given.json'), profile: join(home, 'profile.json') }
writeFileSync(stores.given, encryptKey(keystore, 'open sesame'))
writeFileSync(stores.profile, encryptKey(profileStore, 'open sesame'))

function terminal(options: Partial<Terminal> = {}): Terminal & { said: string[] } {
  const said: string[] = []
  return {
    stdout: () => undefined,
    stderr: (text) => said.push(text),
    env: {},
    interactive: false,
    cwd: home,
    home,
    said,
    ...options,
  }
}

const password = { NEWTON_KEYSTORE_PASSWORD: 'open sesame' }

describe('signerOf', () => {
  const profile = { keystore: stores.profile, signer_key: profileKey }
  const all = { 'signer-key': flag, keystore: stores.given }

  test('behavior: each place comes before the next', async () => {
    const env = { ...password, NEWTON_SIGNER_KEY: environment }
    const cases = [
      { args: all, env, profile, key: flag },
      { args: { keystore: stores.given }, env, profile, key: keystore },
      { args: {}, env, profile, key: environment },
      { args: {}, env: password, profile, key: profileStore },
      { args: {}, env: {}, profile: { signer_key: profileKey }, key: profileKey },
    ]
    for (const { args, env, profile, key } of cases) {
      const account = await signerOf(terminal({ env }), { args, profile })
      expect(account.address).toBe(privateKeyToAddress(key))
    }
  })

  test('behavior: a key among the words is warned about, and not repeated', async () => {
    const shown = terminal()
    await signerOf(shown, { args: { 'signer-key': flag }, profile: {} })
    expect(shown.said.join('')).toContain('warning')
    expect(shown.said.join('')).not.toContain(flag)
  })

  test('behavior: it is asked for on a terminal only', async () => {
    const prompt = { secret: async () => flag, confirm: async () => false }
    const asked = await signerOf(terminal({ interactive: true, prompt }), { args: {}, profile: {} })
    expect(asked.address).toBe(privateKeyToAddress(flag))
    await expect(
      signerOf(terminal({ interactive: false, prompt }), { args: {}, profile: {} }),
    ).rejects.toMatchObject({ code: 'USAGE' })
  })

  test.each([
    ['0x12', 'is not 32 bytes'],
    [`0x${'00'.repeat(32)}`, 'is not a key of secp256k1'],
  ])('error: USAGE for the key %s, which is not repeated', async (key, message) => {
    const refused = signerOf(terminal({ env: { NEWTON_SIGNER_KEY: key } }), {
      args: {},
      profile: {},
    })
    await expect(refused).rejects.toMatchObject({ code: 'USAGE' })
    const error = (await refused.catch((cause: unknown) => cause)) as Error
    expect(error.message).toContain(message)
    expect(error.message).not.toContain(key)
  })

  test('error: a keystore without its password, with a wrong one, and one that is not there', async () => {
    const args = { keystore: stores.given }
    await expect(signerOf(terminal(), { args, profile: {} })).rejects.toMatchObject({
      code: 'USAGE',
    })
    const env = { NEWTON_KEYSTORE_PASSWORD: 'other' }
    await expect(signerOf(terminal({ env }), { args, profile: {} })).rejects.toThrow(
      'password does not open',
    )
    await expect(
      signerOf(terminal({ env }), { args: { keystore: 'none.json' }, profile: {} }),
    ).rejects.toMatchObject({ code: 'FILE_ACCESS' })
  })
})

test('apiKeyOf: flag, environment, profile, none', () => {
  const env = { NEWTON_GATEWAY_API_KEY: 'e' }
  const profile = { gateway_api_key: 'p' }
  expect(apiKeyOf(terminal({ env }), { args: { 'api-key': 'f' }, profile })).toBe('f')
  expect(apiKeyOf(terminal({ env }), { args: {}, profile })).toBe('e')
  expect(apiKeyOf(terminal(), { args: {}, profile })).toBe('p')
  expect(apiKeyOf(terminal(), { args: {}, profile: {} })).toBeUndefined()
})

describe('keystore', () => {
  // The example of the Web3 Secret Storage definition, with scrypt.
  const published = JSON.stringify({
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
      ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
      kdf: 'scrypt',
      kdfparams: {
        dklen: 32,
        n: 262_144,
        p: 8,
        r: 1,
        salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
      },
      mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  })
  const secret = '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'

  test('behavior: the published vector opens', () => {
    expect(decryptKey(published, 'testpassword', 'x')).toBe(secret)
  })

  test('behavior: what is written opens with its password only, and hides the key', () => {
    const text = encryptKey(flag, 'pass')
    expect(text).not.toContain(flag.slice(2, 20))
    expect(decryptKey(text, 'pass', 'x')).toBe(flag)
    expect(() => decryptKey(text, 'pas', 'x')).toThrow('password does not open')
  })

  test.each([
    ['text', 'no json'],
    ['another version', published.replace('"version":3', '"version":1')],
    ['another cipher', published.replace('aes-128-ctr', 'aes-128-cbc')],
    ['another derivation', published.replace('"scrypt"', '"pbkdf2"')],
    ['more memory than is sane', published.replace('262144', '1073741824')],
    ['a changed byte', published.replace('d172bf', 'd172be')],
  ])('error: USAGE for %s', (_name, text) => {
    expect(() => decryptKey(text, 'testpassword', 'x')).toThrow(
      expect.objectContaining({ code: 'USAGE' }) as Error,
    )
  })
})
