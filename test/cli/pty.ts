/** The built command line in a pseudo-terminal, by `script` of util-linux. */
import { spawn, spawnSync } from 'node:child_process'
import { bin } from './runner.js'

/** Whether pseudo-terminals can be had here; where not, tests are skipped and say so. */
export const hasPty = /util-linux/.test(
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '',
)
if (!hasPty) console.warn('skipped: pseudo-terminals need script of util-linux')

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** What a person saw, and how the command ended. */
export type Seen = { code: number | null; output: string }

/** A person at a terminal with a home directory of its own. */
export function person(home: string, env: Record<string, string> = {}) {
  return (
    words: readonly string[],
    /** Answers, each typed once its question is there. */
    answers: readonly { after: RegExp; type: string }[] = [],
  ): Promise<Seen> =>
    new Promise((resolve, reject) => {
      // A terminal of no width breaks every line after one character.
      const line = `stty cols 120 rows 40; exec ${[process.execPath, bin, ...words].map(quoted).join(' ')}`
      const child = spawn('script', ['-qec', line, '/dev/null'], {
        cwd: home,
        env: { PATH: process.env['PATH'], HOME: home, TERM: 'xterm', SHELL: '/bin/sh', ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      const waiting = [...answers]
      let output = ''
      let from = 0
      const look = (chunk: Buffer): void => {
        output += chunk.toString()
        const [next] = waiting
        const match = next?.after.exec(output.slice(from))
        if (next === undefined || match == null) return
        from = output.length
        waiting.shift()
        child.stdin.write(next.type)
      }
      child.stdout.on('data', look)
      child.stderr.on('data', look)
      child.on('error', reject)
      child.on('close', (code) => resolve({ code, output: output.replaceAll('\r\n', '\n') }))
    })
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours start with ESC
export const colour = /\u001b\[[\d;]*m/
