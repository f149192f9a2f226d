/** A compiled module that is given in place of the embedded one. */
import { gunzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { engineGzipBase64 } from './engineModule.generated.js'

const fresh = async (): Promise<typeof import('./engineModule.js')> => {
  vi.resetModules()
  return import('./engineModule.js')
}
const file = (): BufferSource => new Uint8Array(gunzipSync(Buffer.from(engineGzipBase64, 'base64')))

test('behavior: a module that is given is used, and nothing is compiled', async () => {
  const { loadEngineModule, setEngineModule } = await fresh()
  const module = await WebAssembly.compile(file())
  setEngineModule(module)
  const compile = vi.spyOn(WebAssembly, 'compile').mockRejectedValue(new Error('forbidden'))
  expect(await loadEngineModule()).toBe(module)
  setEngineModule(module)
  compile.mockRestore()
})

test('error: what is no engine, and another one after the first', async () => {
  const { loadEngineModule, setEngineModule } = await fresh()
  const empty = await WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))
  for (const wrong of [undefined, file(), {}, empty]) {
    expect(() => setEngineModule(wrong as never)).toThrow(/`module` is not valid/)
  }
  await loadEngineModule()
  const late = await WebAssembly.compile(file())
  expect(() => setEngineModule(late)).toThrow(/in use already/)
})

test('error: a platform that compiles nothing is told what to do', async () => {
  const { loadEngineModule } = await fresh()
  const compile = vi.spyOn(WebAssembly, 'compile').mockRejectedValue(new Error('forbidden'))
  const error = await loadEngineModule().catch((cause: unknown) => cause)
  expect(error).toMatchObject({ code: 'ENGINE' })
  expect((error as Error).message).toContain('setEngineModule()')
  expect((error as Error).message).toContain('@newton/policy-sdk/eval/engine.wasm')
  compile.mockRestore()
})
