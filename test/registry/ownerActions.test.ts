/** What owners decide, through the SDK: verifiers, upgrades, quorums, signers, mirrored builds. */
import { type Address, type Hex, zeroAddress } from 'viem'
import { getBlock } from 'viem/actions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StateCommit } from '../../src/core/stateCommit.js'
import { isPolicySdkError } from '../../src/errors/base.js'
import * as registry from '../../src/registry/index.js'
import { artifacts } from '../../src/testing/artifacts/contracts.js'
import { simulatedArbSysBytecode } from '../../src/testing/artifacts/simulatedArbSys.generated.js'
import { DeploymentError, deployContract, deployContracts } from '../../src/testing/contracts.js'
import { startChain, type TestChain, type TestClient, word } from './chain.js'

type LocalSigner = { sign: (parameters: { hash: Hex }) => Promise<Hex> }

const challengeWindow = 20n
const maxExpireAfter = 30n
const delay = challengeWindow + maxExpireAfter + 1n

let chain: TestChain
beforeAll(async () => {
  chain = await startChain({ config: { challengeWindow, maxExpireAfter } })
}, 120_000)
afterAll(() => chain?.anvil.stop())

/** Names of the checks that stop a write; `[]` where none does. */
async function stopped(write: Promise<unknown>): Promise<string[]> {
  try {
    await write
    return []
  } catch (error) {
    if (error instanceof registry.PreflightError) {
      return error.checks.filter(({ ok, level }) => !ok && level === 'error').map((one) => one.rule)
    }
    throw error
  }
}

async function reverted(write: Promise<unknown>): Promise<string | undefined> {
  const error = await write.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isPolicySdkError(error)) throw error ?? new Error('it went through')
  return (error as { errorName?: string }).errorName
}

describe('injected verifiers', () => {
  test('behavior: announced, withdrawn, in force, suspended once', async () => {
    const { owner, addresses } = chain
    const at = { addresses, kind: 'result' } as const
    // Any contract will do: nobody is judged here.
    const verifier = addresses.artifactProofs
    expect(await stopped(registry.cancelVerifierSync(owner, at))).toEqual(['NothingAnnounced'])
    const first = await registry.scheduleVerifierSync(owner, { ...at, verifier })
    expect(first).toMatchObject({ kind: 0, verifier, fromBlock: first.receipt.blockNumber + delay })
    expect(await registry.cancelVerifierSync(owner, at)).toMatchObject({ kind: 0, verifier })
    await registry.scheduleVerifierSync(owner, { ...at, verifier })
    expect(await stopped(registry.suspendVerifierSync(owner, { ...at, blocks: 1n }))).toEqual([
      'VerifierNotSet',
    ])
    await chain.mine(Number(delay))
    for (const blocks of [0n, challengeWindow + 1n]) {
      const long = { ...at, blocks }
      expect(await stopped(registry.suspendVerifier(owner, long))).toEqual(['InvalidSuspension'])
      expect(await reverted(registry.suspendVerifier(owner, { ...long, preflight: false }))).toBe(
        'InvalidSuspension',
      )
    }
    const rest = await registry.suspendVerifierSync(owner, { ...at, blocks: 5n })
    expect(rest).toMatchObject({ verifier, untilBlock: rest.receipt.blockNumber + 5n })
    expect(await stopped(registry.suspendVerifier(owner, { ...at, blocks: 5n }))).toEqual([
      'SuspendedBefore',
    ])
    // The one that judges what was accepted at a block, which the next one is not.
    const then = { ...at, blocks: 5n, acceptedAt: rest.receipt.blockNumber }
    expect(await stopped(registry.suspendVerifier(owner, then))).toEqual(['SuspendedBefore'])
    expect(await reverted(registry.suspendVerifier(owner, { ...then, preflight: false }))).toBe(
      'SuspendedBefore',
    )
    for (const acceptedAt of [0n, 1_000_000_000n]) {
      const never = { ...then, acceptedAt }
      expect(await stopped(registry.suspendVerifier(owner, never))).toEqual(['VerifierNotSet'])
      expect(await reverted(registry.suspendVerifier(owner, { ...never, preflight: false }))).toBe(
        'VerifierNotSet',
      )
    }
    // None at all is announced by zero.
    expect(
      await registry.scheduleVerifierSync(owner, { ...at, verifier: zeroAddress }),
    ).toMatchObject({ verifier: zeroAddress })
  })

  test('behavior: a verdict of another chain, by a relay in force, of a listed source', async () => {
    const { owner, addresses, anvil, wallet } = chain
    const challengeVerifier: Address = '0x00000000000000000000000000000000000000c0'
    const operators = [wallet(5).account.address, wallet(6).account.address]
    const genuine = { sourceChainId: 10n, challengeVerifier, messageHash: word(0xd), operators }
    const relay = (changes: Partial<registry.Verdict> = {}, options: object = {}) =>
      registry.slashForRelayedVerdictSync(wallet(3), {
        verdict: { ...genuine, ...changes },
        proof: '0x',
        addresses,
        ...options,
      })
    /** Stopped before signing by this check, and past the checks by the contract. */
    const refused = async (rule: string, changes: Partial<registry.Verdict> = {}) => {
      expect(await stopped(relay(changes))).toContain(rule)
      expect(await reverted(relay(changes, { preflight: false }))).toBe(rule)
    }
    await refused('VerifierNotSet')
    // A relay that vouches for everything: it answers 1.
    const verifier: Address = '0x00000000000000000000000000000000000000e1'
    await anvil.rpc('anvil_setCode', [verifier, '0x60015f5260205ff3'])
    await registry.scheduleVerifierSync(owner, { addresses, kind: 'relay', verifier })
    const source = { addresses, sourceChainId: 10n, challengeVerifier, listed: true }
    await registry.scheduleVerdictSourceSync(owner, source)
    await refused('VerifierNotSet')
    await chain.mine(Number(delay))
    await refused('VerdictNotForeign', { sourceChainId: 31_337n })
    await refused('SourceNotListed', { sourceChainId: 11n })
    await refused('NothingToSlash', { operators: [] })
    const { ok, checks } = await registry.dryRunSlashForRelayedVerdict(wallet(3), {
      verdict: genuine,
      proof: '0x',
      addresses,
    })
    expect(ok).toBe(true)
    expect(checks.length).toBe(5)
    for (const part of [
      { from: 0, to: 0 },
      { from: 1, to: 3 },
    ]) {
      expect(await stopped(relay({}, { part }))).toContain('InvalidPart')
      expect(await reverted(relay({}, { part, preflight: false }))).toBe('InvalidPart')
    }
    for (const from of [-1, 0.5, 2 ** 53]) {
      const odd = relay({}, { part: { from, to: 1 } })
      await expect(odd).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'part.from' })
    }
    const part = { from: 1, to: 2 }
    expect(await relay({}, { part })).toMatchObject({ operators: [operators[1]] })
    expect(await stopped(relay({}, { part }))).toEqual(['NothingToSlash'])
    expect(await relay()).toMatchObject({
      messageHash: word(0xd),
      sourceChainId: 10n,
      operators: [operators[0]],
    })
    // Each once for a message, and once in a window for all of them.
    await refused('NothingToSlash')
    await refused('NothingToSlash', { messageHash: word(0xe) })
    await registry.suspendVerifierSync(owner, { addresses, kind: 'relay', blocks: 5n })
    await refused('VerifierResting')
    await expect(relay({ messageHash: '0x12' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('error: without code, by a stranger, of no kind', async () => {
    const { owner, addresses, wallet } = chain
    const nobody = wallet(9).account.address
    const at = { addresses, kind: 'relay', verifier: nobody } as const
    expect(await stopped(registry.scheduleVerifier(owner, at))).toEqual(['VerifierWithoutCode'])
    expect(await reverted(registry.scheduleVerifier(owner, { ...at, preflight: false }))).toBe(
      'VerifierWithoutCode',
    )
    const own = { ...at, verifier: addresses.artifactProofs }
    expect(await stopped(registry.scheduleVerifier(wallet(1), own))).toEqual([
      'OwnableUnauthorizedAccount',
    ])
    const odd = { ...own, kind: 'toString' as never }
    await expect(registry.scheduleVerifier(owner, odd)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'kind',
    })
  })

  test('behavior: sources of verdicts', async () => {
    const { owner, addresses } = chain
    const source = {
      addresses,
      sourceChainId: 10n,
      challengeVerifier: addresses.slasher,
      listed: true,
    }
    const done = await registry.scheduleVerdictSourceSync(owner, source)
    expect(done).toMatchObject({
      chainId: 10n,
      listed: true,
      fromBlock: done.receipt.blockNumber + delay,
    })
    const run = await registry.dryRunScheduleVerdictSource(owner, source)
    expect(run).toMatchObject({ ok: true, transaction: { to: addresses.challengeVerifier } })
  })
})

describe('upgrades', () => {
  const implementation = (): Promise<Address> =>
    deployContract(chain.owner, { ...artifacts.responseRegistry, args: [] })

  test('behavior: announced, waited for, applied', async () => {
    const { owner, addresses } = chain
    const upgrade = {
      addresses,
      contract: 'responseRegistry',
      implementation: await implementation(),
    } as const
    expect(await stopped(registry.executeUpgrade(owner, upgrade))).toEqual(['UpgradeNotScheduled'])
    const announced = await registry.scheduleUpgradeSync(owner, upgrade)
    expect(announced.readyAt).toBe(announced.receipt.blockNumber + delay)
    expect(await stopped(registry.executeUpgrade(owner, upgrade))).toEqual(['UpgradeNotReady'])
    expect(await reverted(registry.executeUpgrade(owner, { ...upgrade, preflight: false }))).toBe(
      'UpgradeNotReady',
    )
    // Another call than the announced one is another upgrade.
    const other = { ...upgrade, data: '0x12' as Hex }
    expect(await stopped(registry.executeUpgrade(owner, other))).toEqual(['UpgradeNotScheduled'])
    await chain.mine(Number(delay))
    expect(await registry.executeUpgradeSync(owner, upgrade)).toMatchObject({
      implementation: upgrade.implementation,
    })
  })

  test('behavior: withdrawn, and lapsed', async () => {
    const { owner, addresses, wallet } = chain
    const at = { addresses, contract: 'responseRegistry' } as const
    const upgrade = { ...at, implementation: await implementation() }
    await registry.scheduleUpgradeSync(owner, upgrade)
    expect(await stopped(registry.cancelUpgrade(wallet(1), at))).toEqual([
      'OwnableUnauthorizedAccount',
    ])
    await registry.cancelUpgradeSync(owner, at)
    await registry.scheduleUpgradeSync(owner, upgrade)
    await chain.mine(Number(2n * delay + 1n))
    expect(await stopped(registry.executeUpgrade(owner, upgrade))).toEqual(['UpgradeLapsed'])
    expect(await reverted(registry.executeUpgrade(owner, { ...upgrade, preflight: false }))).toBe(
      'UpgradeLapsed',
    )
    // What is not there yet is a warning, and never applied once it is.
    const early = { ...at, implementation: wallet(9).account.address }
    const { ok, checks } = await registry.dryRunScheduleUpgrade(owner, early)
    expect(ok).toBe(true)
    expect(checks.find(({ rule }) => rule === 'ERC1967InvalidImplementation')?.ok).toBe(false)
    await registry.scheduleUpgradeSync(owner, early)
    await chain.mine(Number(delay))
    const applied = { ...early, preflight: false } as const
    expect(await stopped(registry.executeUpgrade(owner, early))).toEqual(['ImplementationChanged'])
    expect(await reverted(registry.executeUpgrade(owner, applied))).toBe('ImplementationChanged')
    await chain.anvil.rpc('anvil_setCode', [early.implementation, '0x00'])
    expect(await reverted(registry.executeUpgrade(owner, applied))).toBe('ImplementationChanged')
    await chain.anvil.rpc('anvil_setCode', [early.implementation, '0x'])
  })

  test('behavior: a delay grows', async () => {
    const { owner, addresses } = chain
    const at = { addresses, contract: 'policyClientRegistry' } as const
    expect(await registry.setUpgradeDelaySync(owner, { ...at, blocks: delay + 5n })).toMatchObject({
      blocks: delay + 5n,
    })
    expect(await reverted(registry.setUpgradeDelay(owner, { ...at, blocks: delay }))).toBe(
      'UpgradeDelayTooShort',
    )
    const slasher = { addresses, contract: 'slasher' as never, blocks: 1n }
    await expect(registry.setUpgradeDelay(owner, slasher)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'contract',
    })
  })
})

describe('snapshots', () => {
  test('behavior: signed by the registry’s signers, as the next commit', async () => {
    const { owner, addresses, wallet } = chain
    const registryAddress = addresses.stateCommitRegistry
    const { timestamp } = await getBlock(owner)
    const snapshot: StateCommit = {
      version: 2,
      sequenceNo: 7n,
      prevStateRoot: word(0),
      newStateRoot: word(0x77),
      timestamp: timestamp - 4000n,
      daCertHash: word(0x78),
      pcr0Commitment: word(0x79),
    }
    const sign = async (by: TestClient, over: StateCommit) => {
      const hash = registry.computeSnapshotDigest({
        chainId: chain.chain.id,
        registry: registryAddress,
        snapshot: over,
      })
      const signature = await (by.account as unknown as LocalSigner).sign({ hash })
      return { signer: by.account.address, signature }
    }
    const input = async (changes: Partial<StateCommit> = {}, by = owner) => {
      const changed = { ...snapshot, ...changes }
      return { snapshot: changed, signatures: [await sign(by, changed)], addresses }
    }
    const refused = async (rule: string, given: Awaited<ReturnType<typeof input>>) => {
      expect(await stopped(registry.injectSealedSnapshot(wallet(3), given))).toContain(rule)
      const past = registry.injectSealedSnapshot(wallet(3), { ...given, preflight: false })
      expect(await reverted(past)).toBe(rule)
    }
    await refused('InvalidSealedSnapshot', await input({}, wallet(4)))
    await refused('InvalidSealedSnapshot', { ...(await input()), signatures: [] })
    const other = { ...(await input({ newStateRoot: word(0x99) })), snapshot }
    await refused('InvalidSealedSnapshot', other)
    await refused('UnsupportedStateCommitVersion', await input({ version: 1 }))
    await expect(input({ newStateRoot: word(0) })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await refused('SequenceGap', await input({ sequenceNo: 1n << 32n }))
    await refused('TimestampInFuture', await input({ timestamp: timestamp + 100_000n }))
    const dry = await registry.dryRunInjectSealedSnapshot(wallet(3), await input())
    expect(dry.checks.filter(({ ok }) => !ok)).toEqual([])
    const done = await registry.injectSealedSnapshotSync(wallet(3), await input())
    expect(done).toMatchObject({ sequenceNo: 7n, root: word(0x77) })
    await refused('SequenceGap', await input({ timestamp: timestamp - 3999n }))
    await refused('TimestampRegression', await input({ sequenceNo: 8n }))
  })
})

describe('configuration', () => {
  test('behavior: quorums wait', async () => {
    const { owner, addresses } = chain
    const quorum = await registry.setQuorumBpsSync(owner, { addresses, quorumBps: 7000 })
    expect(quorum).toMatchObject({
      previous: 6700,
      current: 7000,
      blockNumber: quorum.receipt.blockNumber + delay,
    })
    const commits = await registry.setMinQuorumBpsSync(owner, { addresses, quorumBps: 7000 })
    expect(commits).toMatchObject({
      newBps: 7000,
      fromBlock: commits.receipt.blockNumber + delay,
    })
    await expect(
      registry.setQuorumBps(owner, { addresses, quorumBps: 10_001 }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'quorumBps' })
  })

  test('behavior: staleness, signers of snapshots, task generators', async () => {
    const { owner, addresses, wallet } = chain
    expect(
      await registry.setMaxStalenessSync(owner, { addresses, maxStaleness: 86_400 }),
    ).toMatchObject({ previous: 0, current: 86_400 })
    const signers = [wallet(2).account.address, wallet(3).account.address]
    expect(
      await registry.setSnapshotSignersSync(owner, { addresses, signers, threshold: 2 }),
    ).toMatchObject({ signers, threshold: 2 })
    expect(
      await reverted(registry.setSnapshotSigners(owner, { addresses, signers, threshold: 3 })),
    ).toBeDefined()
    const generator = wallet(4).account.address
    expect(
      await registry.setTaskGeneratorSync(owner, { addresses, generator, allowed: true }),
    ).toMatchObject({ generator, allowed: true })
    const build = { addresses, pcr0Hash: word(1), label: 'by a generator' }
    expect(await registry.activateEnclaveVersionSync(wallet(4), build)).toMatchObject({
      pcr0Hash: word(1),
    })
  })
})

describe('builds of another registry', () => {
  test('behavior: a mirror notes what its source says', async () => {
    const { owner, addresses, wallet } = chain
    const source = addresses.enclaveVersionRegistry
    const mirror = await deployContract(owner, {
      ...artifacts.enclaveVersionMirror,
      args: [source, 1],
    })
    const build = { addresses, pcr0Hash: word(7), label: 'mirrored' }
    const mirrored = { addresses: { ...addresses, enclaveVersionRegistry: mirror } }
    const sync = { ...mirrored, pcr0Hash: word(7) }
    expect(await reverted(registry.syncEnclaveVersion(owner, sync))).toBe('VersionNotRegistered')
    await registry.activateEnclaveVersionSync(owner, build)
    expect(await registry.syncEnclaveVersionSync(wallet(5), sync)).toMatchObject({ active: true })
    expect(await reverted(registry.syncEnclaveVersion(owner, sync))).toBe('NothingToSync')
    await registry.deprecateEnclaveVersionSync(owner, { addresses, pcr0Hash: word(7) })
    expect(await registry.syncEnclaveVersionSync(wallet(5), sync)).toMatchObject({
      pcr0Hash: word(7),
      active: false,
    })
  })

  test('behavior: a deployment mirrors a registry that counts other blocks', async () => {
    const { owner, anvil, addresses, wallet } = chain
    const code = await deployContract(owner, {
      abi: [],
      bytecode: simulatedArbSysBytecode,
      args: [],
      name: 'SimulatedArbSys',
    })
    const arbSys = '0x0000000000000000000000000000000000000064'
    await anvil.rpc('anvil_setCode', [arbSys, await anvil.rpc('eth_getCode', [code, 'latest'])])
    await anvil.rpc('anvil_setStorageAt', [arbSys, '0x0', word(900_000)])
    // A contract that does not say what it counts, as the deployed registry does not.
    const silent = addresses.slasher
    const wrapped = await deployContracts(owner, {
      blockKind: 'arbsys',
      enclaveVersionRegistry: silent,
    })
    expect(wrapped.enclaveVersionRegistry).not.toBe(silent)
    // Named where blocks are native, it is used as it is.
    const plain = await deployContracts(owner, { enclaveVersionRegistry: silent })
    expect(plain.enclaveVersionRegistry).toBe(silent)
    for (const enclaveVersionRegistry of [
      // It says that it counts native blocks; nobody is there.
      addresses.enclaveVersionRegistry,
      wallet(9).account.address,
    ]) {
      await expect(
        deployContracts(owner, { blockKind: 'arbsys', enclaveVersionRegistry }),
      ).rejects.toThrow(DeploymentError)
    }
  }, 60_000)
})
