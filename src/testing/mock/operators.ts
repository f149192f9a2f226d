/** Operators on a mock chain: registered, staked, each with a journal and calls that are authenticated. */
import type { Address } from 'viem'
import type { AttestationReader } from '../../attestation/index.js'
import { blsKeyFromSeed, type OperatorTable } from '../../core/bn254/index.js'
import type { Evaluator } from '../../core/interfaces/evaluator.js'
import type { Task } from '../../core/task.js'
import { createResultReplayer, operatorEngine } from '../../eval/index.js'
import { utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertCount, assertObject } from '../../internal/options.js'
import {
  collectTask,
  knownTables,
  type OperatorClient,
  type OperatorTables,
  type TaskAnswer,
} from '../../operator/index.js'
import { enlist } from '../enlist.js'
import { developmentAccount } from '../evm/methods.js'
import { type Dishonesty, forgeAnswer } from './dishonesty.js'
import { mockEvaluator } from './evaluator.js'
import { colludingCertificate, type OperatorBehaviour, startOperator } from './operator.js'
import type { MockRegistries } from './registries.js'

/** Options of {@link mockOperators}. */
export type MockOperatorsOptions = {
  registries: MockRegistries
  /** @default 4 */
  count?: number | undefined
  /** @default {@link mockEvaluator} on the registries */
  evaluator?: Evaluator | undefined
}

/** Operators of a mock chain. */
export type MockOperators = {
  /** In the order of the operator table. */
  readonly addresses: readonly Address[]
  /** Calls to each of them, as a gateway makes them. */
  readonly clients: readonly OperatorClient[]
  readonly table: OperatorTable
  readonly tables: OperatorTables
  /** Seconds that name the operator table. */
  readonly referenceTimestamp: number
  /** What `verifyTaskAttestation` reads from, complete for level `result`. */
  readonly reader: AttestationReader
  /** Changes how operators behave from now on, those of the indices or all. */
  behave(behaviour: OperatorBehaviour, indices?: readonly number[]): void
  /**
   * Asks operators for a task as a gateway does, and ends with a certificate.
   *
   * @throws {TaskFailedError} with what each operator did, where there is no quorum for one answer.
   */
  evaluate(task: Task, options?: IoOptions): Promise<TaskAnswer>
  /**
   * What a quorum of dishonest operators could show for a task, with their certificate: what a
   * verification has to refuse. A gateway that collects finds some kinds itself; this one does not look.
   */
  collude(task: Task, kind: Dishonesty, options?: IoOptions): Promise<TaskAnswer>
}

/**
 * Registers operators on a mock chain, with stake and a table in force.
 *
 * @example
 * ```ts
 * import { verifyTaskAttestation } from '@newton/policy-sdk/attestation'
 * import { mockOperators, mockRegistries } from '@newton/policy-sdk/testing'
 *
 * const registries = await mockRegistries()
 * const operators = await mockOperators({ registries })
 * const { policyClient } = await registries.addPolicy()
 * const task = await registries.makeTask({ policyClient })
 *
 * const forged = await operators.collude(task, 'falseResult')
 * await verifyTaskAttestation({ ...forged, reader: operators.reader, level: 'result' })
 * // { status: 'disputed', reason: 'WRONG_RESULT', … }
 * ```
 */
export async function mockOperators(options: MockOperatorsOptions): Promise<MockOperators> {
  assertObject('options', options)
  const { registries, count = 4 } = options
  assertObject('registries', registries)
  const { client, addresses: contracts, reader: registry, certificates } = registries
  assertCount('count', count, { most: 64 })
  const evaluator = options.evaluator ?? mockEvaluator({ registries })
  const members = Array.from({ length: count }, (_, index) => ({
    account: developmentAccount(20 + index),
    key: blsKeyFromSeed(utf8(`newton mock operator ${index}`)),
  }))
    .map((member) => ({ ...member, address: member.account.address }))
    // The contract wants the table strictly ascending by address.
    .sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1))
  const { table, referenceTimestamp } = await enlist({
    ...{ operators: members, owner: client, client, contracts },
  })
  const tables = knownTables({ certificates, tables: [table] })
  const gateway = developmentAccount(19)
  const running = await Promise.all(
    members.map((member) => startOperator(member, { registries, evaluator, tables, gateway })),
  )
  const clients = running.map(({ client: calls }) => calls)
  const ask = (task: Task, io: IoOptions | undefined): Promise<TaskAnswer> =>
    collectTask({ task, operators: clients, registry, tables, ...io })
  return {
    addresses: members.map(({ address }) => address),
    ...{ clients, table, tables, referenceTimestamp },
    reader: {
      ...{ registry, certificates, artifacts: registries.artifacts },
      replayer: createResultReplayer({ engine: operatorEngine() }),
    },
    behave: (behaviour, indices) => {
      for (const [index, operator] of running.entries()) {
        if (indices === undefined || indices.includes(index)) operator.behave(behaviour)
      }
    },
    evaluate: ask,
    collude: async (task, kind, io) => {
      const { digestPreimage: preimage, ...evaluation } = await evaluator.evaluate(
        { task, referenceTimestamp },
        io,
      )
      const { response, ...forged } = forgeAnswer(kind, {
        response: evaluation.response,
        preimage,
      })
      const { outputs, secrets, reasons } = evaluation
      return {
        ...{ task, response, reasons, inputs: { outputs, secrets }, ...forged },
        taskId: evaluation.response.taskId,
        certificate: colludingCertificate(response, { members, table, kind }),
        signers: members.map((_, index) => index),
        documents: [],
        faults: [],
      }
    },
  }
}
