/**
 * Plugins run again at level `result`: real plugins, a transcript recorded from a local service, and
 * the verifier that gets both.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Hex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type VerifyTaskAttestationParameters,
  verifyTaskAttestation,
} from '../src/attestation/index.js'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../src/core/artifact.js'
import type { Json, JsonObject } from '../src/core/canonicalJson.js'
import { computePolicyDataTemplateId } from '../src/core/ids.js'
import { computeInputsHash } from '../src/core/inputsHash.js'
import type { PluginTranscript } from '../src/core/interfaces/evaluator.js'
import { computeTaskId } from '../src/core/task.js'
import {
  buildPluginInput,
  createPluginReplayer,
  createPluginRuntime,
  createResultReplayer,
  encodeWasmArgs,
  operatorEngine,
  type PluginRuntime,
} from '../src/eval/index.js'
import { nodeHttpTransport, nodePluginWorkers } from '../src/eval/node/index.js'
import { toHex, utf8 } from '../src/internal/bytes.js'
import { keccakHex } from '../src/internal/keccak.js'
import { component, fetchBody } from './fixtures/pluginComponents.js'
import { address, client, createWorld } from './support/attestationWorld.js'

const sanctions = new Uint8Array(
  readFileSync(new URL('../examples/plugins/sanctions-score/plugin.wasm', import.meta.url)),
)
const subject = address(0xab)
const rego = `transfers

default allow := false

allow if data.wasm.score <= data.params.max

allow if data.wasm.sanctions.score <= data.params.max
`

let server: Server
let endpoint: string
let asked = 0
let runtime: PluginRuntime
const replayer = createResultReplayer({ engine: operatorEngine() })

beforeAll(async () => {
  server = createServer((request, response) => {
    asked++
    const of = request.url?.split('/').pop()
    response.end(JSON.stringify({ address: of, score: 7, listed: false }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  runtime = createPluginRuntime({
    workers: nodePluginWorkers({ concurrency: 1 }),
    transport: nodeHttpTransport(),
    http: { allowPrivate: true },
  })
})
afterAll(async () => {
  runtime.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** A component that fetches one URL of the service, whatever its input. */
function fetching(): Promise<Uint8Array> {
  const bytes = [...utf8(`${endpoint}/${subject}`)]
  const stores = bytes
    .map((byte, at) => `(i32.store8 (i32.const ${600 + at}) (i32.const ${byte}))`)
    .join('')
  const length = `(local.set 0 (i32.const 600)) (local.set 1 (i32.const ${bytes.length}))`
  return component({ http: '0.1.0', run: `${stores} ${length} ${fetchBody}` })
}

/** A client whose policy needs one plugin; the plugin runs once, and operators sign what it gave. */
async function attested({ wasm, secrets }: { wasm: Uint8Array; secrets?: Json }) {
  const world = createWorld()
  const wasmHash = computeArtifactHash(wasm)
  world.artifacts.set(wasmHash, wasm)
  const row = {
    wasmHash,
    paramsSchemaHash: world.addArtifact('{"type":"object"}'),
    secretsSchemaHash: secrets === undefined ? ARTIFACT_ABSENT : world.addArtifact('{"title":"s"}'),
    author: address(1),
    registeredAt: 10n,
  }
  const policyDataTemplateId = computePolicyDataTemplateId(row)
  world.dataTemplates.set(policyDataTemplateId, row)
  const params: JsonObject = { endpoint }
  const policyDataInstanceId = world.addDataInstance(policyDataTemplateId, { params })
  world.move(world.dataSlots, policyDataTemplateId, { block: 50n, id: policyDataInstanceId })
  const id = world.addPolicyInstance(world.addPolicyTemplate(rego, [policyDataTemplateId]))
  world.move(world.policySlots, client, { block: 50n, id })
  // An enclave keeps what it opened to itself; here the envelope's bytes stand for it.
  const envelope = secrets === undefined ? undefined : utf8(JSON.stringify(secrets))
  if (envelope !== undefined) world.envelopes.set(policyDataInstanceId, envelope)

  const wasmArgs = encodeWasmArgs({ address: subject })
  const task = world.makeTask({ wasmArgs })
  const blockTimestamp = world.blockAt(task.referenceBlock).timestamp
  const run = await runtime.run({
    wasmHash,
    getBytes: async () => wasm,
    policyDataTemplateId,
    policyDataInstanceId,
    taskId: computeTaskId(task),
    blockTimestamp,
    input: buildPluginInput({ wasmArgs, params }),
    ...(envelope === undefined ? {} : { secrets: envelope.slice() }),
  })
  const build = (output: Json): VerifyTaskAttestationParameters => {
    const pcr0Commitment = secrets === undefined ? {} : { pcr0Commitment: namedBuild(world) }
    const honest = world.evaluate(task, { scores: [7], ...pcr0Commitment })
    const inputs = { ...honest.inputs, outputs: { [policyDataTemplateId]: output } }
    const response = { ...honest.response, inputsHash: computeInputsHash(inputs) }
    return {
      reader: {
        ...world.reader,
        replayer,
        plugins: createPluginReplayer({ plugins: runtime }),
      },
      task,
      response,
      inputs,
      preimage: honest.preimage,
      certificate: world.sign(response),
      level: 'result',
      transcript: [run.transcript],
    }
  }
  return { build, output: run.output, transcript: run.transcript, wasm }
}

const namedBuild = (world: ReturnType<typeof createWorld>): Hex =>
  [...world.whitelist.keys()][0] as Hex
const valid = { status: 'valid', level: 'result' }
const mismatch = { status: 'inconclusive', reason: 'TRANSCRIPT_MISMATCH' }

describe('a plugin without secrets', () => {
  let honest: Awaited<ReturnType<typeof attested>>
  beforeAll(async () => {
    honest = await attested({ wasm: await fetching() })
  })

  test('runs again on its transcript, offline, and gives the attested output', async () => {
    expect(honest.output).toEqual({ address: subject, score: 7, listed: false })
    expect(honest.transcript.exchanges).toHaveLength(1)
    const before = asked
    expect(await verifyTaskAttestation(honest.build(honest.output))).toEqual(valid)
    expect(asked).toBe(before)
  })

  test('an attested output that the transcript does not give is no confirmation', async () => {
    const lie = honest.build({ address: subject, score: 6, listed: false })
    expect(await verifyTaskAttestation(lie)).toMatchObject(mismatch)
    // Nobody supplied a transcript: the outputs are taken as attested, as the level says.
    expect(await verifyTaskAttestation({ ...lie, transcript: undefined })).toEqual(valid)
  })

  test('a transcript that was changed anywhere is refused, and nothing is fetched', async () => {
    const before = asked
    const { transcript, build, output } = honest
    const [exchange] = transcript.exchanges
    if (exchange === undefined) throw new TypeError('there is an exchange')
    const { request } = exchange
    const body = toHex(utf8(JSON.stringify({ address: subject, score: 6, listed: false })))
    const answer = { status: 200, headers: [], body }
    const changes: Record<string, Partial<PluginTranscript>> = {
      'another answer': { exchanges: [{ request, response: answer }] },
      'an answer that failed': { exchanges: [{ request, response: { error: 'refused' } }] },
      'another URL': { exchanges: [{ ...exchange, request: { ...request, url: 'http://a/' } }] },
      'another method': { exchanges: [{ ...exchange, request: { ...request, method: 'PUT' } }] },
      'no exchange': { exchanges: [] },
      'one exchange too many': { exchanges: [exchange, exchange] },
      'no list of exchanges': { exchanges: undefined as never },
      'an exchange that is none': { exchanges: [null as never] },
      'another input': { input: '{}' },
      'the input of other params': {
        input: transcript.input.replace('127.0.0.1', '127.0.0.2'),
      },
      'another plugin': { wasmHash: computeArtifactHash(sanctions) },
      'another instance': { policyDataInstanceId: transcript.policyDataTemplateId },
    }
    for (const [name, change] of Object.entries(changes)) {
      const outcome = await verifyTaskAttestation({
        ...build(output),
        transcript: [{ ...transcript, ...change }],
      })
      expect(outcome, name).toMatchObject(mismatch)
    }
    expect(asked).toBe(before)
  })
})

describe('sanctions-score, a plugin with secrets', () => {
  let honest: Awaited<ReturnType<typeof attested>>
  beforeAll(async () => {
    honest = await attested({ wasm: sanctions, secrets: { apiKey: 'key-of-the-service' } })
  }, 60_000)

  test('leaves the hash of its transcript only, so its output is taken as attested', async () => {
    expect(honest.output).toEqual({ sanctions: { address: subject, score: 7, listed: false } })
    expect(honest.transcript).toMatchObject({ exchanges: [], transcriptHash: expect.any(String) })
    expect(await verifyTaskAttestation(honest.build(honest.output))).toEqual(valid)
  })

  test('a made-up transcript of it does not replay', async () => {
    const { transcriptHash: _, ...rest } = honest.transcript
    const body = toHex(utf8(JSON.stringify({ address: subject, score: 7, listed: false })))
    const url = `${endpoint}/v1/addresses/${subject}`
    const request = { method: 'GET', url, headers: [], bodyHash: keccakHex(new Uint8Array()) }
    const exchanges = [{ request, response: { status: 200, headers: [], body } }]
    for (const made of [[], exchanges]) {
      const transcript = [{ ...rest, exchanges: made }]
      const outcome = await verifyTaskAttestation({ ...honest.build(honest.output), transcript })
      expect(outcome).toMatchObject(mismatch)
    }
  })
})
