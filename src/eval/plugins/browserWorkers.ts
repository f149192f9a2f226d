import { MissingPeerError } from '../../errors/common.js'
import { assertOptions } from '../../internal/options.js'
import { fetchTransport } from './fetchTransport.js'
import type { PluginWorker, PluginWorkers } from './workerPool.js'
import { compileWorkerSource, runWorkerSource } from './workers.generated.js'

/**
 * Workers of a browser page, started from blobs.
 *
 * The page's content security policy needs `script-src 'wasm-unsafe-eval' blob:` and
 * `worker-src blob:`.
 *
 * @param parameters.transpiler - Absolute URL of the module
 * `@bytecodealliance/jco-transpile/component`, bundled into one file for browsers, with its two
 * `.core.wasm` files beside it. docs/plugins.md has the command.
 * @example
 * ```ts
 * import { browserPluginWorkers } from '@newton/policy-sdk/eval'
 *
 * browserPluginWorkers({
 *   transpiler: new URL('/jco/transpiler.js', 'https://app.example').href,
 * })
 * ```
 */
export function browserPluginWorkers(parameters: {
  transpiler: string
  /** Runs at once. @default half of `navigator.hardwareConcurrency` */
  concurrency?: number | undefined
}): PluginWorkers {
  assertOptions(
    parameters,
    { transpiler: 'text', concurrency: { least: 1 } },
    { field: 'parameters', required: ['transpiler'] },
  )
  const { transpiler } = parameters
  const cores = (globalThis.navigator as Navigator | undefined)?.hardwareConcurrency ?? 2
  return {
    transport: fetchTransport(),
    concurrency: parameters.concurrency ?? Math.max(1, Math.floor(cores / 2)),
    startRunWorker: () => startWorker(runWorkerSource),
    startCompileWorker() {
      const worker = startWorker(compileWorkerSource)
      worker.post({ transpiler })
      return worker
    },
  }
}

function startWorker(source: string): PluginWorker {
  if (typeof Worker === 'undefined')
    throw new MissingPeerError({ peer: 'a browser with Worker', needed: 'Running plugins' })
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
  const worker = new Worker(url, { type: 'module' })
  URL.revokeObjectURL(url)
  let onMessage: (message: unknown) => void = () => {}
  let onExit: (reason: string) => void = () => {}
  worker.onmessage = (event) => onMessage(event.data)
  worker.onerror = (event) => {
    event.preventDefault()
    onExit(event.message || 'the worker failed to load')
  }
  worker.onmessageerror = () => onExit('a message could not be read')
  return {
    post: (message) => worker.postMessage(message),
    listen(handlers) {
      onMessage = handlers.onMessage
      onExit = handlers.onExit
    },
    terminate: () => worker.terminate(),
  }
}
