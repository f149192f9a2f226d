import { createWalletClient, type Hex, http } from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  blsKeyFromSeed,
  buildCertificate,
  computeSignableDigest,
  createOperatorTable,
  provePossession,
} from '../../../core/bn254/index.js'
import {
  computeDaCertHash,
  computeStateCommitHash,
  type StateCommit,
} from '../../../core/stateCommit.js'
import { type DeployedContracts, deployContracts } from '../../../testing/contracts.js'
import { type Anvil, startAnvil } from '../../../testing/node/anvil.js'
import { createChainEvents } from '../../events/events.js'
import { createCertificateReader, readOperatorTable } from '../../rows/quorum/certificates.js'
import { createCommitSink } from '../sinks.js'
import {
  publishOperatorTableSync,
  registerOperatorKeyForSync,
  registerOperatorKeySync,
  signOperatorKey,
} from './operators.js'

let anvil: Anvil
let addresses: DeployedContracts
const account = privateKeyToAccount(
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
)
const walletOf = (account: PrivateKeyAccount) =>
  createWalletClient({ account, chain: foundry, transport: http(anvil.url), pollingInterval: 20 })
const client = () => walletOf(account)

beforeAll(async () => {
  anvil = await startAnvil()
  addresses = await deployContracts(client())
})
afterAll(() => anvil?.stop())

test('operators, a commit and its events', async () => {
  const wallet = client()
  const certificates = await createCertificateReader({ client: wallet, addresses })
  const latest = async (): Promise<bigint> => BigInt((await anvil.rpc('eth_blockNumber')) as string)
  expect(await certificates.tableAt(await latest())).toBe(null)
  const operators = [1, 2, 3, 4]
    .map((n) => ({
      signer: privateKeyToAccount(`0x${`0${n}`.repeat(32)}`),
      key: blsKeyFromSeed(Uint8Array.of(n)),
    }))
    .map(({ signer, key }) => ({ signer, key, operator: signer.address }))
    .sort((a, b) => (a.operator.toLowerCase() < b.operator.toLowerCase() ? -1 : 1))
  for (const [index, { signer, operator, key }] of operators.entries()) {
    const context = { chainId: 31337, verifier: addresses.certificateVerifier, operator }
    const { pubkey: pkG1, pubkeyG2: pkG2 } = key.publicKey
    const input = { addresses, operator, pkG1, pkG2, proof: await provePossession(key, context) }
    const own = walletOf(signer)
    if (index === 0) {
      // By the operator itself; nobody else may, in its name.
      await expect(registerOperatorKeySync(wallet, input)).rejects.toMatchObject({
        code: 'PREFLIGHT_FAILED',
      })
      await expect(
        registerOperatorKeySync(wallet, { ...input, preflight: false }),
      ).rejects.toMatchObject({ errorName: 'NotOperator' })
      await anvil.rpc('anvil_setBalance', [operator, '0xde0b6b3a7640000'])
      await registerOperatorKeySync(own, input)
      continue
    }
    const deadline = 2n ** 40n
    const signature = await signOperatorKey(own, { addresses, pkG1, deadline })
    const signed = { ...input, deadline, signature }
    if (index === 1) {
      await expect(
        registerOperatorKeyForSync(wallet, { ...signed, deadline: deadline + 1n }),
      ).rejects.toMatchObject({ errorName: 'InvalidOperatorSignature' })
      await expect(
        registerOperatorKeyForSync(wallet, { ...signed, deadline: 1n }),
      ).rejects.toMatchObject({ code: 'PREFLIGHT_FAILED' })
      await expect(
        registerOperatorKeyForSync(wallet, { ...signed, deadline: 1n, preflight: false }),
      ).rejects.toMatchObject({ errorName: 'SignatureExpired' })
    }
    await registerOperatorKeyForSync(wallet, signed)
  }
  const { timestamp } = (await anvil.rpc('eth_getBlockByNumber', ['latest', false])) as {
    timestamp: Hex
  }
  const referenceTimestamp = Number(timestamp)
  const { receipt } = await publishOperatorTableSync(wallet, {
    addresses,
    referenceTimestamp,
    operators: operators.map(({ operator }) => operator),
    weights: operators.map(() => [100n]),
  })
  const table = createOperatorTable(
    operators.map(({ operator, key }) => ({
      operator,
      pubkey: key.publicKey.pubkey,
      pubkeyG2: key.publicKey.pubkeyG2,
      weights: [100n],
    })),
  )
  const block = receipt.blockNumber
  const atNewest = await certificates.tableAt(block)
  expect(atNewest).toEqual({
    referenceTimestamp,
    quorumBps: 6700,
    table: table.info,
    maxStaleness: 0,
  })
  await anvil.rpc('anvil_mine', ['0x2'])
  expect(await certificates.tableAt(block)).toEqual(atNewest)
  expect(await certificates.tableAt(block - 1n)).toBe(null)
  const read = await readOperatorTable(wallet, { addresses, referenceTimestamp })
  expect(read.operators).toEqual(operators.map(({ operator }) => operator))
  expect(read.tree.proof(2)).toBe(table.proof(2))

  const deltaHash: Hex = `0x${'d1'.repeat(32)}`
  const commit: StateCommit = {
    version: 2,
    sequenceNo: 1n,
    prevStateRoot: `0x${'00'.repeat(32)}`,
    newStateRoot: `0x${'11'.repeat(32)}`,
    timestamp: BigInt(referenceTimestamp),
    daCertHash: computeDaCertHash(deltaHash, [{ kind: 'keccakStore', name: '' }]),
    pcr0Commitment: `0x${'33'.repeat(32)}`,
  }
  const messageHash = computeStateCommitHash(commit, {
    chainId: 31337n,
    registry: addresses.stateCommitRegistry,
    operatorSetId: 0,
  })
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  const shares = operators
    .slice(0, 3)
    .map(({ operator, key }) => ({ operator, signature: key.sign(digest) }))
  const { certificate } = await buildCertificate({ table, referenceTimestamp, messageHash, shares })
  expect(await certificates.verifyCertificateAt({ block, certificate })).toBe(true)
  expect(
    await certificates.verifyCertificateAt({
      block,
      certificate: { ...certificate, messageHash: `0x${'44'.repeat(32)}` },
    }),
  ).toBe(false)
  const sink = createCommitSink({ client: wallet, addresses })
  expect(await sink.latest()).toBe(null)
  await sink.commitStateRoot({ commit, certificate })
  await sink.announceCommit({
    sequenceNo: 1n,
    deltaHash,
    locators: [{ kind: 'keccakStore', name: '' }],
  })
  expect(await sink.latest()).toEqual({
    sequenceNo: 1n,
    root: commit.newStateRoot,
    timestamp: commit.timestamp,
  })
  const events = await createChainEvents({ client: wallet, addresses })
  const found = await events.getEvents({ fromBlock: 0n, toBlock: await latest() })
  expect(found.map(({ type }) => type)).toEqual(['StateRootCommitted', 'CommitAnnounced'])
  expect(found[0]).toMatchObject({ sequenceNo: 1n, newStateRoot: commit.newStateRoot, logIndex: 0 })
})
