/** Runs the built command line as a user's shell does. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from '../../src/cli/main.js'
import type { Terminal } from '../../src/cli/terminal/output.js'

export const bin = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url))

export const isBuilt = existsSync(bin)
if (!isBuilt) {
  if (process.env['CI_REQUIRE_ALL']) throw new Error('run npm run build first')
  console.warn('skipped: the command line is not built; run npm run build')
}

export type Run = { code: number | null; stdout: string; stderr: string }

/** A shell with a home directory of its own. */
export function shell(home: string, env: Record<string, string> = {}) {
  return (...words: string[]): Promise<Run> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [bin, ...words], {
        cwd: home,
        env: { PATH: process.env['PATH'], HOME: home, ...env },
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
}

/** The same words without a process: what is left of a call once Node has started. */
export function session(home: string, env: Record<string, string> = {}) {
  return async (...words: string[]): Promise<Run> => {
    let stdout = ''
    let stderr = ''
    const terminal: Terminal = {
      stdout: (text) => {
        stdout += text
      },
      stderr: (text) => {
        stderr += text
      },
      ...{ env, interactive: false, cwd: home, home },
    }
    const code = await run(words, terminal, new AbortController().signal)
    return { code, stdout, stderr }
  }
}
