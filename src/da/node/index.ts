/** Data availability on Node: files. */
export { type FileDaOptions, fileDa } from './fileDa.js'
