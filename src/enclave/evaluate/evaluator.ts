/** The host's side of an evaluating enclave. */
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { Evaluation, EvaluationRequest, Evaluator } from '../../core/interfaces/evaluator.js'
import type { RegistryReader, RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import type { CommittedArtifacts, EnvelopeSource } from '../../core/interfaces/secretsOpener.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { NitroAttestationError } from '../nitro/errors.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import type { NitroPolicy } from '../nitro/policy.js'
import type { VerifiedAttestation } from '../nitro/verified.js'
import { assertNitroAttestation } from '../nitro/verify.js'
import { attestedRecipient, type RecipientKey } from '../secrets/recipient.js'
import { bytesOf, textOf } from '../wire/body.js'
import { createWireClient, type WireClientOptions, type WireEvent } from '../wire/client.js'
import { EnclaveProtocolError } from '../wire/errors.js'
import { frameTypes } from '../wire/frame.js'
import type { EnclaveTransport } from '../wire/stream.js'
import { answerArtifact } from './artifacts.js'
import { EnclaveBuildError, EnclaveResultError } from './errors.js'
import { computeRequestDigest, type EnclaveRequest, encodeRequest } from './request.js'
import { assertAnswer, decodeAnswer, evaluationBinding } from './result.js'
import { computeSessionUserData } from './session.js'
import { snapshotArtifacts } from './snapshot.js'
import type { TunnelHost } from './tunnel.js'

/** What a host demands of its enclave. Freshness and binding follow from the protocol. */
export type EnclavePolicy = Omit<NitroPolicy, 'freshness' | 'binding'> & {
  /** Most milliseconds between a document and its use. @default 300000 */
  maxAge?: number | undefined
  /** Most milliseconds a session is used before it is attested again. @default 3600000 */
  sessionTtl?: number | undefined
  /** Epoch that the enclave's key has at least: an enclave that went back to an older key is refused. @default 0n */
  minEpoch?: bigint | undefined
}

/** An attested session. */
export type EnclaveSession = {
  attestation: VerifiedAttestation
  /** The key that secrets are sealed to. */
  recipient: RecipientKey
  epoch: bigint
}

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
  host?:
    | {
        registry?: RegistryReader | undefined
        artifacts?: ArtifactSource | undefined
        envelopes?: EnvelopeSource | undefined
        committed?: CommittedArtifacts | undefined
        /** Connections for plugins; the host sees names and ports only. */
        tunnel?: TunnelHost | undefined
      }
    | undefined
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
  /** Forgets the session; the next call attests anew. */
  dropSession(): void
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const minute = 60_000

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
  const { transport, policy, host = {}, randomBytes = defaultRandomBytes } = parameters
  if (typeof policy !== 'object' || policy === null) {
    throw new InvalidInputError({
      field: 'policy',
      reason: 'expected a policy: there is no default',
    })
  }
  const clock = policy.clock ?? Date.now
  const { maxAge = 5 * minute, sessionTtl = 60 * minute, minEpoch = 0n } = policy
  let session: (EnclaveSession & { until: number }) | undefined
  let attesting: Promise<EnclaveSession & { until: number }> | undefined

  const client = createWireClient({
    ...parameters.wire,
    transport,
    onEvent: parameters.onEvent,
    onDisconnect: () => {
      // Another process may answer next time.
      session = undefined
      host.tunnel?.closeAll()
    },
    onHostFrame: async (frame, connection) => {
      if (frame.type === frameTypes.ARTIFACT) {
        // Not awaited: one slow artifact must not hold up the answers behind it.
        answerArtifact(frame, connection, host.artifacts).catch((cause) => connection.fail(cause))
      } else if (host.tunnel !== undefined) await host.tunnel.onFrame(frame, connection)
      else
        throw new EnclaveProtocolError({ fault: 'unexpected-frame', details: `type ${frame.type}` })
    },
  })
  const stopWatching = parameters.watchDeprecations?.((pcr0Commitment) => {
    if (session?.attestation.pcr0Commitment === pcr0Commitment.toLowerCase()) session = undefined
  })

  const attest = async (signal: AbortSignal): Promise<EnclaveSession & { until: number }> => {
    const nonce = randomBytes(32)
    const answer = await client.request(
      { method: 'attest', body: { nonce }, idempotent: true },
      { signal },
    )
    let epoch: bigint
    let document: Uint8Array
    try {
      epoch = BigInt(textOf(answer, 'epoch'))
      document = bytesOf(answer, 'document')
    } catch (cause) {
      throw new EnclaveResultError({ field: 'attest', reason: 'not readable' }, { cause })
    }
    const attestation = await assertNitroAttestation(
      document,
      {
        ...policy,
        freshness: { kind: 'nonce', nonce, maxAge },
        binding: { userData: computeSessionUserData(epoch), publicKey: 'x25519' },
      },
      { signal },
    )
    if (epoch < minEpoch) {
      const reason = `its key is of epoch ${epoch}, expected ${minEpoch} or later`
      throw new EnclaveResultError({ field: 'epoch', reason })
    }
    const { assurance, pcr0Commitment } = attestation
    parameters.onEvent?.({ type: 'session', pcr0Commitment, assurance })
    return {
      attestation,
      recipient: attestedRecipient({ attestation }),
      epoch,
      // A minute early, so that what starts under a session also ends under it.
      until: Math.min(clock() + sessionTtl, attestation.leafNotAfter - minute),
    }
  }

  const currentSession = async (
    signal: AbortSignal,
  ): Promise<EnclaveSession & { until: number }> => {
    if (session !== undefined && clock() < session.until) return session
    // Shared by all who wait, so it does not end with the first caller's signal.
    attesting ??= attest(AbortSignal.timeout(minute))
      .then((opened) => {
        session = opened
        return opened
      })
      .finally(() => {
        attesting = undefined
      })
    signal.throwIfAborted()
    return attesting
  }

  const evaluate = async (
    request: EvaluationRequest,
    signal: AbortSignal,
    options: IoOptions,
  ): Promise<Evaluation> => {
    const opened = await currentSession(signal)
    const { pcr0Commitment } = opened.attestation
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
      { signal, timeout: options.timeout },
    )
    const answer = decodeAnswer(body)
    const evaluation = assertAnswer(answer, { request, pcr0Commitment })
    const { userData, nonce } = evaluationBinding({ requestDigest, ...answer })
    const attestation = await assertNitroAttestation(
      answer.document,
      {
        ...policy,
        freshness: { kind: 'nonce', nonce, maxAge },
        binding: { userData, publicKey: 'absent' },
      },
      { signal },
    )
    if (attestation.pcr0Commitment !== pcr0Commitment) {
      session = undefined
      throw new EnclaveResultError(
        { field: 'document', reason: 'made by another build than the session' },
        { retryable: true },
      )
    }
    return { ...evaluation, assurance: attestation.assurance, document: toHex(answer.document) }
  }

  const close = async (): Promise<void> => {
    stopWatching?.()
    host.tunnel?.closeAll()
    await client.close()
  }
  const evaluator: EnclaveEvaluator = {
    evaluate: async (request, options = {}) => {
      const started = performance.now()
      const report = (outcome: 'decided' | 'error', code?: string): void =>
        parameters.onEvent?.({
          type: 'evaluate',
          durationMs: performance.now() - started,
          outcome,
          code,
        })
      try {
        const evaluation = await withDeadline('The evaluation in the enclave', options, (signal) =>
          evaluate(request, signal, options),
        )
        report('decided')
        return evaluation
      } catch (cause) {
        // A build that is no longer active must not serve the next call either.
        if (cause instanceof NitroAttestationError) session = undefined
        report('error', isPolicySdkError(cause) ? cause.code : undefined)
        throw cause
      }
    },
    session: (options = {}) => withDeadline('Attesting the enclave', options, currentSession),
    dropSession: () => {
      session = undefined
    },
    close,
    [Symbol.asyncDispose]: close,
  }
  try {
    await evaluator.session({ timeout: minute })
  } catch (cause) {
    await close()
    throw cause
  }
  return evaluator
}

async function hostInputs(
  { task, pcr0Commitment }: EvaluationRequest,
  host: NonNullable<EnclaveEvaluatorParameters['host']>,
  signal: AbortSignal,
): Promise<Omit<EnclaveRequest, 'request' | 'nonce'>> {
  const { registry } = host
  if (registry === undefined) return {}
  const block = task.referenceBlock
  const snapshot = await registry.snapshot({ client: task.policyClient, block }, { signal })
  const named = pcr0Commitment !== undefined && BigInt(pcr0Commitment) !== 0n
  const [whitelisted, envelopes, committed] = await Promise.all([
    named ? registry.isEnclaveWhitelistedAt({ pcr0Commitment, block }, { signal }) : undefined,
    findEnvelopes(snapshot, host.envelopes, signal),
    findCommitted(snapshot, host.committed, signal),
  ])
  return { snapshot, whitelisted, envelopes, committed }
}

async function findEnvelopes(
  { data, block }: RegistrySnapshot,
  source: EnvelopeSource | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<Hex, Uint8Array> | undefined> {
  if (source === undefined) return undefined
  const found = new Map<Hex, Uint8Array>()
  for (const { instanceId: policyDataInstanceId, template } of data) {
    if (policyDataInstanceId === null || template?.secretsSchemaHash === ARTIFACT_ABSENT) continue
    const envelope = await source.getEnvelope(
      { policyDataInstanceId, block: block.number },
      { signal },
    )
    if (envelope !== null) found.set(policyDataInstanceId.toLowerCase() as Hex, envelope)
  }
  return found
}

async function findCommitted(
  snapshot: RegistrySnapshot,
  artifacts: CommittedArtifacts | undefined,
  signal: AbortSignal,
): Promise<readonly Hex[] | undefined> {
  if (artifacts === undefined) return undefined
  const block = snapshot.block.number
  const answers = await Promise.all(
    snapshotArtifacts(snapshot)
      .filter(({ hash }) => hash !== ARTIFACT_ABSENT)
      .map(async ({ hash, namespace }) =>
        (await artifacts.isCommittedAt({ namespace, hash, block }, { signal })) === true
          ? [hash]
          : [],
      ),
  )
  return answers.flat()
}
