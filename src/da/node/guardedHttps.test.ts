import type { LookupAddress } from 'node:dns'
import { afterEach, expect, test, vi } from 'vitest'
import { guardedHttps } from './guardedHttps.js'

const names = vi.hoisted(() => new Map<string, { address: string; family: number }[]>())
vi.mock('node:dns', async (original) => {
  type Done = (error: Error | null, addresses: LookupAddress[]) => void
  const lookup = (host: string, _options: object, done: Done): void =>
    done(null, names.get(host) ?? [])
  return { ...(await original<typeof import('node:dns')>()), lookup }
})
afterEach(() => names.clear())

const at = (url: string) => ({ kind: 'https', url }) as const

test('default: a public name that resolves to a private address is refused, on any of its addresses', async () => {
  names.set('rebound.example', [{ address: '127.0.0.1', family: 4 }])
  names.set('mixed.example', [
    { address: '93.184.215.14', family: 4 },
    { address: 'fd00::1', family: 6 },
  ])
  for (const host of ['rebound.example', 'mixed.example', 'nowhere.example'])
    await expect(guardedHttps().get(at(`https://${host}/a`))).rejects.toMatchObject({
      code: 'DA_FORBIDDEN_ADDRESS',
    })
})

test('behavior: another fetch, and the other options, are those of `https`', async () => {
  const bytes = Uint8Array.of(1, 2, 3)
  const fetch = async (): Promise<Response> => new Response(bytes)
  expect(await guardedHttps({ fetch }).get(at('https://files.example/a'))).toEqual(bytes)
  await expect(
    guardedHttps({ fetch, hosts: ['other.example'] }).get(at('https://files.example/a')),
  ).rejects.toMatchObject({ code: 'DA_FORBIDDEN_ADDRESS' })
})
