/** A simulated enclave in this process: the wire and the documents of a real one, over memory. */
import type { Evaluator } from '../../core/interfaces/evaluator.js'
import {
  createEnclaveEvaluator,
  createMemoryTransport,
  type EnclaveEvaluator,
  type ServedEnclave,
  serveEnclave,
} from '../../enclave/index.js'
import {
  createSimulator,
  type Simulator,
  type SimulatorParameters,
} from '../../enclave/simulator/index.js'
import { utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'

/** Options of {@link simulatedEnclave}. */
export type SimulatedEnclaveOptions = {
  /** What evaluates inside, such as {@link mockEvaluator}. */
  evaluator: Evaluator
  /** The same seed makes the same keys and documents. @default one of its own */
  seed?: string | undefined
  simulator?: Omit<SimulatorParameters, 'seed' | 'image'> | undefined
}

/** An enclave and its host's side. */
export type SimulatedEnclave = {
  /** Evaluates inside: each answer has a document that was verified. */
  readonly evaluator: EnclaveEvaluator
  /** `policy` for verifiers, `setFault` for documents that must be refused. */
  readonly simulator: Simulator
  readonly enclave: ServedEnclave
  close(): Promise<void>
}

/**
 * Starts a simulated enclave with an evaluator in it.
 *
 * @example
 * ```ts
 * import { mockEvaluator, mockRegistries, simulatedEnclave } from '@newton/policy-sdk/testing'
 *
 * const registries = await mockRegistries()
 * const { evaluator, close } = await simulatedEnclave({ evaluator: mockEvaluator({ registries }) })
 * const { policyClient } = await registries.addPolicy()
 * const task = await registries.makeTask({ policyClient })
 * const { document, assurance } = await evaluator.evaluate({ task, referenceTimestamp: 0 })
 * await close()
 * ```
 */
export async function simulatedEnclave(
  options: SimulatedEnclaveOptions,
): Promise<SimulatedEnclave> {
  const { evaluator: inside, seed = 'newton mock enclave' } = options
  const simulator = createSimulator({
    ...options.simulator,
    image: [{ name: 'evaluator', bytes: utf8(seed) }],
    seed: keccak(utf8(seed)),
  })
  const { transport, listener } = createMemoryTransport()
  const enclave = await serveEnclave({ nsm: simulator.nsm, listener, evaluator: inside })
  const evaluator = await createEnclaveEvaluator({ transport, policy: simulator.policy })
  return {
    ...{ evaluator, simulator, enclave },
    close: async () => {
      await evaluator.close()
      await enclave.close()
    },
  }
}
