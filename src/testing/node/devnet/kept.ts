/** What a network in a directory of its own is begun again from. */
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAddress } from 'viem'
import { InvalidInputError } from '../../../errors/common.js'
import type { DeployedContracts } from '../../contracts.js'

/** A network that was there before. */
export type KeptNetwork = {
  chainId: number
  operators: number
  contracts: DeployedContracts
  /** Seconds that name the operator table. */
  referenceTimestamp: number
  /** Seconds of the chain's first block: with another one, anvil begins the chain with another block. */
  genesis: number
}

const form = 'newton-devnet/1'
const fileIn = (directory: string): string => join(directory, 'network.json')

/** Where the chain is kept. */
export const chainFile = (directory: string): string => join(directory, 'chain', 'state.json')

/**
 * Reads what was kept; `undefined` for a directory in which no network was.
 *
 * @throws {InvalidInputError} for a file of another form, another network than is asked for, and the rest
 * of a network that never came up.
 */
export async function readKept(
  directory: string,
  wanted: Pick<KeptNetwork, 'chainId' | 'operators'>,
): Promise<KeptNetwork | undefined> {
  const refuse = (reason: string): InvalidInputError =>
    new InvalidInputError({
      field: 'directory',
      reason,
      hint: `Name another directory, or remove ${directory} with all that is in it.`,
    })
  const text = await readFile(fileIn(directory), 'utf8').catch(noFile)
  if (text === undefined) {
    if (!(await isThere(join(directory, 'roles')))) return undefined
    throw refuse('it has a part of a network that did not come up')
  }
  const kept = parse(text)
  if (kept === undefined) throw refuse('its network.json cannot be read')
  if (kept.chainId !== wanted.chainId || kept.operators !== wanted.operators) {
    const { chainId, operators } = kept
    throw refuse(`it has a network of chain ${chainId} with ${operators} operators`)
  }
  if (!(await isThere(chainFile(directory)))) throw refuse('its chain is gone')
  return kept
}

/** Keeps it, whole or not at all. */
export async function writeKept(directory: string, kept: KeptNetwork): Promise<void> {
  const { fromBlock, ...contracts } = kept.contracts
  const value = { form, ...kept, contracts, fromBlock: fromBlock.toString() }
  await mkdir(directory, { recursive: true })
  const temporary = `${fileIn(directory)}.tmp`
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { flush: true })
  await rename(temporary, fileIn(directory))
}

function parse(text: string): KeptNetwork | undefined {
  try {
    const value = JSON.parse(text) as Record<string, unknown>
    const { chainId, operators, referenceTimestamp, genesis, contracts, fromBlock } = value
    const numbers = [chainId, operators, referenceTimestamp, genesis]
    if (value['form'] !== form || !numbers.every(Number.isSafeInteger)) return undefined
    const addresses = Object.values(contracts as object)
    if (!addresses.every((address) => isAddress(String(address)))) return undefined
    return {
      ...{ chainId, operators, referenceTimestamp, genesis },
      contracts: { ...(contracts as object), fromBlock: BigInt(fromBlock as string) },
    } as KeptNetwork
  } catch {
    return undefined
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

function noFile(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
