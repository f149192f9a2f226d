/** Questions, asked only where somebody can answer. */
import type { Prompt, Terminal } from './output.js'

/** Questions on the process's own terminal. */
export function clackPrompt(): Prompt {
  return {
    async secret(question) {
      const { isCancel, password } = await import('@clack/prompts')
      const answer = await password({ message: question, output: process.stderr })
      return isCancel(answer) ? undefined : answer
    },
    async confirm(question) {
      const { confirm, isCancel } = await import('@clack/prompts')
      const answer = await confirm({
        message: question,
        initialValue: false,
        output: process.stderr,
      })
      return !isCancel(answer) && answer
    },
  }
}

/** The prompt of a terminal, `undefined` where nobody can be asked. */
export function promptOf(terminal: Terminal): Prompt | undefined {
  return terminal.interactive ? terminal.prompt : undefined
}
