/** Turns what viem throws for a failed call into a typed error that keeps the raw data. */
import {
  type Abi,
  AbiDecodingDataSizeTooSmallError,
  AbiDecodingZeroDataError,
  type Address,
  ContractFunctionZeroDataError,
  decodeErrorResult,
  type Hex,
  isHex,
} from 'viem'
import { type BaseError, isPolicySdkError } from '../../errors/base.js'
import { errorOf } from './contractErrors.js'
import {
  ContractNotFoundError,
  ContractRevertError,
  MalformedReturnDataError,
  RpcError,
} from './errors.js'

/** The call that failed. */
export type FailedCall = { address: Address; functionName: string; abi?: Abi | undefined }

/**
 * Decodes revert data.
 *
 * @returns Name and arguments; `errorName` is `undefined` where no ABI knows the selector.
 */
export function decodeRevert(
  raw: Hex,
  abi: Abi = [],
): { errorName: string | undefined; args: readonly unknown[] } {
  if (raw === '0x') return { errorName: undefined, args: [] }
  try {
    const known = errorOf(raw)
    const items = known === undefined ? abi : [...abi, known]
    const decoded = decodeErrorResult({ abi: items as Abi, data: raw })
    return { errorName: decoded.errorName, args: (decoded.args as readonly unknown[]) ?? [] }
  } catch {
    return { errorName: undefined, args: [] }
  }
}

/** The typed error for what viem threw: a revert, no contract, bad data, or no answer. */
export function toCallError(cause: unknown, call: FailedCall): BaseError {
  if (isPolicySdkError(cause)) return cause
  const { address, functionName } = call
  if (has(cause, ContractFunctionZeroDataError) || has(cause, AbiDecodingZeroDataError)) {
    return new ContractNotFoundError({ address, functionName }, { cause })
  }
  // Decoding errors carry the data too; it is an answer, not a revert.
  if (isDecodingError(cause)) {
    return new MalformedReturnDataError({ address, functionName }, { cause })
  }
  const raw = revertData(cause)
  if (raw !== undefined) {
    const { errorName, args } = decodeRevert(raw, call.abi)
    return new ContractRevertError(
      { errorName, args, raw, contract: address, functionName },
      { cause },
    )
  }
  return new RpcError(`\`${functionName}\` at ${address}`, { cause })
}

function chain(error: unknown): unknown[] {
  const found: unknown[] = []
  let current = error
  while (current !== undefined && current !== null && found.length < 32) {
    found.push(current)
    current = (current as { cause?: unknown }).cause
  }
  return found
}

function has(error: unknown, type: new (...parameters: never[]) => Error): boolean {
  return chain(error).some((item) => item instanceof type)
}

// Nodes and viem put revert data in different places; `0x` is kept only where it is said that the
// call reverted.
function revertData(error: unknown): Hex | undefined {
  let reverted = false
  for (const item of chain(error)) {
    const { raw, data, name, code, message } = item as {
      raw?: unknown
      data?: unknown
      name?: unknown
      code?: unknown
      message?: unknown
    }
    if (isHex(raw) && raw !== '0x') return raw
    const nested =
      typeof data === 'object' && data !== null ? (data as { data?: unknown }).data : data
    if (isHex(nested) && nested !== '0x') return nested
    if (name === 'ContractFunctionRevertedError' || name === 'ExecutionRevertedError')
      reverted = true
    if (code === 3 || (typeof message === 'string' && /execution reverted/i.test(message))) {
      reverted = true
    }
  }
  return reverted ? '0x' : undefined
}

function isDecodingError(error: unknown): boolean {
  return chain(error).some(
    (item) =>
      item instanceof AbiDecodingDataSizeTooSmallError ||
      (item instanceof Error &&
        /PositionOutOfBounds|InvalidBytesBoolean|SizeExceedsPadding|IntegerOutOfRange|NegativeOffset|RecursiveReadLimit|InvalidAddress|SizeOverflow|DecodingDataSize/.test(
          item.name,
        )),
  )
}
