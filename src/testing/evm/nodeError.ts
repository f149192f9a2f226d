/** Errors as a node answers them: the codes and words that clients know. */
import { type Hex, RpcRequestError } from 'viem'
import type { NodeError } from './types.js'

const url = 'mock://chain'

/** The error that viem's HTTP transport would throw for the same answer. */
export function nodeError({ code, message, data }: NodeError, method = ''): RpcRequestError {
  const error = data === undefined ? { code, message } : { code, message, data }
  return new RpcRequestError({ body: { method }, error, url })
}

/** A call that reverted. Clients find the contract's error in `data`. */
export function reverted(data: Hex): RpcRequestError {
  return nodeError({ code: 3, message: 'execution reverted', data })
}

/** Parameters that are none. */
export function invalidParams(reason: string): RpcRequestError {
  return nodeError({ code: -32_602, message: reason })
}

/** A transaction that the pool does not take. */
export function transactionRejected(message: string): RpcRequestError {
  return nodeError({ code: -32_003, message })
}

/** A transaction whose gas is no gas for it. */
export function gasRejected(message: string): RpcRequestError {
  return nodeError({ code: -32_000, message })
}

/** A method that this node does not have. */
export function methodNotFound(method: string): RpcRequestError {
  return nodeError({ code: -32_601, message: `Method not found: ${method}` }, method)
}
