/** What a client, a source or another part that a caller made must have to be used at all. */
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaClient, DaRetention } from '../../core/interfaces/daClient.js'
import {
  assertChoice,
  assertCount,
  assertFunctions,
  assertList,
  assertMembers,
} from '../../internal/options.js'

/**
 * Refuses what is no client: durability rests on what it says of its retention.
 *
 * @throws {InvalidInputError} naming the member.
 */
export function assertDaClient(field: string, client: unknown): asserts client is DaClient {
  const given = client as DaClient
  assertMembers(field, given, ['kind', 'retention'])
  assertFunctions(field, given, ['put', 'get', 'getWithVerification'])
  assertRetention(`${field}.retention`, given.retention)
}

/** Refuses a retention that says nothing. */
export function assertRetention(field: string, retention: DaRetention): void {
  assertMembers(field, retention, ['kind'])
  assertChoice(`${field}.kind`, retention.kind, ['permanent', 'expires'])
  if (retention.kind === 'expires') assertCount(`${field}.seconds`, retention.seconds)
}

/** Refuses a list with something else than clients in it. */
export function assertDaClients(field: string, clients: unknown): void {
  assertList(field, clients)
  for (const [index, client] of clients.entries()) assertDaClient(`${field}[${index}]`, client)
}

/** Refuses what is no source of artifacts. */
export function assertSource(field: string, source: unknown): asserts source is ArtifactSource {
  assertFunctions(field, source as ArtifactSource, ['getArtifact'])
}
