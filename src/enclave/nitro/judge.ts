import { bytesEqual, fixedFromHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { NitroAttestationError } from './errors.js'
import type { NitroPayload } from './payload.js'
import { type ExpectedMeasurements, isCommitment, type NitroPolicyBase } from './policy.js'

/**
 * Whether a bank is that of an enclave in debug mode: PCR0, 1 and 2 (and 8) are zero there, while
 * PCR3 and PCR4 are filled as ever. One of the three at zero is enough: no image measures to zero.
 */
export function isDebugBank(pcrs: ReadonlyMap<number, Uint8Array>): boolean {
  return [0, 1, 2].some((index) => pcrs.get(index)?.every((byte) => byte === 0) === true)
}

/**
 * Checks that one of the expected sets matches, looping over what is expected and never over what
 * the document holds. PCR0 must be there in any case.
 */
export function assertMeasurements(
  pcrs: ReadonlyMap<number, Uint8Array>,
  measurements: ExpectedMeasurements,
): void {
  if (!pcrs.has(0)) throw missing(0)
  if (measurements === 'registry') return
  if (isCommitment(measurements)) {
    const commitment = keccakHex(pcrs.get(0) as Uint8Array)
    if (commitment === measurements.pcr0Commitment.toLowerCase()) return
    throw mismatch()
  }
  let absent: number | undefined
  for (const set of measurements) {
    const expected = Object.entries(set).map(([index, value]) => ({
      index: Number(index),
      value: fixedFromHex(value, 48, 'policy.measurements'),
    }))
    absent ??= expected.find(({ index }) => !pcrs.has(index))?.index
    const matches = expected.every(({ index, value }) => {
      const actual = pcrs.get(index)
      return actual !== undefined && bytesEqual(actual, value)
    })
    if (expected.length > 0 && matches) return
  }
  if (absent !== undefined) throw missing(absent)
  throw mismatch()
}

/** Checks user data and public key against what the policy says. */
export function assertBinding(payload: NitroPayload, binding: NitroPolicyBase['binding']): void {
  const { userData, publicKey } = binding
  if (!matches(payload.userData, userData)) {
    throw new NitroAttestationError({ code: 'USER_DATA_MISMATCH', stage: 'binding' })
  }
  const fits =
    publicKey === 'x25519'
      ? payload.publicKey?.length === 32
      : matches(payload.publicKey, publicKey)
  if (!fits) {
    throw new NitroAttestationError({
      code: 'PUBLIC_KEY_MISMATCH',
      stage: 'binding',
      details: `${payload.publicKey?.length ?? 'no'} bytes in the document`,
    })
  }
}

/** Checks the timestamp against a clock: not too old, and not from the future. */
export function assertFreshness(
  timestamp: number,
  { now, skew, maxAge }: { now: number; skew: number; maxAge: number },
): void {
  if (timestamp - now > skew) {
    const seconds = Math.ceil((timestamp - now) / 1000)
    throw new NitroAttestationError({
      code: 'FUTURE',
      stage: 'time',
      details: `${seconds} s ahead of the clock`,
      metaMessages: [`Your clock may be slow by ${seconds} s: check your clock.`],
    })
  }
  if (now - timestamp > maxAge) {
    throw new NitroAttestationError({
      code: 'STALE',
      stage: 'time',
      details: `${Math.floor((now - timestamp) / 1000)} s old, at most ${Math.floor(maxAge / 1000)} s`,
      metaMessages: [
        'Ask for a new document. If it is new already, your clock is fast: check your clock.',
      ],
    })
  }
}

function matches(actual: Uint8Array | undefined, expected: Uint8Array | string): boolean {
  if (expected === 'any') return true
  if (expected === 'absent') return actual === undefined
  return actual !== undefined && expected instanceof Uint8Array && bytesEqual(actual, expected)
}

function mismatch(): NitroAttestationError {
  return new NitroAttestationError({
    code: 'PCR_MISMATCH',
    stage: 'measurements',
    metaMessages: [
      'Compare with the measurements that `nitro-cli build-enclave` printed for your image.',
    ],
  })
}

function missing(index: number): NitroAttestationError {
  return new NitroAttestationError({
    code: 'PCR_MISSING',
    stage: 'measurements',
    details: `PCR${index}`,
  })
}
