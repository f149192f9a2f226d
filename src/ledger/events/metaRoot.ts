/**
 * The root over all domains, and the record of it in the meta log.
 *
 * ```
 * MetaRoot = SHA-256( encode(version) ‖ encode(checkpoint_event_id) ‖ uint32(count)
 *   ‖ for each domain by name: encode(name) ‖ uint64(size) ‖ encode(root) )
 * encode(x) = uint32(length) ‖ bytes
 * ```
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { canonicalBytes, isCanonicalJson, parseJsonBytes } from '../../core/canonicalJson.js'
import type { JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, concat, uintToBytes, utf8 } from '../../internal/bytes.js'
import { fromDecimal } from '../log/encoding.js'
import { isEventId } from './eventId.js'
import { isObject } from './parse.js'

/** A domain's log at a cut. */
export type DomainRoot = { name: string; size: bigint; root: Uint8Array }

/** A cut through all domains: after one event, with all before it and none after it. */
export type MetaRecord = {
  checkpointEventId: string
  domains: readonly DomainRoot[]
  /** `current_hash` of that event. */
  head: string
  metaRoot: Uint8Array
  /** Its place in the chain. */
  seq: bigint
}

/** Version of the formula, as it is hashed. */
export const metaRootVersion = '1'

const domainName = /^[a-z0-9][a-z0-9._-]{0,63}$/
const prefixed = (bytes: Uint8Array): Uint8Array => concat(uintToBytes(bytes.length, 4), bytes)

/**
 * Computes the root over all domains.
 *
 * @throws {InvalidInputError} for names, sizes or roots that no domain has.
 */
export function computeMetaRoot(parameters: {
  checkpointEventId: string
  domains: readonly DomainRoot[]
}): Uint8Array {
  const domains = sorted(parameters.domains)
  const parts = domains.flatMap(({ name, size, root }) => [
    prefixed(utf8(name)),
    uintToBytes(size, 8, 'domains.size'),
    prefixed(root),
  ])
  const head = [prefixed(utf8(metaRootVersion)), prefixed(utf8(parameters.checkpointEventId))]
  return sha256(concat(...head, uintToBytes(domains.length, 4), ...parts))
}

/** The entry of a cut in the meta log. */
export function encodeMetaRecord(record: Omit<MetaRecord, 'metaRoot'>): Uint8Array {
  return canonicalBytes({
    checkpoint_event_id: record.checkpointEventId,
    domains: sorted(record.domains).map(({ name, size, root }) => ({
      name,
      root: bytesToHex(root),
      size: size.toString(),
    })),
    head: record.head,
    meta_root: bytesToHex(computeMetaRoot(record)),
    seq: record.seq.toString(),
    version: metaRootVersion,
  })
}

/** Reads an entry of the meta log; `undefined` for other bytes, and for a root that is not its own. */
export function decodeMetaRecord(bytes: Uint8Array): MetaRecord | undefined {
  try {
    if (!isCanonicalJson(bytes)) return undefined
    const value = parseJsonBytes(bytes)
    if (!isObject(value) || !Array.isArray(value['domains'])) return undefined
    const domains = (value['domains'] as JsonObject[]).map(({ name, root, size }) => ({
      name: name as string,
      root: hexToBytes(root as string),
      size: fromDecimal(size as string) as bigint,
    }))
    const record = {
      checkpointEventId: value['checkpoint_event_id'] as string,
      domains,
      head: value['head'] as string,
      seq: fromDecimal(value['seq'] as string) as bigint,
    }
    if (!isEventId(record.checkpointEventId) || !/^[0-9a-f]{64}$/.test(record.head)) {
      return undefined
    }
    // Written again it is the same bytes: so no member is missing, unknown, or another number.
    if (!bytesEqual(encodeMetaRecord(record), bytes)) return undefined
    return { ...record, metaRoot: computeMetaRoot(record) }
  } catch {
    return undefined
  }
}

function sorted(domains: readonly DomainRoot[]): DomainRoot[] {
  const names = new Set(domains.map(({ name }) => name))
  const wrong = domains.find(({ name, root }) => !domainName.test(name) || root.length !== 32)
  if (wrong !== undefined || names.size !== domains.length) {
    throw new InvalidInputError({
      field: 'domains',
      reason: 'each has a name of its own and a root of 32 bytes',
    })
  }
  return [...domains].sort((a, b) => (a.name < b.name ? -1 : 1))
}
