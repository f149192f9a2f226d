/** The published crate, built natively: engine/native, one request a line, one answer a line. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Where the native engine lies once it is built. */
export const nativeEngine: string =
  process.env['ENGINE_NATIVE'] ??
  fileURLToPath(new URL('../../engine/native/target/release/native', import.meta.url))

export const hasNativeEngine: boolean = existsSync(nativeEngine)

export const howToBuild =
  'No native engine. Build it with: cargo build --release --locked (in engine/native).'

export type Request = {
  modules: readonly { path: string; source: string }[]
  input: string
  data: string
}

export type Oracle = {
  /** Answers in order; null where the process died of the request, as of an exhausted stack. */
  ask(request: Request): Promise<string | null>
  close(): void
}

/** Starts the native engine, and starts it again after a request that kills it. */
export function openOracle(): Oracle {
  let child: ChildProcess | undefined
  let waiting: ((answer: string | null) => void) | undefined

  function start(): ChildProcess {
    const started = spawn(nativeEngine, { stdio: ['pipe', 'pipe', 'ignore'] })
    const settle = (answer: string | null): void => {
      const resolve = waiting
      waiting = undefined
      resolve?.(answer)
    }
    createInterface({ input: started.stdout as NodeJS.ReadableStream }).on('line', settle)
    started.on('exit', () => {
      if (child === started) child = undefined
      settle(null)
    })
    return started
  }

  return {
    ask(request) {
      child ??= start()
      const running = child
      return new Promise((resolve) => {
        waiting = resolve
        running.stdin?.write(`${JSON.stringify(request)}\n`)
      })
    },
    close() {
      child?.kill()
      child = undefined
    },
  }
}
