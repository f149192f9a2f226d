/** BN254 in WebAssembly. Needs the optional peer `mcl-wasm`. */
export { mclBackend } from './backend.js'
