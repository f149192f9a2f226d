// Compiles keccak.rs and writes ../keccakWasm.generated.ts; `--check` compares.
// Run from anywhere: `node src/internal/wasm/build.mjs`.
import { compileRust } from './compileRust.mjs'

compileRust({
  script: 'src/internal/wasm/build.mjs',
  source: new URL('keccak.rs', import.meta.url),
  target: new URL('../keccakWasm.generated.ts', import.meta.url),
  name: 'keccakWasm',
  encoding: 'hex',
  codegen: ['link-arg=-zstack-size=8192'],
})
