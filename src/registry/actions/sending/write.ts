/** The three forms of every write: send, send and wait, simulate. */
import {
  type AbiEvent,
  type Account,
  type Address,
  type Chain,
  type Client,
  decodeEventLog,
  decodeFunctionResult,
  type Hex,
  type Log,
  type TransactionReceipt,
  type Transport,
} from 'viem'
import { call } from 'viem/actions'
import {
  assertChain,
  type ReadClient,
  request,
  type WriteClient,
  withClient,
  writerOf,
} from '../../chain/client.js'
import { ContractRevertError, EventMissingError, PreflightError } from '../../chain/errors.js'
import type { PreflightCheck } from '../../chain/preflightCheck.js'
import { toCallError } from '../../chain/revert.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import {
  checkReceipt,
  encodeWrite,
  lookUp,
  raisedFees,
  type SentTransaction,
  type SyncOptions,
  sendWrite,
  type WriteCall,
  waitForMined,
  withHash,
} from './transactions.js'

export type { SyncOptions, WriteCall } from './transactions.js'

/** What the waiting form returns: the receipt, and the event that tells what happened. */
export type SyncResult<event> = { receipt: TransactionReceipt; transactionHash: Hex } & event

/** What the simulating form returns: what the call would return, and the transaction. */
export type SimulateResult<result> = { result: result; request: { to: Address; data: Hex } }

/**
 * A write with a viem client. What the client does not have, an account or a chain, comes with the
 * call, as in viem's own actions.
 */
export type Write<parameters, result> = {
  (
    client: ReadClient,
    parameters: parameters & { account: Account | Address; chain: Chain },
  ): Promise<result>
  (
    client: Client<Transport, Chain | undefined, Account>,
    parameters: parameters & { chain: Chain },
  ): Promise<result>
  (
    client: Client<Transport, Chain, Account | undefined>,
    parameters: parameters & { account: Account | Address },
  ): Promise<result>
  // The last one is what `Parameters` and `infer` see.
  (client: WriteClient, parameters: parameters): Promise<result>
}

/** A write, sent: returns the transaction hash. */
export type WriteAction<parameters> = Write<parameters & WriteOptions, Hex>

/** A write, sent and waited for. */
export type SyncAction<parameters, event> = Write<
  parameters & WriteOptions & SyncOptions,
  SyncResult<event>
>

/** A write, only simulated. */
export type SimulateAction<parameters, result> = Write<
  parameters & WriteOptions,
  SimulateResult<result>
>

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
  /** The event that tells what happened. */
  emits: AbiEvent
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
export type DryRunAction<parameters> = Write<parameters & WriteOptions, DryRun>

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
    parameters: parameters & WriteOptions & SyncOptions,
    replaces?: SentTransaction,
  ): Promise<SentTransaction> => {
    const write = definition.prepare(client, parameters)
    await assertChain(client)
    await check(client, parameters)
    await simulateCall(client, write)
    const { onTransactionHash } = parameters
    const gas = replaces?.gas ?? parameters.gas
    const nonce = replaces?.nonce ?? parameters.nonce
    const fees = replaces && raisedFees(replaces, parameters)
    return sendWrite(client, { write, gas, nonce, fees, onTransactionHash })
  }

  // What was sent before decides first: a write that is mined or on its way is never doubled.
  const submitAndWait = async (
    client: WriteClient,
    parameters: parameters & WriteOptions & SyncOptions,
  ): Promise<TransactionReceipt> => {
    const { previous = [] } = parameters
    const write = definition.prepare(client, parameters)
    const before =
      previous.length === 0
        ? {}
        : await request('what was sent before', () => lookUp(client, previous))
    if (before.receipt !== undefined)
      return checkReceipt(client, { write, receipt: before.receipt })
    const { waiting } = before
    const sent =
      waiting !== undefined && raisedFees(waiting, parameters) === undefined
        ? waiting
        : await submit(client, parameters, waiting)
    const hashes = waiting === undefined ? [] : previous
    return waitForMined(client, { write, sent, hashes, options: parameters })
  }

  const withWriter = async <value>(
    client: ReadClient,
    options: WriteOptions,
    work: (client: WriteClient, signal: AbortSignal) => Promise<value>,
  ): Promise<value> => withClient(name, { client: writerOf(name, client, options), options }, work)

  return {
    dryRun: async (client: ReadClient, parameters: parameters & WriteOptions): Promise<DryRun> =>
      withWriter(client, parameters, async (bound) => {
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
    send: async (client: ReadClient, parameters: parameters & WriteOptions): Promise<Hex> =>
      withWriter(client, parameters, async (bound) => (await submit(bound, parameters)).hash),
    sync: async (
      client: ReadClient,
      parameters: parameters & WriteOptions & SyncOptions,
    ): Promise<SyncResult<event>> => {
      let hash: Hex | undefined
      const onTransactionHash = (sentHash: Hex, sent: SentTransaction): unknown => {
        hash = sentHash
        return parameters.onTransactionHash?.(sentHash, sent)
      }
      try {
        return await withWriter(client, parameters, async (bound, signal) => {
          const receipt = await submitAndWait(bound, { ...parameters, onTransactionHash, signal })
          return syncResult(definition, { client: bound, parameters, receipt })
        })
      } catch (error) {
        throw withHash(error, hash)
      }
    },
    simulate: async (
      client: ReadClient,
      parameters: parameters & WriteOptions,
    ): Promise<SimulateResult<result>> =>
      withWriter(client, parameters, async (bound) => {
        const write = definition.prepare(bound, parameters)
        const value = await simulateCall(bound, write)
        return {
          result: definition.result(value),
          request: { to: write.address, data: encodeWrite(write) },
        }
      }),
  }
}

/** What the waiting form returns for a receipt. */
function syncResult<parameters, event, result>(
  definition: WriteDefinition<parameters, event, result>,
  {
    client,
    parameters,
    receipt,
  }: {
    client: WriteClient
    parameters: parameters & WriteOptions
    receipt: TransactionReceipt
  },
): SyncResult<event> {
  const { transactionHash } = receipt
  const { emits } = definition
  const { address } = definition.prepare(client, parameters)
  const args = findEvent(receipt.logs, { address, emits })
  if (args !== undefined) return { receipt, transactionHash, ...definition.event(args) }
  if (definition.noEvent === undefined) {
    throw new EventMissingError({ eventName: emits.name, transactionHash })
  }
  return { receipt, transactionHash, ...definition.noEvent(client, parameters) }
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

/** Arguments of the first event of that name from the written contract. */
export function findEvent(
  logs: readonly Log[],
  { address, emits }: { address: Address; emits: AbiEvent },
): Record<string, unknown> | undefined {
  for (const log of logs) {
    if (log.address.toLowerCase() !== address.toLowerCase()) continue
    try {
      const { args } = decodeEventLog({ abi: [emits], data: log.data, topics: log.topics })
      return args as unknown as Record<string, unknown>
    } catch {
      // Another event of the same contract.
    }
  }
  return undefined
}
