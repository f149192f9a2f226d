/** Test tools that need Node: local chains. */
export {
  type Anvil,
  AnvilError,
  freePort,
  type StartAnvilOptions,
  startAnvil,
} from './anvil.js'
