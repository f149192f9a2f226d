/** The enclave's side: an evaluator behind the wire protocol, with no other way in or out. */
import type { Hex } from 'viem'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { Evaluator } from '../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { CommittedArtifacts, EnvelopeSource } from '../../core/interfaces/secretsOpener.js'
import { InvalidInputError } from '../../errors/common.js'
import { keccakHex } from '../../internal/keccak.js'
import type { CborInput } from '../cbor/write.js'
import type { Nsm } from '../nsm.js'
import { createDecryptionKey, type DecryptionKey } from '../secrets/keys.js'
import { bytesOf } from '../wire/body.js'
import type { Connection, WireLimits } from '../wire/connection.js'
import { frameTypes } from '../wire/frame.js'
import { type ServedConnection, serveConnection, WireRefusal } from '../wire/server.js'
import type { EnclaveListener } from '../wire/stream.js'
import { createEnclaveArtifacts } from './artifacts.js'
import { EnclaveBuildError } from './errors.js'
import { computeRequestDigest, decodeRequest, type EnclaveRequest } from './request.js'
import { encodeAnswer, encodeResult, evaluationBinding } from './result.js'
import { computeSessionUserData } from './session.js'
import { createSnapshotReader } from './snapshot.js'
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
  /** The key that documents name and secrets are sealed to. Without it, a fresh one for this run. */
  key?: DecryptionKey | undefined
  limits?: Partial<WireLimits> | undefined
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

type Answer = { readonly [key: string]: CborInput | undefined }

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
  if (typeof evaluator !== 'function' && typeof evaluator?.evaluate !== 'function') {
    throw new InvalidInputError({
      field: 'evaluator',
      reason: 'expected an Evaluator or what makes one',
    })
  }
  if (typeof nsm?.attest !== 'function')
    throw new InvalidInputError({ field: 'nsm', reason: 'expected an NSM' })
  const key =
    parameters.key ?? (await createDecryptionKey({ secret: (await nsm.random()).slice(0, 32) }))
  const pcr0Commitment = keccakHex((await nsm.describePcr(0)).data)
  const artifacts = createEnclaveArtifacts()
  const answered = new Map<Hex, { at: number; answer: Promise<Answer> }>()
  const connections = new Set<ServedConnection>()
  const publicKey = hexBytes(key.publicKey)

  const attest = async (nonce: Uint8Array, signal: AbortSignal): Promise<Answer> => {
    const document = await nsm.attest(
      { nonce, publicKey, userData: computeSessionUserData(key.epoch) },
      { signal },
    )
    return { document, epoch: key.epoch.toString() }
  }

  const evaluate = async (
    asked: EnclaveRequest,
    requestDigest: Hex,
    context: { signal: AbortSignal; connection: Connection; dial: TunnelDial },
  ): Promise<Answer> => {
    const { signal, connection, dial } = context
    const named = asked.request.pcr0Commitment
    if (named !== undefined && BigInt(named) !== 0n && named !== pcr0Commitment) {
      throw new EnclaveBuildError({ named, connected: pcr0Commitment })
    }
    const services: EnclaveHostServices = {
      registry:
        asked.snapshot === undefined
          ? undefined
          : createSnapshotReader(asked.snapshot, {
              ...asked.request,
              whitelisted: asked.whitelisted,
            }),
      committed:
        asked.committed === undefined
          ? undefined
          : {
              isCommittedAt: async ({ hash }) =>
                asked.committed?.includes(hash.toLowerCase() as Hex) === true,
            },
      artifacts: artifacts.source(connection),
      envelopes: {
        getEnvelope: async ({ policyDataInstanceId }) =>
          asked.envelopes?.get(policyDataInstanceId.toLowerCase() as Hex) ?? null,
      },
      dial,
    }
    const inner = typeof evaluator === 'function' ? evaluator(services) : evaluator
    const evaluation = await inner.evaluate(asked.request, { signal })
    const { response } = evaluation
    const result = encodeResult(evaluation)
    const { userData, nonce } = evaluationBinding({ requestDigest, response, result })
    const document = await nsm.attest({ userData, nonce }, { signal })
    return encodeAnswer({ response, result, document })
  }

  /** Same digest, same answer: a request that is sent again must not be evaluated twice. */
  const evaluateOnce = async (
    asked: EnclaveRequest,
    context: { signal: AbortSignal; connection: Connection; dial: TunnelDial },
  ): Promise<Answer> => {
    const digest = computeRequestDigest(asked)
    for (const [old, { at }] of answered) {
      if (now() - at <= answerTtl && answered.size <= 4096) break
      answered.delete(old)
    }
    const before = answered.get(digest)
    if (before !== undefined) return before.answer
    const answer = evaluate(asked, digest, context)
    answered.set(digest, { at: now(), answer })
    // Only answers are kept; a failure may be tried again.
    answer.catch(() => answered.delete(digest))
    return answer
  }

  const serving = await listener.listen((stream) => {
    parameters.onEvent?.({ type: 'connection' })
    let live: Connection | undefined
    let tunnel: TunnelGuest | undefined
    const tunnelOn = (connection: Connection): TunnelGuest => {
      live = connection
      tunnel ??= createTunnelGuest(connection)
      return tunnel
    }
    const served = serveConnection(stream, {
      limits: parameters.limits,
      handler: async ({ method, body }, { signal, connection }) => {
        const { dial } = tunnelOn(connection)
        if (method === 'attest') return attest(readNonce(body), signal)
        if (method === 'evaluate')
          return evaluateOnce(decodeRequest(body), { signal, connection, dial })
        throw new WireRefusal({ remoteCode: 'UNKNOWN_METHOD' })
      },
      onEnclaveFrame: (frame, connection) => {
        if (frame.type === frameTypes.ARTIFACT) artifacts.onFrame(frame, connection)
        else return tunnelOn(connection).onFrame(frame)
      },
      onEnd: (cause) => {
        connections.delete(served)
        if (live !== undefined) artifacts.onEnd(live, cause)
        tunnel?.closeAll(cause)
        parameters.onEvent?.({ type: 'end', code: (cause as { code?: string } | undefined)?.code })
      },
    })
    connections.add(served)
  })

  return {
    publicKey: key.publicKey,
    pcr0Commitment,
    close: async () => {
      await serving.close()
      await Promise.all([...connections].map((connection) => connection.goAway()))
    },
  }
}

function readNonce(body: Parameters<typeof bytesOf>[0]): Uint8Array {
  try {
    return bytesOf(body, 'nonce', 32)
  } catch {
    throw new WireRefusal({ remoteCode: 'INVALID_REQUEST' })
  }
}

function hexBytes(hex: Hex): Uint8Array {
  return Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
