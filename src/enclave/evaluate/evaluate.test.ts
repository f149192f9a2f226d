import { describe, expect, test } from 'vitest'
import { limitEvaluator, transferRequest } from '../../../test/enclave/fixtures.js'
import type { Evaluation, Evaluator } from '../../core/index.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertArchivedNitroAttestation } from '../nitro/verify.js'
import { createSimulator, type Simulator } from '../simulator/index.js'
import { createMemoryTransport } from '../transport/memory.js'
import { createEnclaveEvaluator, type EnclaveEvaluator } from './evaluator.js'
import { type ServedEnclave, type ServeEnclaveParameters, serveEnclave } from './serve.js'
import type { EnclavePolicy } from './sessionKeeper.js'

type Running = { simulator: Simulator; enclave: ServedEnclave; evaluator: EnclaveEvaluator }

async function run(
  inner: Evaluator,
  options: {
    policy?: Partial<EnclavePolicy>
    serve?: Partial<ServeEnclaveParameters>
    host?: object
  } = {},
): Promise<Running> {
  const simulator = createSimulator({ image: [{ name: 'app', bytes: Uint8Array.of(1) }] })
  const { transport, listener } = createMemoryTransport()
  const enclave = await serveEnclave({
    evaluator: inner,
    nsm: simulator.nsm,
    listener,
    ...options.serve,
  })
  const evaluator = await createEnclaveEvaluator({
    transport,
    policy: { ...simulator.policy, ...options.policy },
    ...options.host,
  })
  return { simulator, enclave, evaluator }
}

describe('createEnclaveEvaluator', () => {
  test('evaluates two transfers: one allowed, one denied with its reason, each with a document', async () => {
    const { simulator, enclave, evaluator } = await run(limitEvaluator())
    const { pcr0Commitment } = enclave
    expect(pcr0Commitment).toBe(keccakHex(fromHex(simulator.measurements.pcrs[0])))
    for (const [value, allow] of [
      [100n, true],
      [101n, false],
    ] as const) {
      const evaluation = await evaluator.evaluate({ ...transferRequest(value), pcr0Commitment })
      expect(evaluation).toMatchObject({
        allow,
        reasons: allow ? [] : ['over the limit'],
        assurance: 'simulator',
        response: { pcr0Commitment },
      })
      // The document stands on its own as evidence, for anyone who has the response.
      const { computeTaskUserData } = await import('./messages/result.js')
      const { roots, measurements } = simulator.policy
      const archived = await assertArchivedNitroAttestation(
        fromHex(evaluation.document as `0x${string}`),
        {
          at: 'document',
          roots,
          insecureTrustRoot: true,
          measurements,
          binding: { userData: computeTaskUserData(evaluation.response), publicKey: 'absent' },
        },
      )
      expect(archived.pcr0Commitment).toBe(pcr0Commitment)
    }
    await evaluator.close()
    await enclave.close()
  })

  test('the session names the key that the enclave opens secrets with', async () => {
    const { enclave, evaluator } = await run(limitEvaluator())
    const { recipient, attestation, epoch } = await evaluator.session()
    expect(recipient).toMatchObject({
      publicKey: enclave.publicKey,
      source: 'attested',
      assurance: 'simulator',
    })
    expect(attestation.userData).toHaveLength(66)
    expect(epoch).toBe(0n)
    await evaluator.close()
  })

  test('a build that the policy does not name is refused before anything is asked', async () => {
    const inner = limitEvaluator()
    const measurements = [{ 0: toHex(new Uint8Array(48).fill(1)) }] as const
    await expect(run(inner, { policy: { measurements } })).rejects.toMatchObject({
      code: 'PCR_MISMATCH',
    })
    expect(inner.calls).toBe(0)
  })

  test('a request that names another build is not sent', async () => {
    const inner = limitEvaluator()
    const { evaluator } = await run(inner)
    const request = { ...transferRequest(1n), pcr0Commitment: toHex(new Uint8Array(32).fill(9)) }
    await expect(evaluator.evaluate(request)).rejects.toMatchObject({ code: 'ENCLAVE_BUILD' })
    expect(inner.calls).toBe(0)
    await evaluator.close()
  })

  const lies: Record<string, (evaluation: Evaluation) => Evaluation> = {
    allow: (e) => ({ ...e, allow: !e.allow }),
    inputsHash: (e) => ({ ...e, outputs: {} }),
    artifactDigest: (e) => ({ ...e, digestPreimage: { ...e.digestPreimage, referenceBlock: 99n } }),
    taskId: (e) => ({ ...e, response: { ...e.response, taskId: `0x${'77'.repeat(32)}` } }),
    chainId: (e) => ({ ...e, response: { ...e.response, chainId: 1n } }),
    policyClient: (e) => ({
      ...e,
      response: { ...e.response, policyClient: `0x${'77'.repeat(20)}` },
    }),
    policyRegistry: (e) => ({
      ...e,
      response: { ...e.response, policyRegistry: `0x${'77'.repeat(20)}` },
    }),
    intentHash: (e) => ({ ...e, response: { ...e.response, intentHash: `0x${'77'.repeat(32)}` } }),
    referenceBlock: (e) => ({ ...e, response: { ...e.response, referenceBlock: 1n } }),
    referenceBlockHash: (e) => ({
      ...e,
      response: { ...e.response, referenceBlockHash: `0x${'77'.repeat(32)}` },
    }),
    referenceTimestamp: (e) => ({ ...e, response: { ...e.response, referenceTimestamp: 1 } }),
    pcr0Commitment: (e) => ({
      ...e,
      response: { ...e.response, pcr0Commitment: `0x${'77'.repeat(32)}` },
    }),
  }
  test.each(Object.keys(lies))(
    'an answer with another %s is refused though its document is genuine',
    async (field) => {
      const inner = limitEvaluator()
      const lying: Evaluator = {
        evaluate: async (request) =>
          (lies[field] as (e: Evaluation) => Evaluation)(await inner.evaluate(request)),
      }
      const { evaluator } = await run(lying)
      await expect(evaluator.evaluate(transferRequest(5n))).rejects.toMatchObject({
        code: 'ENCLAVE_RESULT',
        field,
      })
      await evaluator.close()
    },
  )

  test('an error inside is no decision, and only its code leaves', async () => {
    const { InvalidInputError } = await import('../../errors/common.js')
    const failing: Evaluator = {
      evaluate: async () => {
        throw new InvalidInputError({ field: 'secret', reason: 'hunter2 is no API key' })
      },
    }
    const { evaluator } = await run(failing)
    const error = await evaluator.evaluate(transferRequest(5n)).catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      code: 'ENCLAVE_REMOTE',
      remoteCode: 'EVALUATION_FAILED',
      reason: 'INVALID_INPUT',
      // What was wrong stays inside; where to see it is said.
      message: expect.stringContaining('simulate'),
    })
    expect(String(error)).not.toContain('hunter2')
    await evaluator.close()
  })

  test('exchanges of a plugin with secrets stay inside', async () => {
    const instance = `0x${'d2'.repeat(32)}` as const
    const transcript = [
      {
        policyDataTemplateId: `0x${'d1'.repeat(32)}`,
        policyDataInstanceId: instance,
        wasmHash: `0x${'aa'.repeat(32)}`,
        input: '{}',
        exchanges: [
          {
            request: {
              method: 'GET',
              url: 'https://api.example/?key=hunter2',
              headers: [],
              bodyHash: `0x${'00'.repeat(32)}`,
            },
            response: { status: 200, headers: [], body: '0x' },
          },
        ],
      },
    ] as const
    const { evaluator } = await run(
      limitEvaluator({ secrets: { [instance]: `0x${'cc'.repeat(32)}` }, transcript }),
    )
    const evaluation = await evaluator.evaluate(transferRequest(5n))
    expect(JSON.stringify(evaluation.transcript)).not.toContain('hunter2')
    expect(evaluation.transcript[0]).toMatchObject({
      exchanges: [],
      transcriptHash: expect.stringMatching(/^0x/),
    })
    await evaluator.close()
  })
})
