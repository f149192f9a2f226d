/** Calls that change nothing, and what a transaction would cost. */
import type { Block } from '@ethereumjs/block'
import { type Address, type Hex, isAddress, isHex } from 'viem'
import { fromHex, toHex } from '../../internal/bytes.js'
import { requireBlock } from './blockNames.js'
import { BLOCK_GAS } from './chain/blocks.js'
import { type Chain, viewAt } from './chain/chain.js'
import { type AccountChange, changeAccount, type EvmResult, type Machine } from './chain/state.js'
import { invalidParams, nodeError, reverted } from './nodeError.js'

type ExecResult = EvmResult['execResult']

/** A call, read. */
type CallRequest = {
  from: Address
  to: Address | undefined
  data: Uint8Array
  value: bigint
  gas: bigint
}

/** Bytes of the code that a creation may run, EIP-3860. */
const MAX_INIT_CODE = 49_152

const ZERO_ADDRESS = `0x${'00'.repeat(20)}` as const

/** Reads the transaction object of `eth_call` and `eth_estimateGas`. */
function readCall(given: unknown): CallRequest {
  if (typeof given !== 'object' || given === null) throw invalidParams('expected a transaction')
  const { from, to, data, input, value, gas } = given as Record<string, unknown>
  const bytes = input ?? data ?? '0x'
  if (!isHex(bytes) || bytes.length % 2 !== 0) throw invalidParams('expected hex in `data`')
  if (from !== undefined && !isAddress(String(from), { strict: false })) {
    throw invalidParams('expected an address in `from`')
  }
  if (to !== undefined && to !== null && !isAddress(String(to), { strict: false })) {
    throw invalidParams('expected an address in `to`')
  }
  return {
    from: (from ?? ZERO_ADDRESS) as Address,
    to: (to ?? undefined) as Address | undefined,
    data: fromHex(bytes),
    value: quantityOf(value, 0n),
    gas: atMostABlock(quantityOf(gas, BLOCK_GAS)),
  }
}

function atMostABlock(gas: bigint): bigint {
  if (gas > BLOCK_GAS) return BLOCK_GAS
  return gas
}

/** A quantity of a request. */
export function quantityOf(value: unknown, missing: bigint): bigint {
  if (value === undefined || value === null) return missing
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value !== 'string' || !/^(0x[0-9a-fA-F]+|\d+)$/.test(value)) {
    throw invalidParams(`not a quantity: ${String(value)}`)
  }
  return BigInt(value)
}

/** `eth_call`. */
export async function call(
  chain: Chain,
  [given, block, overrides, blockOverrides]: readonly unknown[],
): Promise<Hex> {
  if (blockOverrides !== undefined && blockOverrides !== null) {
    throw invalidParams('block overrides are not known here')
  }
  const request = readCall(given)
  const named = requireBlock(chain, block)
  const env = named.pending ? chain.next() : named.mined.block
  return viewAt(chain, named.mined, async (machine) => {
    await override(chain, machine, overrides)
    await assertFunds(chain, { machine, request })
    const before = intrinsicGas(chain, machine, request)
    if (request.gas < before) {
      throw nodeError({
        code: -32_000,
        message: 'intrinsic gas too high -- CallGasCostMoreThanGasLimit',
      })
    }
    const inner = { ...request, gas: request.gas - before }
    return returned((await run(chain, { machine, request: inner, env })).execResult)
  })
}

/** `eth_estimateGas`: the least that was found to be enough. */
export async function estimateGas(
  chain: Chain,
  [given, block, overrides]: readonly unknown[],
): Promise<bigint> {
  const request = readCall(given)
  const named = requireBlock(chain, block ?? 'latest')
  const env = chain.next()
  const attempt = (gas: bigint): Promise<{ spent: bigint; refund: bigint; result: ExecResult }> =>
    viewAt(chain, named.mined, async (machine) => {
      await override(chain, machine, overrides)
      await assertFunds(chain, { machine, request })
      return spend(chain, { machine, request: { ...request, gas }, env })
    })
  const most = request.gas
  const first = await attempt(most)
  returned(first.result)
  const works = async (gas: bigint): Promise<boolean> =>
    gas >= most || (await attempt(gas)).result.exceptionError === undefined
  // A call keeps a 64th of what is left to its caller: inner calls need more than was used.
  const used = first.spent + first.refund
  let [low, high] = [used - 1n, most]
  for (const guess of [used, (used * 65n) / 64n + 5_000n]) {
    if (guess >= high) break
    if (await works(guess)) {
      high = guess
      break
    }
    low = guess
  }
  while (high - low > high / 64n + 1n) {
    const middle = (low + high) / 2n
    if (await works(middle)) high = middle
    else low = middle
  }
  return high
}

async function run(
  { libraries: { util } }: Chain,
  { machine, request, env }: { machine: Machine; request: CallRequest; env: Block },
): Promise<EvmResult> {
  const { from, to, data, value, gas } = request
  return machine.evm.runCall({
    caller: util.createAddressFromString(from),
    ...(to === undefined ? {} : { to: util.createAddressFromString(to) }),
    data,
    value,
    gasLimit: gas,
    block: env,
  })
}

/** Runs it as a transaction, which costs what a transaction costs. */
async function spend(
  { libraries: { vm: vms, tx: txs, util } }: Chain,
  { machine, request, env }: { machine: Machine; request: CallRequest; env: Block },
): Promise<{ spent: bigint; refund: bigint; result: ExecResult }> {
  const { from, to, data, value, gas } = request
  const sender = util.createAddressFromString(from)
  if (to === undefined && data.length > MAX_INIT_CODE) {
    throw nodeError({ code: -32_003, message: 'max initcode size exceeded' })
  }
  const fields = {
    gasPrice: env.header.baseFeePerGas ?? 0n,
    gasLimit: gas,
    ...(to === undefined ? {} : { to: util.createAddressFromString(to) }),
    value,
    data,
  }
  const tx = txs.createLegacyTx(fields, { common: machine.vm.common, freeze: false })
  // Nobody signed it: it is run for its cost.
  Object.assign(tx, { getSenderAddress: () => sender, isSigned: () => true })
  let result: Awaited<ReturnType<typeof vms.runTx>>
  try {
    const skip = { skipBalance: true, skipNonce: true, skipHardForkValidation: true }
    result = await vms.runTx(machine.vm, { tx, block: env, ...skip })
  } catch {
    throw nodeError({ code: -32_003, message: 'intrinsic gas too low' })
  }
  const { totalGasSpent, gasRefund, execResult } = result
  return { spent: totalGasSpent, refund: gasRefund ?? 0n, result: execResult }
}

/** Gas that a transaction of the same content costs before it runs. */
function intrinsicGas(
  { libraries: { tx: txs, util } }: Chain,
  { vm: { common } }: Machine,
  { to, data }: CallRequest,
): bigint {
  const target = to === undefined ? {} : { to: util.createAddressFromString(to) }
  // What is too long to begin with is refused elsewhere.
  return txs
    .createLegacyTx({ ...target, data: data.subarray(0, MAX_INIT_CODE) }, { common })
    .getIntrinsicGas()
}

async function assertFunds(
  { libraries: { util } }: Chain,
  { machine, request }: { machine: Machine; request: CallRequest },
): Promise<void> {
  if (request.value === 0n) return
  const account = await machine.state.getAccount(util.createAddressFromString(request.from))
  if ((account?.balance ?? 0n) < request.value) {
    throw nodeError({ code: -32_003, message: 'Insufficient funds for gas * price + value' })
  }
}

function returned({ exceptionError, returnValue }: ExecResult): Hex {
  if (exceptionError === undefined) return toHex(returnValue)
  if (exceptionError.error === 'revert') throw reverted(toHex(returnValue))
  throw nodeError({ code: -32_603, message: `EVM error ${exceptionError.error}` })
}

/** State overrides, in the form that geth gave them. */
async function override(chain: Chain, machine: Machine, overrides: unknown): Promise<void> {
  for (const [address, given] of Object.entries((overrides ?? {}) as Record<string, object>)) {
    if (!isAddress(address, { strict: false })) throw invalidParams('expected an address')
    const { balance, nonce, code, state, stateDiff } = given as Record<string, unknown>
    const storage = Object.entries((state ?? stateDiff ?? {}) as Record<Hex, Hex>)
    const change: AccountChange = {
      balance: balance === undefined ? undefined : quantityOf(balance, 0n),
      nonce: nonce === undefined ? undefined : quantityOf(nonce, 0n),
      code: code as Hex | undefined,
      storage: storage as [Hex, Hex][],
      clear: state !== undefined,
    }
    await changeAccount(machine, chain.libraries, { ...change, address })
  }
}
