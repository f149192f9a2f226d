/**
 * Tells which components would answer with the time or chance of their own build.
 */
import { readComponentShape } from './component/component.js'

/**
 * What a JavaScript plugin does not get from the host. ComponentizeJS snapshots an engine; built
 * without a feature, the engine answers from the snapshot: the same time and the same "random"
 * bytes in every task. A plugin of `buildPlugin` throws instead, others do not.
 *
 * @returns Empty for components that another tool made.
 * @throws {PluginComponentError} for anything but a well-formed component.
 * @example
 * ```ts
 * import { frozenInputs } from '@newton/policy-sdk/eval'
 *
 * declare const component: Uint8Array
 * frozenInputs(component).includes('clock') // whether an expiry check in it can be trusted
 * ```
 */
export function frozenInputs(component: Uint8Array): readonly ('clock' | 'random')[] {
  const { imports, custom } = readComponentShape(component)
  const producers = custom.filter(({ name }) => name === 'producers')
  const text = new TextDecoder()
  const snapshot = producers.some(({ start, end }) =>
    text.decode(component.subarray(start, end)).includes('ComponentizeJS'),
  )
  if (!snapshot) return []
  const asks = (path: string): boolean => imports.some(({ name }) => name.startsWith(`${path}@`))
  const frozen: ('clock' | 'random')[] = []
  if (!asks('wasi:clocks/wall-clock')) frozen.push('clock')
  if (!asks('wasi:random/random')) frozen.push('random')
  return frozen
}
