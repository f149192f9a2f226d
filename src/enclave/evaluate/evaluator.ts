/** The host's side of an evaluating enclave. */
import type { Hex } from 'viem'
import type { Evaluation, EvaluationRequest, Evaluator } from '../../core/interfaces/evaluator.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { NitroAttestationError } from '../nitro/errors.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import { assertNitroAttestation } from '../nitro/verify.js'
import {
  createWireClient,
  type WireClient,
  type WireClientOptions,
  type WireEvent,
} from '../wire/client.js'
import type { Connection } from '../wire/connection.js'
import { EnclaveProtocolError } from '../wire/errors.js'
import { frameTypes } from '../wire/frame.js'
import type { EnclaveTransport } from '../wire/stream.js'
import { createArtifactAnswers } from './artifacts.js'
import { EnclaveBuildError, EnclaveResultError } from './errors.js'
import { type HostInputs, hostInputs } from './hostInputs.js'
import { computeRequestDigest, type EnclaveRequest, encodeRequest } from './messages/request.js'
import { assertAnswer, decodeAnswer, evaluationBinding } from './messages/result.js'
import { assertSecretsChecked, type SecretsCheck, secretsCheckBody } from './secretsCheck.js'
import {
  createSessionKeeper,
  demandsOf,
  type EnclavePolicy,
  type EnclaveSession,
  minute,
  type SessionKeeper,
} from './sessionKeeper.js'

/** Something that happened, for logs and metrics. Never holds inputs or secrets. */
export type EnclaveEvent =
  | WireEvent
  | { type: 'session'; pcr0Commitment: Hex; assurance: 'nitro' | 'simulator' }
  | {
      type: 'evaluate'
      durationMs: number
      outcome: 'decided' | 'error'
      code?: string | undefined
    }

/** Parameters of {@link createEnclaveEvaluator}. */
export type EnclaveEvaluatorParameters = {
  transport: EnclaveTransport
  policy: EnclavePolicy
  /** What the host gives into the enclave, where the evaluator inside has no access of its own. */
  host?: HostInputs | undefined
  wire?: Pick<WireClientOptions, 'limits' | 'maxQueue' | 'retries' | 'random'> | undefined
  /** Calls back with a measurement that was deprecated; its session is dropped. Returns a stop function. */
  watchDeprecations?: ((onDeprecated: (pcr0Commitment: Hex) => void) => () => void) | undefined
  onEvent?: ((event: EnclaveEvent) => void) | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/** An evaluator inside an attested enclave. */
export type EnclaveEvaluator = Evaluator & {
  /** The attested session, renewed where it is due. */
  session(options?: IoOptions): Promise<EnclaveSession>
  /**
   * Has the enclave open sealed secrets and hold them against their schema.
   *
   * @throws {SecretsInvalidError} where they do not fit, naming places and never values.
   * @throws {EnvelopeInvalidError} where the enclave cannot open them.
   * @throws {EnclaveRemoteError} where the build judges no secrets.
   */
  checkSecrets(check: SecretsCheck, options?: IoOptions): Promise<void>
  /** Forgets the session; the next call attests anew. */
  dropSession(): void
  close(): Promise<void>
}

/**
 * Connects to an enclave, attests it and evaluates tasks inside it.
 *
 * Every result carries a document that was verified here, for exactly this request and this response. An
 * error is no decision.
 *
 * @throws {NitroAttestationError} where the enclave's document is refused.
 * @throws {EnclaveTransportError} where no connection can be made.
 * @example
 * ```ts
 * import { createEnclaveEvaluator, createMemoryTransport, serveEnclave } from '@newton/policy-sdk/enclave'
 * import { createSimulator } from '@newton/policy-sdk/enclave/simulator'
 * import type { Evaluator } from '@newton/policy-sdk'
 *
 * declare const inner: Evaluator
 * const simulator = createSimulator({ image: [{ name: 'evaluator', bytes: Uint8Array.of(1) }] })
 * const { transport, listener } = createMemoryTransport()
 * const enclave = await serveEnclave({ evaluator: inner, nsm: simulator.nsm, listener })
 * const evaluator = await createEnclaveEvaluator({ transport, policy: simulator.policy })
 * ```
 */
export async function createEnclaveEvaluator(
  parameters: EnclaveEvaluatorParameters,
): Promise<EnclaveEvaluator> {
  const { policy, host = {} } = parameters
  if (typeof policy !== 'object' || policy === null) {
    throw new InvalidInputError({
      field: 'policy',
      reason: 'expected a policy: there is no default',
    })
  }
  const client = createWireClient({
    ...parameters.wire,
    transport: parameters.transport,
    onEvent: parameters.onEvent,
    onDisconnect: () => host.tunnel?.closeAll(),
    onHostFrame: hostFrames(host, (connection) => keeper.isAttested(connection)),
  })
  const keeper = createSessionKeeper(client, parameters)
  const stopWatching = parameters.watchDeprecations?.((pcr0Commitment) => {
    if (keeper.held()?.attestation.pcr0Commitment === pcr0Commitment.toLowerCase()) keeper.drop()
  })
  const close = async (): Promise<void> => {
    stopWatching?.()
    host.tunnel?.closeAll()
    await client.close()
  }
  const evaluator: EnclaveEvaluator = {
    evaluate: (request, options = {}) =>
      reported(parameters.onEvent, async () => {
        try {
          return await withDeadline('The evaluation in the enclave', options, (signal) =>
            evaluateThere({ client, keeper, parameters }, request, { ...options, signal }),
          )
        } catch (cause) {
          // A build that is no longer active must not serve the next call either.
          if (cause instanceof NitroAttestationError) keeper.drop()
          throw cause
        }
      }),
    session: (options = {}) => withDeadline('Attesting the enclave', options, keeper.current),
    checkSecrets: (check, options = {}) =>
      withDeadline('The check of secrets in the enclave', options, async (signal) => {
        await keeper.current(signal)
        const body = secretsCheckBody(check)
        const call = { method: 'checkSecrets', body, idempotent: true }
        assertSecretsChecked(await client.request(call, { signal, timeout: options.timeout }))
      }),
    dropSession: keeper.drop,
    close,
  }
  try {
    await evaluator.session({ timeout: minute })
  } catch (cause) {
    await close()
    throw cause
  }
  return evaluator
}

async function reported(
  onEvent: EnclaveEvaluatorParameters['onEvent'],
  work: () => Promise<Evaluation>,
): Promise<Evaluation> {
  const started = performance.now()
  const report = (outcome: 'decided' | 'error', code?: string): void =>
    onEvent?.({ type: 'evaluate', durationMs: performance.now() - started, outcome, code })
  try {
    const evaluation = await work()
    report('decided')
    return evaluation
  } catch (cause) {
    report('error', isPolicySdkError(cause) ? cause.code : undefined)
    throw cause
  }
}

/** Answers the enclave's questions, once it is attested: before that it is a stranger. */
function hostFrames(
  host: HostInputs,
  isAttested: (connection: Connection) => boolean,
): NonNullable<WireClientOptions['onHostFrame']> {
  const artifacts = createArtifactAnswers(host.artifacts)
  return async (frame, connection) => {
    if (!isAttested(connection)) throw new EnclaveProtocolError({ fault: 'unattested' })
    if (frame.type === frameTypes.ARTIFACT) await artifacts.onFrame(frame, connection)
    else if (host.tunnel !== undefined) await host.tunnel.onFrame(frame, connection)
    else
      throw new EnclaveProtocolError({ fault: 'unexpected-frame', details: `type ${frame.type}` })
  }
}

async function evaluateThere(
  context: {
    client: WireClient
    keeper: SessionKeeper
    parameters: EnclaveEvaluatorParameters
  },
  request: EvaluationRequest,
  options: IoOptions & { signal: AbortSignal },
): Promise<Evaluation> {
  const { client, keeper, parameters } = context
  const { policy, host = {}, randomBytes = defaultRandomBytes } = parameters
  const { signal, timeout } = options
  const { pcr0Commitment } = (await keeper.current(signal)).attestation
  const named = request.pcr0Commitment
  if (named !== undefined && BigInt(named) !== 0n && named.toLowerCase() !== pcr0Commitment) {
    throw new EnclaveBuildError({ named, connected: pcr0Commitment })
  }
  const asked: EnclaveRequest = {
    request,
    nonce: randomBytes(32),
    ...(await hostInputs(request, host, signal)),
  }
  const requestDigest = computeRequestDigest(asked)
  const body = await client.request(
    { method: 'evaluate', body: encodeRequest(asked), idempotent: true },
    { signal, timeout },
  )
  const answer = decodeAnswer(body)
  const evaluation = assertAnswer(answer, { request, pcr0Commitment })
  const { userData, nonce } = evaluationBinding({ requestDigest, ...answer })
  const attestation = await assertNitroAttestation(
    answer.document,
    {
      ...demandsOf(policy, nonce),
      binding: { userData, publicKey: 'absent' },
    },
    { signal },
  )
  if (attestation.pcr0Commitment !== pcr0Commitment) {
    keeper.drop()
    throw new EnclaveResultError(
      { field: 'document', reason: 'made by another build than the session' },
      { retryable: true },
    )
  }
  return { ...evaluation, assurance: attestation.assurance, document: toHex(answer.document) }
}
