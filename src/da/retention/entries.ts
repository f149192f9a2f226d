/** The artifacts of a keeper as its owner lists them, each checked for itself. */
import type { Hex } from 'viem'
import { artifactHashBytes, isArtifactNamespace } from '../../core/artifact.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertList, assertObject } from '../../internal/options.js'
import type { RetentionEntry, RetentionFinding } from './plan.js'
import { type Round, within } from './within.js'

/** Reads the artifacts that are kept now. */
export type EntryReader = (findings: RetentionFinding[], io: Round) => Promise<RetentionEntry[]>

/**
 * Reads the list. An entry that is none, and a locator that is none, is a finding and not the end of
 * the others.
 *
 * @throws {InvalidInputError} from the reader, when there is no list.
 */
export function createEntryReader(
  entries: (options: IoOptions) => Promise<readonly RetentionEntry[]>,
): EntryReader {
  // Lists are long, and mostly the same at each run.
  const checked = new WeakSet<object>()
  return async (findings, io) => {
    const listed: unknown = await within('entries', io, entries)
    assertList('entries', listed)
    const read: RetentionEntry[] = []
    for (const [index, entry] of listed.entries()) {
      try {
        read.push(readEntry(entry, { field: `entries[${index}]`, findings, checked }))
      } catch (error) {
        findings.push({ type: 'notPlanned', artifactHash: hashOf(entry), error })
      }
    }
    return read
  }
}

function readEntry(
  entry: unknown,
  {
    field,
    findings,
    checked,
  }: { field: string; findings: RetentionFinding[]; checked: WeakSet<object> },
): RetentionEntry {
  assertObject(field, entry)
  const { artifactHash: hash, templateId, namespace, locators, policy } = entry as RetentionEntry
  const artifactHash = toHex(
    artifactHashBytes(hash, { field: `${field}.artifactHash`, optional: false }),
  )
  fixedFromHex(templateId, 32, `${field}.templateId`)
  if (!isArtifactNamespace(namespace)) {
    const reason = `expected one of an artifact, got ${String(namespace)}`
    throw new InvalidInputError({ field: `${field}.namespace`, reason })
  }
  assertList(`${field}.locators`, locators)
  const readable: DaLocator[] = []
  for (const locator of locators) {
    try {
      assertObject(`${field}.locators`, locator)
      if (!checked.has(locator)) encodeLocator(locator as DaLocator)
      checked.add(locator)
      readable.push(locator as DaLocator)
    } catch (error) {
      findings.push({ type: 'unknownExpiry', artifactHash, error })
    }
  }
  // Anything but the one word that lets a copy go keeps it.
  return { artifactHash, templateId, namespace, locators: readable, policy }
}

function hashOf(entry: unknown): Hex | undefined {
  try {
    const { artifactHash } = entry as { artifactHash?: unknown }
    return typeof artifactHash === 'string' ? (artifactHash as Hex) : undefined
  } catch {
    return undefined
  }
}
