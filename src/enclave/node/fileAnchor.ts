import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { SealedStateError, StateRollbackError } from '../store/errors.js'
import { type StateAnchor, takesStep } from '../store/sealed/anchor.js'
import type { StatePlace } from '../store/sealed/record.js'

/** Steps that are kept, so that a writer that fell asleep finds its place taken. */
const keptSteps = 64

/**
 * An anchor in a folder, for a disk that the host of the sealed records does not control: a mount of another
 * machine, a write-once volume. On the host's own disk it protects from accidents, not from the host.
 *
 * Each step is a file of its own that is linked into place, so of several processes one takes it.
 *
 * @example
 * ```ts
 * import { openSealedKv } from '@newton/policy-sdk/enclave'
 * import { fileAnchor, fileBlobs } from '@newton/policy-sdk/enclave/node'
 *
 * const key = crypto.getRandomValues(new Uint8Array(32))
 * const kv = await openSealedKv({
 *   key,
 *   blobs: fileBlobs({ directory: './state' }),
 *   anchor: fileAnchor({ directory: '/mnt/other-disk/anchor' }),
 * })
 * ```
 */
export function fileAnchor(parameters: { directory: string }): StateAnchor {
  const { directory } = parameters
  if (typeof directory !== 'string' || directory === '') {
    throw new InvalidInputError({ field: 'directory', reason: 'expected a path' })
  }
  const path = (sequence: bigint): string => join(directory, sequence.toString().padStart(20, '0'))
  const sequences = async (): Promise<bigint[]> => {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const names = (await readdir(directory)).filter((name) => /^[0-9]{20}$/.test(name))
    return names.sort().map((name) => BigInt(name))
  }
  const latest = async (): Promise<StatePlace | undefined> => {
    const sequence = (await sequences()).at(-1)
    if (sequence === undefined) return undefined
    const stateHash = (await readFile(path(sequence), 'utf8')).trim()
    if (!/^0x[0-9a-f]{64}$/.test(stateHash)) {
      throw new SealedStateError({ reason: 'its anchor is not readable' })
    }
    return { sequence, stateHash: stateHash as Hex }
  }
  return {
    latest,
    advance: async (step) => {
      if (!takesStep(await latest(), step)) return
      const next = join(directory, `${randomUUID()}.next`)
      try {
        const file = await open(next, 'wx', 0o600)
        try {
          await file.writeFile(`${step.stateHash}\n`)
          await file.sync()
        } finally {
          await file.close()
        }
        await link(next, path(step.sequence))
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
        // Another process took this place between the look and the step.
        if (takesStep(await latest(), step)) {
          throw new StateRollbackError({ sequence: step.sequence, expected: step.sequence + 1n })
        }
      } finally {
        await rm(next, { force: true })
      }
      const folder = await open(directory, 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
      for (const sequence of (await sequences()).slice(0, -keptSteps)) {
        await rm(path(sequence), { force: true })
      }
    },
  }
}
