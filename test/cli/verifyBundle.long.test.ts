/** A bundle of a running network, verified by the command and what the network's chain says. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeBundle } from '../../examples/ledger/network.js'
import { toJson } from '../../src/cli/terminal/output.js'
import { formatNoteKey, type LogTrust } from '../../src/ledger/index.js'
import { createDevnet, type Devnet } from '../../src/testing/node/index.js'
import { session } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-cli-bundle-'))
const run = session(home)
let devnet: Devnet
let words: string[]
let owner: string
let file: string

beforeAll(async () => {
  devnet = await createDevnet({ replica: false })
  const made = await makeBundle(devnet)
  file = made.file
  const { ledger, anchor } = made.trust
  const { log, witnesses } = ledger.meta as LogTrust
  owner = anchor?.owner as string
  const key = formatNoteKey(log)
  const witness = formatNoteKey(witnesses?.keys[0] as LogTrust['log'])
  writeFileSync(join(home, 'bundle.json'), file)
  writeFileSync(join(home, 'trust'), `log ${key}\nwitness w1 ${witness}\nquorum w1\n`)
  writeFileSync(join(home, 'contracts.json'), toJson(devnet.contracts))
  words = [
    ...['--ledger', ledger.name, '--log', key, '--policy', 'trust'],
    ...['--writer', ledger.writers.join(), '--rpc-url', devnet.anvil.url],
    ...['--contracts', 'contracts.json'],
  ]
}, 300_000)
afterAll(async () => {
  await devnet?.stop()
  rmSync(home, { recursive: true, force: true })
})

const verify = (name: string, ...more: string[]) =>
  run('ledger', 'verify-bundle', name, ...words, ...more)

describe('ledger verify-bundle', () => {
  test('behavior: every part is verified, the chain’s from its node', async () => {
    const whole = ['--anchor-owner', owner, '--demand', 'tree,anchor']
    const good = await verify('bundle.json', ...whole)
    expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(/^verified: allow$/m) })
    for (const check of ['attestation', 'domainProof', 'metaProof', 'tree', 'anchor']) {
      expect(good.stdout).toContain(`${check}: passed`)
    }
    // Nobody's anchors, another's, other writers, a witness too few, one word of the event.
    const unowned = await verify('bundle.json')
    expect(unowned).toMatchObject({ code: 3, stdout: expect.stringMatching(/^incomplete$/m) })
    const other = await verify('bundle.json', '--anchor-owner', `0x${'11'.repeat(20)}`)
    expect(other).toMatchObject({ code: 3, stdout: expect.stringContaining('anchor: failed') })
    const writer = words.indexOf('--writer') + 1
    const others = words.map((word, at) => (at === writer ? `sha256:${'00'.repeat(32)}` : word))
    const written = await run('ledger', 'verify-bundle', 'bundle.json', ...others, ...whole)
    expect(written).toMatchObject({ code: 3, stdout: expect.stringContaining('event: failed') })
    const forged = file.replace('operators/1', 'operators/2')
    expect(forged).not.toBe(file)
    writeFileSync(join(home, 'forged.json'), forged)
    expect((await verify('forged.json', ...whole)).code).toBe(3)
    writeFileSync(join(home, 'none.json'), '{}')
    expect((await verify('none.json', ...whole)).code).toBe(3)
    expect((await verify('bundle.json', '--demand', 'anchors')).code).toBe(2)
  }, 120_000)
})
