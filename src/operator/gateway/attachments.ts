/** What travels with a response, from a gateway: for challengers. Nothing of it is believed. */
import type { Hex } from 'viem'
import type { ResponseAttachments, SignedTeeDocument } from '../../attestation/index.js'
import { type OperatorTable, operatorWitness } from '../../core/bn254/index.js'
import type { AcceptedResponse } from '../../core/interfaces/responses.js'
import { createGatewayClient } from '../../gateway/index.js'
import { fromHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { ReEvaluatorParameters } from '../ledger/reEvaluate.js'
import type { OperatorTables } from '../tasks/tables.js'
import { readTaskStatus } from './wire.js'

/**
 * Asks a gateway for what travels with responses, as one of its auditors.
 *
 * @param parameters.tables - Tables with both keys: documents are held against them.
 */
export function gatewayAttachments(parameters: {
  url: string
  apiKey?: string | undefined
  tables: OperatorTables
  fetch?: typeof globalThis.fetch | undefined
}): (accepted: AcceptedResponse, options: IoOptions) => Promise<ResponseAttachments> {
  const { url, apiKey, fetch, tables } = parameters
  const gateway = createGatewayClient({ url, apiKey, fetch })
  return async ({ response }, options) => {
    const result = await gateway.request(
      { method: 'newt_getTask', params: { task_id: response.taskId, wait: 0 }, retry: 'read' },
      { timeout: 20_000, ...options },
    )
    const { answer } = readTaskStatus(result)
    if (answer === undefined) return {}
    const inForce = await tables.tableAt(response.referenceBlock, options)
    return {
      preimage: answer.preimage,
      inputs: answer.inputs,
      signedDocuments: answer.documents.flatMap((document) =>
        signedDocument(document, inForce?.table ?? null),
      ),
    }
  }
}

/**
 * Asks a gateway for the inputs of logged evaluations: `inputs` of {@link createReEvaluator}.
 *
 * @example
 * ```ts
 * import { gatewayInputs } from '@newton/policy-sdk/operator'
 *
 * const inputs = gatewayInputs({ url: 'https://gateway.example', apiKey: 'key-of-an-auditor' })
 * ```
 */
export function gatewayInputs(parameters: {
  url: string
  apiKey?: string | undefined
  fetch?: typeof globalThis.fetch | undefined
}): ReEvaluatorParameters['inputs'] {
  const gateway = createGatewayClient(parameters)
  return async ({ taskId }, { signal }) => {
    const result = await gateway.request(
      { method: 'newt_getTask', params: { task_id: taskId, wait: 0 }, retry: 'read' },
      { timeout: 20_000, signal },
    )
    return readTaskStatus(result).answer
  }
}

function signedDocument(
  {
    operator,
    bytes,
    signature,
  }: { operator: Hex; bytes: Hex; signature: SignedTeeDocument['signature'] },
  table: OperatorTable | null,
): SignedTeeDocument[] {
  const index = table?.indexOf(operator) ?? -1
  const entry = table?.operators[index]
  if (table === null || entry === undefined) return []
  const { pubkeyG2 } = entry
  return [{ bytes: fromHex(bytes), operator: operatorWitness(table, index), pubkeyG2, signature }]
}
