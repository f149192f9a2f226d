/** Readers that are proved against a block's hash, on a real node, and over nodes that lie. */
import { readFileSync } from 'node:fs'
import { createPublicClient, custom, type EIP1193Parameters, type Hex, keccak256 } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyTaskAttestation } from '../../src/attestation/index.js'
import { ZERO_HASH } from '../../src/core/artifact.js'
import type { Task } from '../../src/core/task.js'
import {
  activateEnclaveVersionSync,
  createCertificateReader,
  createProvenReaders,
  createRegistryReader,
  deprecateEnclaveVersionSync,
  setCurrentPolicyInstanceSync,
  setEnclaveRequiredSync,
} from '../../src/registry/index.js'
import { namespaceSlots } from '../../src/registry/rows/reader/storageLayout.js'
import { type ChainWorld, createChainWorld } from '../support/chainWorld.js'

let world: ChainWorld
let task: Task
const build = keccak256('0x01')
const retired = keccak256('0x02')

beforeAll(async () => {
  world = await createChainWorld()
  const { owner, addresses } = world
  for (const pcr0Hash of [build, retired]) {
    await activateEnclaveVersionSync(owner, { pcr0Hash, label: 'test', addresses })
  }
  await deprecateEnclaveVersionSync(owner, { pcr0Hash: retired, addresses })
  await world.mine(1)
  task = await world.makeTask()
}, 120_000)
afterAll(() => world?.anvil.stop())

type Call = { method: string; params: readonly unknown[] }
type Change = (answer: unknown, call: Call) => unknown

/** Readers over a node whose answers are changed on the way. */
async function readersOver(change: Change, blockHash: Hex = task.referenceBlockHash) {
  const request = async (call: EIP1193Parameters): Promise<unknown> => {
    const answer = await world.client.request(call as never)
    return change(answer, call as Call)
  }
  const client = createPublicClient({ chain: world.chain, transport: custom({ request }) })
  const { addresses } = world
  const [registry, certificates] = await Promise.all([
    createRegistryReader({ client, addresses }),
    createCertificateReader({ client, addresses }),
  ])
  const told: string[] = []
  const proven = await createProvenReaders({
    ...{ client, registry, certificates, addresses, blockHash },
    onProof: ({ contract, what }) => told.push(`${contract}: ${what}`),
  })
  return { ...proven, told }
}

describe('createProvenReaders', () => {
  test('default: an attestation is verified on proofs of all that has no id', async () => {
    const { registry, certificates, block, told } = await readersOver((answer) => answer)
    expect(block).toMatchObject({ number: task.referenceBlock, hash: task.referenceBlockHash })
    const { response, digestPreimage: preimage } = await world.evaluate(task, {
      pcr0Commitment: build,
    })
    const outcome = await verifyTaskAttestation({
      reader: { ...world.reader, registry, certificates },
      ...{ task, response, preimage, certificate: world.sign(response) },
    })
    expect(outcome).toEqual({ status: 'valid', level: 'quorum' })
    expect([...new Set(told)].sort()).toEqual([
      'certificateVerifier: operator table',
      'enclaveVersionRegistry: enclave build',
      'policyDataRegistry: policy-data slot',
      'policyRegistry: enclave requirement',
      'policyRegistry: policy slot',
    ])
  })

  test('behavior: the same as the contracts say, also for what is not there', async () => {
    const { registry, certificates } = await readersOver((answer) => answer)
    const at = { client: task.policyClient, block: task.referenceBlock }
    for (const reader of [registry, world.registry]) {
      expect(await reader.currentPolicyInstanceAt({ ...at, client: world.addresses.slasher })).toBe(
        null,
      )
      expect(await reader.enclaveRequiredAt(at.block)).toBe(false)
      for (const [pcr0Commitment, listed] of [
        [build, true],
        [retired, false],
        [keccak256('0x03'), false],
      ] as const) {
        expect(await reader.isEnclaveWhitelistedAt({ pcr0Commitment, block: at.block })).toBe(
          listed,
        )
      }
    }
    expect(await registry.snapshot(at)).toEqual(await world.registry.snapshot(at))
    expect(await certificates.tableAt(at.block)).toEqual(await world.certificates.tableAt(at.block))
  })

  test('behavior: a slot with many moves, and a rule that was turned on and off', async () => {
    const { clientOwner, owner, addresses, mainClient: client } = world
    const first = (await world.registry.currentPolicyInstanceAt({
      client,
      block: task.referenceBlock,
    })) as Hex
    const second = await world.addPolicyInstance(client, { max: 3 })
    for (const instanceId of [second, first, second, first, second] as Hex[]) {
      await setCurrentPolicyInstanceSync(clientOwner, { client, instanceId, addresses })
    }
    await setEnclaveRequiredSync(owner, { required: true, addresses })
    await world.mine(2)
    const later = await world.makeTask()
    const { registry } = await readersOver((answer) => answer, later.referenceBlockHash)
    const at = { client, block: later.referenceBlock }
    expect(await registry.currentPolicyInstanceAt(at)).toBe(second)
    expect(await registry.enclaveRequiredAt(at.block)).toBe(true)
    // Other blocks are as the reader has them.
    expect(await registry.currentPolicyInstanceAt({ client, block: task.referenceBlock })).toBe(
      first,
    )
    await setEnclaveRequiredSync(owner, { required: false, addresses })
  })

  test('error: RPC_INCONSISTENT for a node that says otherwise than it proves', async () => {
    // Every call of a contract is answered with the lie; proofs are the chain's.
    const { registry, certificates } = await readersOver((answer) => answer)
    const honest = await world.registry.snapshot({
      client: task.policyClient,
      block: task.referenceBlock,
    })
    const lies = [
      { ...honest, policyInstanceId: `0x${'07'.repeat(32)}` as Hex },
      { ...honest, enclaveRequired: true },
      { ...honest, block: { ...honest.block, hash: `0x${'07'.repeat(32)}` as Hex } },
      { ...honest, data: honest.data.map((row) => ({ ...row, instanceId: null })) },
    ]
    for (const lie of lies) {
      const { registry: lied } = await createProvenReaders({
        client: world.client,
        registry: { ...registry, snapshot: async () => lie },
        certificates,
        addresses: world.addresses,
        blockHash: task.referenceBlockHash,
      })
      await expect(
        lied.snapshot({ client: task.policyClient, block: task.referenceBlock }),
      ).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
    }
    const told = await world.certificates.tableAt(task.referenceBlock)
    const { certificates: liedTables } = await createProvenReaders({
      client: world.client,
      registry: world.registry,
      certificates: {
        ...world.certificates,
        tableAt: async () => told && { ...told, quorumBps: told.quorumBps - 1 },
      },
      addresses: world.addresses,
      blockHash: task.referenceBlockHash,
    })
    await expect(liedTables.tableAt(task.referenceBlock)).rejects.toMatchObject({
      code: 'RPC_INCONSISTENT',
    })
  })

  test('error: every changed node of a proof is refused', async () => {
    const changes: [string, Change][] = [
      ['none', () => null],
      ['no storage proof', (answer) => ({ ...(answer as object), storageProof: [] })],
      ['another account', (answer) => ({ ...(answer as object), accountProof: [] })],
      [
        'a bit of the account',
        (answer) => {
          const { accountProof, ...rest } = answer as { accountProof: Hex[] }
          return { ...rest, accountProof: accountProof.map(flipped) }
        },
      ],
      [
        'a bit of a slot',
        (answer) => {
          const { storageProof, ...rest } = answer as { storageProof: { proof: Hex[] }[] }
          return {
            ...rest,
            storageProof: storageProof.map((one) => ({ ...one, proof: one.proof.map(flipped) })),
          }
        },
      ],
    ]
    for (const [name, change] of changes) {
      const { registry } = await readersOver((answer, { method }) =>
        method === 'eth_getProof' ? change(answer, { method, params: [] }) : answer,
      )
      await expect(
        registry.currentPolicyInstanceAt({
          client: task.policyClient,
          block: task.referenceBlock,
        }),
        name,
      ).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
    }
  })

  test('error: a header that does not hash to the block, field by field', async () => {
    const fields = ['stateRoot', 'parentHash', 'number', 'timestamp', 'receiptsRoot', 'hash']
    for (const field of fields) {
      const lie = readersOver((answer, { method }) =>
        method === 'eth_getBlockByHash'
          ? { ...(answer as object), [field]: field === 'number' ? '0x1' : ZERO_HASH }
          : answer,
      )
      await expect(lie, field).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
    }
    await expect(readersOver((answer) => answer, `0x${'09'.repeat(32)}`)).rejects.toMatchObject({
      code: 'RPC_INCONSISTENT',
    })
  })

  test('behavior: the layout is the one that the contracts were compiled with', () => {
    const file = new URL('../../contracts/snapshots/storage.json', import.meta.url)
    const layouts = JSON.parse(readFileSync(file, 'utf8')) as Record<
      string,
      { slot: string; members: string[] }
    >
    const membersOf = (name: string): string[] => layouts[`newton.storage.${name}`]?.members ?? []
    const slotOf = (name: string): bigint => BigInt(layouts[`newton.storage.${name}`]?.slot ?? 0)
    expect(namespaceSlots).toEqual({
      policyRegistry: slotOf('PolicyRegistry'),
      policyDataRegistry: slotOf('PolicyDataRegistry'),
      enclaveVersionRegistry: slotOf('EnclaveVersionRegistry'),
      certificateVerifier: slotOf('BN254CertificateVerifier'),
    })
    expect(membersOf('PolicyRegistry')[1]).toMatch(/^mapping\(address => struct .* slots$/)
    expect(membersOf('PolicyRegistry')[2]).toMatch(/enclaveRequired$/)
    expect(membersOf('PolicyDataRegistry')[0]).toMatch(
      /^mapping\(address => mapping\(bytes32 => .* slots$/,
    )
    expect(membersOf('EnclaveVersionRegistry')[0]).toMatch(
      /uint64 activatedAt; uint64 deprecatedAt/,
    )
    expect(membersOf('BN254CertificateVerifier').slice(0, 5)).toEqual([
      'address avs',
      'uint32 operatorSetId',
      'uint32 maxStaleness',
      'enum BlockKind blockKind',
      expect.stringMatching(/uint64 blockNumber; uint32 referenceTimestamp; uint16 quorumBps/),
    ])
  })
})

/** The last bit of a node, turned over. */
function flipped(node: Hex): Hex {
  const last = Number.parseInt(node.slice(-1), 16) ^ 1
  return `${node.slice(0, -1)}${last.toString(16)}` as Hex
}
