import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { MissingPeerError } from '../../errors/common.js'
import { assertOptions } from '../../internal/options.js'
import type { PluginWorker, PluginWorkers } from '../plugins/workerPool.js'
import { nodeHttpTransport } from './httpTransport.js'
import { compileWorkerSource, runWorkerSource } from './workers.generated.js'

/**
 * Workers of Node, each a thread of its own.
 *
 * Run workers have no environment, and evaluate plugins in a context without Node's modules that
 * cannot make code from strings. Requests go through `nodeHttpTransport()` unless the runtime is
 * given another transport, so names that resolve to private addresses are refused.
 *
 * Compiling a plugin fails with `MISSING_PEER` when `@bytecodealliance/jco-transpile` is not installed;
 * where no plugin is compiled, it is not needed.
 *
 * @example
 * ```ts
 * import { createPluginRuntime } from '@newton/policy-sdk/eval'
 * import { nodePluginWorkers } from '@newton/policy-sdk/eval/node'
 *
 * const plugins = createPluginRuntime({ workers: nodePluginWorkers() })
 * plugins.close()
 * ```
 */
export function nodePluginWorkers(
  options: {
    /** Runs at once. @default half of the cores */
    concurrency?: number | undefined
    /** Megabytes of JavaScript heap of one worker. @default 256 */
    heapMb?: number | undefined
    /** File URL of the transpiler module, where it is not found beside this package. */
    transpiler?: string | undefined
    /** How far what nobody waits for gives way, 0 to 19, on Linux. @default 19 */
    backgroundNice?: number | undefined
  } = {},
): PluginWorkers {
  assertOptions(options, {
    concurrency: { least: 1 },
    heapMb: { least: 1 },
    transpiler: 'text',
    backgroundNice: { least: 0, most: 19 },
  })
  const { heapMb = 256, backgroundNice = 19 } = options
  return {
    transport: nodeHttpTransport(),
    concurrency: options.concurrency ?? Math.max(1, Math.floor(availableParallelism() / 2)),
    startRunWorker: () =>
      wrap(
        new Worker(runWorkerSource, {
          eval: true,
          name: 'newton-plugin',
          env: {},
          argv: [],
          execArgv: [],
          stdin: false,
          stdout: true,
          stderr: true,
          resourceLimits: {
            maxOldGenerationSizeMb: heapMb,
            maxYoungGenerationSizeMb: 32,
            stackSizeMb: 16,
          },
        }),
      ),
    startCompileWorker: ({ background = false } = {}) =>
      wrap(
        new Worker(compileWorkerSource, {
          eval: true,
          name: 'newton-plugin-compile',
          env: {},
          argv: [],
          execArgv: [],
          stdin: false,
          stdout: true,
          stderr: true,
          workerData: {
            transpiler: options.transpiler ?? findTranspiler(),
            nice: background ? backgroundNice : 0,
          },
        }),
      ),
  }
}

function findTranspiler(): string {
  const peer = '@bytecodealliance/jco-transpile'
  try {
    return pathToFileURL(createRequire(import.meta.url).resolve(`${peer}/component`)).href
  } catch (cause) {
    throw new MissingPeerError({ peer, needed: 'Running WASM plugins' }, { cause })
  }
}

function wrap(worker: Worker): PluginWorker {
  let onMessage: (message: unknown) => void = () => {}
  let onExit: (reason: string) => void = () => {}
  worker.on('message', (message) => onMessage(message))
  worker.on('messageerror', () => onExit('a message could not be read'))
  worker.on('error', (error: Error & { code?: string }) =>
    onExit(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out of heap memory' : String(error)),
  )
  worker.on('exit', (code) => onExit(`it exited with code ${code}`))
  // Nothing a plugin does may keep the process alive.
  worker.unref()
  return {
    post: (message) => worker.postMessage(message),
    listen(handlers) {
      onMessage = handlers.onMessage
      onExit = handlers.onExit
    },
    terminate: () => void worker.terminate(),
  }
}
