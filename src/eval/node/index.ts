/**
 * Evaluation on Node: worker threads, HTTP with address checks.
 *
 * @packageDocumentation
 */
export { nodeHttpTransport } from './httpTransport.js'
export { nodePluginWorkers } from './pluginWorkers.js'
