/** The auction of the examples on a real chain, with processes killed and blocks reorganized on its way. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  type Address,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  publicActions,
  toHex,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import type { HostSetting } from '../../examples/enclave-app/host.js'
import { sealedBidAuctionAbi as abi } from '../../examples/enclave-app/sealedBidAuction.generated.js'
import { artifacts } from '../../src/testing/artifacts/contracts.js'
import { deployContract } from '../../src/testing/contracts.js'
import { startAnvil } from '../../src/testing/node/index.js'

/** What is killed in a round. `both` is the host, whose enclave goes with it. */
export type Victim = 'enclave' | 'both' | 'nobody'

/** What landed: sequence and kind of each answer, in the order of the chain. */
export type Landed = { sequence: bigint; answer: number }[]

/**
 * Runs rounds of one bid of garbage each. In each, after `wait` milliseconds, somebody is killed and the
 * newest block is reorganized away.
 *
 * @returns What landed for the bids, once all of it is final.
 */
export async function runKilled(
  rounds: readonly { victim: Victim; wait: number }[],
): Promise<Landed> {
  const anvil = await startAnvil({ slotsInAnEpoch: 1 })
  const mine = (): Promise<unknown> => anvil.rpc('anvil_mine', ['0x1']).catch(() => undefined)
  const ticking = setInterval(() => void mine(), 200)
  const walletOf = (addressIndex: number) => {
    const phrase = 'test test test test test test test test test test test junk'
    const account = mnemonicToAccount(phrase, { addressIndex })
    const transport = http(anvil.url)
    return createWalletClient({ account, chain: foundry, transport }).extend(publicActions)
  }
  const keyOf = (index: number): Hex =>
    toHex(walletOf(index).account.getHdKey().privateKey as Uint8Array)
  const reader = walletOf(0)
  const stateAnchor = await deployContract(reader, { ...artifacts.stateAnchor, args: [] })
  const setting: HostSetting = {
    ...{ rpcUrl: anvil.url, folder: mkdtempSync(join(tmpdir(), 'killed-')), stateAnchor },
    ...{ key: keyOf(1), anchorKey: keyOf(2) },
  }
  let running = await startHost(setting)
  try {
    const address = running.contract as Address
    const countAt = async (functionName: 'answers' | 'events'): Promise<bigint> =>
      reader.readContract({ address, abi, functionName, blockTag: 'finalized' }).catch(() => 0n)
    for (const [at, { victim, wait }] of rounds.entries()) {
      const data = encodeFunctionData({ abi, functionName: 'bid', args: [toHex(at, { size: 4 })] })
      await reader.sendTransaction({ to: address, data })
      // What users do is not what is tested here: it has to stay.
      while ((await countAt('events')) <= BigInt(at)) await pause(100)
      await pause(wait)
      if (victim === 'enclave') running.killEnclave()
      if (victim === 'both') running.process.kill('SIGKILL')
      await anvil.rpc('anvil_reorg', [1, []]).catch(() => undefined)
      if (victim === 'both') running = await startHost(setting)
    }
    while ((await countAt('answers')) < BigInt(rounds.length)) await pause(200)
    const found = await reader.getContractEvents({
      ...{ address, abi, eventName: 'Answered', fromBlock: 0n, toBlock: 'finalized' },
    })
    return found.map(({ args }) => args as Landed[number])
  } finally {
    running.process.kill('SIGKILL')
    clearInterval(ticking)
    await anvil.stop()
  }
}

type Running = { process: ChildProcess; contract: string; killEnclave(): void }

async function startHost(setting: HostSetting): Promise<Running> {
  const host = fileURLToPath(new URL('../../examples/enclave-app/host.ts', import.meta.url))
  const started = spawn(process.execPath, ['--import', 'tsx', host, JSON.stringify(setting)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let enclave: number | undefined
  const contract = await new Promise<string>((resolve, reject) => {
    started.once('exit', (code) => reject(new Error(`the host ended with ${code}`)))
    createInterface({ input: started.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const told = JSON.parse(line) as { type: string; contract?: string; enclave?: number }
      enclave = told.enclave ?? enclave
      if (told.type === 'started') resolve(told.contract as string)
    })
  })
  const killEnclave = (): void => {
    if (enclave === undefined) return
    try {
      process.kill(enclave, 'SIGKILL')
    } catch {
      // It is dead already.
    }
  }
  return { process: started, contract, killEnclave }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
