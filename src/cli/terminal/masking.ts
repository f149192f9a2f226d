/** Values that are said to nobody: keys, and what was given to options of secrets. */
import { looksLikeKey } from './quoting.js'
import type { Given } from './words.js'

/** Options whose values are secrets, whatever they look like. */
const secretOptions = new Set([
  ...['signer-key', 'api-key', 'secrets', 'plugin-secrets', 'database-url'],
])
/** Options whose values are secrets where they are the thing itself and no file's name. */
const personalOptions = new Set(['identity'])
/** Options and words that take hashes: these look like keys, and are none. */
const hashHints = /^(?:ids?|0x…|sha256:…|name=0x…,…|0x…,…)$/
const hashWords = new Set(['id', 'hash', 'task', 'client', 'plugin', 'event'])
/** Variables that hold secrets. */
const variables = [
  ...['NEWTON_SIGNER_KEY', 'NEWTON_GATEWAY_API_KEY', 'NEWTON_KEYSTORE_PASSWORD'],
  ...['NEWTON_KEY_PASSWORD', 'NEWTON_ACCOUNT_PASSWORD', 'NEWTON_WORKER_TOKEN'],
  ...['NEWTON_DATABASE_URL', 'NEWTON_RPC_URL'],
]
/** Shorter ones would be found in words that have nothing to do with them. */
const SHORTEST = 4

/** A text with what to say in its place. */
export type Secret = { text: string; shown: string }

/** What of a command line must not be repeated. */
export function secretsOf(
  given: Given,
  env: Readonly<Record<string, string | undefined>>,
): Secret[] {
  const secrets: Secret[] = []
  const add = (text: string, shown: string): void => {
    if (text.length < SHORTEST) return
    secrets.push({ text, shown })
    // As it stands in a quoted text.
    const quoted = JSON.stringify(text).slice(1, -1)
    if (quoted !== text) secrets.push({ text: quoted, shown })
  }
  for (const { name, value, known, hint } of given.options) {
    if (value === undefined) continue
    const shown = `<the value of --${name}>`
    const isSecret =
      secretOptions.has(name) || !known || (personalOptions.has(name) && isObject(value))
    if (isSecret) for (const text of [value, ...leavesOf(value)]) add(text, shown)
    else if (name === 'rpc-url') addUrl(value, add)
    else if (!hashHints.test(hint ?? '') && looksLikeKey(value)) add(value, '<a key>')
  }
  const [setting = { text: '' }] = given.words
  for (const { text, name } of given.words) {
    // `config set` takes its value as a word.
    if (name === 'value' && /key|secret|token|password/i.test(setting.text)) add(text, '<a secret>')
    if (!hashWords.has(name ?? '') && looksLikeKey(text)) add(text, '<a key>')
  }
  for (const variable of variables) {
    const value = env[variable]
    if (!value) continue
    if (variable === 'NEWTON_RPC_URL') addUrl(value, add)
    else add(value, `<${variable}>`)
  }
  // The whole before its parts.
  return secrets.sort((a, b) => b.text.length - a.text.length)
}

// RPC URLs commonly carry an API key behind the host.
function addUrl(value: string, add: (text: string, shown: string) => void): void {
  if (!URL.canParse(value)) return
  const url = new URL(value)
  const { protocol, host, pathname, search, username, password } = url
  const shown = `${protocol}//${host}/…`
  if (pathname.length <= 1 && search === '' && username === '') return
  for (const text of new Set([value, url.href, `${pathname}${search}`])) {
    add(text, text.startsWith('/') ? '/…' : shown)
  }
  for (const text of [username, password]) add(text, '…')
}

/** A text without the secrets. */
export function masked(text: string, secrets: readonly Secret[]): string {
  let shown = text
  for (const { text: secret, shown: instead } of secrets) shown = shown.replaceAll(secret, instead)
  return shown
}

function isObject(text: string): boolean {
  return text.trimStart().startsWith('{')
}

/** The texts in a JSON object that was given as such. */
function leavesOf(text: string): string[] {
  if (!isObject(text)) return []
  try {
    const leaves: string[] = []
    JSON.parse(text, (_, value: unknown) => {
      if (typeof value === 'string' || typeof value === 'number') leaves.push(String(value))
      return value
    })
    return leaves
  } catch {
    // What cannot be read is hidden by its quoted parts.
    return [...text.matchAll(/["']([^"']+)["']/g)].map(([, part]) => part as string)
  }
}
