/**
 * Loading the engine module: compressed in a file of its own, fetched with a dynamic import, so
 * that it costs nothing until a policy is evaluated and needs no file system and no URL. Where modules
 * may not be compiled at run time, a compiled one is given instead.
 */
import { InvalidInputError } from '../../errors/common.js'
import { EngineError } from '../errors.js'

let shared: Promise<WebAssembly.Module> | undefined

/** Exports that tell the engine's module from another one. */
const needed = ['memory', 'fuel', 'engine_init', 'engine_decide', 'engine_schema_validate'] as const

/**
 * Gives the engine as a compiled module, before anything is evaluated: for platforms that compile no
 * WebAssembly at run time, such as Cloudflare workerd, and for pages that serve the file
 * `@newton/policy-sdk/eval/engine.wasm` themselves.
 *
 * The file is believed: what it decides is what this process decides. Take it from this package.
 *
 * @throws {InvalidInputError} for what is no engine module, and where another one is in use already.
 * @example
 * ```ts
 * import { setEngineModule } from '@newton/policy-sdk/eval'
 *
 * const url = '/assets/engine.wasm'
 * setEngineModule(await WebAssembly.compileStreaming(fetch(url)))
 * ```
 */
export function setEngineModule(module: WebAssembly.Module): void {
  const field = 'module'
  if (Object.prototype.toString.call(module) !== '[object WebAssembly.Module]') {
    throw new InvalidInputError({
      field,
      reason: 'expected a compiled WebAssembly.Module',
      hint: 'Import @newton/policy-sdk/eval/engine.wasm as a module, or compile it first.',
    })
  }
  const names = WebAssembly.Module.exports(module).map(({ name }) => name)
  const missing = needed.find((name) => !names.includes(name))
  if (missing !== undefined) {
    throw new InvalidInputError({
      field,
      reason: `it exports no ${missing}: it is not the engine of this version`,
      hint: 'Take @newton/policy-sdk/eval/engine.wasm of the same installation.',
    })
  }
  if (shared !== undefined && given !== module) {
    throw new InvalidInputError({
      field,
      reason: 'another engine module is in use already',
      hint: 'Call setEngineModule before anything is evaluated, once.',
    })
  }
  given = module
  shared = Promise.resolve(module)
}

let given: WebAssembly.Module | undefined

/**
 * Returns the compiled engine module, the same one to every caller.
 *
 * @throws {EngineError} where WebAssembly is not allowed, such as under a content security policy
 * without `wasm-unsafe-eval`, or on a platform that compiles none.
 */
export function loadEngineModule(): Promise<WebAssembly.Module> {
  shared ??= compile().catch((cause: unknown) => {
    shared = undefined
    throw new EngineError('its module does not load', {
      cause,
      metaMessages: [
        'A page needs `wasm-unsafe-eval` in its script-src policy.',
        'Where nothing may be compiled (Cloudflare workerd): import @newton/policy-sdk/eval/engine.wasm and give it to setEngineModule().',
      ],
    })
  })
  return shared
}

async function compile(): Promise<WebAssembly.Module> {
  const { engineGzipBase64 } = await import('./engineModule.generated.js')
  const packed = Uint8Array.from(atob(engineGzipBase64), (character) => character.charCodeAt(0))
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))
  return WebAssembly.compile(await new Response(stream).arrayBuffer())
}
