/** The three forms of every write: send, send and wait, simulate. */
import {
  type Abi,
  type Address,
  decodeEventLog,
  decodeFunctionResult,
  encodeFunctionData,
  type Hex,
  type Log,
  type TransactionReceipt,
} from 'viem'
import { call, sendTransaction } from 'viem/actions'
import { assertChain, request, type WriteClient, withClient } from '../chain/client.js'
import { ContractRevertError, EventMissingError, PreflightError } from '../chain/errors.js'
import type { PreflightCheck } from '../chain/preflightCheck.js'
import { waitForReceipt } from '../chain/receipts.js'
import { toCallError } from '../chain/revert.js'
import type { WriteOptions } from '../rows/writeOptions.js'

/** A transaction before it is signed. */
export type WriteCall = {
  address: Address
  abi: Abi
  functionName: string
  args: readonly unknown[]
}

/** Parameters that the waiting form takes besides. */
export type SyncOptions = {
  /** Blocks to wait for, the including one counted. @default 1 */
  confirmations?: number | undefined
  /** Milliseconds between looks at the chain. */
  pollingInterval?: number | undefined
}

/** What the waiting form returns: the receipt, and the event that tells what happened. */
export type SyncResult<event> = { receipt: TransactionReceipt; transactionHash: Hex } & event

/** What the simulating form returns: what the call would return, and the transaction. */
export type SimulateResult<result> = { result: result; request: { to: Address; data: Hex } }

/** A write, sent: returns the transaction hash. */
export type WriteAction<parameters> = (
  client: WriteClient,
  parameters: parameters & WriteOptions,
) => Promise<Hex>

/** A write, sent and waited for. */
export type SyncAction<parameters, event> = (
  client: WriteClient,
  parameters: parameters & WriteOptions & SyncOptions,
) => Promise<SyncResult<event>>

/** A write, only simulated. */
export type SimulateAction<parameters, result> = (
  client: WriteClient,
  parameters: parameters & WriteOptions,
) => Promise<SimulateResult<result>>

/** What a write is made of. */
export type WriteDefinition<parameters, event, result> = {
  name: string
  /** Builds the transaction; malformed parameters are refused here. */
  prepare: (client: WriteClient, parameters: parameters & WriteOptions) => WriteCall
  /** Checks before signing. */
  preflight?:
    | ((
        client: WriteClient,
        parameters: parameters & WriteOptions,
      ) => Promise<readonly PreflightCheck[]>)
    | undefined
  /** Ids that the write makes, computed offline. */
  ids?:
    | ((client: WriteClient, parameters: parameters & WriteOptions) => Record<string, Hex>)
    | undefined
  eventName: string
  /** The event's arguments as the action returns them. */
  event: (args: Record<string, unknown>) => event
  /** Result of a transaction that rightly emits nothing; without it a missing event is an error. */
  noEvent?: ((client: WriteClient, parameters: parameters & WriteOptions) => event) | undefined
  /** What the simulation returns, from the contract's return value. */
  result: (value: unknown) => result
}

/** What a dry run returns: the checks, the ids it would make, and the transaction. */
export type DryRun = {
  action: string
  /** Whether no check failed. */
  ok: boolean
  checks: readonly PreflightCheck[]
  /** Ids computed offline, such as `id`. */
  ids: Readonly<Record<string, Hex>>
  transaction: { chainId: number; from: Address; to: Address; data: Hex }
}

/** A write's checks and transaction, without signing. */
export type DryRunAction<parameters> = (
  client: WriteClient,
  parameters: parameters & WriteOptions,
) => Promise<DryRun>

/** The forms of one write. */
export type WriteTriple<parameters, event, result> = {
  /** Checks and transaction, nothing signed. */
  dryRun: DryRunAction<parameters>
  send: WriteAction<parameters>
  sync: SyncAction<parameters, event>
  simulate: SimulateAction<parameters, result>
}

/** Makes the three forms of a write. */
export function defineWrite<parameters, event, result>(
  definition: WriteDefinition<parameters, event, result>,
): WriteTriple<parameters, event, result> {
  const { name } = definition

  const check = async (
    client: WriteClient,
    parameters: parameters & WriteOptions,
  ): Promise<void> => {
    if (definition.preflight === undefined || parameters.preflight === false) return
    const checks = await definition.preflight(client, parameters)
    if (checks.some(({ ok, level }) => !ok && level === 'error')) {
      throw new PreflightError({ action: name, checks })
    }
  }

  const submit = async (
    client: WriteClient,
    parameters: parameters & WriteOptions,
  ): Promise<Hex> => {
    const write = definition.prepare(client, parameters)
    await assertChain(client)
    await check(client, parameters)
    await simulateCall(client, write)
    return sendCall(client, { write, gas: parameters.gas, nonce: parameters.nonce })
  }

  return {
    dryRun: (client, parameters) =>
      withClient(name, { client, options: parameters }, async (bound) => {
        const write = definition.prepare(bound, parameters)
        const checks = [...((await definition.preflight?.(bound, parameters)) ?? [])]
        // Where the rules are not listed one by one, the contract's own word is the check.
        if (definition.preflight === undefined) checks.push(await simulatedCheck(bound, write))
        return {
          action: name,
          ok: !checks.some(({ ok, level }) => !ok && level === 'error'),
          checks,
          ids: definition.ids?.(bound, parameters) ?? {},
          transaction: {
            chainId: bound.chain.id,
            from: bound.account.address,
            to: write.address,
            data: encodeWrite(write),
          },
        }
      }),
    send: (client, parameters) =>
      withClient(name, { client, options: parameters }, (bound) => submit(bound, parameters)),
    sync: (client, parameters) =>
      withClient(name, { client, options: parameters }, async (bound) => {
        const transactionHash = await submit(bound, parameters)
        const write = definition.prepare(bound, parameters)
        const receipt = await waitFor(bound, { write, transactionHash, options: parameters })
        const args = findEvent(receipt.logs, { write, eventName: definition.eventName })
        if (args === undefined && definition.noEvent !== undefined) {
          return { receipt, transactionHash, ...definition.noEvent(bound, parameters) }
        }
        if (args === undefined) {
          throw new EventMissingError({ eventName: definition.eventName, transactionHash })
        }
        return { receipt, transactionHash, ...definition.event(args) }
      }),
    simulate: (client, parameters) =>
      withClient(name, { client, options: parameters }, async (bound) => {
        const write = definition.prepare(bound, parameters)
        const value = await simulateCall(bound, write)
        return {
          result: definition.result(value),
          request: { to: write.address, data: encodeWrite(write) },
        }
      }),
  }
}

async function simulatedCheck(client: WriteClient, write: WriteCall): Promise<PreflightCheck> {
  try {
    await simulateCall(client, write)
    return { rule: 'Simulation', ok: true, level: 'error', detail: 'it would succeed', fix: '' }
  } catch (error) {
    if (!(error instanceof ContractRevertError)) throw error
    return {
      rule: error.errorName ?? 'Simulation',
      ok: false,
      level: 'error',
      detail: error.shortMessage,
      fix: error.metaMessages[0] ?? 'The contract refuses it.',
    }
  }
}

/** Calldata of a write. */
export function encodeWrite(write: WriteCall): Hex {
  const { abi, functionName, args } = write
  return encodeFunctionData({ abi, functionName, args })
}

/**
 * Makes the call without sending it, and returns what it returns.
 *
 * @throws {ContractRevertError} with the decoded error.
 */
export async function simulateCall(client: WriteClient, write: WriteCall): Promise<unknown> {
  const { address, abi, functionName } = write
  try {
    const { data } = await call(client, {
      account: client.account,
      to: address,
      data: encodeWrite(write),
    })
    return decodeFunctionResult({ abi, functionName, data: data ?? '0x' })
  } catch (cause) {
    throw toCallError(cause, write)
  }
}

/** Signs and sends. */
export async function sendCall(
  client: WriteClient,
  parameters: { write: WriteCall; gas?: bigint | undefined; nonce?: number | undefined },
): Promise<Hex> {
  const { write, gas, nonce } = parameters
  try {
    return await sendTransaction(client, {
      account: client.account,
      chain: client.chain,
      to: write.address,
      data: encodeWrite(write),
      ...(gas === undefined ? {} : { gas }),
      ...(nonce === undefined ? {} : { nonce }),
    } as never)
  } catch (cause) {
    throw toCallError(cause, write)
  }
}

/**
 * Waits for the receipt. A transaction that reverted is replayed at its block for the reason.
 *
 * @throws {ContractRevertError} when the transaction reverted.
 */
export async function waitFor(
  client: WriteClient,
  parameters: { write: WriteCall; transactionHash: Hex; options: SyncOptions },
): Promise<TransactionReceipt> {
  const { write, transactionHash, options } = parameters
  const receipt = await request(`the receipt of ${transactionHash}`, () =>
    waitForReceipt(client, transactionHash, options),
  )
  if (receipt.status === 'success') return receipt
  try {
    await call(client, {
      account: client.account,
      to: write.address,
      data: encodeWrite(write),
      blockNumber: receipt.blockNumber,
    })
  } catch (cause) {
    throw toCallError(cause, write)
  }
  throw new ContractRevertError({
    errorName: undefined,
    args: [],
    raw: '0x',
    contract: write.address,
    functionName: write.functionName,
  })
}

/** Arguments of the first event of that name from the written contract. */
export function findEvent(
  logs: readonly Log[],
  { write, eventName }: { write: WriteCall; eventName: string },
): Record<string, unknown> | undefined {
  for (const log of logs) {
    if (log.address.toLowerCase() !== write.address.toLowerCase()) continue
    try {
      const event = decodeEventLog({ abi: write.abi, data: log.data, topics: log.topics })
      if (event.eventName === eventName) return event.args as unknown as Record<string, unknown>
    } catch {
      // Another event of the same contract, of a version this ABI does not know.
    }
  }
  return undefined
}
