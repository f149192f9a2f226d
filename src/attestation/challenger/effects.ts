/**
 * Looks again at challenges that seem done. What is seen at the newest block can be reorganized away,
 * and a challenge that somebody else only announced settles nothing: an entry ends when its signers
 * were seen slashed in a block that has stayed.
 */
import { obtain } from '../verify/reader.js'
import { accuse, accusedSigners, type EntryPass, kindOf } from './filing.js'
import type { OutboxEntry } from './state.js'
import type { ChallengerPass, ChallengerRun } from './types.js'
import { isPast, saveState } from './work.js'

/** Blocks after which a block is held to stay, where nothing else is said. */
export const DEFAULT_FINALITY_DEPTH = 64n

/** Looks at every challenge that was filed, here or by others, and is not final yet. */
export async function lookAgain(
  run: ChallengerRun,
  pass: ChallengerPass & { head: bigint },
): Promise<void> {
  const { state } = pass
  for (const entry of state.outbox) {
    if (entry.status !== 'filed' && entry.status !== 'settled') continue
    try {
      await lookAtEntry(run, { ...pass, entry })
    } catch (error) {
      if (pass.options.signal?.aborted === true) throw pass.options.signal.reason
      // One that cannot be read now keeps no other from being looked at.
      run.onEvent?.({ type: 'retry', messageHash: entry.id, kind: kindOf(entry), error })
    }
  }
  await saveState(run, state)
}

async function lookAtEntry(run: ChallengerRun, pass: EntryPass & { head: bigint }): Promise<void> {
  const { entry, head, options } = pass
  const { finalityDepth = DEFAULT_FINALITY_DEPTH } = run
  if (entry.effect === undefined) await readEffect(run, pass)
  const { effect } = entry
  if (effect === undefined || head < BigInt(effect.number) + finalityDepth) return
  const what = { reason: 'RPC_FAILED', detail: 'reading blocks', signal: options.signal } as const
  const { registry } = run.reader
  const number = BigInt(effect.number)
  const block = await obtain(what, () => registry.getBlock(number, options))
  if (block === null) return
  if (block.hash.toLowerCase() !== effect.hash.toLowerCase()) entry.effect = undefined
  else {
    entry.status = 'final'
    run.onEvent?.({ type: 'final', messageHash: entry.id, kind: kindOf(entry), block: number })
  }
}

/** Whether all signers that were reached are slashed at the newest block. */
async function readEffect(run: ChallengerRun, pass: EntryPass & { head: bigint }): Promise<void> {
  const { entry, head, options } = pass
  if (run.sink.slashedSigners === undefined) return
  const accusation = await accuse(run, pass)
  const unfiled = entry.unfiled ?? []
  const operatorIndices = accusedSigners(entry, accusation).filter(
    (index) => !unfiled.includes(index),
  )
  const { block, slashed } = await run.sink.slashedSigners(
    { messageHash: entry.id, operatorIndices },
    options,
  )
  const missing = operatorIndices.filter((index) => !slashed.includes(index))
  if (missing.length === 0) entry.effect = { number: String(block.number), hash: block.hash }
  else if (block.number >= head) reopen(run, { entry, missing, head })
}

function reopen(
  run: ChallengerRun,
  { entry, missing, head }: { entry: OutboxEntry; missing: readonly number[]; head: bigint },
): void {
  const messageHash = entry.id
  const kind = kindOf(entry)
  if (isPast(run, { entry, head })) {
    entry.status = 'expired'
    run.onEvent?.({ type: 'expired', messageHash, kind })
    return
  }
  entry.status = 'pending'
  entry.unfiled = [...(entry.unfiled ?? []), ...missing].sort((a, b) => a - b)
  entry.nextAt = 0
  run.onEvent?.({ type: 'reopened', messageHash, kind })
}
