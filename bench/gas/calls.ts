/** The two calls whose gas is itemized, on a small network: a change of params, and a use of a response. */
import type { Address, Hex } from 'viem'
import { getStorageAt, sendTransaction } from 'viem/actions'
import { computeArtifactHash } from '../../src/core/artifact.js'
import * as registry from '../../src/registry/index.js'
import { type ChainWorld, createChainWorld } from '../../test/support/chainWorld.js'
import { type GasItems, itemizeGas } from './items.js'

/** EIP-1967's word for the implementation of a proxy. */
const IMPLEMENTATION = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc'
const recipient: Address = `0x${'7e'.repeat(20)}`

/** Itemizes them all, by name. */
export async function itemizeCalls(): Promise<Record<string, GasItems>> {
  const world = await createChainWorld({}, ['--steps-tracing'])
  try {
    const names = await contractNames(world)
    const of = (hash: Hex): Promise<GasItems> => itemizeGas(world.anvil, { hash, names })
    return { ...(await changes(world, of)), ...(await uses(world, of)) }
  } finally {
    await world.anvil.stop()
  }
}

async function contractNames({ addresses, owner, mainClient }: ChainWorld) {
  const names = new Map<string, string>([
    [recipient, 'the recipient'],
    [mainClient.toLowerCase(), 'client'],
  ])
  for (const [name, address] of Object.entries(addresses)) {
    if (typeof address !== 'string') continue
    names.set(address.toLowerCase(), name)
    const word = await getStorageAt(owner, { address, slot: IMPLEMENTATION })
    names.set(`0x${(word ?? '').slice(26)}`, name)
  }
  return names
}

type Itemize = (hash: Hex) => Promise<GasItems>

/** 200 bytes of params for a client of a policy without data plugins: as many moves as a word holds. */
async function changes(world: ChainWorld, of: Itemize): Promise<Record<string, GasItems>> {
  const { addresses, clientOwner, addClient } = world
  const client = await addClient({ filled: false })
  const word = computeArtifactHash
  const template = await registry.registerPolicyTemplateSync(clientOwner, {
    addresses,
    regoHash: word(new TextEncoder().encode('rego')),
    paramsSchemaHash: word(new TextEncoder().encode('schema')),
    policyDataTemplateRefs: [],
  })
  const hashes: Hex[] = []
  for (let count = 0; count < 5; count += 1) {
    const { receipt } = await registry.deployPolicySync(clientOwner, {
      addresses,
      client,
      policyInstance: {
        templateId: template.id,
        params: { list: String(count).repeat(189) },
        expireAfter: 600,
      },
    })
    hashes.push(receipt.transactionHash)
  }
  return {
    'params, second': await of(hashes[1] as Hex),
    'params, new block word': await of(hashes[3] as Hex),
    'params, later': await of(hashes[4] as Hex),
  }
}

/** Two transfers by a client whose slot has to be where it was: the first creates the recipient. */
async function uses(world: ChainWorld, of: Itemize): Promise<Record<string, GasItems>> {
  const { addresses, challenger, clientOwner, mainClient: client } = world
  await registry.setAcceptSupersededSync(clientOwner, { addresses, client, accepted: false })
  await sendTransaction(challenger, { to: client, value: 5n, data: '0xd0e30db0' })
  await world.mine()
  const hashes: Hex[] = []
  for (let count = 0; count < 2; count += 1) {
    const plain = await world.makeTask()
    const task = { ...plain, intent: { ...plain.intent, to: recipient } }
    const { response } = await world.evaluate(task)
    const certificate = world.sign(response)
    await registry.acceptResponseSync(challenger, { addresses, task, response, certificate })
    const { receipt } = await registry.executeIntentSync(challenger, {
      ...{ addresses, response, certificate, intent: task.intent },
    })
    hashes.push(receipt.transactionHash)
  }
  return {
    'execute, new recipient': await of(hashes[0] as Hex),
    execute: await of(hashes[1] as Hex),
  }
}
