// Compiles node_hash.rs and writes ../hash/nodeHashWasm.generated.ts; `--check` compares.
// Run from anywhere: `node src/statetree/wasm/build.mjs`.
import { compileRust } from '../../internal/wasm/compileRust.mjs'

compileRust({
  script: 'src/statetree/wasm/build.mjs',
  source: new URL('node_hash.rs', import.meta.url),
  target: new URL('../hash/nodeHashWasm.generated.ts', import.meta.url),
  name: 'nodeHashWasm',
  // After brotli a third smaller than base64, in which repeated code looks different each time.
  encoding: 'hex',
  codegen: [
    'lto=fat',
    'target-feature=+simd128',
    'link-arg=-zstack-size=4096',
    'link-arg=--initial-memory=131072',
  ],
})
