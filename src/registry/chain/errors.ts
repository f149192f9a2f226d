/** Errors of the registry layer. */
import type { Address, Hex } from 'viem'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import type { PreflightCheck } from './preflightCheck.js'
import { revertAdvice } from './revertAdvice.js'

/** A write was asked of a client that has no account, and none came with the call. */
export class AccountRequiredError extends BaseError {
  override readonly name = 'AccountRequiredError'
  override readonly code = 'ACCOUNT_REQUIRED'

  constructor({ action }: { action: string }, options: BaseErrorOptions = {}) {
    super(`\`${action}\` needs an account that sends.`, {
      metaMessages: [
        'Give `account` with the call, or create the wallet client with one: `createWalletClient({ account, … })`.',
      ],
      ...options,
    })
  }
}

/** The module of an action that is loaded with its first call could not be loaded. */
export class ActionNotLoadedError extends BaseError {
  override readonly name = 'ActionNotLoadedError'
  override readonly code = 'ACTION_NOT_LOADED'

  constructor({ action }: { action: string }, options: BaseErrorOptions = {}) {
    super(`\`${action}\` could not be loaded. Nothing was sent.`, {
      metaMessages: [
        'Reload the page if it is older than what its server has, or import the action by its name: it is then part of the bundle.',
      ],
      ...options,
    })
  }
}

/** A write was asked of a client that has no chain, and none came with the call. */
export class ChainRequiredError extends BaseError {
  override readonly name = 'ChainRequiredError'
  override readonly code = 'CHAIN_REQUIRED'

  constructor({ action }: { action: string }, options: BaseErrorOptions = {}) {
    super(`\`${action}\` needs the chain that it is meant for.`, {
      metaMessages: [
        'Give `chain` with the call, or create the wallet client with one: `createWalletClient({ chain, … })`.',
      ],
      ...options,
    })
  }
}

/** A contract refused a call. Name and arguments are decoded where an ABI knows them. */
export class ContractRevertError extends BaseError {
  override readonly name = 'ContractRevertError'
  override readonly code = 'CONTRACT_REVERT'
  /** Solidity name of the error; `Error` and `Panic` for the built-in ones, else `undefined`. */
  readonly errorName: string | undefined
  /** Its arguments in order, as viem decodes them. */
  readonly args: readonly unknown[]
  /** The revert data, untouched. `0x` where the node gave none. */
  readonly raw: Hex
  readonly contract: Address | undefined
  readonly functionName: string | undefined

  constructor(
    parameters: {
      errorName: string | undefined
      args: readonly unknown[]
      raw: Hex
      contract?: Address | undefined
      functionName?: string | undefined
    },
    options: BaseErrorOptions = {},
  ) {
    const { errorName, args, raw, contract, functionName } = parameters
    const called = functionName === undefined ? 'The call' : `\`${functionName}\``
    const what =
      errorName === undefined
        ? raw === '0x'
          ? 'without a reason'
          : `with unknown data ${shorten(raw)}`
        : `with ${errorName}(${args.map(String).join(', ')})`
    super(`${called} reverted ${what}.`, {
      ...options,
      metaMessages: options.metaMessages ?? revertAdvice(errorName),
    })
    this.errorName = errorName
    this.args = args
    this.raw = raw
    this.contract = contract
    this.functionName = functionName
  }
}

/** There is no contract at an address, or it answers nothing. */
export class ContractNotFoundError extends BaseError {
  override readonly name = 'ContractNotFoundError'
  override readonly code = 'CONTRACT_NOT_FOUND'
  readonly address: Address

  constructor(
    { address, functionName }: { address: Address; functionName: string },
    options: BaseErrorOptions = {},
  ) {
    super(`${address} returned no data for \`${functionName}\`.`, {
      metaMessages: [
        'There is no code there, or it is another contract: check the address and the chain.',
      ],
      ...options,
    })
    this.address = address
  }
}

/** What a contract returned cannot be decoded. */
export class MalformedReturnDataError extends BaseError {
  override readonly name = 'MalformedReturnDataError'
  override readonly code = 'MALFORMED_RETURN_DATA'

  constructor(
    { address, functionName }: { address: Address; functionName: string },
    options: BaseErrorOptions = {},
  ) {
    super(`${address} returned data for \`${functionName}\` that does not decode.`, {
      metaMessages: ['It is another contract or another version: check the address.'],
      ...options,
    })
  }
}

/** The registry is of a version, or wired in a way, that this package does not speak. */
export class RegistryMismatchError extends BaseError {
  override readonly name = 'RegistryMismatchError'
  override readonly code = 'REGISTRY_MISMATCH'

  constructor(
    { address, reason }: { address: Address; reason: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The registry at ${address} cannot be used: ${reason}.`, {
      metaMessages: ['Check the addresses, or use the version of this package that speaks it.'],
      ...options,
    })
  }
}

/** A row does not hash to the id it was asked for by. */
export class RowMismatchError extends BaseError {
  override readonly name = 'RowMismatchError'
  override readonly code = 'ROW_MISMATCH'
  readonly id: Hex

  constructor(
    { id, computed, row }: { id: Hex; computed: Hex; row: string },
    options: BaseErrorOptions = {},
  ) {
    super(`The ${row} returned for ${id} has the id ${computed}.`, {
      metaMessages: ['The RPC endpoint or the contract is not honest: use another one.'],
      ...options,
    })
    this.id = id
  }
}

/** The store of an index holds what this version did not write, or what was damaged since. */
export class IndexStoreError extends BaseError {
  override readonly name = 'IndexStoreError'
  override readonly code = 'INDEX_STORE'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The store of the index cannot be read: ${reason}.`, {
      metaMessages: ['Delete it and index again from the first block: the chain has it all.'],
      ...options,
    })
  }
}

/** The newest block of an endpoint is too old: it is stuck, or its clock or ours is wrong. */
export class StaleHeadError extends BaseError {
  override readonly name = 'StaleHeadError'
  override readonly code = 'STALE_HEAD'
  readonly block: bigint
  /** Milliseconds that the block lies behind the clock. */
  readonly age: number

  constructor(
    { block, age, maxHeadAge }: { block: bigint; age: number; maxHeadAge: number },
    options: BaseErrorOptions = {},
  ) {
    super(
      `The newest block ${block} is ${Math.round(age / 1_000)} seconds old, at most ${maxHeadAge / 1_000} are allowed.`,
      {
        retryable: true,
        metaMessages: ['The endpoint is stuck: use another one. Or this clock is wrong.'],
        ...options,
      },
    )
    this.block = block
    this.age = age
  }
}

/** Endpoints of one chain say different things: at least one of them is behind, or lies. */
export class EndpointsDisagreeError extends BaseError {
  override readonly name = 'EndpointsDisagreeError'
  override readonly code = 'ENDPOINTS_DISAGREE'
  readonly operation: string
  /** Two answers that differ, shortened, with the names of their endpoints. */
  readonly answers: readonly { endpoint: string; answer: string }[]

  constructor(
    parameters: { operation: string; answers: readonly { endpoint: string; answer: string }[] },
    options: BaseErrorOptions = {},
  ) {
    const { operation, answers } = parameters
    const said = answers.map(({ endpoint, answer }) => `${endpoint} says ${answer}`).join(', ')
    super(`Endpoints disagree on ${operation}: ${said}.`, {
      retryable: true,
      metaMessages: [
        'Nothing was decided. One that is behind catches up; where it lasts, one of them lies.',
      ],
      ...options,
    })
    this.operation = operation
    this.answers = answers
  }
}

/** Two answers of the node contradict each other: a reorganization, or an endpoint that lies. */
export class RpcInconsistentError extends BaseError {
  override readonly name = 'RpcInconsistentError'
  override readonly code = 'RPC_INCONSISTENT'
  /** Everything above this block may be wrong, where that much is known. */
  readonly since: bigint | undefined

  constructor(reason: string, options: BaseErrorOptions & { since?: bigint | undefined } = {}) {
    super(`The node contradicts itself: ${reason}.`, {
      retryable: true,
      metaMessages: ['Read again; if it stays so, use another endpoint.'],
      ...options,
    })
    this.since = options.since
  }
}

/** A request to the node failed. */
export class RpcError extends BaseError {
  override readonly name = 'RpcError'
  override readonly code = 'RPC_FAILED'

  constructor(operation: string, options: BaseErrorOptions = {}) {
    super(`The node ${answerOf(options.cause)} ${operation}.`, {
      retryable: true,
      metaMessages: ['Nothing was decided; try again or use another endpoint.'],
      ...options,
    })
  }
}

/** Whether a node said something is no small difference to who looks for the cause. */
function answerOf(cause: unknown): string {
  let current = cause
  for (let depth = 0; current instanceof Error && depth < 16; depth++) {
    const { code, status, name } = current as { code?: unknown; status?: unknown; name: string }
    if (name === 'TimeoutError') return 'did not answer in time when it was asked for'
    // -1 is the client's word for a failure that it does not know.
    if ((typeof code === 'number' && code !== -1) || typeof status === 'number') {
      return 'answered with an error when it was asked for'
    }
    current = current.cause
  }
  return 'did not answer'
}

/** The node asks to slow down. */
export class RpcRateLimitError extends BaseError {
  override readonly name = 'RpcRateLimitError'
  override readonly code = 'RPC_RATE_LIMITED'

  constructor(options: BaseErrorOptions = {}) {
    super('The node refuses more requests for now.', {
      retryable: true,
      metaMessages: ['Nothing was decided; wait, ask less often, or use another endpoint or plan.'],
      ...options,
    })
  }
}

/** A block that was asked for is not there. */
export class BlockNotFoundError extends BaseError {
  override readonly name = 'BlockNotFoundError'
  override readonly code = 'BLOCK_NOT_FOUND'

  constructor(
    { block, latest }: { block: bigint; latest: bigint },
    options: BaseErrorOptions = {},
  ) {
    super(`Block ${block} is not there; the newest is ${latest}.`, {
      retryable: true,
      metaMessages: ['Wait for it, or ask for an earlier one.'],
      ...options,
    })
  }
}

/** No address of a contract is known for a chain. */
export class AddressRequiredError extends BaseError {
  override readonly name = 'AddressRequiredError'
  override readonly code = 'ADDRESS_REQUIRED'

  constructor(
    { contract, chainId }: { contract: string; chainId: number | undefined },
    options: BaseErrorOptions = {},
  ) {
    super(`No address of \`${contract}\` is known for chain ${chainId ?? '(unknown)'}.`, {
      metaMessages: [`Pass \`addresses: { ${contract}: '0x…' }\`.`],
      ...options,
    })
  }
}

/** The client speaks to another chain than it says. */
export class ChainMismatchError extends BaseError {
  override readonly name = 'ChainMismatchError'
  override readonly code = 'CHAIN_MISMATCH'

  constructor(
    { expected, actual }: { expected: number; actual: number },
    options: BaseErrorOptions = {},
  ) {
    super(`The client is configured for chain ${expected}, its node is on chain ${actual}.`, {
      metaMessages: ['Nothing was sent. Fix the client’s chain or its transport.'],
      ...options,
    })
  }
}

/** A check before signing failed; nothing was sent. */
export class PreflightError extends BaseError {
  override readonly name = 'PreflightError'
  override readonly code = 'PREFLIGHT_FAILED'
  /** Every check that was made, passed ones too. */
  readonly checks: readonly PreflightCheck[]

  constructor(
    { action, checks }: { action: string; checks: readonly PreflightCheck[] },
    options: BaseErrorOptions = {},
  ) {
    const failed = checks.filter(({ ok, level }) => !ok && level === 'error')
    super(
      `\`${action}\` would fail: ${failed.map(({ rule, detail }) => `${rule}: ${detail}`).join('; ')}.`,
      {
        metaMessages: failed.map(({ rule, fix }) => `${rule}: ${fix}`),
        ...options,
      },
    )
    this.checks = checks
  }
}

/** A transaction was sent and is not mined in the time that was given. It may still be. */
export class TransactionPendingError extends BaseError {
  override readonly name = 'TransactionPendingError'
  override readonly code = 'TRANSACTION_PENDING'
  /** All that were sent with one nonce; at most one of them is ever mined. */
  readonly transactionHashes: readonly Hex[]

  constructor(
    { transactionHashes }: { transactionHashes: readonly Hex[] },
    options: BaseErrorOptions = {},
  ) {
    const hash = transactionHashes.at(-1) as Hex
    super(`Transaction ${hash} was sent and is not mined yet.`, {
      metaMessages: [
        'It may still be mined: look it up before sending another, or pass its hash as `previous`.',
      ],
      ...options,
    })
    this.transactionHash = hash
    this.transactionHashes = transactionHashes
  }
}

/** A transaction was mined without the event it should have emitted. */
export class EventMissingError extends BaseError {
  override readonly name = 'EventMissingError'
  override readonly code = 'EVENT_MISSING'

  constructor(
    { eventName, transactionHash }: { eventName: string; transactionHash: Hex },
    options: BaseErrorOptions = {},
  ) {
    super(`Transaction ${transactionHash} was mined without \`${eventName}\`.`, {
      metaMessages: ['The address may be another contract: check it.'],
      ...options,
    })
    this.transactionHash = transactionHash
  }
}

/** A data slot moved, but what was allowed with the instance before is not revoked yet. */
export class RevocationFailedError extends BaseError {
  override readonly name = 'RevocationFailedError'
  override readonly code = 'REVOCATION_FAILED'
  readonly client: Address
  /** The transaction that moved the slot. */
  override transactionHash: Hex
  /** What `revokeResponsesBefore` has to be called with. */
  readonly blockNumber: bigint

  constructor(
    parameters: { client: Address; transactionHash: Hex; blockNumber: bigint },
    options: BaseErrorOptions = {},
  ) {
    const { client, transactionHash, blockNumber } = parameters
    super(`${transactionHash} moved the slot, but earlier responses are not revoked.`, {
      metaMessages: [
        `Call \`revokeResponsesBefore\` with client ${client} and blockNumber ${blockNumber}n: until then what was allowed with the instance before can be used.`,
      ],
      ...options,
    })
    this.client = client
    this.transactionHash = transactionHash
    this.blockNumber = blockNumber
  }
}

function shorten(raw: Hex): string {
  return raw.length <= 74 ? raw : `${raw.slice(0, 74)}… (${(raw.length - 2) / 2} bytes)`
}
