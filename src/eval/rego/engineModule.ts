/**
 * Loading the engine module: compressed in a file of its own, fetched with a dynamic import, so
 * that it costs nothing until a policy is evaluated and needs no file system and no URL.
 */
import { EngineError } from '../errors.js'

let shared: Promise<WebAssembly.Module> | undefined

/**
 * Returns the compiled engine module, the same one to every caller.
 *
 * @throws {EngineError} where WebAssembly is not allowed, such as under a content security policy
 * without `wasm-unsafe-eval`.
 */
export function loadEngineModule(): Promise<WebAssembly.Module> {
  shared ??= compile().catch((cause: unknown) => {
    shared = undefined
    throw new EngineError('its module does not load', {
      cause,
      metaMessages: ['A page needs `wasm-unsafe-eval` in its script-src policy.'],
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
