/**
 * The top tier: what one evaluation holds in the enclave's memory, gone when it ends.
 *
 * Decrypted secrets live here and nowhere else: they are never written to a lower tier, and their
 * bytes are overwritten on disposal.
 */
import { InvalidInputError } from '../../errors/common.js'

/** The memory of one evaluation in flight. */
export type EvaluationScope = {
  /**
   * A decrypted secret by name, opened once per evaluation.
   *
   * The bytes belong to the scope and become zeros when it is disposed of: do not keep them.
   */
  secret(name: string, open: () => Promise<Uint8Array>): Promise<Uint8Array>
  /** A value of this evaluation by key, such as the parsed policy; loaded once. */
  value<value>(key: string, load: () => Promise<value>): Promise<value>
  /** Ends the scope. Later calls fail; a secret still being opened is overwritten on arrival. */
  dispose(): void
  readonly disposed: boolean
}

/** Hook for what the scope's calls found. */
export type ScopeObserver = (kind: 'hit' | 'miss') => void

/**
 * Opens a scope.
 *
 * @example
 * ```ts
 * import { createEvaluationScope } from '@newton/policy-sdk/da'
 *
 * const scope = createEvaluationScope()
 * try {
 *   await scope.secret('apiKey', async () => new TextEncoder().encode('opened'))
 * } finally {
 *   scope.dispose()
 * }
 * ```
 */
export function createEvaluationScope(observe: ScopeObserver = () => undefined): EvaluationScope {
  const secrets = new Map<string, Promise<Uint8Array>>()
  const values = new Map<string, Promise<unknown>>()
  let disposed = false

  function load<value>(
    from: Map<string, Promise<unknown>>,
    key: string,
    loader: () => Promise<value>,
  ): Promise<value> {
    if (disposed) {
      throw new InvalidInputError({ field: 'scope', reason: 'the evaluation has ended' })
    }
    const known = from.get(key)
    observe(known === undefined ? 'miss' : 'hit')
    if (known !== undefined) return known as Promise<value>
    const loading = loader()
    from.set(key, loading)
    // A failed load is tried again by the next caller.
    loading.catch(() => {
      if (from.get(key) === loading) from.delete(key)
    })
    return loading
  }

  return {
    async secret(name, open) {
      return load(secrets, name, async () => {
        const bytes = await open()
        if (!disposed) return bytes
        bytes.fill(0)
        throw new InvalidInputError({ field: 'scope', reason: 'the evaluation has ended' })
      })
    },
    async value(key, loader) {
      return load(values, key, loader)
    },
    dispose() {
      disposed = true
      for (const loading of secrets.values()) {
        loading.then(
          (bytes) => bytes.fill(0),
          () => undefined,
        )
      }
      secrets.clear()
      values.clear()
    },
    get disposed() {
      return disposed
    },
  }
}
