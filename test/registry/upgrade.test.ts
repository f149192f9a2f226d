/** Upgrades on a chain: announced, waited for, refused where they change what must not change. */
import {
  type Abi,
  type Address,
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  hexToBigInt,
  keccak256,
  parseAbi,
  size,
  stringToHex,
  toHex,
} from 'viem'
import { getStorageAt, readContract } from 'viem/actions'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyRegistryAbi } from '../../src/core/abi/policyRegistryAbi.js'
import { stateCommitRegistryAbi } from '../../src/core/abi/stateCommitRegistryAbi.js'
import { sendWrite, waitForMined } from '../../src/registry/actions/sending/transactions.js'
import { getCurrentPolicyInstance, getPolicyTemplate } from '../../src/registry/index.js'
import { policyRegistryBytecode } from '../../src/testing/artifacts/policyRegistry.generated.js'
import { deployContract, deployContracts } from '../../src/testing/contracts.js'
import { setUpPolicy, startChain, type TestChain, type TestClient, word } from './chain.js'

const challengeWindow = 20n
const maxExpireAfter = 30n
const delay = challengeWindow + maxExpireAfter + 1n
const abi = policyRegistryAbi as Abi

let chain: TestChain
beforeAll(async () => {
  chain = await startChain({ config: { challengeWindow, maxExpireAfter } })
})
afterAll(() => chain?.anvil.stop())

/** Sends without asking first, so that the block it lands in decides. */
async function write(
  address: Address,
  functionName: string,
  args: readonly unknown[],
  client: TestClient = chain.owner,
): Promise<bigint> {
  const call = { address, abi, functionName, args }
  const sent = await sendWrite(client, { write: call, gas: 2_000_000n })
  const options = { pollingInterval: 10 }
  return (await waitForMined(client, { write: call, sent, options })).blockNumber
}

const digestOf = (address: Address): Promise<Hex> =>
  readContract(chain.owner, {
    address,
    abi: policyRegistryAbi,
    functionName: 'writeOnceDigest',
  })

/** First slot of an ERC-7201 namespace. */
function namespaceSlot(name: string): bigint {
  const inner = hexToBigInt(keccak256(stringToHex(`newton.storage.${name}`))) - 1n
  const slot = hexToBigInt(keccak256(encodeAbiParameters([{ type: 'uint256' }], [inner])))
  return slot & ~0xffn
}

// --- Implementations that an honest owner would not write ---

const PROXIABLE = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc'

/** Answers `proxiableUUID()`, and runs `rest` for every other call. */
async function deployRaw(rest: Hex): Promise<Address> {
  const target = toHex(15 + size(rest), { size: 1 })
  const runtime = concatHex([
    '0x60003560e01c6352d1902d1460',
    target,
    '0x57',
    rest,
    '0x5b7f',
    PROXIABLE,
    '0x60005260206000f3',
  ])
  const bytecode = concatHex([
    '0x60',
    toHex(size(runtime), { size: 1 }),
    '0x8060093d393df3',
    runtime,
  ])
  return deployContract(chain.owner, { abi: [], bytecode, args: [], name: 'raw upgrade' })
}

/** `sstore(first argument, second argument)`: an upgrade whose call rewires storage. */
const poking = (): Promise<Address> => deployRaw('0x6024356004355500')
/** Returns 1 to everything: an upgrade that reads its values elsewhere. */
const moved = (): Promise<Address> => deployRaw('0x600160005260206000f3')

const poke = (slot: bigint, value: Hex): Hex =>
  encodeFunctionData({
    abi: parseAbi(['function poke(bytes32 slot, bytes32 value)']),
    args: [toHex(slot, { size: 32 }), value],
  })

async function refused(address: Address, implementation: Address, data: Hex): Promise<void> {
  const before = await digestOf(address)
  await write(address, 'scheduleUpgrade', [implementation, data])
  await chain.mine(Number(delay))
  await expect(write(address, 'upgradeToAndCall', [implementation, data])).rejects.toMatchObject({
    code: 'CONTRACT_REVERT',
    errorName: 'WriteOnceChanged',
    args: [before, expect.not.stringMatching(before) as Hex],
  })
  expect(await digestOf(address)).toBe(before)
}

test('an upgrade waits, and keeps rows and slots', async () => {
  const { owner, addresses, wallet } = chain
  const address = addresses.policyRegistry
  const policy = await setUpPolicy(chain, 1)
  const before = await digestOf(address)
  const next = await deployContract(owner, {
    abi,
    bytecode: policyRegistryBytecode,
    args: [],
    name: 'next PolicyRegistry',
  })
  const upgrade = (client?: TestClient): Promise<bigint> =>
    write(address, 'upgradeToAndCall', [next, '0x'], client)
  await expect(upgrade()).rejects.toMatchObject({ errorName: 'UpgradeNotScheduled' })
  await expect(write(address, 'scheduleUpgrade', [next, '0x'], wallet(1))).rejects.toMatchObject({
    errorName: 'OwnableUnauthorizedAccount',
  })

  const scheduled = await write(address, 'scheduleUpgrade', [next, '0x'])
  const readyAt = scheduled + delay
  await expect(upgrade()).rejects.toMatchObject({ errorName: 'UpgradeNotReady', args: [readyAt] })
  await chain.mine(Number(readyAt - 2n - (await chain.height())))
  // This one lands in the last block before.
  await expect(upgrade()).rejects.toMatchObject({ errorName: 'UpgradeNotReady', args: [readyAt] })
  expect(await chain.height()).toBe(readyAt - 1n)
  expect(await upgrade()).toBe(readyAt)

  const implementation = await getStorageAt(owner, { address, slot: PROXIABLE })
  expect(implementation?.slice(-40)).toBe(next.slice(2).toLowerCase())
  expect(await digestOf(address)).toBe(before)
  const { template, client, instance } = policy
  expect(await getPolicyTemplate(owner, { addresses, id: template })).not.toBe(null)
  expect(await getCurrentPolicyInstance(owner, { addresses, client })).toBe(instance)
  // It is applied once.
  await expect(upgrade()).rejects.toMatchObject({ errorName: 'UpgradeNotScheduled' })
})

test('error: an upgrade that rewires the data registry', async () => {
  const address = chain.addresses.policyRegistry
  const slot = namespaceSlot('PolicyRegistry')
  const held = await getStorageAt(chain.owner, { address, slot: toHex(slot, { size: 32 }) })
  // The slot is the one: it holds the address that must not change.
  expect(held?.slice(-40)).toBe(chain.addresses.policyDataRegistry.slice(2).toLowerCase())
  await refused(address, await poking(), poke(slot, word(0xdead)))
  expect(await readContract(chain.owner, { address, abi, functionName: 'dataRegistry' })).toBe(
    chain.addresses.policyDataRegistry,
  )
})

/** Value of a slot with one byte changed from one number to another. */
async function changedByte(
  { address, slot }: { address: Address; slot: bigint },
  { offset, from, to }: { offset: bigint; from: bigint; to: bigint },
): Promise<Hex> {
  const held = await getStorageAt(chain.owner, { address, slot: toHex(slot, { size: 32 }) })
  const value = hexToBigInt(held as Hex)
  const shift = offset * 8n
  expect((value >> shift) & 0xffn).toBe(from)
  return toHex(value ^ ((from ^ to) << shift), { size: 32 })
}

test('error: an upgrade that counts other blocks', async () => {
  const address = chain.addresses.policyRegistry
  const slot = namespaceSlot('RegistryBase')
  const value = await changedByte({ address, slot }, { offset: 20n, from: 1n, to: 2n })
  await refused(address, await poking(), poke(slot, value))
  expect(await readContract(chain.owner, { address, abi, functionName: 'blockKind' })).toBe(1)
})

test('error: an upgrade that changes the commit version', async () => {
  const address = chain.addresses.stateCommitRegistry
  const slot = namespaceSlot('StateCommitRegistry')
  const value = await changedByte({ address, slot }, { offset: 28n, from: 2n, to: 1n })
  await refused(address, await poking(), poke(slot, value))
  const version = await readContract(chain.owner, {
    address,
    abi: stateCommitRegistryAbi,
    functionName: 'commitVersion',
  })
  expect(version).toBe(2)
})

test('error: an upgrade that reads its values elsewhere', async () => {
  await refused(chain.addresses.policyRegistry, await moved(), '0x')
  await refused(chain.addresses.responseRegistry, await moved(), '0x')
})

test('error: a wait within the challenge window, or a shorter one later', async () => {
  await expect(
    deployContracts(chain.owner, { challengeWindow, maxExpireAfter, upgradeDelay: delay - 1n }),
  ).rejects.toMatchObject({ code: 'DEPLOYMENT_FAILED' })
  await expect(
    write(chain.addresses.challengeVerifier, 'setUpgradeDelay', [delay - 1n]),
  ).rejects.toMatchObject({ errorName: 'UpgradeDelayTooShort', args: [delay, delay - 1n] })
})
