/** A store in memory, addressed by keccak-256. For tests and short-lived processes. */

import type { Hex } from 'viem'
import type { DaClient } from '../core/interfaces/daClient.js'
import { copyBytes } from '../internal/bytes.js'
import { assertOptions } from '../internal/options.js'
import { createDaAdapter, type DaHooks, requireArtifactHash } from './adapter.js'
import { DaNotFoundError, DaPayloadTooLargeError } from './errors.js'
import { atLeastOne, hookRules } from './internal/optionRules.js'

/** Options of {@link memoryDa}. */
export type MemoryDaOptions = DaHooks & {
  /** Name in locators; a locator without a name matches every store. @default '' */
  name?: string | undefined
  /** Most bytes of one artifact. @default 64 MiB */
  maxBytes?: number | undefined
}

/**
 * Creates a store that keeps artifacts in memory until it is dropped.
 *
 * @example
 * ```ts
 * import { memoryDa } from '@newton/policy-sdk/da'
 *
 * const da = memoryDa()
 * const { locator, artifactHash } = await da.put(new TextEncoder().encode('{}'))
 * await da.getWithVerification(locator, artifactHash)
 * ```
 */
export function memoryDa(options: MemoryDaOptions = {}): DaClient {
  assertOptions(options, { ...hookRules, name: 'text', maxBytes: atLeastOne })
  const { name = '', maxBytes = 67_108_864 } = options
  const held = new Map<Hex, Uint8Array>()
  const source = name === '' ? 'memory' : `memory:${name}`
  return createDaAdapter(
    {
      kind: 'memory',
      source,
      retention: { kind: 'permanent' },
      supports: (locator) =>
        locator.kind === 'keccakStore' && (locator.name === '' || locator.name === name),
      async put(bytes, { hash, onProgress }) {
        if (bytes.length > maxBytes) {
          throw new DaPayloadTooLargeError({ source, byteLength: bytes.length, limit: maxBytes })
        }
        held.set(hash, copyBytes(bytes))
        onProgress?.({ loaded: bytes.length, total: bytes.length })
        return { locator: { kind: 'keccakStore', name }, checks: ['keccak256'] }
      },
      async read(_locator, { artifactHash, onProgress }) {
        const hash = requireArtifactHash(source, artifactHash)
        const bytes = held.get(hash)
        if (!bytes) throw new DaNotFoundError({ source, what: `artifact ${hash}` })
        onProgress?.({ loaded: bytes.length, total: bytes.length })
        return copyBytes(bytes)
      },
      async head(_locator, { artifactHash }) {
        const bytes = held.get(requireArtifactHash(source, artifactHash))
        return bytes ? { status: 'available', byteLength: bytes.length } : { status: 'missing' }
      },
    },
    options,
  )
}
