/** A guard changes hands on a chain: its own owner and its record, together. */
import { getAddress } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyClientRegistryAbi } from '../../src/core/abi/policyClientRegistryAbi.js'
import { readAt, readTag, valueFrom } from '../../src/registry/chain/read.js'
import {
  acceptGuard,
  acceptGuardSync,
  dryRunAcceptGuard,
  dryRunOfferGuard,
  getPolicyClient,
  handOverGuardSync,
  offerGuard,
  offerGuardSync,
  setCurrentPolicyInstance,
  simulateAcceptGuard,
  simulateOfferGuard,
} from '../../src/registry/index.js'
import { deployGuardedTransfer } from '../../src/testing/contracts.js'
import { setUpPolicy, startChain, type TestChain } from './chain.js'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain?.anvil.stop())

test('default: seller and buyer, in three transactions', async () => {
  const { owner, addresses, wallet } = chain
  const { client: guard, instance } = await setUpPolicy(chain, 1)
  const buyer = wallet(3)
  const newOwner = getAddress(buyer.account.address)
  const done = await handOverGuardSync(owner, { addresses, guard, newOwner })
  expect(done.offer).toMatchObject({ newOwner })
  expect(done.record).toMatchObject({ client: guard, newOwner })
  // Again does nothing: whatever was done before is left alone.
  expect(await handOverGuardSync(owner, { addresses, guard, newOwner })).toEqual({
    offer: null,
    record: null,
  })
  expect((await simulateAcceptGuard(buyer, { addresses, guard })).request.to).toBe(guard)
  const accepted = await acceptGuardSync(buyer, { addresses, guard })
  expect(accepted).toMatchObject({ previousOwner: owner.account.address, newOwner })
  expect((await getPolicyClient(owner, { addresses, client: guard }))?.owner).toBe(newOwner)
  // The seller moves nothing any more.
  const move = { addresses, client: guard, instanceId: instance, preflight: false }
  await expect(setCurrentPolicyInstance(owner, move)).rejects.toMatchObject({
    errorName: 'NotClientOwner',
  })
  await setCurrentPolicyInstance(buyer, { ...move, preflight: true })
})

test('error: a record that names the seller still', async () => {
  const { owner, addresses, wallet } = chain
  const guard = await chain.policyClient()
  const buyer = wallet(4)
  const newOwner = buyer.account.address
  expect((await simulateOfferGuard(owner, { guard, newOwner })).request.to).toBe(guard)
  await offerGuardSync(owner, { guard, newOwner })
  await expect(acceptGuard(buyer, { addresses, guard })).rejects.toMatchObject({
    code: 'PREFLIGHT_FAILED',
    message: expect.stringContaining('RecordNotMoved') as string,
  })
  await expect(acceptGuard(buyer, { addresses, guard, preflight: false })).rejects.toMatchObject({
    errorName: 'RecordNotMoved',
    args: [owner.account.address, newOwner],
  })
  const { checks } = await dryRunAcceptGuard(buyer, { addresses, guard })
  expect(checks.find(({ rule }) => rule === 'RecordNotMoved')).toMatchObject({
    ok: false,
    fix: expect.stringContaining('setClientOwner') as string,
  })
  // What is left of the hand-over is done.
  const done = await handOverGuardSync(owner, { addresses, guard, newOwner })
  expect(done.offer).toBe(null)
  expect(done.record).toMatchObject({ newOwner })
  await acceptGuardSync(buyer, { addresses, guard })
})

test('error: others than the owner, and others than whom it was offered', async () => {
  const { owner, addresses, wallet } = chain
  const guard = await chain.policyClient()
  const stranger = wallet(5)
  const newOwner = stranger.account.address
  await expect(offerGuard(stranger, { guard, newOwner })).rejects.toMatchObject({
    code: 'PREFLIGHT_FAILED',
  })
  const { checks } = await dryRunOfferGuard(stranger, { guard, newOwner })
  expect(checks).toMatchObject([{ rule: 'OwnableUnauthorizedAccount', ok: false }])
  await expect(acceptGuard(stranger, { addresses, guard })).rejects.toMatchObject({
    message: expect.stringContaining('OwnableUnauthorizedAccount') as string,
  })
  await handOverGuardSync(owner, { addresses, guard, newOwner })
  await expect(acceptGuard(wallet(6), { addresses, guard })).rejects.toMatchObject({
    code: 'PREFLIGHT_FAILED',
  })
})

test('behavior: a guard without a record has one owner only', async () => {
  const { owner, addresses, wallet } = chain
  const guard = await deployGuardedTransfer(owner, addresses)
  const buyer = wallet(7)
  const newOwner = buyer.account.address
  const done = await handOverGuardSync(owner, { addresses, guard, newOwner })
  expect(done.record).toBe(null)
  await acceptGuardSync(buyer, { addresses, guard })
  const [count] = await readAt(owner, {
    block: await readTag(owner, 'latest'),
    calls: [
      {
        address: addresses.policyClientRegistry,
        abi: policyClientRegistryAbi,
        functionName: 'getClientCount',
        args: [newOwner],
      },
    ],
  })
  expect(valueFrom(count)).toBe(0n)
})
