/**
 * The conformance suite of data-availability backends, for any test runner.
 *
 * Every adapter of this package passes it, and an adapter of your own should.
 */
import type { Hex } from 'viem'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { InvalidInputError } from '../../errors/common.js'
import { addCalls, addCopies, addHashing, addIdentity } from './cases.js'
import { ConformanceError } from './contract.js'
import { addStalled } from './stalled.js'
import { addManners, addRefused, addTogether } from './together.js'

export { ConformanceError }

/** One check of a suite. `run` rejects with {@link ConformanceError} when it fails. */
export type ConformanceCase = { readonly name: string; run(): Promise<void> }

/** Options of {@link daConformance}. */
export type DaConformanceOptions<client extends DaClient = DaClient> = {
  /** Makes a fresh backend; called once for each case. */
  create: () => client | Promise<client>
  /** Called with the backend after each case. */
  dispose?: ((client: client) => void | Promise<void>) | undefined
  /**
   * Changes a byte of what the backend holds under a hash, or answers with, behind its back. Nothing
   * else shows whether `getWithVerification` hashes what it read where the key is the hash, so a
   * suite that cannot do it must say `'cannot'`.
   */
  corrupt: ((client: client, hash: Hex) => void | Promise<void>) | 'cannot'
  /**
   * Makes whatever stands behind the backend stop answering, for reads and writes, until a call's
   * signal fires. Nothing else shows whether `timeout` and `signal` end a call under way.
   */
  stall: ((client: client) => void | Promise<void>) | 'cannot'
  /**
   * Makes whatever stands behind the backend fail, for reads and writes. Without it nothing shows
   * whether such failures are typed errors.
   */
  refuse?: ((client: client) => void | Promise<void>) | undefined
  /** Milliseconds after which a call that should have ended counts as hanging. @default 10_000 */
  patience?: number | undefined
  /** Sizes of the artifacts that are stored, in bytes. @default [1, 31, 32, 33, 1_000, 70_000] */
  sizes?: readonly number[] | undefined
}

/**
 * Lists the checks that every `DaClient` must pass.
 *
 * @example
 * ```ts
 * import { daConformance } from '@newton/policy-sdk/da/conformance'
 * import { mockDa } from '@newton/policy-sdk/da'
 *
 * const cases = daConformance({
 *   create: () => mockDa(),
 *   corrupt: (client) => client.fail({ kind: 'corrupted' }),
 *   stall: (client) => client.fail({ kind: 'slow', delay: 600_000, on: 'any', times: 99 }),
 *   refuse: (client) => client.fail({ kind: 'unavailable', on: 'any', times: 99 }),
 * })
 * for (const { run } of cases) await run()
 * // with vitest: test(name, run)
 * ```
 * @throws {InvalidInputError} where `corrupt` or `stall` is neither a function nor `'cannot'`.
 */
export function daConformance<client extends DaClient>(
  options: DaConformanceOptions<client>,
): ConformanceCase[] {
  const { create, dispose, sizes = [1, 31, 32, 33, 1_000, 70_000], patience = 10_000 } = options
  const corrupt = hookOf(options, 'corrupt')
  const stall = hookOf(options, 'stall')
  const cases: ConformanceCase[] = []
  const add = (name: string, body: (client: client) => Promise<void>): void => {
    cases.push({
      name,
      async run() {
        const client = await create()
        try {
          await body(client)
        } finally {
          await dispose?.(client)
        }
      },
    })
  }

  addIdentity(add, { sizes })
  addHashing(add, corrupt)
  if (stall) addStalled(add, { stall, patience })
  if (options.refuse) addRefused(add, options.refuse)
  addCopies(add, create)
  addTogether(add)
  addCalls(add)
  addManners(add)
  return cases
}

/** A hook, `undefined` where the author says that there can be none. */
function hookOf<client extends DaClient, name extends 'corrupt' | 'stall'>(
  options: DaConformanceOptions<client>,
  name: name,
): Exclude<DaConformanceOptions<client>[name], 'cannot'> | undefined {
  const hook = options[name]
  if (hook === 'cannot') return undefined
  if (typeof hook === 'function')
    return hook as Exclude<DaConformanceOptions<client>[name], 'cannot'>
  throw new InvalidInputError({
    field: name,
    reason: "expected a function or 'cannot'",
    hint: 'Without it the suite passes a backend that does not hash, or never ends a call.',
  })
}
