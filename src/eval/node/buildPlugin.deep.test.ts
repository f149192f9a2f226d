import { expect, test } from 'vitest'
import { jsPlugin, jsPluginSource } from '../../../test/support/jsPlugin.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { buildPlugin } from './buildPlugin.js'

test('behavior: the same source gives the same bytes, with a report of their size', async () => {
  const before = await jsPlugin()
  const built = await buildPlugin({ source: jsPluginSource }, { timeout: 240_000 })
  if (built.toolchain.reproducible) expect(built.wasmHash).toBe(keccakHex(before))
  else if (process.env['CI_REQUIRE_ALL'] === '1') expect.fail('no C compiler here')
  expect(built.world).toEqual({
    provider: '0.2',
    http: true,
    secrets: true,
    tlsn: true,
    wasi: expect.arrayContaining([expect.stringContaining('wasi:clocks/wall-clock@')]),
  })
  expect(built.size.bytes).toBe(built.component.length)
  expect(built.size.sourceBytes).toBe(utf8(jsPluginSource).length)
  expect(built.size.gzipBytes).toBeLessThan(built.size.bytes / 2)
  expect(built.warnings[0]).toContain('Rust')
}, 300_000)
