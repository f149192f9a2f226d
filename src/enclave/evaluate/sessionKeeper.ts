/** The attested session of an evaluator: made when it is needed, renewed in time, gone with its connection. */
import type { CborMap } from '../cbor/read.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import type { NitroPolicy } from '../nitro/policy.js'
import type { VerifiedAttestation } from '../nitro/verified.js'
import { assertNitroAttestation } from '../nitro/verify.js'
import { attestedRecipient, type RecipientKey } from '../secrets/recipient.js'
import { bytesOf, textOf } from '../wire/body.js'
import type { WireClient } from '../wire/client.js'
import type { Connection } from '../wire/connection.js'
import { EnclaveTransportError } from '../wire/errors.js'
import { EnclaveResultError } from './errors.js'
import { computeSessionUserData } from './session.js'

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
  /** The bytes that were verified, for others to verify. */
  document: Uint8Array
}

export const minute = 60_000
/** Most milliseconds between a document and its use, where nothing else is said. */
export const defaultMaxAge = 5 * minute

type HeldSession = EnclaveSession & { until: number; connection: Connection }

/** Keeps a session. */
export type SessionKeeper = {
  /** The session, attested anew where there is none, it is due, or its connection is no longer the one. */
  current(signal: AbortSignal): Promise<EnclaveSession>
  held(): EnclaveSession | undefined
  drop(): void
  /** Whether the enclave on a connection has attested itself there. */
  isAttested(connection: Connection): boolean
}

/** What is demanded of one document: all of the policy that is not about sessions. */
export function demandsOf(policy: EnclavePolicy, nonce: Uint8Array): Omit<NitroPolicy, 'binding'> {
  const { maxAge = defaultMaxAge, sessionTtl: _, minEpoch: __, ...demands } = policy
  return { ...demands, freshness: { kind: 'nonce', nonce, maxAge } }
}

/** Creates the keeper. */
export function createSessionKeeper(
  client: WireClient,
  parameters: {
    policy: EnclavePolicy
    randomBytes?: ((length: number) => Uint8Array) | undefined
    onEvent?:
      | ((event: {
          type: 'session'
          pcr0Commitment: `0x${string}`
          assurance: 'nitro' | 'simulator'
        }) => void)
      | undefined
  },
): SessionKeeper {
  const { policy, randomBytes = defaultRandomBytes } = parameters
  const clock = policy.clock ?? Date.now
  const { sessionTtl = 60 * minute } = policy
  const attested = new WeakSet<Connection>()
  let session: HeldSession | undefined
  let attesting: Promise<HeldSession> | undefined

  const attest = async (signal: AbortSignal): Promise<HeldSession> => {
    const nonce = randomBytes(32)
    const { body, connection } = await client.exchange(
      { method: 'attest', body: { nonce }, idempotent: true },
      { signal },
    )
    const { attestation, epoch, document } = await judgeSession(body, { policy, nonce, signal })
    // Another process may be behind the next connection: what was attested is gone with this one.
    if (connection.ended) {
      throw new EnclaveTransportError({ reason: 'it ended while the enclave was being attested' })
    }
    attested.add(connection)
    const { assurance, pcr0Commitment } = attestation
    parameters.onEvent?.({ type: 'session', pcr0Commitment, assurance })
    return {
      attestation,
      recipient: attestedRecipient({ attestation }),
      epoch,
      document,
      connection,
      // A minute early, so that what starts under a session also ends under it.
      until: Math.min(clock() + sessionTtl, attestation.leafNotAfter - minute),
    }
  }
  const isUsable = (held: HeldSession): boolean => {
    const { connection, until } = held
    return !connection.ended && connection === client.current() && clock() < until
  }
  return {
    current: async (signal) => {
      if (session !== undefined && isUsable(session)) return session
      signal.throwIfAborted()
      session = undefined
      // Shared by all who wait, so it does not end with the first caller's signal.
      attesting ??= attest(AbortSignal.timeout(minute))
        .then((opened) => {
          session = opened
          return opened
        })
        .finally(() => {
          attesting = undefined
        })
      return attesting
    },
    held: () => (session !== undefined && isUsable(session) ? session : undefined),
    drop: () => {
      session = undefined
    },
    isAttested: (connection) => attested.has(connection),
  }
}

async function judgeSession(
  body: CborMap,
  { policy, nonce, signal }: { policy: EnclavePolicy; nonce: Uint8Array; signal: AbortSignal },
): Promise<{ attestation: VerifiedAttestation; epoch: bigint; document: Uint8Array }> {
  const { minEpoch = 0n } = policy
  const { epoch, document } = readSession(body)
  const attestation = await assertNitroAttestation(
    document,
    {
      ...demandsOf(policy, nonce),
      binding: { userData: computeSessionUserData(epoch), publicKey: 'x25519' },
    },
    { signal },
  )
  if (epoch < minEpoch) {
    const reason = `its key is of epoch ${epoch}, expected ${minEpoch} or later`
    throw new EnclaveResultError({ field: 'epoch', reason })
  }
  return { attestation, epoch, document }
}

function readSession(body: CborMap): { epoch: bigint; document: Uint8Array } {
  let epoch: string
  let document: Uint8Array
  try {
    epoch = textOf(body, 'epoch')
    document = bytesOf(body, 'document')
  } catch {
    throw new EnclaveResultError({ field: 'attest', reason: 'not readable' })
  }
  // Looked at before it is read as a number: digits by the megabyte take seconds.
  if (!/^(0|[1-9][0-9]{0,19})$/.test(epoch) || BigInt(epoch) >= 2n ** 64n) {
    throw new EnclaveResultError({ field: 'epoch', reason: 'not an integer of 64 bits' })
  }
  return { epoch: BigInt(epoch), document }
}
