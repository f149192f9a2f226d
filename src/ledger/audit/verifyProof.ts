/** Both proofs of an event, verified together: into its domain's log, and of that log into the meta log. */
import { bytesEqual } from '../../internal/bytes.js'
import { assertKnown, assertMembers } from '../../internal/options.js'
import type { LedgerEvent } from '../events/event.js'
import { decodeMetaRecord } from '../events/metaRoot.js'
import { verifyEvent } from '../events/verify.js'
import type { Checkpoint, CheckpointTrust } from '../log/checkpoint.js'
import { keyOfLog } from '../log/keys.js'
import type { NoteSigned } from '../log/note.js'
import { verifyTlogProof } from '../log/tlogProof.js'
import { type EventProof, metaLog } from '../writer/types.js'
import { metaKeys } from './files.js'

/** What {@link verifyEventProof} answers; `check` is the first that failed. */
export type VerifiedEventProof =
  | {
      status: 'verified'
      event: LedgerEvent
      /** The event's place in its domain's log. */
      domain: string
      index: bigint
      /** Checkpoint of the meta log, and who cosigned it. */
      meta: Checkpoint
      cosigned: NoteSigned[]
    }
  | { status: 'invalid'; check: 'event' | 'domainProof' | 'metaProof' | 'metaRoot'; reason: string }

/**
 * Verifies offline that a ledger has an event: the event in itself, its entry in its domain's log, and a
 * MetaRoot record that names that log's size and root in the meta log, under whom `trust` names. Never
 * throws on hostile bytes. Whether its writer was let say it, a replay shows.
 *
 * @param parameters.trust - Of the meta log: its key with its witnesses, or a trust file.
 * @throws {InvalidInputError} where `trust` itself is wrong, and for options that are missing or unknown.
 * @example
 * ```ts
 * import { type CheckpointTrust, type EventProof, verifyEventProof } from '@newton/policy-sdk/ledger'
 *
 * declare const proof: EventProof
 * declare const trust: CheckpointTrust
 * const verdict = verifyEventProof({ proof, ledger: 'ledger.example/eval', trust })
 * if (verdict.status === 'verified') verdict.event.timestamp
 * ```
 */
export function verifyEventProof(parameters: {
  proof: EventProof
  ledger: string
  trust: CheckpointTrust
}): VerifiedEventProof {
  assertMembers('parameters', parameters, ['proof', 'ledger', 'trust'])
  assertKnown('parameters', parameters, ['proof', 'ledger', 'trust'])
  const { proof, ledger, trust } = parameters
  // Asked first, so that a wrong trust shows whatever the proof is.
  const { metaRecord, metaProof } = proof
  const meta = verifyTlogProof({ file: metaProof, entry: metaRecord, trust })
  const verdict = verifyEvent({ entry: proof.entry, ledger })
  if (verdict.status !== 'valid') return invalid('event', verdict.detail)
  const { event } = verdict
  const { domain } = event.payload.ets
  const placed = metaKeys(trust, ledger)
    .map((key) => ({ log: keyOfLog(key, `${ledger}/${domain}`) }))
    .map((log) => verifyTlogProof({ file: proof.domainProof, entry: proof.entry, trust: log }))
    .find(({ status }, at, all) => status === 'verified' || at === all.length - 1)
  if (placed?.status !== 'verified') {
    return invalid('domainProof', placed?.reason ?? `no key of ${ledger}/${metaLog} is trusted`)
  }
  if (meta.status !== 'verified') return invalid('metaProof', meta.reason)
  if (meta.checkpoint.origin !== `${ledger}/${metaLog}`) return invalid('metaProof', 'origin')
  const record = decodeMetaRecord(metaRecord)
  if (record === undefined) return invalid('metaRoot', 'no record whose root is its own')
  const named = record.domains.find(({ name }) => name === domain)
  const { size, root } = placed.checkpoint
  if (named === undefined || named.size !== size || !bytesEqual(named.root, root)) {
    return invalid('metaRoot', 'it names another size or root of the log')
  }
  const { checkpoint, cosigned } = meta
  return { status: 'verified', event, domain, index: placed.index, meta: checkpoint, cosigned }
}

function invalid(
  check: Extract<VerifiedEventProof, { status: 'invalid' }>['check'],
  reason: string,
): VerifiedEventProof {
  return { status: 'invalid', check, reason }
}
