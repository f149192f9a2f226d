import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ARTIFACT_ABSENT, computeArtifactHash, computePolicyTemplateId } from '@newton/policy-sdk'
import { freePort } from '@newton/policy-sdk/testing/node'
import { afterAll, describe, expect, test } from 'vitest'
import { bin, isBuilt, session, shell } from './cli/runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-cli-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const env = { XDG_CONFIG_HOME: join(home, 'config') }
const cli = shell(home, env)
// The same words without a process, where it is the words that are looked at.
const ask = session(home, env)

describe.skipIf(!isBuilt)('newton-policy', () => {
  const rego = 'package example\ndefault allow := false\n'
  writeFileSync(join(home, 'policy.rego'), rego)
  const id = computePolicyTemplateId({
    regoHash: computeArtifactHash(new TextEncoder().encode(rego)),
    paramsSchemaHash: ARTIFACT_ABSENT,
    policyDataTemplateRefs: [],
  })

  test('behavior: an id alone on stdout, the same in JSON', async () => {
    expect(await cli('policy', 'template', 'compute-id', '--rego', 'policy.rego')).toEqual({
      code: 0,
      stdout: `${id}\n`,
      stderr: '',
    })
    const json = await cli('policy', 'template', 'compute-id', '--rego', 'policy.rego', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, data: { id }, meta: { exitCode: 0 } })
  })

  test('behavior: no answer is exit code 3', async () => {
    const other = `0x${'11'.repeat(32)}`
    const run = await cli('artifact', 'verify', 'policy.rego', '--hash', other)
    expect(run.code).toBe(3)
    expect(run.stdout).toContain(`not ${other}`)
    const right = computeArtifactHash(new TextEncoder().encode(rego))
    expect((await cli('artifact', 'verify', 'policy.rego', '--hash', right)).code).toBe(0)
  })

  test.each([
    [['bogus'], 'no command "bogus"'],
    [['policy'], 'needs a command'],
    [['policy', 'template', 'compute-id'], 'Missing required argument'],
    [
      ['policy', 'template', 'compute-id', '--rego', 'policy.rego', '--dryrun'],
      'no option --dryrun',
    ],
    [['artifact', 'verify', 'policy.rego', '--hash', '0x12'], 'expected 32 bytes'],
    [['policy', 'template', 'compute-id', '--rego', 'policy.rego', '--data', '0x12'], 'refs[0]'],
    [['toString'], 'no command "toString"'],
    [['task', 'create', '--client', '--to', '0x12'], '--client needs a value'],
    [['policy', 'simulate', '--rego'], '--rego needs a value'],
  ])('error: %j is a usage error', async (words, message) => {
    const run = await ask(...words)
    expect(run.code).toBe(2)
    expect(run.stdout).toBe('')
    expect(run.stderr).toContain(message)
    const json = await ask(...words, '--json')
    expect(json.code).toBe(2)
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      error: { retryable: false },
      meta: { exitCode: 2 },
    })
  })

  test('error: a usage error has a code of its own', async () => {
    const json = await cli('bogus', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: 'USAGE' } })
  })

  test('error: a missing file is FILE_ACCESS and names it', async () => {
    const run = await cli('artifact', 'hash', 'missing.wasm')
    expect(run.code).toBe(4)
    expect(run.stderr).toContain('missing.wasm cannot be read')
    expect(run.stderr).toContain('FILE_ACCESS')
  })

  test('behavior: help is a result', async () => {
    const run = await cli('policy', 'template', 'compute-id', '--help')
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('--params-schema')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no colour without a terminal
    expect(run.stdout).not.toMatch(/\u001b/)
    expect((await cli('--version')).stdout).toMatch(/^\d+\.\d+\.\d+/)
  })

  test('behavior: configuration is private and printed without credentials', async () => {
    expect((await ask('config', 'init')).code).toBe(0)
    expect((await ask('config', 'init')).code).toBe(2)
    expect((await ask('config', 'set', 'gateway-api-key', 'hunter2')).code).toBe(0)
    expect(
      (await ask('config', 'set', 'chains.sepolia.rpc_url', 'https://rpc.example/v2/hunter3')).code,
    ).toBe(0)
    expect((await ask('config', 'set', 'chains.sepolia.chain_id', 'x')).code).toBe(2)
    expect((await ask('config', 'set', 'unknown', '1')).code).toBe(2)
    const path = join(home, 'config', 'newton', 'config.toml')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, 'utf8')).toContain('hunter2')
    for (const run of [await ask('config', 'show'), await ask('config', 'show', '--json')]) {
      expect(run.code).toBe(0)
      expect(run.stdout).not.toContain('hunter')
      expect(run.stdout).toContain('rpc.example')
    }
    expect((await ask('config', 'use-profile', 'nobody')).code).toBe(2)
    expect((await ask('config', 'use-profile', 'devnet')).code).toBe(0)
    writeFileSync(path, 'not toml [')
    const broken = await ask('config', 'show')
    expect(broken.code).toBe(2)
    expect(broken.stderr).toContain('not valid TOML')
    expect(readFileSync(path, 'utf8')).toBe('not toml [')
  })

  test('behavior: simulate says what the operators would decide; a deny is exit code 3 with its reasons', async () => {
    writeFileSync(
      join(home, 'limit.rego'),
      'package limit\ndefault allow := false\ndeny contains "over the limit" if input.value > data.params.max\nallow if count(deny) == 0\n',
    )
    writeFileSync(join(home, 'limit.json'), '{"max":5}')
    writeFileSync(
      join(home, 'limit.schema.json'),
      '{"type":"object","properties":{"max":{"type":"integer"}},"required":["max"]}',
    )
    const words = [
      'policy',
      'simulate',
      '--rego',
      'limit.rego',
      '--params',
      'limit.json',
      '--params-schema',
      'limit.schema.json',
      '--to',
      `0x${'22'.repeat(20)}`,
    ]
    const denied = await cli(...words, '--value', '7')
    expect(denied).toMatchObject({ code: 3, stdout: 'deny\n  - over the limit\n' })
    expect(await cli(...words, '--value', '5')).toMatchObject({ code: 0, stdout: 'allow\n' })
    const json = await cli(...words, '--value', '7', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: true,
      data: { allow: false, reasons: ['over the limit'] },
      meta: { exitCode: 3 },
    })
    expect((await ask(...words, '--value', 'much')).code).toBe(2)
    writeFileSync(join(home, 'wrong.json'), '{"max":"5"}')
    const wrong = await ask(
      ...words.map((word) => (word === 'limit.json' ? 'wrong.json' : word)),
      '--value',
      '7',
    )
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('/max')
    writeFileSync(join(home, 'broken.rego'), 'package broken\nallow if {\n')
    const broken = await ask(
      'policy',
      'simulate',
      '--rego',
      'broken.rego',
      '--to',
      `0x${'22'.repeat(20)}`,
    )
    expect(broken.code).not.toBe(0)
    expect(broken.stdout).toBe('')
  }, 60_000)

  test('behavior: lint and test run the operators\u2019 engine', async () => {
    writeFileSync(join(home, 'open.rego'), 'package open\ndefault allow := true\n')
    const lint = await cli('policy', 'lint', '--rego', 'open.rego')
    expect(lint.code).toBe(3)
    expect(lint.stdout).toContain('open.rego:')
    writeFileSync(
      join(home, 'open_test.rego'),
      'package open_test\nimport data.open\ntest_allows if open.allow\ntest_denies if not open.allow\n',
    )
    const tested = await cli('policy', 'test', 'open.rego', 'open_test.rego')
    expect(tested.code).toBe(3)
    expect(tested.stdout).toContain('1 passed, 1 failed')
    expect((await cli('policy', 'test', 'open.rego')).code).toBe(2)
    // No test at all is no green run.
    writeFileSync(join(home, 'none_test.rego'), 'package open_test\ntets_allows if true\n')
    const none = await cli('policy', 'test', 'open.rego', 'none_test.rego')
    expect(none.code).toBe(2)
    expect(none.stderr).toContain('There is no test in')
  }, 60_000)

  test('behavior: devnet serves a chain until it is interrupted, and ends cleanly', async () => {
    const port = await freePort()
    const child = spawn(process.execPath, [bin, 'devnet', '--port', String(port)], {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    const ready = new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString()
        if (stderr.includes('Ctrl-C ends')) resolve()
      })
    })
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    await ready
    const url = `http://127.0.0.1:${port}`
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] })
    const headers = { 'content-type': 'application/json' }
    const answer = (await (await fetch(url, { method: 'POST', headers, body })).json()) as object
    expect(answer).toMatchObject({ result: '0x7a69' })
    expect(stdout).toContain('responseRegistry')
    child.kill('SIGINT')
    expect(await ended).toBe(0)
    await expect(fetch(url, { method: 'POST', headers, body })).rejects.toThrow()
  }, 90_000)

  test('behavior: completions name every command', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const { stdout, code } = await ask('completions', shell)
      expect(code).toBe(0)
      expect(stdout).toContain('compute-id')
    }
    expect((await ask('completions', 'tcsh')).code).toBe(2)
  })
})
