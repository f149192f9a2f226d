/** A Nitro enclave's attestation in software, which the real verifier accepts under its own root. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex } from '../../internal/bytes.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import type { NitroPolicy, NitroPolicyBase } from '../nitro/policy.js'
import { createNsm, type Nsm, type NsmDevice } from '../nsm.js'
import type { SignatureForm } from './certificates.js'
import { createSimulatedDevice, type DocumentFault } from './device.js'
import type { DocumentForm } from './document.js'
import {
  extendPcr,
  type ImagePart,
  measureImage,
  type SimulatorMeasurements,
} from './measurement.js'
import { createSimulatorPki, type PkiOverrides } from './pki.js'

/** Parameters of {@link createSimulator}. */
export type SimulatorParameters = {
  /** What is measured: the evaluator, policies and plugins that the enclave image holds. */
  image: readonly ImagePart[]
  /** Same seed, clock and requests: same documents, byte for byte. Without it all keys are fresh. */
  seed?: Uint8Array | undefined
  /** Milliseconds since 1970. @default Date.now */
  now?: (() => number) | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
  /** Debug mode: PCR0, 1, 2 and 8 are zero in documents, the others are not. */
  debug?: boolean | undefined
  /** @default 'indefinite' */
  map?: DocumentForm['map'] | undefined
  /** @default 'natural' */
  signatures?: SignatureForm | undefined
  /**
   * Signs documents in another way, such as by OpenSSL: faster, and no longer the same bytes for the same
   * seed. @default deterministic signatures (RFC 6979)
   */
  sign?:
    | ((key: { secret: Uint8Array; publicKey: Uint8Array }, message: Uint8Array) => Uint8Array)
    | undefined
  /** Certificates outside the profile, for negative tests. */
  pki?: PkiOverrides | undefined
  /** Version that is measured. @default SIMULATOR_VERSION */
  version?: string | undefined
}

/** A simulated enclave. */
export type Simulator = {
  /** What a verifier's `roots` takes, with `insecureTrustRoot: true`. */
  root: { der: Uint8Array; sha256: Hex }
  measurements: SimulatorMeasurements
  moduleId: string
  device: NsmDevice
  nsm: Nsm
  /** Members of a verifier's policy that accept this simulator and nothing else. */
  policy: Required<Pick<NitroPolicyBase, 'roots' | 'insecureTrustRoot' | 'measurements'>> & {
    clock: NonNullable<NitroPolicy['clock']>
  }
  /** Applies a fault to the documents from now on; `undefined` ends it. */
  setFault(fault: DocumentFault | undefined): void
}

/**
 * Creates a simulated enclave.
 *
 * Its documents differ from AWS's in the root certificate and its names only, so a verifier accepts them
 * where that root is trusted by name, and the result says `assurance: 'simulator'`.
 *
 * @throws {InvalidInputError} for an image without parts.
 * @example
 * ```ts
 * import { assertNitroAttestation } from '@newton/policy-sdk/enclave'
 * import { createSimulator } from '@newton/policy-sdk/enclave/simulator'
 *
 * const simulator = createSimulator({ image: [{ name: 'evaluator', bytes: Uint8Array.of(1, 2, 3) }] })
 * const attestation = await assertNitroAttestation(await simulator.nsm.attest({}), {
 *   ...simulator.policy,
 *   freshness: { kind: 'maxAge', maxAge: 60_000 },
 *   binding: { userData: 'absent', publicKey: 'absent' },
 * })
 * attestation.assurance // 'simulator'
 * ```
 */
export function createSimulator(parameters: SimulatorParameters): Simulator {
  const {
    image,
    seed,
    now = Date.now,
    debug = false,
    map = 'indefinite',
    signatures = 'natural',
  } = parameters
  if (seed !== undefined && (!(seed instanceof Uint8Array) || seed.length < 16)) {
    throw new InvalidInputError({ field: 'seed', reason: 'expected 16 bytes or more' })
  }
  const measurements = measureImage({ image, version: parameters.version })
  const moduleId = 'i-00000000000000000-enc000000000000000sim'
  const pki = createSimulatorPki({ moduleId, seed, signatures, overrides: parameters.pki })
  let fault: DocumentFault | undefined
  const device = createSimulatedDevice({
    moduleId,
    pki,
    pcrs: initialBank(measurements, { moduleId, debug }),
    form: { map, signatures },
    sign: parameters.sign,
    now,
    randomBytes: parameters.randomBytes ?? defaultRandomBytes,
    fault: () => fault,
  })
  return {
    root: pki.root,
    measurements,
    moduleId,
    device,
    nsm: createNsm(device),
    policy: {
      roots: [{ sha256: pki.root.sha256 }],
      insecureTrustRoot: true,
      measurements: [measurements.pcrs],
      clock: now,
    },
    setFault: (next) => {
      fault = next
    },
  }
}

function initialBank(
  { pcrs }: SimulatorMeasurements,
  { moduleId, debug }: { moduleId: string; debug: boolean },
): ReadonlyMap<number, Uint8Array> {
  const instance = new TextEncoder().encode(moduleId.split('-enc')[0])
  const bank = new Map<number, Uint8Array>([[4, extendPcr(new Uint8Array(48), instance)]])
  if (!debug) for (const index of [0, 1, 2] as const) bank.set(index, fromHex(pcrs[index]))
  return bank
}
