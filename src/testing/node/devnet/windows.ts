/** Commit windows of a development network: time is moved to their end, operators do the rest. */
import type { Hex, PublicClient } from 'viem'
import type { WindowOutcome } from '../../../operator/index.js'
import { type ArtifactRef, type CommitProposal, decodeDelta } from '../../../statetree/index.js'
import { type Anvil, AnvilError } from '../anvil.js'
import type { DevnetOperator } from './operators.js'

/** What one window ended in. */
export type CommitOutcome = {
  sequenceNo: bigint
  root: Hex
  /** Number of artifacts that came into the tree. */
  included: number
  /** Number of writes of the private-data layer. */
  foreign: number
  /** Artifacts that were due and that nobody had the bytes of: they are tried again. */
  omitted: readonly ArtifactRef[]
  signers: number
  proposal: CommitProposal
  transactionHash: Hex
}

/** The windows of a network. */
export type DevnetWindows = {
  /** Takes what an operator's window ended in. */
  note(operator: Hex, timestamp: bigint, outcome: WindowOutcome): void
  commit(): Promise<CommitOutcome | undefined>
}

type Ended = WindowOutcome & { operator: Hex }

/** Looks at a window before it is given up for the next one: a peer may have been slow. */
const LOOKS = 3
/** Windows in a row without a commit that was due: more than one proposer is tried. */
const WINDOWS = 4

/** Creates the windows of a network whose operators run. */
export function createWindows(parameters: {
  anvil: Anvil
  client: PublicClient
  operators: () => readonly DevnetOperator[]
  /** Told to what the chain's clock is moved. */
  onMove?: ((timestamp: bigint) => void) | undefined
}): DevnetWindows {
  const { anvil, client, operators } = parameters
  const ended = new Map<bigint, Ended[]>()
  let landed: CommitOutcome | undefined

  const look = async (timestamp: bigint): Promise<'landed' | 'not due' | 'missed'> => {
    for (let looks = 0; looks < LOOKS; looks++) {
      await Promise.allSettled(operators().map(({ windows }) => windows.tick()))
      const outcomes = ended.get(timestamp) ?? []
      const is = (status: WindowOutcome['status']): boolean =>
        outcomes.some((outcome) => outcome.status === status)
      if (is('landed')) return 'landed'
      if (is('no quorum')) continue
      // Its proposer does not run: the next window has another one.
      if (is('not proposer')) return 'missed'
      if (is('not due')) return 'not due'
    }
    return 'missed'
  }
  const take = (): CommitOutcome | undefined => {
    const taken = landed
    landed = undefined
    return taken
  }
  return {
    note(operator, timestamp, outcome) {
      ended.set(timestamp, [...(ended.get(timestamp) ?? []), { ...outcome, operator }])
      for (const oldest of ended.keys()) {
        if (ended.size <= 2 * WINDOWS) break
        ended.delete(oldest)
      }
      if (outcome.status === 'landed') landed = outcomeOf(outcome)
    },
    async commit() {
      const [first] = operators()
      if (first === undefined) throw new AnvilError('A network without operators commits nothing.')
      const { window } = first.pipeline.parameters
      let timestamp = 0n
      for (let windows = 0; windows < WINDOWS; windows++) {
        const { timestamp: now } = await client.getBlock()
        timestamp = (now / window + 1n) * window
        parameters.onMove?.(timestamp)
        await moveTo(anvil, timestamp)
        const result = await look(timestamp)
        if (result === 'missed') continue
        await followAll(operators(), landed?.sequenceNo)
        // A window that ended by itself since the last call counts as well.
        return take()
      }
      const said = (ended.get(timestamp) ?? []).flatMap((outcome) =>
        'faults' in outcome
          ? outcome.faults.map(({ operator, detail }) => `${operator}: ${detail}`)
          : [],
      )
      throw new AnvilError(`No commit landed in ${WINDOWS} windows. ${said.join(' ')}`.trimEnd())
    },
  }
}

/** One block at a time, one after it: the cutoff block of a window is then the last one before or at it. */
export async function moveTo(anvil: Anvil, timestamp: bigint): Promise<void> {
  for (const at of [timestamp, timestamp + 1n]) {
    await anvil.rpc('evm_setNextBlockTimestamp', [Number(at)])
    await anvil.rpc('anvil_mine', ['0x1'])
  }
}

/** Every operator takes over what landed; one that cannot says so itself. */
async function followAll(
  operators: readonly DevnetOperator[],
  sequenceNo: bigint | undefined,
): Promise<void> {
  if (sequenceNo === undefined) return
  await Promise.allSettled(
    operators.map(async ({ pipeline, windows }) => {
      for (let looks = 0; looks < LOOKS && pipeline.head().sequenceNo < sequenceNo; looks++) {
        await windows.tick()
      }
    }),
  )
}

function outcomeOf(outcome: Extract<WindowOutcome, { status: 'landed' }>): CommitOutcome {
  const { proposal, signers, transactionHash } = outcome
  const { included, foreign, omitted } = decodeDelta(proposal.delta)
  return {
    sequenceNo: proposal.commit.sequenceNo,
    root: proposal.commit.newStateRoot,
    included: included.length,
    foreign: foreign.length,
    omitted,
    signers: signers.length,
    proposal,
    transactionHash,
  }
}
