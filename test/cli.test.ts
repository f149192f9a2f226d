import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ARTIFACT_ABSENT, computeArtifactHash, computePolicyTemplateId } from '@newton/policy-sdk'
import { afterAll, describe, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../dist/cli/bin.js', import.meta.url))
if (!existsSync(bin)) {
  if (process.env['CI_REQUIRE_ALL']) throw new Error('run npm run build first')
  console.warn('skipped: the command line is not built; run npm run build')
}

const home = mkdtempSync(join(tmpdir(), 'newton-policy-cli-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

type Run = { code: number | null; stdout: string; stderr: string }

const cli = (...words: string[]): Promise<Run> =>
  new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: home, XDG_CONFIG_HOME: join(home, 'config') }
    const child = spawn(process.execPath, [bin, ...words], {
      cwd: home,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })

describe.skipIf(!existsSync(bin))('newton-policy', () => {
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
  ])('error: %j is a usage error', async (words, message) => {
    const run = await cli(...words)
    expect(run.code).toBe(2)
    expect(run.stdout).toBe('')
    expect(run.stderr).toContain(message)
    const json = await cli(...words, '--json')
    expect(json.code).toBe(2)
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      error: { retryable: false },
      meta: { exitCode: 2 },
    })
  })

  test('error: a missing file is FILE_ACCESS and names it', async () => {
    const run = await cli('artifact', 'hash', 'missing.wasm')
    expect(run.code).toBe(1)
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
    expect((await cli('config', 'init')).code).toBe(0)
    expect((await cli('config', 'init')).code).toBe(2)
    expect((await cli('config', 'set', 'api_key', 'hunter2')).code).toBe(0)
    expect(
      (await cli('config', 'set', 'chains.sepolia.rpc_url', 'https://rpc.example/v2/hunter3')).code,
    ).toBe(0)
    expect((await cli('config', 'set', 'chains.sepolia.id', 'x')).code).toBe(2)
    expect((await cli('config', 'set', 'unknown', '1')).code).toBe(2)
    const path = join(home, 'config', 'newton-policy', 'config.toml')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, 'utf8')).toContain('hunter2')
    for (const run of [await cli('config', 'show'), await cli('config', 'show', '--json')]) {
      expect(run.code).toBe(0)
      expect(run.stdout).not.toContain('hunter')
      expect(run.stdout).toContain('rpc.example')
    }
    expect((await cli('config', 'use-profile', 'nobody')).code).toBe(2)
    expect((await cli('config', 'use-profile', 'devnet')).code).toBe(0)
    writeFileSync(path, 'not toml [')
    const broken = await cli('config', 'show')
    expect(broken.code).toBe(2)
    expect(broken.stderr).toContain('not valid TOML')
    expect(readFileSync(path, 'utf8')).toBe('not toml [')
  })

  test('behavior: completions name every command', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { stdout, code } = await cli('completions', shell)
      expect(code).toBe(0)
      expect(stdout).toContain('compute-id')
    }
    expect((await cli('completions', 'tcsh')).code).toBe(2)
  })
})
