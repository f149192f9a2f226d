/** What happens on a devnet, a line each: from its ledger, which all roles write to. */
import type { Hex } from 'viem'
import { evaluateResult } from '../../../core/index.js'
import { pause } from '../../../internal/pause.js'
import type { EventPayload } from '../../../ledger/index.js'
import type { CommitOutcome, Devnet } from '../../../testing/node/index.js'
import type { Terminal } from '../../terminal/output.js'

/** A line for an event, `undefined` for what is told otherwise or told before. */
export type Teller = (payload: EventPayload, hash: string) => string | undefined

/** Tells events. Four operators write the same evaluation down: the certificate is told, once. */
export function createTeller(): Teller {
  const evaluations = new Map<string, { task: string; client: string }>()
  return (payload, hash) => {
    const text = (field: string): string => String(payload[field])
    switch (payload.type) {
      case 'newton.template':
        return `template ${text('templateId')} registered`
      case 'newton.instance':
        return `instance ${text('instanceId')} deployed for ${text('policyClient')}`
      case 'newton.slot':
        return `current ${text('instanceId')} of ${text('policyClient')}`
      case 'newton.evaluation':
        evaluations.set(hash, { task: text('taskId'), client: text('policyClient') })
        return undefined
      case 'newton.attestation': {
        const evaluation = evaluations.get(text('evaluation'))
        evaluations.delete(text('evaluation'))
        const decision = evaluateResult(text('evaluationResult') as Hex) ? 'allow' : 'deny'
        const signers = (payload['signers'] as readonly number[]).length
        return `task ${evaluation?.task ?? '?'}: ${decision} for ${evaluation?.client ?? '?'}, signed by ${signers} operators`
      }
      case 'newton.challenge':
        return `challenge of ${text('messageHash')}: ${text('mismatch')}, in ${text('transactionHash')}`
      case 'newton.anomaly':
        return `anomaly ${text('kind')}: ${text('subject')}, ${text('detail')}`
      default:
        return undefined
    }
  }
}

/** Follows the ledger until the signal fires. What was there before the network started is not told. */
export async function tellHappenings(
  { ledger }: Devnet,
  { terminal, signal, cursor }: { terminal: Terminal; signal: AbortSignal; cursor: string },
): Promise<void> {
  if (ledger === undefined) return
  const tell = createTeller()
  for (let next = cursor; !signal.aborted; ) {
    const read = await ledger.ledger.readSince(next)
    next = read.cursor
    for (const { event } of read.events) {
      const line = tell(event.payload, event.current_hash)
      if (line !== undefined) terminal.stderr(`${line}\n`)
    }
    if (read.events.length === 0) await pause(500, signal)
  }
}

/** Where the ledger ends now. */
export async function endOf({ ledger }: Devnet): Promise<string> {
  const head = ledger?.ledger.head()
  if (ledger === undefined || head === undefined) return '0'
  await ledger.ledger.flush()
  let cursor = '0'
  for (;;) {
    const read = await ledger.ledger.readSince(cursor)
    if (read.events.length === 0) return cursor
    cursor = read.cursor
  }
}

/** A commit's line; none for a window in which nothing was written and nothing is missing. */
export function commitLine(commit: CommitOutcome): string | undefined {
  const { sequenceNo, root, included, foreign, omitted } = commit
  if (included === 0 && foreign === 0 && omitted.length === 0) return undefined
  const line = `commit ${sequenceNo}: ${root}, ${included} artifacts`
  if (omitted.length === 0) return line
  const hashes = omitted.map(({ hash }) => `\n  ${hash}`).join('')
  return `${line}\n  ${omitted.length} left out: nobody has their bytes. Publish them with newton-policy artifact publish <file>${hashes}`
}
