/** `/memstore/config` of the fake EigenDA proxy. */
import { formatGoDuration, parseGoDuration } from './goDuration.js'

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

/** Applies a `PATCH /memstore/config`; returns what is wrong with it. */
export function patchConfig(config: FakeMemstoreConfig, body: Uint8Array): string | undefined {
  let update: Record<string, unknown>
  try {
    update = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>
  } catch (error) {
    return (error as Error).message
  }
  const change: Partial<FakeMemstoreConfig> = {}
  for (const [member, name] of [
    ['PutLatency', 'putLatency'],
    ['GetLatency', 'getLatency'],
    ['BlobExpiration', 'blobExpiration'],
  ] as const) {
    const value = update[member]
    if (value === undefined || value === null) continue
    const duration = parseGoDuration(String(value))
    if (duration === undefined) return `time: invalid duration ${JSON.stringify(value)}`
    change[name] = duration
  }
  if (typeof update['PutReturnsFailoverError'] === 'boolean')
    change.putReturnsFailoverError = update['PutReturnsFailoverError']
  if (typeof update['MaxBlobSizeBytes'] === 'number')
    change.maxBlobSizeBytes = update['MaxBlobSizeBytes']
  const error = update['NullableDerivationError'] as
    | { StatusCode?: number; Msg?: string; Reset?: boolean }
    | undefined
  if (error?.Reset) change.derivationError = undefined
  else if (error) {
    const statusCode = error.StatusCode ?? 0
    if (statusCode < 1 || statusCode > 4)
      return `DerivationError: invalid status code ${statusCode}, must be between 1 and 4`
    change.derivationError = { statusCode, msg: error.Msg ?? '' }
  }
  Object.assign(config, change)
  return undefined
}
