/** The code blocks of docs/registry.md, as they are written, against the built package. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ModuleKind, ScriptTarget, transpile } from 'typescript'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(`${root}/docs/registry.md`, 'utf8')
const blocks = [...page.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```$/gm)].map(
  (match) => match[1] as string,
)

/** Runs code as a module of this package, so that its own name leads to what was built. */
function run(code: string): Promise<{ stdout: string; stderr: string }> {
  const module = transpile(code, { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 })
  return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', module], {
    cwd: root,
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
    timeout: 50_000,
  })
}

describe('docs/registry.md', () => {
  test('behavior: it has code, and what is not found fails', async () => {
    expect(blocks.length).toBeGreaterThan(0)
    await expect(
      run("import { noSuchAction } from '@newton/policy-sdk/registry'\nnoSuchAction()"),
    ).rejects.toThrow(/does not provide an export named 'noSuchAction'/)
  }, 60_000)

  test.each(blocks.map((code, index) => [index + 1, code] as const))(
    'behavior: block %i runs as it is written',
    async (_, code) => {
      const { stderr } = await run(code)
      expect(stderr).toBe('')
    },
    60_000,
  )

  test('behavior: the names in its table are exported', async () => {
    const registry: Record<string, unknown> = await import('../../src/registry/index.js')
    const names = [
      ...page.matchAll(/`((?:create|describe|index|register|watch|import|get)[A-Z]\w+)/g),
    ]
      .map((match) => match[1] as string)
      .filter((name) => !name.endsWith('X'))
    expect(names.length).toBeGreaterThan(8)
    expect(names.filter((name) => !(name in registry))).toEqual([])
  })
})
