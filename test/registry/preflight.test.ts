/**
 * Checks before signing: each broken precondition fails the check of its name, and is refused by
 * the contract with the error of the same name.
 */
import type { Address, Hex } from 'viem'
import { sendTransaction } from 'viem/actions'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type Certificate,
  computeSignableDigest,
  operatorWitness,
} from '../../src/core/bn254/index.js'
import { computeIntentHash } from '../../src/core/intent.js'
import type { PolicyTaskResponse } from '../../src/core/response.js'
import {
  computeDaCertHash,
  computeStateCommitHash,
  type StateCommit,
} from '../../src/core/stateCommit.js'
import { computeTaskId, type Task } from '../../src/core/task.js'
import type { WriteClient } from '../../src/registry/chain/client.js'
import * as registry from '../../src/registry/index.js'
import { deployGuardedTransfer } from '../../src/testing/index.js'
import { joinShares } from '../support/certificates.js'
import { type ChainWorld, createChainWorld } from '../support/chainWorld.js'

let world: ChainWorld
beforeAll(async () => {
  world = await createChainWorld({ challengeWindow: 60n })
})
afterAll(() => world?.anvil.stop())

const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`

type Actions<parameters> = {
  dryRun: registry.DryRunAction<parameters>
  send: registry.WriteAction<parameters>
}

/** Fails in the list and, past the list, on chain, both under one name. */
async function broken<parameters extends object>(
  rule: string,
  actions: Actions<parameters>,
  [sender, parameters]: [WriteClient, parameters],
): Promise<void> {
  const { addresses } = world
  const { ok, checks } = await actions.dryRun(sender, { ...parameters, addresses })
  const failed = checks.filter((check) => !check.ok && check.level === 'error')
  expect(failed.map((check) => check.rule)).toContain(rule)
  expect(ok).toBe(false)
  for (const check of failed) expect(check.fix, check.rule).not.toBe('')
  const error = await actions.send(sender, { ...parameters, addresses }).catch((e: unknown) => e)
  expect(error).toMatchObject({ code: 'PREFLIGHT_FAILED' })
  const revert = await actions
    .send(sender, { ...parameters, addresses, preflight: false })
    .catch((e: unknown) => e)
  expect(revert).toMatchObject({ code: 'CONTRACT_REVERT', errorName: rule })
}

/** Nothing fails, and nothing was signed to find out. */
async function fine<parameters extends object>(
  actions: Actions<parameters>,
  [sender, parameters]: [WriteClient, parameters],
): Promise<readonly registry.PreflightCheck[]> {
  const { addresses, client } = world
  const nonce = await client.getTransactionCount({ address: sender.account.address })
  const { ok, checks } = await actions.dryRun(sender, { ...parameters, addresses })
  expect(checks.filter((check) => !check.ok)).toEqual([])
  expect(ok).toBe(true)
  expect(checks.length).toBeGreaterThan(0)
  expect(await client.getTransactionCount({ address: sender.account.address })).toBe(nonce)
  return checks
}

type Signed = { task: Task; response: PolicyTaskResponse; certificate: Certificate }

const accept: Actions<registry.AcceptResponseInput> = {
  dryRun: registry.dryRunAcceptResponse,
  send: registry.acceptResponse,
}

async function honest(changes: Partial<Task> = {}): Promise<Signed> {
  const task = await world.makeTask(changes)
  const { response } = await world.evaluate(task)
  return { task, response, certificate: world.sign(response) }
}

/** What operators at quorum signed, with parts of it changed. */
function resign(
  { task, response }: Signed,
  changes: Partial<PolicyTaskResponse>,
  taskChanges: Partial<Task> = {},
): Signed {
  const asked = { ...task, ...taskChanges }
  const changed = {
    ...response,
    ...(Object.keys(taskChanges).length === 0 ? {} : { taskId: computeTaskId(asked) }),
    ...changes,
  }
  return { task: asked, response: changed, certificate: world.sign(changed) }
}

describe('acceptResponse', () => {
  test('an honest response passes every check', async () => {
    const checks = await fine(accept, [world.challenger, await honest()])
    expect(checks.map(({ rule }) => rule)).toContain('CertificateVerifies')
  })

  const rows: [string, (signed: Signed) => Signed | Promise<Signed>][] = [
    ['WrongChain', (signed) => resign(signed, { chainId: 1n })],
    ['WrongPolicyRegistry', (signed) => resign(signed, { policyRegistry: address(7) })],
    ['TaskIdMismatch', (signed) => resign(signed, { taskId: word(1) })],
    ['TaskFieldMismatch', (signed) => resign(signed, { intentHash: word(1) })],
    ['TaskFieldMismatch', (signed) => resign(signed, { policyClient: address(7) })],
    [
      'ReferenceBlockNotMined',
      (signed) => {
        const referenceBlock = signed.task.referenceBlock + 50n
        return resign(signed, { referenceBlock }, { referenceBlock })
      },
    ],
    [
      'ReferenceBlockHashMismatch',
      (signed) => resign(signed, { referenceBlockHash: word(9) }, { referenceBlockHash: word(9) }),
    ],
    [
      'ReferenceBlockTooOld',
      async (signed) => {
        await world.mine(210)
        return signed
      },
    ],
    [
      'ResponseExpired',
      (signed) => resign(signed, { expirationBlock: signed.response.referenceBlock + 1n }),
    ],
    [
      'CertificateMessageHashMismatch',
      async (signed) => ({ ...signed, certificate: (await honest()).certificate }),
    ],
    [
      'ReferenceTimestampMismatch',
      (signed) => ({
        ...signed,
        certificate: {
          ...signed.certificate,
          referenceTimestamp: signed.certificate.referenceTimestamp + 1,
        },
      }),
    ],
    [
      'IntentChainMismatch',
      (signed) => {
        const intent = { ...signed.task.intent, chainId: 1n }
        return resign(signed, { intentHash: computeIntentHash(intent) }, { intent })
      },
    ],
    [
      'QuorumNotReached',
      (signed) => ({ ...signed, certificate: world.sign(signed.response, { signers: [0] }) }),
    ],
    [
      'AlreadyAccepted',
      async (signed) => {
        const { addresses, challenger } = world
        await registry.acceptResponseSync(challenger, { ...signed, addresses })
        return signed
      },
    ],
  ]
  test.each(rows)('error: %s', async (rule, change) => {
    await broken(rule, accept, [world.challenger, await change(await honest())])
  })

  test('error: PolicyInstanceSuperseded, unless the owner accepts superseded ones', async () => {
    const signed = resign(await honest(), { policyInstanceId: word(1) })
    await fine(accept, [world.challenger, signed])
    const { clientOwner, addresses, mainClient: client } = world
    await registry.setAcceptSupersededSync(clientOwner, { client, accepted: false, addresses })
    await broken('PolicyInstanceSuperseded', accept, [world.challenger, signed])
    await registry.setAcceptSupersededSync(clientOwner, { client, accepted: true, addresses })
  })
})

describe('challengeAttestationDigest', () => {
  const challenge: Actions<registry.ChallengeAttestationDigestInput> = {
    dryRun: registry.dryRunChallengeAttestationDigest,
    send: registry.challengeAttestationDigest,
  }
  const accuse = (
    { response, certificate }: Signed,
    signers = [0, 1, 2, 3],
  ): [WriteClient, registry.ChallengeAttestationDigestInput] => [
    world.challenger,
    {
      response,
      certificate,
      signers: signers.map((index) => operatorWitness(world.current.table, index)),
    },
  ]
  const accepted = async (signed: Signed): Promise<Signed> => {
    const { addresses, challenger } = world
    await registry.acceptResponseSync(challenger, { ...signed, addresses })
    await world.mine()
    return signed
  }
  /** Operators signed a digest that the registries do not give. */
  const lie = async (): Promise<Signed> => resign(await honest(), { artifactDigest: word(66) })

  test('a false response passes every check', async () => {
    const { addresses } = world
    const [sender, parameters] = accuse(await accepted(await lie()))
    await fine(challenge, [sender, parameters])
    const done = await registry.challengeAttestationDigestSync(sender, { ...parameters, addresses })
    expect(done.receipt.status).toBe('success')
  })

  test('error: what was not accepted, or is true', async () => {
    const signed = await honest()
    await broken('ResponseNotAccepted', challenge, accuse(signed))
    await accepted(signed)
    await broken('ChallengeFailed', challenge, accuse(signed))
    const other = resign(signed, { artifactDigest: word(67) })
    await broken('ResponseNotAccepted', challenge, accuse(other))
    await broken('WrongChain', challenge, accuse(resign(signed, { chainId: 1n })))
  })

  test('error: another certificate, signers out of order, a closed window', async () => {
    const signed = await accepted(await lie())
    const { certificate } = await honest()
    await broken('CertificateMessageHashMismatch', challenge, accuse({ ...signed, certificate }))
    await broken('SignersNotSorted', challenge, accuse(signed, [1, 0]))
    const snapshot = await world.anvil.rpc('evm_snapshot', [])
    await world.mine(620)
    await broken('ChallengeWindowClosed', challenge, accuse(signed))
    await world.anvil.rpc('evm_revert', [snapshot])
  })
})

describe('revocations', () => {
  const revoke: Actions<registry.RevokeResponseInput> = {
    dryRun: registry.dryRunRevokeResponse,
    send: registry.revokeResponse,
  }
  const before: Actions<registry.RevokeResponsesBeforeInput> = {
    dryRun: registry.dryRunRevokeResponsesBefore,
    send: registry.revokeResponsesBefore,
  }
  let snapshot: unknown
  beforeEach(async () => {
    snapshot = await world.anvil.rpc('evm_snapshot', [])
  })
  afterEach(async () => {
    await world.anvil.rpc('evm_revert', [snapshot])
  })

  test('a revoked task is not accepted', async () => {
    const signed = await honest()
    const { clientOwner, challenger, addresses, mainClient: client } = world
    const { taskId } = signed.response
    await fine(revoke, [clientOwner, { client, taskId }])
    await broken('NotClientOwner', revoke, [challenger, { client, taskId }])
    await broken('ClientNotRegistered', revoke, [challenger, { client: address(7), taskId }])
    const done = await registry.revokeResponseSync(clientOwner, { client, taskId, addresses })
    expect(done).toMatchObject({ client, taskId })
    await broken('TaskRevoked', accept, [challenger, signed])
    const { ok, checks } = await registry.dryRunRevokeResponse(clientOwner, {
      client,
      taskId,
      addresses,
    })
    expect(ok).toBe(true)
    expect(checks.find(({ rule }) => rule === 'TaskRevoked')?.level).toBe('warning')
  })

  test('nor are responses of revoked reference blocks', async () => {
    const signed = await honest()
    const { clientOwner, challenger, addresses, mainClient: client } = world
    const { referenceBlock: blockNumber } = signed.response
    await fine(before, [clientOwner, { client, blockNumber }])
    await broken('NotClientOwner', before, [challenger, { client, blockNumber }])
    await broken('RevocationInFuture', before, [
      clientOwner,
      { client, blockNumber: blockNumber + 50n },
    ])
    const earlier = { client, blockNumber: blockNumber - 1n, addresses }
    await registry.revokeResponsesBeforeSync(clientOwner, earlier)
    await fine(accept, [challenger, signed])
    await registry.revokeResponsesBeforeSync(clientOwner, { client, blockNumber, addresses })
    await broken('ReferenceBlockRevoked', accept, [challenger, signed])
    await broken('RevocationLowered', before, [clientOwner, { client, blockNumber: 1n }])
    for (const wrong of [-1n, 1n << 64n, 5 as unknown as bigint]) {
      await expect(
        registry.revokeResponsesBefore(clientOwner, { client, blockNumber: wrong, addresses }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
  })

  test('a data slot that moves revokes what was allowed before, unless told otherwise', async () => {
    const { clientOwner, challenger, addresses, mainClient: client } = world
    const templateId = world.refs[0] as Hex
    const move = async (n: number, extra: object = {}) =>
      registry.setCurrentPolicyDataInstanceSync(clientOwner, {
        client,
        templateId,
        instanceId: await world.addDataInstance(client, templateId, { n }),
        addresses,
        ...extra,
      })
    const kept = await honest()
    expect((await move(901, { keepAccepted: true })).revocation).toBeNull()
    await fine(accept, [challenger, kept])
    const { receipt, revocation, current } = await move(902)
    expect(revocation?.blockNumber).toBe(receipt.blockNumber - 1n)
    await broken('ReferenceBlockRevoked', accept, [challenger, kept])
    // The instance that is there already replaces nothing.
    const again = await registry.setCurrentPolicyDataInstanceSync(clientOwner, {
      client,
      templateId,
      instanceId: current,
      addresses,
    })
    expect(again.revocation).toBeNull()
    const failing = { ...addresses, responseRegistry: addresses.policyRegistry }
    await expect(move(903, { addresses: failing })).rejects.toMatchObject({
      code: 'REVOCATION_FAILED',
      client,
    })
    const moved = await registry.getCurrentPolicyDataInstance(clientOwner, {
      client,
      templateId,
      addresses,
    })
    expect(moved).not.toBe(current)
    // Nothing is sent where it could not be revoked, or where the option is no boolean.
    const { responseRegistry: _, ...without } = addresses
    await expect(move(904, { addresses: without })).rejects.toMatchObject({
      code: 'ADDRESS_REQUIRED',
    })
    await expect(move(905, { keepAccepted: 'no' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(
      await registry.getCurrentPolicyDataInstance(clientOwner, { client, templateId, addresses }),
    ).toBe(moved)
  })
})

describe('executeIntent', () => {
  const execute: Actions<registry.ExecuteIntentInput> = {
    dryRun: registry.dryRunExecuteIntent,
    send: registry.executeIntent,
  }
  let snapshot: unknown
  beforeEach(async () => {
    snapshot = await world.anvil.rpc('evm_snapshot', [])
    const { challenger, mainClient: to } = world
    await sendTransaction(challenger, { to, value: 5n, data: '0xd0e30db0' })
  })
  afterEach(async () => {
    await world.anvil.rpc('evm_revert', [snapshot])
  })

  const accepted = async (signed: Signed): Promise<registry.ExecuteIntentInput> => {
    const { addresses, challenger } = world
    await registry.acceptResponseSync(challenger, { ...signed, addresses })
    const { task, response, certificate } = signed
    return { response, certificate, intent: task.intent }
  }

  test('makes the call that was allowed, once', async () => {
    const { addresses, challenger } = world
    const input = await accepted(await honest())
    await fine(execute, [challenger, input])
    const { taskId } = input.response
    const done = await registry.executeIntentSync(challenger, { ...input, addresses })
    expect(done).toMatchObject({ taskId, from: challenger.account.address, value: 1n })
    await broken('AlreadyConsumed', execute, [challenger, input])
  })

  test('reads what was accepted, and with which certificate', async () => {
    const { addresses, challenger } = world
    const signed = await honest()
    const { taskId } = signed.response
    const asked = { taskId, addresses }
    expect(await registry.getAcceptedResponse(world.client, asked)).toBeNull()
    // Whoever lands it may have gathered other shares than those that the caller knows.
    const other = world.sign(signed.response, { signers: [0, 1, 2] })
    await accepted({ ...signed, certificate: other })
    const { response, certificate, task } = signed
    const known = { response, certificate, intent: task.intent }
    await broken('CommitmentMismatch', execute, [challenger, known])
    const found = await registry.getAcceptedResponse(world.client, asked)
    expect(found).toMatchObject({ response, certificate: other, allowed: true, consumed: false })
    expect(found?.messageHash).toBe(other.messageHash)
    await fine(execute, [challenger, { ...known, certificate: found?.certificate as Certificate }])
  })

  test('error: not accepted, another response, another intent, another sender', async () => {
    const { challenger, owner } = world
    const signed = await honest()
    const { task, response, certificate } = signed
    const input = { response, certificate, intent: task.intent }
    await broken('ResponseNotAccepted', execute, [challenger, input])
    await accepted(signed)
    const forged = { ...response, expirationBlock: response.expirationBlock + 1n }
    await broken('CommitmentMismatch', execute, [challenger, { ...input, response: forged }])
    const intent = { ...task.intent, value: 2n }
    await broken('IntentMismatch', execute, [challenger, { ...input, intent }])
    await broken('NotIntentSender', execute, [owner, input])
  })

  test('error: denied, expired', async () => {
    const { challenger } = world
    const denied = await accepted(resign(await honest(), { evaluationResult: word(0) }))
    await broken('EvaluationDenied', execute, [challenger, denied])
    const late = await accepted(await honest())
    await world.mine(620)
    await broken('ResponseExpired', execute, [challenger, late])
  })

  test('error: what the client’s owner decided since', async () => {
    const { addresses, challenger, clientOwner, mainClient: client } = world
    const input = await accepted(await honest())
    const { taskId, referenceBlock: blockNumber } = input.response
    const undo = async (): Promise<void> => {
      await world.anvil.rpc('evm_revert', [before])
      before = await world.anvil.rpc('evm_snapshot', [])
    }
    let before = await world.anvil.rpc('evm_snapshot', [])
    await registry.revokeResponseSync(clientOwner, { client, taskId, addresses })
    await broken('TaskRevoked', execute, [challenger, input])
    await undo()
    await registry.revokeResponsesBeforeSync(clientOwner, { client, blockNumber, addresses })
    await broken('ReferenceBlockRevoked', execute, [challenger, input])
    await undo()
    await registry.deactivateClientSync(clientOwner, { client, addresses })
    await broken('ClientNotActive', execute, [challenger, input])
    await undo()
    const instanceId = await world.addPolicyInstance(client, { max: 77 })
    await registry.setCurrentPolicyInstanceSync(clientOwner, { client, instanceId, addresses })
    await fine(execute, [challenger, input])
    await registry.setAcceptSupersededSync(clientOwner, { client, accepted: false, addresses })
    await broken('PolicySlotMoved', execute, [challenger, input])
  })
})

describe('commitStateRoot and announceCommit', () => {
  const commits: Actions<registry.CommitStateRootInput> = {
    dryRun: registry.dryRunCommitStateRoot,
    send: registry.commitStateRoot,
  }
  const announcements: Actions<registry.AnnounceCommitInput> = {
    dryRun: registry.dryRunAnnounceCommit,
    send: registry.announceCommit,
  }
  const deltaHash = word(0xd1)
  const locators = [{ kind: 'keccakStore', name: '' }] as const

  const certify = (commit: StateCommit, signers: readonly number[]): Certificate => {
    const messageHash = computeStateCommitHash(
      commit,
      commit.version === 1
        ? undefined
        : { chainId: 31_337n, registry: world.addresses.stateCommitRegistry, operatorSetId: 0 },
    )
    const { table, referenceTimestamp } = world.current
    const digest = computeSignableDigest({ referenceTimestamp, messageHash })
    const shares = signers.map((index) => {
      const operator = world.operators[index] as ChainWorld['operators'][number]
      return { operator: operator.address, signature: operator.key.sign(digest) }
    })
    return joinShares({ table, referenceTimestamp, messageHash, shares })
  }
  const input = async (
    changes: Partial<StateCommit> & { age?: bigint } = {},
    signers = [0, 1, 2, 3],
  ): Promise<[WriteClient, registry.CommitStateRootInput]> => {
    const { age = 0n, ...rest } = changes
    const { timestamp } = await world.client.getBlock()
    const commit: StateCommit = {
      version: 2,
      sequenceNo: 1n,
      prevStateRoot: word(0),
      newStateRoot: word(0x11),
      timestamp: timestamp - age,
      daCertHash: computeDaCertHash(deltaHash, locators),
      pcr0Commitment: word(0x33),
      ...rest,
    }
    return [world.challenger, { commit, certificate: certify(commit, signers) }]
  }

  test('error: every broken precondition of a commit', async () => {
    await fine(commits, await input())
    await broken('UnsupportedStateCommitVersion', commits, await input({ version: 1 }))
    await broken('SequenceGap', commits, await input({ sequenceNo: 2n }))
    await broken('StateRootMismatch', commits, await input({ prevStateRoot: word(5) }))
    await broken('TimestampInFuture', commits, await input({ age: -10_000n }))
    await broken('TimestampTooOld', commits, await input({ age: 4_000n }))
    await broken('InsufficientQuorum', commits, await input({}, [0]))
    const [sender, one] = await input()
    const [, { certificate }] = await input({ newStateRoot: word(0x12) })
    await broken('CertificateMessageHashMismatch', commits, [sender, { ...one, certificate }])
  })

  test('error: a commit that is not there, another delta, a time before the last', async () => {
    const { addresses, challenger } = world
    const announce = (changes: Partial<registry.AnnounceCommitInput> = {}) =>
      [challenger, { sequenceNo: 1n, deltaHash, locators, ...changes }] as [
        WriteClient,
        registry.AnnounceCommitInput,
      ]
    const copy: Actions<registry.AnnounceCommitCopyInput> = {
      dryRun: registry.dryRunAnnounceCommitCopy,
      send: registry.announceCommitCopy,
    }
    await broken('UnknownCommit', announcements, announce())
    await broken('UnknownCommit', copy, [challenger, { sequenceNo: 9n, locator: locators[0] }])
    const [sender, first] = await input()
    await registry.commitStateRootSync(sender, { ...first, addresses })
    await fine(announcements, announce())
    await fine(copy, [challenger, { sequenceNo: 1n, locator: locators[0] }])
    await broken('DeltaMismatch', announcements, announce({ deltaHash: word(0xd2) }))
    const { newStateRoot: prevStateRoot, timestamp } = first.commit
    await broken(
      'TimestampRegression',
      commits,
      await input({ sequenceNo: 2n, prevStateRoot, timestamp }),
    )
  })
})

describe('clients', () => {
  test('error: every broken precondition', async () => {
    const { clientOwner, challenger: stranger, addresses } = world
    const register: Actions<registry.ClientInput> = {
      dryRun: registry.dryRunRegisterClient,
      send: registry.registerClient,
    }
    const deactivate = {
      dryRun: registry.dryRunDeactivateClient,
      send: registry.deactivateClient,
    }
    const activate = { dryRun: registry.dryRunActivateClient, send: registry.activateClient }
    const give: Actions<registry.ClientOwnerInput> = {
      dryRun: registry.dryRunSetClientOwner,
      send: registry.setClientOwner,
    }
    const superseded: Actions<registry.AcceptSupersededInput> = {
      dryRun: registry.dryRunSetAcceptSuperseded,
      send: registry.setAcceptSuperseded,
    }
    const newOwner = stranger.account.address
    const client = await deployGuardedTransfer(clientOwner, {
      responseRegistry: addresses.responseRegistry,
    })
    // An account without code, and a contract that is something else.
    await broken('NotPolicyClient', register, [stranger, { client: newOwner }])
    await broken('NotPolicyClient', register, [stranger, { client: addresses.policyRegistry }])
    await broken('NotClientOwner', register, [stranger, { client }])
    await broken('ClientNotRegistered', deactivate, [clientOwner, { client }])
    await broken('ClientNotRegistered', give, [clientOwner, { client, newOwner }])
    await fine(register, [clientOwner, { client }])
    await registry.registerClientSync(clientOwner, { client, addresses })

    await broken('ClientAlreadyRegistered', register, [clientOwner, { client }])
    await broken('ClientAlreadyRegistered', activate, [clientOwner, { client }])
    await broken('NotClientOwner', deactivate, [stranger, { client }])
    await broken('NotClientOwner', give, [stranger, { client, newOwner }])
    await broken('NotClientOwner', superseded, [stranger, { client, accepted: true }])
    await fine(superseded, [clientOwner, { client, accepted: true }])
    await broken('InvalidOwnerAddress', give, [clientOwner, { client, newOwner: address(0) }])
    await fine(give, [clientOwner, { client, newOwner }])
    await fine(deactivate, [clientOwner, { client }])
    await registry.deactivateClientSync(clientOwner, { client, addresses })
    await broken('ClientNotRegistered', deactivate, [clientOwner, { client }])
    await fine(activate, [clientOwner, { client }])
  })
})

describe('owners, task generators and operators', () => {
  test('error: every broken precondition', async () => {
    const { owner, challenger: stranger, addresses, operators } = world
    const gate: Actions<registry.GateInput> = {
      dryRun: registry.dryRunSetInstanceDeploymentPermissionless,
      send: registry.setInstanceDeploymentPermissionless,
    }
    const requirement: Actions<registry.EnclaveRequiredInput> = {
      dryRun: registry.dryRunSetEnclaveRequired,
      send: registry.setEnclaveRequired,
    }
    const activate: Actions<registry.EnclaveVersionInput> = {
      dryRun: registry.dryRunActivateEnclaveVersion,
      send: registry.activateEnclaveVersion,
    }
    const deprecate: Actions<registry.Pcr0Input> = {
      dryRun: registry.dryRunDeprecateEnclaveVersion,
      send: registry.deprecateEnclaveVersion,
    }
    const publish: Actions<registry.OperatorTableInput> = {
      dryRun: registry.dryRunPublishOperatorTable,
      send: registry.publishOperatorTable,
    }
    const closed = { registry: 'policyData', permissionless: false } as const
    await broken('OwnableUnauthorizedAccount', gate, [stranger, closed])
    await broken('OwnableUnauthorizedAccount', requirement, [stranger, { required: true }])
    await fine(gate, [owner, closed])
    await fine(requirement, [owner, { required: true }])

    const build = { pcr0Hash: word(0x77), label: 'a build' }
    await broken('NotTaskGenerator', activate, [stranger, build])
    await broken('VersionNotRegistered', deprecate, [owner, build])
    await fine(activate, [owner, build])
    await registry.activateEnclaveVersionSync(owner, { ...build, addresses })
    await broken('VersionAlreadyRegistered', activate, [owner, build])
    await fine(deprecate, [owner, build])
    await registry.deprecateEnclaveVersionSync(owner, { ...build, addresses })
    await broken('VersionAlreadyDeprecated', deprecate, [owner, build])

    await world.mine()
    const { timestamp } = await world.client.getBlock()
    const members = operators.map((operator) => operator.address)
    const table: registry.OperatorTableInput = {
      referenceTimestamp: Number(timestamp),
      operators: members,
      weights: members.map(() => [100n]),
    }
    await fine(publish, [owner, table])
    await broken('OwnableUnauthorizedAccount', publish, [stranger, table])
    const { referenceTimestamp } = world.current
    await broken('TableUpdateStale', publish, [owner, { ...table, referenceTimestamp }])
    const reversed = [...members].reverse()
    await broken('OperatorsNotSorted', publish, [owner, { ...table, operators: reversed }])
    const unknown = [...members.slice(0, 3), address(2n ** 160n - 1n)]
    await broken('OperatorKeyMissing', publish, [owner, { ...table, operators: unknown }])
  })
})

function address(n: number | bigint): Address {
  return `0x${n.toString(16).padStart(40, '0')}`
}
