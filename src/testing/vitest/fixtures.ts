/** Fixtures: a network for a test file, as it was at its start for each test. */
import type { TestAPI } from 'vitest'
import { type MockNetwork, mockNetwork } from '../mock/network.js'
import type { MockRegistriesOptions } from '../mock/registries.js'

/** What tests get. */
export type PolicyFixtures = {
  /** All of it, as `mockNetwork` gives it. */
  network: MockNetwork
  registries: MockNetwork['registries']
  operators: MockNetwork['operators']
  gateway: MockNetwork['gateway']
}

type Use<value> = (value: value) => Promise<void>

/**
 * Gives a `test` whose tests find a network in their first argument. It is started with the first test of
 * a file that asks for it; each test finds it as it was at the start.
 *
 * @param base - vitest's `test`.
 * @example
 * ```ts
 * import { expect, test as base } from 'vitest'
 * import { extendTest, policyMatchers } from '@newton/policy-sdk/testing/vitest'
 *
 * expect.extend(policyMatchers)
 * const test = extendTest(base)
 *
 * test('a large transfer is denied', async ({ registries, operators }) => {
 *   const { policyClient } = await registries.addPolicy()
 *   const task = await registries.makeTask({ policyClient, intent: { value: 5_000n } })
 *   expect(await operators.evaluate(task)).toDeny('the amount is over the limit')
 * })
 * ```
 */
export function extendTest(
  base: TestAPI,
  options: MockRegistriesOptions = {},
): TestAPI<PolicyFixtures> {
  let started: Promise<{ network: MockNetwork; reset: () => Promise<void> }> | undefined
  const start = async (): Promise<{ network: MockNetwork; reset: () => Promise<void> }> => {
    const network = await mockNetwork(options)
    return { network, reset: await network.snapshot() }
  }
  const part =
    <name extends 'registries' | 'operators' | 'gateway'>(name: name) =>
    async ({ network }: { network: MockNetwork }, use: Use<MockNetwork[name]>): Promise<void> =>
      use(network[name])
  const fixtures = {
    // vitest reads which fixtures one needs from how its first argument is taken apart.
    // biome-ignore lint/correctness/noEmptyPattern: an empty pattern is how a fixture needs none
    network: async ({}: object, use: Use<MockNetwork>): Promise<void> => {
      started ??= start()
      const { network, reset } = await started
      await reset()
      await use(network)
    },
    registries: part('registries'),
    operators: part('operators'),
    gateway: part('gateway'),
  }
  return base.extend(fixtures as never) as unknown as TestAPI<PolicyFixtures>
}
