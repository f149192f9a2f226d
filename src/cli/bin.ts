#!/usr/bin/env node
import { homedir } from 'node:os'
import { run } from './main.js'
import { interruption } from './terminal/interrupt.js'
import { exitCodes } from './terminal/output.js'
import { clackPrompt } from './terminal/prompt.js'

const controller = new AbortController()
const signals = ['SIGINT', 'SIGTERM'] as const
// Once for both: the second one, whichever it is, ends the process as it would without us, also where it is busy.
const interrupt = (): void => {
  for (const signal of signals) process.off(signal, interrupt)
  controller.abort(interruption())
}
for (const signal of signals) process.on(signal, interrupt)

// A reader that stops early, such as `| head`, is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

const exitCode = await run(
  process.argv.slice(2),
  {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    env: process.env,
    interactive:
      process.stderr.isTTY === true && process.stdin.isTTY === true && !process.env['CI'],
    cwd: process.cwd(),
    home: homedir(),
    prompt: clackPrompt(controller.signal),
  },
  controller.signal,
)
// Work that was left behind must not go on.
if (exitCode === exitCodes.interrupted) process.exit(exitCode)
process.exitCode = exitCode
