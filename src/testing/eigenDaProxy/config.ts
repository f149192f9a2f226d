/** `/memstore/config` of the fake EigenDA proxy. */
import { formatGoDuration, parseGoDuration } from './goDuration.js'
import { readGoJson } from './goJson.js'

/** State of the memory store, as `GET /memstore/config` shows it. */
export type FakeMemstoreConfig = {
  maxBlobSizeBytes: number
  /** Milliseconds; zero keeps blobs. */
  blobExpiration: number
  putLatency: number
  getLatency: number
  putReturnsFailoverError: boolean
  derivationError: { statusCode: number; msg: string } | undefined
}

export function showConfig(
  config: FakeMemstoreConfig,
  certVersion: number,
): Record<string, unknown> {
  return {
    MaxBlobSizeBytes: config.maxBlobSizeBytes,
    BlobExpiration: formatGoDuration(config.blobExpiration),
    PutLatency: formatGoDuration(config.putLatency),
    GetLatency: formatGoDuration(config.getLatency),
    PutReturnsFailoverError: config.putReturnsFailoverError,
    OverwritePutWithDerivationError: config.derivationError
      ? { StatusCode: config.derivationError.statusCode, Msg: config.derivationError.msg }
      : null,
    CertVersion: certVersion,
  }
}

/** What a `PATCH` ends in, where not in the new configuration. */
export type PatchProblem =
  /** Status 400 with a text. */
  | { message: string }
  /** The handler panics, which ends the connection without an answer. */
  | 'panic'

/**
 * Applies a `PATCH /memstore/config`: member by member in the order of the handler, so that what
 * comes before a fault is applied.
 */
export function patchConfig(
  config: FakeMemstoreConfig,
  body: Uint8Array,
): PatchProblem | undefined {
  const parsed = readGoJson(new TextDecoder().decode(body))
  if ('message' in parsed) return parsed
  const problem = typeProblem(parsed.value)
  if (problem !== undefined) return { message: problem }
  // A `null` of JSON is the empty update, as an absent member is.
  const update = membersOf((parsed.value ?? {}) as Record<string, unknown>)
  for (const step of steps) {
    const value = update[step.member]
    if (value === undefined || value === null) continue
    const failed = step.apply(config, value)
    if (failed !== undefined) return failed
  }
  return undefined
}

type Member =
  | 'PutLatency'
  | 'GetLatency'
  | 'PutReturnsFailoverError'
  | 'MaxBlobSizeBytes'
  | 'BlobExpiration'
  | 'NullableDerivationError'

type Step = {
  member: Member
  apply(config: FakeMemstoreConfig, value: unknown): PatchProblem | undefined
}

const steps: readonly Step[] = [
  durationStep('PutLatency', 'putLatency'),
  durationStep('GetLatency', 'getLatency'),
  {
    member: 'PutReturnsFailoverError',
    apply(config, value) {
      config.putReturnsFailoverError = value as boolean
      return undefined
    },
  },
  {
    member: 'MaxBlobSizeBytes',
    apply(config, value) {
      config.maxBlobSizeBytes = value as number
      return undefined
    },
  },
  durationStep('BlobExpiration', 'blobExpiration'),
  {
    member: 'NullableDerivationError',
    apply(config, value) {
      const { StatusCode = 0, Msg = '', Reset } = value as DerivationUpdate
      if (Reset) config.derivationError = undefined
      else if (StatusCode < 1 || StatusCode > 4) return 'panic'
      else config.derivationError = { statusCode: StatusCode, msg: Msg }
      return undefined
    },
  },
]

type DerivationUpdate = { StatusCode?: number; Msg?: string; Reset?: boolean }

function durationStep(member: Member, name: 'putLatency' | 'getLatency' | 'blobExpiration'): Step {
  return {
    member,
    apply(config, value) {
      const duration = parseGoDuration(value as string)
      if (duration === undefined)
        return { message: `time: invalid duration ${JSON.stringify(value)}` }
      config[name] = duration
      return undefined
    },
  }
}

const types: Readonly<Record<Member, { go: string; fits(value: unknown): boolean }>> = {
  PutLatency: { go: 'string', fits: (value) => typeof value === 'string' },
  GetLatency: { go: 'string', fits: (value) => typeof value === 'string' },
  BlobExpiration: { go: 'string', fits: (value) => typeof value === 'string' },
  PutReturnsFailoverError: { go: 'bool', fits: (value) => typeof value === 'boolean' },
  MaxBlobSizeBytes: {
    go: 'uint64',
    fits: (value) => Number.isInteger(value) && Number(value) >= 0,
  },
  NullableDerivationError: {
    go: 'memconfig.NullableDerivationError',
    fits: (value) => typeof value === 'object' && !Array.isArray(value),
  },
}

/** What Go says of the first member that does not fit its field. */
function typeProblem(value: unknown): string | undefined {
  if (value === null) return undefined
  if (typeof value !== 'object' || Array.isArray(value))
    return `json: cannot unmarshal ${goKind(value)} into Go value of type memconfig.ConfigUpdate`
  const update = membersOf(value as Record<string, unknown>)
  for (const [member, given] of Object.entries(update)) {
    const type = types[member as Member]
    if (given === null || type.fits(given)) continue
    // A field of integers names the number that it cannot hold.
    const number = typeof given === 'number' && type.go === 'uint64' ? ` ${given}` : ''
    return `json: cannot unmarshal ${goKind(given)}${number} into Go struct field ConfigUpdate.${member} of type ${type.go}`
  }
  const error = update.NullableDerivationError as DerivationUpdate | null | undefined
  const { StatusCode } = error ?? {}
  if (StatusCode === undefined || StatusCode === null || isByte(StatusCode)) return undefined
  const number = typeof StatusCode === 'number' ? ` ${StatusCode}` : ''
  return `json: cannot unmarshal ${goKind(StatusCode)}${number} into Go struct field NullableDerivationError.NullableDerivationError.DerivationError.StatusCode of type uint8`
}

function isByte(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255
}

// Go matches the names of members without regard to case, and passes over those that it has not.
function membersOf(value: Record<string, unknown>): Partial<Record<Member, unknown>> {
  const known = Object.keys(types) as Member[]
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      const match = known.find((one) => one.toLowerCase() === name.toLowerCase())
      return match ? [[match, member]] : []
    }),
  )
}

function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
