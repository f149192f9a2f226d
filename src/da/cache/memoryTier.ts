/** L1: what the parts of a process keep in its memory, told as the cache's first tier. */
import type { ProcessMemory } from '../../internal/processMemory.js'
import type { EmitCacheEvent } from './events.js'

/** Tells of lookups, fillings, departures and sizes, by form. */
export function tellOfMemory(memory: ProcessMemory, emit: EmitCacheEvent): void {
  memory.observe((event) => {
    const { form, key } = event
    if (event.type === 'lookup')
      return emit({ type: 'cache.lookup', tier: 'L1', result: event.result, form })
    if (event.type === 'filled')
      emit({ type: 'cache.fill', tier: 'L1', key: `${form}:${key}`, byteLength: event.weight })
    else emit({ type: 'cache.evict', tier: 'L1', form, reason: event.reason })
    const { entries, bytes } = memory.stats(form)
    emit({ type: 'cache.size', tier: 'L1', form, entries, bytes })
  })
}
