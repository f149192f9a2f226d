/** The fetch phase: source archives by their hash, before a build that has no network. */
import { createHash } from 'node:crypto'
import { lookup } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Hex } from 'viem'
import { concatAll } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertCount, assertFlag, assertKnown, assertMembers } from '../../internal/options.js'
import { isPrivateAddress, isPrivateHost } from '../../internal/privateAddress.js'
import { archiveLimits } from '../build/archive.js'
import { SourceUnavailableError } from '../errors.js'

/** Where a fetched file may come from. */
export type FetchOptions = IoOptions & {
  /** Lets it come from private addresses and over plain http: for devnets. @default false */
  allowPrivate?: boolean | undefined
  /** @default 64 MiB */
  maxBytes?: number | undefined
}

/**
 * Reads a file over https. Private addresses are refused when the connection is made, redirects always.
 *
 * @throws {SourceUnavailableError} for anything but the whole file.
 */
export async function fetchGuarded(url: string, options: FetchOptions = {}): Promise<Uint8Array> {
  assertKnown('options', options, ['allowPrivate', 'maxBytes', 'signal', 'timeout'])
  const { allowPrivate = false, maxBytes = archiveLimits.archiveBytes, ...io } = options
  assertFlag('allowPrivate', allowPrivate)
  assertCount('maxBytes', maxBytes)
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isAllowed = parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && allowPrivate)
  if (parsed === undefined || !isAllowed || parsed.username !== '') {
    throw new SourceUnavailableError('its address is not https')
  }
  if (!allowPrivate && isPrivateHost(parsed.hostname)) {
    throw new SourceUnavailableError('its address is private')
  }
  return withDeadline('Fetching the source', { timeout: 300_000, ...io }, (signal) =>
    read(parsed, { signal, maxBytes, ...(allowPrivate ? {} : { lookup: publicLookup }) }),
  )
}

/**
 * Reads a source archive from mirrors, which are asked for `<mirror>/<sha256>.tar`, else from where its build
 * information says. The first that has the right bytes ends it: who wrote the build information, and may answer
 * as slowly as they like, is asked last, and not at all where a mirror has it.
 *
 * @returns what was found, the right one last. Whether it is the archive is told by whoever opens it.
 */
export async function fetchSource(
  source: { sourceSha256: Hex; sourceUri?: string | undefined },
  options: FetchOptions & { mirrors?: readonly string[] | undefined } = {},
): Promise<Uint8Array[]> {
  const { mirrors = [], ...rest } = options
  assertMembers('source', source, ['sourceSha256'])
  const { sourceSha256, sourceUri } = source
  const digest = sourceSha256.slice(2)
  const urls = [
    ...mirrors.map((mirror) => `${mirror.replace(/\/$/, '')}/${digest}.tar`),
    ...(sourceUri === undefined ? [] : [sourceUri]),
  ]
  const found: Uint8Array[] = []
  let last: unknown
  for (const url of urls) {
    try {
      const bytes = await fetchGuarded(url, rest)
      found.push(bytes)
      if (createHash('sha256').update(bytes).digest('hex') === digest) break
    } catch (error) {
      rest.signal?.throwIfAborted()
      last = error
    }
  }
  if (found.length > 0) return found
  throw new SourceUnavailableError('nobody has it', { cause: last })
}

type ReadOptions = { signal: AbortSignal; maxBytes: number; lookup?: LookupFunction }

function read(url: URL, { maxBytes, ...options }: ReadOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown): void =>
      reject(new SourceUnavailableError(reason, { cause }))
    const { get } = url.protocol === 'https:' ? https : http
    const request = get(url, { ...options, agent: false }, (response) => {
      if (response.statusCode !== 200) {
        response.destroy()
        return fail(`its server answered with status ${response.statusCode}`)
      }
      const parts: Uint8Array[] = []
      let length = 0
      response.on('data', (part: Uint8Array) => {
        length += part.length
        if (length <= maxBytes) parts.push(part)
        else response.destroy(new SourceUnavailableError(`it has over ${maxBytes} bytes`))
      })
      response.on('error', (error) => fail('its server broke off', error))
      response.on('end', () => resolve(concatAll(parts)))
      return undefined
    })
    request.on('error', (error) => fail('its server cannot be reached', error))
  })
}

/** Resolves a name, and gives no private address: what is checked is what is connected to. */
const publicLookup: LookupFunction = (name, options, answer) => {
  if (isIP(name) !== 0)
    return answer(null, isPrivateAddress(name) ? [] : [{ address: name, family: isIP(name) }])
  return lookup(name, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return answer(error, [])
    const publics = addresses.filter(({ address }) => !isPrivateAddress(address))
    if (publics.length === 0) {
      return answer(
        new SourceUnavailableError('its address is private') as NodeJS.ErrnoException,
        [],
      )
    }
    return options.all === true
      ? answer(null, publics)
      : answer(null, publics[0]?.address as string, publics[0]?.family)
  })
}
