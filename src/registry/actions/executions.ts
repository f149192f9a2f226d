/** Making the calls that a client's policy allowed. */
import type { Address, Hex } from 'viem'
import * as GuardedTransfer from '../../core/abi/guardedTransferAbi.js'
import { type Certificate, computeCertificateHash } from '../../core/bn254/certificate.js'
import { assertIntent, type Intent } from '../../core/intent.js'
import { assertResponse, type PolicyTaskResponse } from '../../core/response.js'
import { resolveAddress } from '../chain/addresses.js'
import { functionOf } from '../chain/slices.js'
import { checkExecution } from '../preflight/executions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** An accepted response, the certificate it was accepted with, and the intent it is about. */
export type ExecuteIntentInput = {
  response: PolicyTaskResponse
  /** The accepted one: `getAcceptedResponse` reads it where another may have been sent. */
  certificate: Certificate
  intent: Intent
}

/** What a call that was made emits. */
export type IntentExecutedEvent = { taskId: Hex; from: Address; to: Address; value: bigint }

const execute: WriteTriple<ExecuteIntentInput, IntentExecutedEvent, Hex> = defineWrite<
  ExecuteIntentInput,
  IntentExecutedEvent,
  Hex
>({
  name: 'executeIntent',
  prepare: (_client, { response, certificate, intent }) => {
    assertResponse(response)
    assertIntent(intent)
    return {
      address: response.policyClient,
      ...functionOf(GuardedTransfer.execute),
      args: [response, computeCertificateHash(certificate), intent],
    }
  },
  preflight: (client, { response, certificate, intent, addresses }) =>
    checkExecution(client, {
      responseRegistry: resolveAddress('responseRegistry', {
        addresses,
        chainId: client.chain.id,
      }),
      response,
      certificate,
      intent,
    }),
  emits: GuardedTransfer.IntentExecuted,
  event: (args) => args as IntentExecutedEvent,
  result: (value) => value as Hex,
})

/**
 * Has a `PolicyGuard` make the call that was evaluated, from the account of the intent. The accepted
 * response is used up by it.
 *
 * @throws {PreflightError} naming the rule that the contract would revert with: `AlreadyConsumed`,
 * `CommitmentMismatch`, `PolicySlotMoved` and so on.
 * @example
 * ```ts
 * await executeIntentSync(client, { response, certificate, intent: task.intent })
 * ```
 */
export const executeIntent: WriteAction<ExecuteIntentInput> = execute.send
/** Like {@link executeIntent}, and waits for the receipt and its event. */
export const executeIntentSync: SyncAction<ExecuteIntentInput, IntentExecutedEvent> = execute.sync
/** Simulates {@link executeIntent}: what the call would return. */
export const simulateExecuteIntent: SimulateAction<ExecuteIntentInput, Hex> = execute.simulate
/** Checks and transaction of {@link executeIntent}, nothing signed. */
export const dryRunExecuteIntent: DryRunAction<ExecuteIntentInput> = execute.dryRun
