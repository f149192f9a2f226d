/** Tasks and an evaluator that decides by the transferred value, for tests of the enclave layer. */
import type {
  DigestPreimage,
  Evaluation,
  EvaluationRequest,
  Evaluator,
  PolicyTaskResponse,
  Task,
} from '../../src/core/index.js'
import {
  computeArtifactDigest,
  computeInputsHash,
  computeIntentHash,
  computeTaskId,
  encodeEvaluationResult,
} from '../../src/core/index.js'

const word = (byte: string): `0x${string}` => `0x${byte.repeat(32)}`
const account = (byte: string): `0x${string}` => `0x${byte.repeat(20)}`

/** A task that transfers `value`. */
export function transferTask(value: bigint, nonce = 0n): Task {
  return {
    chainId: 31_337n,
    policyRegistry: account('a1'),
    policyClient: account('c1'),
    intent: {
      from: account('c1'),
      to: account('b2'),
      value,
      data: '0x',
      chainId: 31_337n,
      functionSignature: '0x',
    },
    wasmArgs: '0x',
    referenceBlock: 100n,
    referenceBlockHash: word('ee'),
    nonce,
  }
}

/** A request for such a task. */
export function transferRequest(value: bigint, nonce = 0n): EvaluationRequest {
  return { task: transferTask(value, nonce), referenceTimestamp: 1_790_000_000 }
}

/** Allows values up to 100 and denies the rest with a reason. */
export function limitEvaluator(
  options: {
    delay?: ((request: EvaluationRequest, signal?: AbortSignal) => Promise<void>) | undefined
    secrets?: Evaluation['secrets'] | undefined
    transcript?: Evaluation['transcript'] | undefined
  } = {},
): Evaluator & { calls: number } {
  const evaluator = {
    calls: 0,
    evaluate: async (
      request: EvaluationRequest,
      io: { signal?: AbortSignal | undefined } = {},
    ): Promise<Evaluation> => {
      evaluator.calls++
      await options.delay?.(request, io.signal)
      return limitEvaluation(request, options)
    },
  }
  return evaluator
}

/** The evaluation itself. */
export function limitEvaluation(
  { task, pcr0Commitment, referenceTimestamp }: EvaluationRequest,
  options: {
    secrets?: Evaluation['secrets'] | undefined
    transcript?: Evaluation['transcript'] | undefined
  } = {},
): Evaluation {
  const allow = task.intent.value <= 100n
  const outputs = { [word('d1')]: { score: 7 } }
  const secrets = options.secrets ?? {}
  const digestPreimage: DigestPreimage = {
    chainId: task.chainId,
    policyInstanceId: word('01'),
    policyTemplateId: word('02'),
    regoHash: word('03'),
    policyParamsSchemaHash: word('04'),
    paramsHash: word('05'),
    referenceBlock: task.referenceBlock,
    expirationBlock: task.referenceBlock + 50n,
    data: [],
    pcr0Commitment,
  }
  const response: PolicyTaskResponse = {
    chainId: task.chainId,
    policyRegistry: task.policyRegistry,
    taskId: computeTaskId(task),
    policyClient: task.policyClient,
    intentHash: computeIntentHash(task.intent),
    policyInstanceId: word('01'),
    artifactDigest: computeArtifactDigest(digestPreimage),
    inputsHash: computeInputsHash({ outputs, secrets }),
    pcr0Commitment: pcr0Commitment ?? word('00'),
    evaluationResult: encodeEvaluationResult(allow),
    referenceBlock: task.referenceBlock,
    referenceBlockHash: task.referenceBlockHash,
    referenceTimestamp,
    expirationBlock: task.referenceBlock + 50n,
  }
  return {
    allow,
    reasons: allow ? [] : ['over the limit'],
    evaluationResult: response.evaluationResult,
    artifactDigest: response.artifactDigest,
    inputsHash: response.inputsHash,
    response,
    digestPreimage,
    outputs,
    secrets,
    transcript: options.transcript ?? [],
    warnings: [],
    timings: { total: 1 },
    engine: { id: 'test', semantics: 'operator' },
    assurance: 'local',
  }
}
