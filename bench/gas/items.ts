/**
 * Where the gas of a transaction goes: every storage word, account, event and byte of code of its
 * trace, added up by kind. Needs an anvil with `--steps-tracing`.
 */
import type { Address, Hex } from 'viem'
import type { Anvil } from '../../src/testing/node/anvil.js'

type Step = { op: string; gas: number; gasCost: number; depth: number; stack: readonly string[] }
type Frame = { contract: string }

/** What one kind of thing costs in a transaction. */
export type GasItem = { count: number; gas: number }

/** Items by kind; they add up to `gas`. */
export type GasItems = { gas: number; items: Readonly<Record<string, GasItem>> }

/** What a first touch of an account or of a word costs (EIP-2929). */
const COLD_ACCOUNT = 2600
const COLD_WORD = 2100
const CREATION = 32_000

const calls = new Set(['CALL', 'STATICCALL', 'DELEGATECALL'])
const looks = new Set(['EXTCODESIZE', 'EXTCODECOPY', 'EXTCODEHASH', 'BALANCE'])

/**
 * Itemizes one transaction.
 *
 * @param names - Contracts by address, lower case; whatever is not among them is a row.
 * @throws {TypeError} when the items do not add up to what the receipt says.
 */
export async function itemizeGas(
  anvil: Anvil,
  { hash, names }: { hash: Hex; names: ReadonlyMap<string, string> },
): Promise<GasItems> {
  const { input, to } = (await anvil.rpc('eth_getTransactionByHash', [hash])) as {
    input: Hex
    to: Address
  }
  const { gasUsed } = (await anvil.rpc('eth_getTransactionReceipt', [hash])) as { gasUsed: Hex }
  const options = { disableMemory: true, disableStorage: true }
  const { structLogs: steps } = (await anvil.rpc('debug_traceTransaction', [hash, options])) as {
    structLogs: Step[]
  }
  const items: Record<string, GasItem> = {}
  const add = (what: string, gas: number): void => {
    if (gas === 0) return
    const item = items[what] ?? { count: 0, gas: 0 }
    items[what] = { count: item.count + 1, gas: item.gas + gas }
  }
  add('the transaction', 21_000)
  const data = input.slice(2).match(/../g) ?? []
  items['its call data, by byte'] = {
    count: data.length,
    gas: data.reduce((sum, byte) => sum + (byte === '00' ? 4 : 16), 0),
  }
  const nameOf = (address: string): string => names.get(address.toLowerCase()) ?? 'a row'
  const frames: Frame[] = [{ contract: nameOf(to) }]
  for (const [index, step] of steps.entries()) {
    const frame = frames[step.depth - 1] as Frame
    if (isEntry(steps, index)) frames[step.depth] = { contract: callee(step, frame, nameOf) }
    for (const [what, gas] of parts(step, ownCost(steps, index), frame)) add(what, gas)
  }
  const sum = Object.values(items).reduce((total, { gas }) => total + gas, 0)
  const gas = Number(gasUsed)
  if (sum !== gas) throw new TypeError(`items of ${hash} add up to ${sum}, not to ${gas}`)
  return { gas, items }
}

function isEntry(steps: readonly Step[], index: number): boolean {
  return (steps[index + 1]?.depth ?? 0) > (steps[index] as Step).depth
}

/** Code that is delegated to runs as the contract that it was asked by. */
function callee(step: Step, frame: Frame, nameOf: (address: string) => string): string {
  if (step.op === 'CREATE2') return 'a row'
  return step.op === 'DELEGATECALL' ? frame.contract : nameOf(addressOf(step))
}

/** The account a call or a look is about. */
function addressOf({ op, stack }: Step): string {
  const word = stack.at(calls.has(op) ? -2 : -1) as string
  return `0x${word.replace(/^0x/, '').padStart(64, '0').slice(24)}`
}

/** Gas of a step without that of the frame it opens; the deposit of created code is in it. */
function ownCost(steps: readonly Step[], index: number): number {
  const step = steps[index] as Step
  let next = index + 1
  while ((steps[next]?.depth ?? 0) > step.depth) next += 1
  const after = steps[next]
  // The last step of a frame: nothing tells what was left but its own cost.
  if (after === undefined || after.depth < step.depth) return step.gasCost
  const total = step.gas - after.gas
  if (next === index + 1) return total
  const [first, last] = [steps[index + 1] as Step, steps[next - 1] as Step]
  return total - (first.gas - (last.gas - last.gasCost))
}

/** The cost of a step, by kind. */
function parts(step: Step, cost: number, { contract }: Frame): [string, number][] {
  const { op } = step
  const rest = (gas: number): [string, number] => [`work, memory and copies: ${contract}`, gas]
  if (op === 'CREATE2') {
    return [
      ['a row: its account', CREATION],
      ['a row: its bytes', cost - CREATION],
    ]
  }
  if (op === 'SSTORE' && cost >= 20_000) return [[`new words: ${contract}`, cost]]
  if (op === 'SSTORE' && cost >= 2900) return [[`words changed: ${contract}`, cost]]
  if (op === 'SLOAD' && cost >= COLD_WORD) return [[`words read: ${contract}`, cost]]
  if (op === 'TLOAD' || op === 'TSTORE') return [['transient words', cost]]
  if (op.startsWith('LOG')) return [[`events: ${contract}`, cost]]
  if (op === 'KECCAK256' || op === 'SHA3') return [['hashes', cost]]
  if (op === 'CALL' && BigInt(`0x${(step.stack.at(-3) as string).replace(/^0x/, '')}`) !== 0n) {
    return [['the call with value', cost]]
  }
  if ((calls.has(op) || looks.has(op)) && cost >= COLD_ACCOUNT) {
    return [['accounts touched', COLD_ACCOUNT], rest(cost - COLD_ACCOUNT)]
  }
  return [rest(cost)]
}
