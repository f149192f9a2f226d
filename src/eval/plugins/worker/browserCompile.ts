/** Entry point of compile workers in browsers. Runs the transpiler, never a plugin. */
import type { CompileJob } from '../protocol.js'
import { compileJob, type Transpiler } from './compile.js'

const scope = globalThis as unknown as {
  postMessage: (message: unknown) => void
  onmessage: ((event: { data: CompileJob | { transpiler: string } }) => void) | null
}
let transpiler: Promise<Transpiler> | undefined

scope.onmessage = (event) => {
  const message = event.data
  if ('transpiler' in message) {
    transpiler = import(/* @vite-ignore */ message.transpiler)
    transpiler
      .then((loaded) => loaded.$init)
      .then(
        () => scope.postMessage({ ready: true }),
        (error) => scope.postMessage({ failed: `the transpiler does not load: ${error}` }),
      )
    return
  }
  void transpiler
    ?.then((loaded) => compileJob(message, loaded))
    .then((reply) => scope.postMessage(reply))
}
