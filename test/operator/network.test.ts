/** A network of operators over real sockets: what one of them can spoil, and what it cannot. */
import { type Address, type Hex, keccak256 } from 'viem'
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from 'viem/accounts'
import { signTypedData } from 'viem/actions'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { verifyTaskAttestation } from '../../src/attestation/index.js'
import {
  ARTIFACT_ABSENT,
  computeArtifactHash,
  computeMessageHash,
  computeTaskId,
  encodeEvaluationResult,
  evaluateResult,
  namespaces,
  type Task,
} from '../../src/core/index.js'
import { createArtifactSource } from '../../src/da/index.js'
import {
  documentedRecipient,
  type RecipientKey,
  sealSecrets,
  secretsUploadTypedData,
  uploadSecrets,
} from '../../src/enclave/index.js'
import { createResultReplayer, operatorEngine } from '../../src/eval/index.js'
import { createGatewayClient } from '../../src/gateway/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import { httpTiles, parseNoteKey, readCut, replayLedger } from '../../src/ledger/index.js'
import { loadEventSchemas } from '../../src/ledger/schemas/index.js'
import {
  collectTask,
  createOperatorClient,
  createOperatorRpc,
  createTaskClient,
  type OperatorClient,
  type OperatorHandlers,
  type TaskProgress,
} from '../../src/operator/index.js'
import { listenOperator } from '../../src/operator/node/index.js'
import {
  createResponseSink,
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  registerClientSync,
  registerPolicyDataTemplateSync,
  registerPolicyTemplateSync,
  setCurrentPolicyInstanceSync,
} from '../../src/registry/index.js'
import { assertLeafReading } from '../../src/statetree/index.js'
import { deployGuardedTransfer } from '../../src/testing/index.js'
import { createDevnet, type Devnet } from '../../src/testing/node/index.js'

let devnet: Devnet
let policyClient: Address
let nonce = 0n
const limitPolicy = `package limit
default allow := false
deny contains "over the limit" if input.value > 5
allow if count(deny) == 0`
const locator = { kind: 'keccakStore', name: '' } as const
const gateway = mnemonicToAccount('test test test test test test test test test test test junk', {
  addressIndex: 19,
})

async function registerPolicy(text: string): Promise<Hex> {
  const rego = utf8(text)
  await devnet.da.put(rego)
  const { id } = await registerPolicyTemplateSync(devnet.owner, {
    regoHash: computeArtifactHash(rego),
    paramsSchemaHash: ARTIFACT_ABSENT,
    policyDataTemplateRefs: [],
    locators: { rego: locator },
    addresses: devnet.contracts,
  })
  return id
}

async function taskOf(change: Partial<Task> = {}): Promise<Task> {
  await devnet.mine(2)
  const number = (await devnet.client.getBlockNumber({ cacheTime: 0 })) - 1n
  const block = await devnet.client.getBlock({ blockNumber: number })
  nonce++
  return {
    chainId: BigInt(devnet.chain.id),
    policyRegistry: devnet.contracts.policyRegistry,
    policyClient,
    intent: {
      from: '0x00000000000000000000000000000000000000f1',
      to: '0x00000000000000000000000000000000000000f2',
      value: 3n,
      data: '0x',
      chainId: BigInt(devnet.chain.id),
      functionSignature: '0x',
    },
    wasmArgs: '0x',
    referenceBlock: block.number,
    referenceBlockHash: block.hash,
    nonce,
    ...change,
  }
}

beforeAll(async () => {
  devnet = await createDevnet()
  const { contracts: addresses } = devnet
  const owner = devnet.account(0)
  policyClient = await deployGuardedTransfer(owner, {
    responseRegistry: addresses.responseRegistry,
  })
  await registerClientSync(owner, { client: policyClient, addresses })
  const templateId = await registerPolicy(limitPolicy)
  const { id: instanceId } = await deployPolicyInstanceSync(owner, {
    client: policyClient,
    templateId,
    expireAfter: 300n,
    addresses,
  })
  await setCurrentPolicyInstanceSync(owner, { client: policyClient, instanceId, addresses })
  expect((await devnet.commit())?.signers).toBe(4)
}, 180_000)
afterAll(() => devnet?.stop(), 30_000)

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const clientAt = (index: number, url: string, account = gateway): OperatorClient =>
  createOperatorClient({
    operator: devnet.operators[index]!.address,
    url: `${url}/rpc`,
    account,
    chainId: BigInt(devnet.chain.id),
    policyRegistry: devnet.contracts.policyRegistry,
    timeout: 20_000,
  })

/** A server in the place of an operator, which does what it is told. */
async function inPlaceOf(index: number, handlers: OperatorHandlers): Promise<OperatorClient> {
  const rpc = createOperatorRpc({
    operator: devnet.operators[index]!.address,
    chainId: BigInt(devnet.chain.id),
    policyRegistry: devnet.contracts.policyRegistry,
    handlers,
    allow: () => true,
  })
  const server = await listenOperator({ rpc })
  closers.push(() => server.close(100))
  return clientAt(index, server.url)
}

const collect = (task: Task, operators: readonly OperatorClient[]) =>
  collectTask({
    task,
    operators,
    pcr0Commitment: devnet.pcr0Commitment,
    registry: devnet.reader,
    tables: devnet.tables,
    timeout: 30_000,
  })

const replaced = (index: number, client: OperatorClient): OperatorClient[] =>
  devnet.clients.map((each, at) => (at === index ? client : each))

describe('a task', () => {
  test('default: from the operators to a certificate that verifies down to a re-run', async () => {
    const task = await taskOf()
    const answer = await devnet.evaluate(task)
    expect(evaluateResult(answer.response.evaluationResult)).toBe(true)
    expect(answer.signers.length).toBeGreaterThanOrEqual(3)
    expect(answer.documents.length).toBe(answer.signers.length)
    expect(answer.faults).toEqual([])
    const outcome = await verifyTaskAttestation({
      reader: {
        registry: devnet.reader,
        artifacts: createArtifactSource({ clients: [devnet.da] }),
        certificates: devnet.certificates,
        replayer: createResultReplayer({ engine: operatorEngine() }),
      },
      task,
      response: answer.response,
      certificate: answer.certificate,
      level: 'result',
      preimage: answer.preimage,
      inputs: answer.inputs,
    })
    expect(outcome).toMatchObject({ status: 'valid', level: 'result' })
    const denied = await devnet.evaluate(await taskOf({ intent: { ...task.intent, value: 6n } }))
    expect(evaluateResult(denied.response.evaluationResult)).toBe(false)
    expect(denied.reasons).toEqual(['over the limit'])
  }, 60_000)

  test('behavior: through the gateway to the chain, until the answer is final there', async () => {
    const { contracts: addresses, gatewayUrl: url } = devnet
    const tasks = createTaskClient({
      gateway: { url },
      reader: {
        registry: devnet.reader,
        artifacts: createArtifactSource({ clients: [devnet.da] }),
        certificates: devnet.certificates,
        replayer: createResultReplayer({ engine: operatorEngine() }),
      },
    })
    const { intent } = await taskOf()
    const sent = await tasks.sendTask({ policyClient, intent, broadcast: true, timeout: 60_000 })
    const landed = await new Promise<TaskProgress>((resolve, reject) => {
      tasks.watchTask({
        sent,
        onProgress: (progress) => {
          if (progress.state === 'final' || progress.state === 'failed') resolve(progress)
        },
        onError: reject,
      })
    })
    expect(landed).toMatchObject({ state: 'final', result: { allowed: true } })
    const { certificate } = (landed as { result: { certificate: { messageHash: Hex } } }).result
    const sink = createResponseSink({ client: devnet.owner, addresses, finality: 'latest' })
    const { messageHash } = certificate
    expect(await sink.acceptedResponse(sent.taskId)).toEqual({ messageHash, final: true })
    expect(await sink.acceptedResponse(`0x${'11'.repeat(32)}`)).toBeNull()
    // The newest block that stays is older than the response, or than the contract.
    const careful = createResponseSink({ client: devnet.owner, addresses })
    expect(await careful.acceptedResponse(sent.taskId)).toEqual({ messageHash, final: false })
  }, 120_000)

  test('behavior: asked again, each operator gives the answer of its journal', async () => {
    const task = await taskOf()
    const request = {
      task,
      pcr0Commitment: devnet.pcr0Commitment,
      referenceTimestamp: devnet.referenceTimestamp,
      outputGroups: [],
    }
    const client = devnet.clients[0] as OperatorClient
    const [first, second] = await Promise.all([
      client.call('newt_evaluateAndSign', request),
      client.call('newt_evaluateAndSign', request),
    ])
    const third = await client.call('newt_evaluateAndSign', request)
    // A document is made anew by each evaluation: that it is the same says that it was kept.
    expect(second).toEqual(first)
    expect(third).toEqual(first)
  }, 60_000)

  test.each<[string, string, () => Promise<OperatorClient>]>([
    ['is cut off', 'OPERATOR_UNREACHABLE', async () => clientAt(0, 'http://127.0.0.1:9')],
    ['refuses', 'METHOD_NOT_FOUND', () => inPlaceOf(0, {})],
    [
      'signs something else than it answers',
      'SHARE_INVALID',
      () =>
        inPlaceOf(0, {
          newt_evaluateAndSign: async (params) => {
            const honest = await devnet.clients[0]!.call('newt_evaluateAndSign', params)
            const other = devnet.operators[0]!.key.sign(computeMessageHash(honest.response))
            return { ...honest, signature: await other }
          },
        }),
    ],
    [
      'answers another task',
      'MALFORMED',
      () =>
        inPlaceOf(0, {
          newt_evaluateAndSign: async (params) => {
            const task = { ...params.task, nonce: params.task.nonce + 1_000_000n }
            return devnet.clients[0]!.call('newt_evaluateAndSign', { ...params, task })
          },
        }),
    ],
    [
      'gives inputs that were not signed',
      'MALFORMED',
      () =>
        inPlaceOf(0, {
          newt_evaluateAndSign: async (params) => {
            const honest = await devnet.clients[0]!.call('newt_evaluateAndSign', params)
            return { ...honest, outputs: { [computeTaskId(params.task)]: 1 } }
          },
        }),
    ],
  ])(
    'behavior: an operator that %s is named, and the others go on',
    async (_name, fault, make) => {
      const made = await make()
      let heard = (): void => undefined
      const said = new Promise<void>((resolve) => {
        heard = resolve
      })
      const bad: OperatorClient = {
        ...made,
        call: (...call) => made.call(...call).finally(() => heard()),
      }
      // The other three carry the quorum only together: the last of them waits until the bad one spoke.
      const last = devnet.clients[3] as OperatorClient
      const waiting: OperatorClient = {
        ...last,
        call: (...call) => said.then(() => last.call(...call)),
      }
      const answer = await collect(await taskOf(), [bad, ...devnet.clients.slice(1, 3), waiting])
      expect(answer.signers).toEqual([1, 2, 3])
      expect(answer.faults).toMatchObject([{ operator: bad.operator, fault }])
    },
    60_000,
  )

  test('behavior: a false decision of one operator is another group, and never the answer', async () => {
    const liar = await inPlaceOf(0, {
      newt_evaluateAndSign: async (params) => {
        const honest = await devnet.clients[0]!.call('newt_evaluateAndSign', params)
        const response = { ...honest.response, evaluationResult: encodeEvaluationResult(false) }
        const { signature } = await devnet.operators[0]!.signAnything(response)
        return { ...honest, response, signature }
      },
    })
    const answer = await collect(await taskOf(), replaced(0, liar))
    expect(evaluateResult(answer.response.evaluationResult)).toBe(true)
    expect(answer.signers).toEqual([1, 2, 3])
  }, 60_000)

  test('error: TASK_FAILED where too few are left, with what each one did', async () => {
    const cut = [0, 1].map((index) => clientAt(index, 'http://127.0.0.1:9'))
    const failed = collect(await taskOf(), [...cut, ...devnet.clients.slice(2)])
    await expect(failed).rejects.toMatchObject({
      code: 'TASK_FAILED',
      failure: 'NO_QUORUM',
      faults: [{ fault: 'OPERATOR_UNREACHABLE' }, { fault: 'OPERATOR_UNREACHABLE' }],
    })
  }, 60_000)

  test('error: TASK_FAILED for a client without a policy, before anyone is asked', async () => {
    const task = await taskOf({ policyClient: '0x00000000000000000000000000000000000000cc' })
    await expect(collect(task, [])).rejects.toMatchObject({ failure: 'NOT_DECIDABLE' })
    const early = await taskOf({ referenceBlock: 1n })
    await expect(collect(early, [])).rejects.toMatchObject({ code: 'TASK_FAILED' })
  })
})

describe('an operator', () => {
  const ask = (task: Task, change: object = {}) =>
    (devnet.clients[0] as OperatorClient).call('newt_evaluateAndSign', {
      task,
      pcr0Commitment: devnet.pcr0Commitment,
      referenceTimestamp: devnet.referenceTimestamp,
      outputGroups: [],
      ...change,
    })

  test('error: every refusal has its fault', async () => {
    const task = await taskOf()
    const refused: [string, () => Promise<unknown>][] = [
      ['FOREIGN_CHAIN', () => ask({ ...task, chainId: 1n })],
      ['FOREIGN_CHAIN', () => ask({ ...task, policyRegistry: policyClient })],
      ['BEHIND', () => ask({ ...task, referenceBlock: task.referenceBlock + 1_000n })],
      ['ENCLAVE_MISSING', () => ask(task, { pcr0Commitment: `0x${'11'.repeat(32)}` })],
      ['BEHIND', () => ask(task, { referenceTimestamp: 1 })],
      ['OPERATOR_NOT_REGISTERED', () => ask({ ...task, referenceBlock: 1n })],
    ]
    for (const [fault, call] of refused) {
      await expect(call(), fault).rejects.toMatchObject({ code: 'OPERATOR_RPC', fault })
    }
    const client = devnet.clients[0] as OperatorClient
    const taskId = computeTaskId(task)
    await expect(client.call('newt_getOutputs', { taskId, hash: taskId })).rejects.toMatchObject({
      fault: 'UNKNOWN_TASK',
    })
  }, 60_000)

  test('behavior: anybody reads leaves of artifacts, and only peers private ones', async () => {
    const { url, account } = devnet.operators[1]!
    const guest = clientAt(1, url, privateKeyToAccount(generatePrivateKey()) as never)
    const peer = clientAt(1, url, account as never)
    const block = await devnet.client.getBlockNumber({ cacheTime: 0 })
    const leaf = { namespace: namespaces.rego, name: computeArtifactHash(utf8(limitPolicy)), block }
    const reading = await guest.call('newt_signedRead', leaf)
    expect(reading).toMatchObject({ valueHash: leaf.name, commit: { sequenceNo: 1n } })
    assertLeafReading({ ...leaf, root: reading.commit.root }, reading)
    const committed = await devnet.operators[0]!.committed.rootAt(block)
    expect(reading.commit).toEqual(committed)

    const secret = { namespace: namespaces.secrets, name: leaf.name, block }
    const refused = { code: 'OPERATOR_RPC', fault: 'LEAF_REFUSED' }
    await expect(guest.call('newt_signedRead', secret)).rejects.toMatchObject(refused)
    expect(await peer.call('newt_signedRead', secret)).toMatchObject({
      valueHash: null,
      proof: { type: 'exclusion' },
    })
    await expect(peer.call('newt_signedRead', { ...leaf, block: 1n })).rejects.toMatchObject(
      refused,
    )
    await expect(
      guest.call('newt_getOutputs', { taskId: leaf.name, hash: leaf.name }),
    ).rejects.toMatchObject({ fault: 'UNAUTHENTICATED' })
  })

  test('error: a peer asks for no task, a gateway for no commit', async () => {
    const { url, account } = devnet.operators[1]!
    const peer = clientAt(1, url, account as typeof gateway)
    const refused = { fault: 'UNAUTHENTICATED' }
    await expect(peer.call('newt_fetchPolicyData', { task: await taskOf() })).rejects.toMatchObject(
      refused,
    )
    await expect(
      devnet.clients[1]!.call('newt_getStateCommitProposal', { timestamp: 120n }),
    ).rejects.toMatchObject(refused)
  })
})

describe('secrets', () => {
  const schema = {
    type: 'object',
    properties: { apiKey: { type: 'string' } },
    required: ['apiKey'],
    additionalProperties: false,
  }
  let instance: Hex
  let recipient: RecipientKey
  const seal = async (sequence: bigint, secrets: object): Promise<Uint8Array> => {
    const chainId = BigInt(devnet.chain.id)
    const sealed = await sealSecrets({
      ...{ recipient, secrets: secrets as never, validation: 'skip', chainId, sequence },
      ...{ client: policyClient, policyDataInstanceId: instance },
    })
    return sealed.envelope
  }
  const upload = (envelope: Uint8Array, signer = devnet.account(0)) =>
    uploadSecrets({
      gateway: createGatewayClient({ url: devnet.gatewayUrl }),
      ...{ envelope, policyDataRegistry: devnet.contracts.policyDataRegistry },
      sign: (typedData) => signTypedData(signer, typedData),
    })
  const metadata = () =>
    createGatewayClient({ url: devnet.gatewayUrl }).request({
      method: 'newt_getSecretsMetadata',
      params: { chain_id: devnet.chain.id, policy_data_instance_id: instance },
      retry: 'read',
    })

  beforeAll(async () => {
    const { contracts: addresses, owner: author } = devnet
    const artifacts = [utf8('a plugin that is never run'), utf8(JSON.stringify(schema))]
    for (const bytes of artifacts) await devnet.da.put(bytes)
    const [wasmHash, secretsSchemaHash] = artifacts.map(computeArtifactHash) as [Hex, Hex]
    const { id: templateId } = await registerPolicyDataTemplateSync(author, {
      ...{ wasmHash, secretsSchemaHash, paramsSchemaHash: ARTIFACT_ABSENT, addresses },
      locators: { wasm: locator, secretsSchema: locator },
    })
    const deployed = await deployPolicyDataInstanceSync(devnet.account(0), {
      ...{ client: policyClient, templateId, expireAfter: 300n, addresses },
    })
    instance = deployed.id
    // The gateway is not believed: the document of an enclave names the key.
    const key = await createGatewayClient({ url: devnet.gatewayUrl }).getSecretsPublicKey()
    const { attestation } = await devnet.operators[0]!.evaluator.session()
    const roots = devnet.operators.flatMap((operator) => operator.roots)
    const measurements = [{ 0: attestation.pcrs[0] as Hex }]
    recipient = await documentedRecipient({
      ...{ key, policy: { measurements, roots, insecureTrustRoot: true } },
    })
  }, 120_000)

  test('behavior: judged by an enclave, pending, then committed', async () => {
    await expect(upload(await seal(1n, { apiKey: 5 }))).rejects.toMatchObject({
      code: 'SECRETS_UPLOAD_REFUSED',
      details: expect.stringContaining('/apiKey') as string,
    })
    const good = await seal(1n, { apiKey: 'k' })
    await expect(upload(good, devnet.account(5))).rejects.toMatchObject({
      code: 'SECRETS_UPLOAD_REFUSED',
      details: expect.stringContaining('signature') as string,
    })
    expect(await metadata()).toMatchObject({ committed: null, pending: null })
    const { envelopeHash } = await upload(good)
    expect(await metadata()).toMatchObject({ pending: { sequence: '1', key_id: recipient.keyId } })
    expect(await devnet.commit()).toMatchObject({ foreign: 1 })
    expect(await metadata()).toMatchObject({
      pending: null,
      committed: { envelope_hash: envelopeHash, sequence: '1', bytes: good.length },
    })
    // What is committed is not taken again.
    await expect(upload(await seal(1n, { apiKey: 'other' }))).rejects.toMatchObject({
      code: 'SECRETS_UPLOAD_REFUSED',
    })
    const block = await devnet.client.getBlockNumber({ cacheTime: 0 })
    for (const { committed } of devnet.operators) {
      expect(await committed.getEnvelope({ policyDataInstanceId: instance, block })).toEqual(good)
    }
  }, 240_000)

  test('behavior: an upload that one operator alone knows stops nobody', async () => {
    const envelope = await seal(2n, { apiKey: 'second' })
    const deadline = BigInt(Math.floor(Date.now() / 1_000) + 600)
    const typedData = secretsUploadTypedData({
      chainId: BigInt(devnet.chain.id),
      policyDataRegistry: devnet.contracts.policyDataRegistry,
      ...{ policyDataInstanceId: instance, envelopeHash: keccak256(envelope) },
      ...{ sequence: 2n, deadline },
    })
    const ownerSignature = await signTypedData(devnet.account(0), typedData)
    const record = { policyDataInstanceId: instance, envelope, ownerSignature }
    await devnet.clients[0]!.call('newt_putEnvelope', {
      upload: { ...record, sequence: 2n, deadline },
      validate: false,
    })
    // In its own window the others ask it for the upload, and judge it themselves.
    expect(await devnet.commit()).toMatchObject({ foreign: 1 })
    expect(await metadata()).toMatchObject({ committed: { sequence: '2' }, pending: null })
  }, 240_000)
})

describe('a commit', () => {
  test('behavior: lands with one operator down, which then catches up alone', async () => {
    await registerPolicy('package other\n')
    // In no store, and announced nowhere: operators have it from who registers it.
    const handed = utf8('package handed\n')
    const { pushed } = await registerPolicyTemplateSync(devnet.owner, {
      regoHash: computeArtifactHash(handed),
      paramsSchemaHash: ARTIFACT_ABSENT,
      policyDataTemplateRefs: [],
      addresses: devnet.contracts,
      push: { operators: devnet.operators.map(({ url }) => url), artifacts: [handed] },
    })
    expect(pushed?.flatMap(({ results }) => results.map(({ status }) => status))).toEqual(
      devnet.operators.map(() => 'taken'),
    )
    await devnet.operators[3]!.close()
    // Where the window is that operator's own, it costs a window.
    const landed = await devnet.commit()
    expect(landed).toMatchObject({ signers: 3, included: 2 })
    const last = await devnet.startOperator(3)
    const roots = devnet.operators.map(({ windows }) => windows.status())
    expect(new Set(roots.map((status) => status?.root)).size).toBe(1)
    expect(last.windows.status()).toMatchObject({
      ...{ sequenceNo: landed!.sequenceNo, waitingFor: undefined },
    })
    // The delta is kept by those that signed it, and given to whoever asks by its hash.
    const { deltaHash } = landed!.proposal
    expect((await fetch(`${devnet.operators[1]!.url}/deltas/${deltaHash}`)).status).toBe(200)
    // Nothing is due any more.
    expect(await devnet.commit()).toBeUndefined()
    // Its journal is the one it had: it goes on signing.
    const answer = await collect(await taskOf(), devnet.clients.slice(1))
    expect(answer.signers).toEqual([1, 2, 3])
  }, 240_000)

  test('behavior: challenger and replica run beside, and have seen it', async () => {
    expect(await devnet.challenger!.ready()).toEqual([])
    const { replica } = devnet.replica!.node
    expect(replica).toBeDefined()
    await expect
      .poll(async () => devnet.replica!.node.status()?.sequenceNo, { timeout: 20_000 })
      .toBe(devnet.operators[0]!.pipeline.head().sequenceNo)
    expect(await devnet.challenger!.metrics()).toContain(
      'challenger_verified_total{status="valid"}',
    )
    expect(await devnet.replica!.metrics()).not.toMatch(/replica_anomalies_total\{.*\} [1-9]/)
  }, 60_000)
})

describe('the ledger', () => {
  test('behavior: all that was done is in it, once, and whoever reads its files comes to the same', async () => {
    const ledger = devnet.ledger!
    await ledger.flush()
    const { events } = await ledger.ledger.readSince('0', { limit: 1_000 })
    const counts: Record<string, number> = {}
    for (const { event } of events) {
      counts[event.payload.type] = (counts[event.payload.type] ?? 0) + 1
    }
    // Four operators have seen each of these, in the commits and instances of all tests above, and each is
    // one event.
    expect(counts).toMatchObject({ 'newton.commit': 4, 'newton.slot': 1, 'newton.instance': 2 })
    expect(counts['newton.template']).toBeGreaterThan(1)
    const evaluations = events.filter(({ event }) => event.payload.type === 'newton.evaluation')
    const tasks = evaluations.map(({ event }) => event.payload['taskId'])
    expect(tasks.length).toBeGreaterThan(2)
    expect(new Set(tasks).size).toBe(tasks.length)
    // What went through the gateway has its certificate beside it, linked by hash.
    const attestation = events.find(({ event }) => event.payload.type === 'newton.attestation')
    const evaluation = evaluations.find(
      ({ event }) => event.current_hash === attestation?.event.payload['evaluation'],
    )
    expect(evaluation?.event.payload['messageHash']).toBe(attestation?.event.payload['messageHash'])
    const store = httpTiles({ url: ledger.url })
    const trust = { log: parseNoteKey(ledger.logKey) }
    const { signal } = new AbortController()
    const name = ledger.ledger.ledger
    const cut = await readCut({ store, ledger: name, trust }, signal)
    const schemas = await loadEventSchemas()
    const replay = await replayLedger({ store, ledger: name, cut: cut!, schemas }, signal)
    expect(replay.faults).toEqual([])
    expect(replay.events).toBe(BigInt(events.length))
  }, 120_000)
})
