/**
 * Evaluation on Node: worker threads, HTTP with address checks.
 *
 * @packageDocumentation
 */
export {
  type BuildPluginRequest,
  type BuiltPlugin,
  buildDeterminismShim,
  buildPlugin,
  LARGE_PLUGIN_BYTES,
  type PluginFeature,
  pluginFeatures,
} from './buildPlugin.js'
export { fileCompiledPluginStore } from './compiledPluginStore.js'
export { DETERMINISM_KIT } from './deterministicBuild.js'
export { PluginBuildError } from './errors.js'
export { exchangeHttp, type HttpExchangeOptions } from './httpExchange.js'
export { nodeHttpTransport } from './httpTransport.js'
export { nodePluginWorkers } from './pluginWorkers.js'
