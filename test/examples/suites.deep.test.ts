/** The examples that are tests: each with the command that its page names. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

test.each(['example:tests', 'example:da-adapter', 'example:tests:devnet'])(
  'behavior: npm run %s passes',
  (script) => {
    const { status, stdout, stderr } = spawnSync('npm', ['run', script], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, VITEST: undefined, VITEST_POOL_ID: undefined, NODE_ENV: undefined },
    })
    expect(stdout + stderr).toMatch(/Tests\s+.*\d+ passed/)
    expect(status).toBe(0)
  },
  600_000,
)
