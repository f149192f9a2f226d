/** Writes the engine module as a file of the built package: `@newton/policy-sdk/eval/engine.wasm`. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { engineGzipBase64 } from '../src/eval/rego/engineModule.generated.js'

const path = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url))
const bytes = gunzipSync(Buffer.from(engineGzipBase64, 'base64'))
const { module } = JSON.parse(readFileSync(path('engine/BUILD.json'), 'utf8')) as {
  module: { sha256: string }
}
const sha256 = createHash('sha256').update(bytes).digest('hex')
if (sha256 !== module.sha256) throw new Error('the module is not the one of engine/BUILD.json')
mkdirSync(path('dist/eval'), { recursive: true })
writeFileSync(path('dist/eval/engine.wasm'), bytes)
writeFileSync(
  path('dist/eval/engine.d.wasm.ts'),
  'declare const module: WebAssembly.Module\nexport default module\n',
)
