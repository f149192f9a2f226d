import type { ArgsDef } from 'citty'
import { describe, expect, test } from 'vitest'
import { masked, secretsOf } from './masking.js'
import { looksLikeKey, quotedWord } from './quoting.js'
import { assertWords, readWords } from './words.js'

const args: ArgsDef = {
  file: { type: 'positional', description: 'x' },
  'expire-after': { type: 'string', description: 'x', valueHint: 'blocks' },
  'data-templates': { type: 'string', description: 'x', alias: 'data', valueHint: 'ids' },
  params: { type: 'string', description: 'x', valueHint: 'file.json' },
  secrets: { type: 'string', description: 'x', valueHint: 'file.json' },
  'signer-key': { type: 'string', description: 'x', valueHint: '0x…' },
  'rpc-url': { type: 'string', description: 'x', valueHint: 'url' },
  yes: { type: 'boolean', description: 'x' },
  json: { type: 'boolean', description: 'x' },
}
const rules = { negatable: ['params'] }
const key = `0x${'7a5b'.repeat(16)}`

describe('assertWords', () => {
  test.each([
    [['--expire-after', '1', '--expire-after', '2'], '--expire-after is given twice'],
    [['--expire-after=1', '--expire-after', '1'], '--expire-after is given twice'],
    [['--data', '0x1', '--data-templates', '0x2'], '--data-templates is given twice'],
    [['--params', 'x', '--no-params'], '--params and --no-params contradict'],
    [['--no-params', '--params', 'x'], '--params and --no-params contradict'],
    [['--yes', '--no-yes'], '--yes and --no-yes contradict'],
    [['--json=maybe'], '--json is a switch and takes no value'],
    [['--json=true'], '--json is a switch and takes no value'],
    [['--no-params=x'], '--no-params is a switch and takes no value'],
    [['--expire-after'], '--expire-after needs a value'],
    [['--params', '--yes'], '--params needs a value'],
    [['--no-expire-after'], 'There is no option --no-expire-after'],
    [['--dryrun'], 'There is no option --dryrun'],
    [['a', 'b'], 'a word too many: "b"'],
    [['a', '--', '--b'], 'a word too many: "--b"'],
  ])('error: %j', (words, message) => {
    expect(() => assertWords(args, words, rules)).toThrow(message)
  })

  test.each([
    [['a', '--expire-after', '1', '--no-params', '--yes', '--json']],
    [['--data', '0x1', '--yes', '--yes', 'a']],
    [['--', '--expire-after']],
    [['--params={"a":1}', 'a']],
  ])('behavior: %j is taken', (words) => {
    expect(() => assertWords(args, words, rules)).not.toThrow()
  })

  test('behavior: a command may take words that it does not declare', () => {
    expect(() => assertWords(args, ['a', 'b'], { extra: 1 })).not.toThrow()
    expect(() => assertWords(args, ['a', 'b', 'c'], { extra: 1 })).toThrow('"c"')
  })
})

describe('secretsOf', () => {
  const hide = (words: string[], env: Record<string, string>, text: string): string =>
    masked(text, secretsOf(readWords(args, words), env))

  test('behavior: what was given to an option of secrets is not said, nor its parts', () => {
    const secrets = '{"apiKey":"hunter2","nested":{"pin":12345}}'
    for (const words of [['--secrets', secrets], [`--secrets=${secrets}`]]) {
      const said = hide(
        words,
        {},
        `${secrets} cannot be read: hunter2, 12345, ${JSON.stringify(secrets)}`,
      )
      expect(said).not.toMatch(/hunter2|12345/)
      expect(said).toContain('<the value of --secrets>')
    }
    expect(hide(['--secrets', '{"a":"hunter2",'], {}, 'at "hunter2"')).not.toContain('hunter2')
    expect(hide(['--signer-key', 'no key at all'], {}, '"no key at all"')).not.toContain('at all')
    expect(hide(['--singer-key', 'hunter2'], {}, 'hunter2')).not.toContain('hunter2')
  })

  test('behavior: what looks like a key is not said, except where hashes are taken', () => {
    const bare = key.slice(2)
    expect(hide([key], {}, `no command "${key}"`)).toBe('no command "<a key>"')
    expect(hide([bare.toUpperCase()], {}, bare.toUpperCase())).toBe('<a key>')
    expect(hide(['--params', key], {}, key)).toBe('<a key>')
    expect(hide(['--data-templates', key], {}, key)).toBe(key)
    expect(looksLikeKey(key.slice(0, 42))).toBe(false)
    expect(looksLikeKey('0'.repeat(64))).toBe(true)
  })

  test('behavior: neither is what the environment has, nor the key in a URL', () => {
    const env = { NEWTON_SIGNER_KEY: key, NEWTON_GATEWAY_API_KEY: 'hunter2' }
    expect(hide([], env, `${key} hunter2`)).toBe('<NEWTON_SIGNER_KEY> <NEWTON_GATEWAY_API_KEY>')
    const url = 'https://me:pass1@rpc.example/v2/hunter3?k=1'
    for (const given of [
      hide(['--rpc-url', url], {}, url),
      hide([], { NEWTON_RPC_URL: url }, url),
    ]) {
      expect(given).toBe('https://rpc.example/…')
    }
    expect(hide(['--rpc-url', url], {}, 'asked /v2/hunter3?k=1')).toBe('asked /…')
  })
})

test('quotedWord: what is short and plain', () => {
  expect(quotedWord('1e+24')).toBe('"1e+24"')
  for (const word of [key, '{"a":1}', 'x'.repeat(61), 'a\u001b[31m']) {
    expect(quotedWord(word)).toBe('<not shown>')
  }
})
