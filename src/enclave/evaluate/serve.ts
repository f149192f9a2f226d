/** The enclave's side: an evaluator behind the wire protocol, with no other way in or out. */
import type { Hex } from 'viem'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { Evaluator } from '../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import type { CommittedArtifacts, EnvelopeSource } from '../../core/interfaces/secretsOpener.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import type { Nsm } from '../nsm.js'
import { createDecryptionKey, type DecryptionKey } from '../secrets/keys.js'
import { bytesOf } from '../wire/body.js'
import type { Connection } from '../wire/connection.js'
import { frameTypes } from '../wire/frame.js'
import { defaultServerLimits, readLimits, type ServerLimits } from '../wire/limits.js'
import { type ConnectionPool, createConnectionPool } from '../wire/pool.js'
import { type ServedConnection, serveConnection, WireRefusal } from '../wire/server.js'
import type { ByteStream, EnclaveListener } from '../wire/stream.js'
import { type Answer, createSharedAnswers, type SharedAnswers } from './answers.js'
import { createEnclaveArtifacts, type EnclaveArtifacts } from './artifacts.js'
import { EnclaveBuildError } from './errors.js'
import { computeRequestDigest, decodeRequest, type EnclaveRequest } from './messages/request.js'
import { encodeAnswer, encodeResult, evaluationBinding } from './messages/result.js'
import { createSnapshotReader } from './messages/snapshot.js'
import { checkSecretsInside } from './secretsCheck.js'
import { computeSessionUserData } from './session.js'
import { createTunnelGuest, type TunnelDial, type TunnelGuest } from './tunnel.js'

/** What the host gives into the enclave for one request. All of it is untrusted. */
export type EnclaveHostServices = {
  /** Answers from the request's snapshot only; `undefined` where there is none. */
  registry: RegistryReader | undefined
  artifacts: ArtifactSource
  envelopes: EnvelopeSource
  committed: CommittedArtifacts | undefined
  /** Opens connections through the host, for plugins; TLS ends in here. */
  dial: TunnelDial
}

/** Parameters of {@link serveEnclave}. */
export type ServeEnclaveParameters = {
  /** The evaluator, or what makes one from what the host gives for a request. */
  evaluator: Evaluator | ((host: EnclaveHostServices) => Evaluator)
  nsm: Nsm
  listener: EnclaveListener
  /** Judges secrets that are uploaded against their schema. Without it none are judged here. */
  schemas?: SchemaValidator | undefined
  /** The key that documents name and secrets are sealed to. Without it, a fresh one for this run. */
  key?: DecryptionKey | undefined
  limits?: Partial<ServerLimits> | undefined
  /** Milliseconds an answer is kept for a request that is sent again. @default 60000 */
  answerTtl?: number | undefined
  now?: (() => number) | undefined
  onEvent?: ((event: { type: 'connection' | 'end'; code?: string | undefined }) => void) | undefined
}

/** A serving enclave. */
export type ServedEnclave = {
  /** Raw X25519 public key that secrets are sealed to. */
  readonly publicKey: Hex
  /** `keccak256(PCR0)` of this enclave. */
  readonly pcr0Commitment: Hex
  /** Finishes what is in flight and ends. */
  close(): Promise<void>
}

/**
 * Serves an evaluator from inside an enclave.
 *
 * A request that was answered is answered again with the same bytes while it is kept, so that a host that
 * lost the answer may ask again. Of errors only codes leave; of runs with secrets only the hash of their
 * exchanges.
 *
 * @throws {InvalidInputError} for a missing evaluator or NSM. {@link NsmError} where the NSM fails.
 */
export async function serveEnclave(parameters: ServeEnclaveParameters): Promise<ServedEnclave> {
  const { evaluator, nsm, listener, answerTtl = 60_000, now = Date.now } = parameters
  assertParameters(parameters)
  const key =
    parameters.key ?? (await createDecryptionKey({ secret: (await nsm.random()).slice(0, 32) }))
  const limits = readLimits(parameters.limits, defaultServerLimits)
  const inside: Inside = {
    evaluator,
    nsm,
    key,
    schemas: parameters.schemas,
    publicKey: fromHex(key.publicKey),
    pcr0Commitment: keccakHex((await nsm.describePcr(0)).data),
    artifacts: createEnclaveArtifacts(),
    answers: createSharedAnswers({ ttl: answerTtl, now }),
    limits,
    pool: createConnectionPool(limits),
  }
  const connections = new Set<ServedConnection>()
  const serving = await listener.listen((stream) => {
    parameters.onEvent?.({ type: 'connection' })
    const served = serveStream(inside, stream, (cause) => {
      connections.delete(served)
      parameters.onEvent?.({ type: 'end', code: (cause as { code?: string } | undefined)?.code })
    })
    connections.add(served)
  })
  return {
    publicKey: key.publicKey,
    pcr0Commitment: inside.pcr0Commitment,
    close: async () => {
      await serving.close()
      await Promise.all([...connections].map((connection) => connection.goAway()))
    },
  }
}

/** What is inside the enclave, shared by its connections. */
type Inside = Pick<ServeEnclaveParameters, 'evaluator' | 'nsm' | 'schemas'> & {
  key: DecryptionKey
  publicKey: Uint8Array
  pcr0Commitment: Hex
  artifacts: EnclaveArtifacts
  answers: SharedAnswers
  limits: ServerLimits
  pool: ConnectionPool
}

function assertParameters({ evaluator, nsm }: ServeEnclaveParameters): void {
  if (typeof evaluator !== 'function' && typeof evaluator?.evaluate !== 'function') {
    throw new InvalidInputError({
      field: 'evaluator',
      reason: 'expected an Evaluator or what makes one',
    })
  }
  if (typeof nsm?.attest !== 'function')
    throw new InvalidInputError({ field: 'nsm', reason: 'expected an NSM' })
}

function serveStream(
  inside: Inside,
  stream: ByteStream,
  onEnd: (cause: unknown) => void,
): ServedConnection {
  const { artifacts, answers, limits, pool } = inside
  let live: Connection | undefined
  let tunnel: TunnelGuest | undefined
  const tunnelOn = (connection: Connection): TunnelGuest => {
    live = connection
    tunnel ??= createTunnelGuest(connection)
    return tunnel
  }
  return serveConnection(stream, {
    limits,
    pool,
    handler: async ({ method, body }, { signal, connection }) => {
      const { dial } = tunnelOn(connection)
      if (method === 'attest') return attestSession(inside, readNonce(body), signal)
      const { schemas, key } = inside
      if (method === 'checkSecrets' && schemas !== undefined) {
        return checkSecretsInside(body, { key, schemas }, signal)
      }
      if (method !== 'evaluate') throw new WireRefusal({ remoteCode: 'UNKNOWN_METHOD' })
      const asked = decodeRequest(body)
      const digest = computeRequestDigest(asked)
      // Same digest, same answer: a request that is sent again must not be evaluated twice.
      return answers.share(digest, { signal, connection }, (shared) =>
        evaluateInside(inside, asked, { digest, signal: shared, connection, dial }),
      )
    },
    onEnclaveFrame: (frame, connection) => {
      if (frame.type === frameTypes.ARTIFACT) artifacts.onFrame(frame, connection)
      else return tunnelOn(connection).onFrame(frame)
    },
    onEnd: (cause) => {
      if (live !== undefined) artifacts.onEnd(live, cause)
      tunnel?.closeAll(cause)
      onEnd(cause)
    },
  })
}

async function attestSession(
  { nsm, key, publicKey }: Inside,
  nonce: Uint8Array,
  signal: AbortSignal,
): Promise<Answer> {
  const userData = computeSessionUserData(key.epoch)
  const document = await nsm.attest({ nonce, publicKey, userData }, { signal })
  return { document, epoch: key.epoch.toString() }
}

async function evaluateInside(
  inside: Inside,
  asked: EnclaveRequest,
  context: { digest: Hex; signal: AbortSignal; connection: Connection; dial: TunnelDial },
): Promise<Answer> {
  const { evaluator, nsm, pcr0Commitment } = inside
  const { signal, digest: requestDigest } = context
  const named = asked.request.pcr0Commitment
  if (named !== undefined && BigInt(named) !== 0n && named !== pcr0Commitment) {
    throw new EnclaveBuildError({ named, connected: pcr0Commitment })
  }
  const inner =
    typeof evaluator === 'function' ? evaluator(hostServices(inside, asked, context)) : evaluator
  const evaluation = await inner.evaluate(asked.request, { signal })
  const { response } = evaluation
  const result = encodeResult(evaluation)
  const { userData, nonce } = evaluationBinding({ requestDigest, response, result })
  const document = await nsm.attest({ userData, nonce }, { signal })
  return encodeAnswer({ response, result, document })
}

function hostServices(
  { artifacts }: Inside,
  asked: EnclaveRequest,
  { connection, dial }: { connection: Connection; dial: TunnelDial },
): EnclaveHostServices {
  const { snapshot, whitelisted, committed, envelopes } = asked
  return {
    registry:
      snapshot === undefined
        ? undefined
        : createSnapshotReader(snapshot, { ...asked.request, whitelisted }),
    committed:
      committed === undefined
        ? undefined
        : { isCommittedAt: async ({ hash }) => committed.includes(hash.toLowerCase() as Hex) },
    artifacts: artifacts.source(connection),
    envelopes: {
      getEnvelope: async ({ policyDataInstanceId }) =>
        envelopes?.get(policyDataInstanceId.toLowerCase() as Hex) ?? null,
    },
    dial,
  }
}

function readNonce(body: Parameters<typeof bytesOf>[0]): Uint8Array {
  try {
    return bytesOf(body, 'nonce', 32)
  } catch {
    throw new WireRefusal({ remoteCode: 'INVALID_REQUEST' })
  }
}
