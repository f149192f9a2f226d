// Compiles msm.rs and writes ../msmWasm.generated.ts; `--check` compares.
// Run from anywhere: `node src/da/kzg/msm/wasm/build.mjs`.
import { compileRust } from '../../../../internal/wasm/compileRust.mjs'

compileRust({
  script: 'src/da/kzg/msm/wasm/build.mjs',
  source: new URL('msm.rs', import.meta.url),
  target: new URL('../msmWasm.generated.ts', import.meta.url),
  name: 'msmWasm',
  encoding: 'base64',
  codegen: ['lto=fat', 'link-arg=-zstack-size=16384', 'link-arg=--export=__heap_base'],
})
