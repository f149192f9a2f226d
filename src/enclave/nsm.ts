/**
 * The Nitro Secure Module as an enclave sees it: seven requests in CBOR over one device.
 *
 * Source: `aws-nitro-enclaves-nsm-api`. The device is `/dev/nsm` in a real enclave, reached through a
 * bridge, or the simulator; everything above the device is the same code.
 */
import { BaseError, type BaseErrorOptions } from '../errors/base.js'
import { InvalidInputError } from '../errors/common.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import { EnclaveCborError } from './cbor/errors.js'
import { type CborMap, type CborValue, readCbor } from './cbor/read.js'
import { type CborInput, writeCbor } from './cbor/write.js'

/** Most bytes of a request to the device. */
export const NSM_MAX_REQUEST = 4096
/** Most bytes of an answer of the device. */
export const NSM_MAX_RESPONSE = 12_288

/** One call of the device: CBOR in, CBOR out. */
export type NsmDevice = {
  call(request: Uint8Array, options?: IoOptions): Promise<Uint8Array>
}

/** What the module says about itself. */
export type NsmDescription = {
  version: string
  moduleId: string
  maxPcrs: number
  lockedPcrs: readonly number[]
  digest: string
}

/** The module's requests. */
export type Nsm = {
  describe(options?: IoOptions): Promise<NsmDescription>
  describePcr(index: number, options?: IoOptions): Promise<{ locked: boolean; data: Uint8Array }>
  /** `PCR' = SHA-384(PCR ‖ data)`; returns the new value. */
  extendPcr(
    parameters: { index: number; data: Uint8Array },
    options?: IoOptions,
  ): Promise<Uint8Array>
  lockPcr(index: number, options?: IoOptions): Promise<void>
  /** Locks PCRs 0 to `count - 1`. */
  lockPcrs(count: number, options?: IoOptions): Promise<void>
  /** An attestation document over the three optional fields. */
  attest(
    parameters: {
      userData?: Uint8Array | undefined
      nonce?: Uint8Array | undefined
      publicKey?: Uint8Array | undefined
    },
    options?: IoOptions,
  ): Promise<Uint8Array>
  random(options?: IoOptions): Promise<Uint8Array>
}

/** Errors that the module answers with. */
export const nsmErrorNames = [
  'InvalidArgument',
  'InvalidIndex',
  'InvalidResponse',
  'ReadOnlyIndex',
  'InvalidOperation',
  'BufferTooSmall',
  'InputTooLarge',
  'InternalError',
] as const

/** An error that the module answers with. */
export type NsmErrorName = (typeof nsmErrorNames)[number]

/** The NSM refused a request, or its answer is not one. */
export class NsmError extends BaseError {
  override readonly name = 'NsmError'
  override readonly code = 'NSM_ERROR'
  /** The module's own name of the failure. */
  readonly fault: NsmErrorName

  constructor(
    { request, fault }: { request: string; fault: NsmErrorName },
    options: BaseErrorOptions = {},
  ) {
    super(`The NSM answered ${request} with ${fault}.`, options)
    this.fault = fault
  }
}

/**
 * Gives the module's requests over a device.
 *
 * @example
 * ```ts
 * import { createNsm } from '@newton/policy-sdk/enclave'
 * import { createSimulator } from '@newton/policy-sdk/enclave/simulator'
 *
 * const simulator = createSimulator({ image: [{ name: 'app', bytes: Uint8Array.of(1) }] })
 * const nsm = createNsm(simulator.device)
 * await nsm.random()
 * ```
 */
export function createNsm(device: NsmDevice): Nsm {
  const call = async (
    name: string,
    fields: { readonly [key: string]: CborInput | undefined } | undefined,
    options: IoOptions = {},
  ): Promise<CborMap> => {
    const request = writeCbor(fields === undefined ? name : { [name]: fields })
    if (request.length > NSM_MAX_REQUEST)
      throw new NsmError({ request: name, fault: 'InputTooLarge' })
    const answer = await withDeadline(`The NSM request ${name}`, options, (signal) =>
      device.call(request, { signal }),
    )
    return readAnswer(name, answer)
  }
  return {
    describe: async (options) => {
      const map = await call('DescribeNSM', undefined, options)
      const part = (key: string): number => integer('DescribeNSM', map.get(key))
      return {
        version: `${part('version_major')}.${part('version_minor')}.${part('version_patch')}`,
        moduleId: string('DescribeNSM', map.get('module_id')),
        maxPcrs: part('max_pcrs'),
        lockedPcrs: list('DescribeNSM', map.get('locked_pcrs')).map((value) =>
          integer('DescribeNSM', value),
        ),
        digest: string('DescribeNSM', map.get('digest')),
      }
    },
    describePcr: async (index, options) => {
      const map = await call('DescribePCR', { index: pcrIndex(index) }, options)
      return { locked: map.get('lock') === true, data: bytes('DescribePCR', map.get('data')) }
    },
    extendPcr: async ({ index, data }, options) => {
      const map = await call('ExtendPCR', { index: pcrIndex(index), data }, options)
      return bytes('ExtendPCR', map.get('data'))
    },
    lockPcr: async (index, options) => {
      await call('LockPCR', { index: pcrIndex(index) }, options)
    },
    lockPcrs: async (count, options) => {
      await call('LockPCRs', { range: pcrIndex(count) }, options)
    },
    attest: async ({ userData, nonce, publicKey }, options) => {
      const map = await call(
        'Attestation',
        { user_data: userData ?? null, nonce: nonce ?? null, public_key: publicKey ?? null },
        options,
      )
      return bytes('Attestation', map.get('document'))
    },
    random: async (options) =>
      bytes('GetRandom', (await call('GetRandom', undefined, options)).get('random')),
  }
}

function readAnswer(request: string, answer: Uint8Array): CborMap {
  const invalid = (cause?: unknown): NsmError =>
    new NsmError({ request, fault: 'InvalidResponse' }, cause === undefined ? {} : { cause })
  if (!(answer instanceof Uint8Array) || answer.length > NSM_MAX_RESPONSE) throw invalid()
  let value: CborValue
  try {
    value = readCbor(answer, { form: 'lenient', depth: 4, items: 256 })
  } catch (cause) {
    if (cause instanceof EnclaveCborError) throw invalid(cause)
    throw cause
  }
  if (value === request) return new Map()
  if (!(value instanceof Map) || value.size !== 1) throw invalid()
  const fault = value.get('Error')
  if (fault !== undefined) {
    const known = nsmErrorNames.find((name) => name === fault)
    throw new NsmError({ request, fault: known ?? 'InternalError' })
  }
  const content = value.get(request)
  if (!(content instanceof Map)) throw invalid()
  return content
}

function pcrIndex(index: number): number {
  if (!Number.isInteger(index) || index < 0 || index > 65_535) {
    throw new InvalidInputError({ field: 'index', reason: 'expected an integer of 16 bits' })
  }
  return index
}

function bytes(request: string, value: CborValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return new Uint8Array(value)
  throw new NsmError({ request, fault: 'InvalidResponse' })
}

function string(request: string, value: CborValue | undefined): string {
  if (typeof value === 'string') return value
  throw new NsmError({ request, fault: 'InvalidResponse' })
}

function integer(request: string, value: CborValue | undefined): number {
  if (typeof value === 'number') return value
  throw new NsmError({ request, fault: 'InvalidResponse' })
}

function list(request: string, value: CborValue | undefined): CborValue[] {
  if (Array.isArray(value)) return value
  throw new NsmError({ request, fault: 'InvalidResponse' })
}
