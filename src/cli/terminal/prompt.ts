/** Questions, asked only where somebody can answer. */
import { interruption } from './interrupt.js'
import type { Prompt, Terminal } from './output.js'

/** Questions on the process's own terminal. Ctrl-C at one is the end of the command. */
export function clackPrompt(signal: AbortSignal): Prompt {
  return {
    async secret(question) {
      const { isCancel, password } = await import('@clack/prompts')
      const answer = await password({ message: question, output: process.stderr, signal })
      if (isCancel(answer)) throw interruption()
      return answer
    },
    async confirm(question) {
      const { confirm, isCancel } = await import('@clack/prompts')
      const answer = await confirm({
        ...{ message: question, initialValue: false, output: process.stderr, signal },
      })
      if (isCancel(answer)) throw interruption()
      return answer
    },
  }
}

/** The prompt of a terminal, `undefined` where nobody can be asked. */
export function promptOf(terminal: Terminal): Prompt | undefined {
  return terminal.interactive ? terminal.prompt : undefined
}
