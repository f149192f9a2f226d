/**
 * Bytes of artifacts that anybody may hand in, so that no announcement and no store stands between an
 * author and the tree: only what a template names and no tree has yet, one copy, at a bounded rate.
 */
import type { Hex } from 'viem'
import { type ArtifactNamespace, isArtifactNamespace } from '../../core/artifact.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { assertCount } from '../../internal/options.js'
import { refill } from '../rpc/limits.js'

/** An artifact by what it is and its hash. */
export type ArtifactName = { namespace: ArtifactNamespace; hash: Hex }

/** Parameters of {@link createArtifactIntake}. */
export type ArtifactIntakeParameters = {
  /** Whether a registered template names the artifact and the tree has not got it. */
  isPending: (name: ArtifactName) => boolean | Promise<boolean>
  /** Whether the bytes are here already, and whole: read and hashed, since a name shows nothing. */
  isHeld: (hash: Hex) => Promise<boolean>
  /** Keeps bytes that were checked. */
  keep: (hash: Hex, bytes: Uint8Array) => Promise<void>
  /** @default 16 MiB */
  maxBytes?: number | undefined
  /** Uploads a second, of all callers together, averaged. @default 4 */
  perSecond?: number | undefined
  /** Uploads at once after a pause. @default 16 */
  burst?: number | undefined
  /** Uploads under way at a time. @default 4 */
  concurrent?: number | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}

/** What became of an upload, and its HTTP status. */
export const intakeOutcomes = {
  taken: 201,
  held: 200,
  malformed: 400,
  unwanted: 404,
  'too large': 413,
  'other bytes': 422,
  busy: 429,
} as const

/** What became of an upload. */
export type IntakeOutcome = keyof typeof intakeOutcomes

/** Takes uploads. */
export type ArtifactIntake = {
  /**
   * Takes one upload. `read` is called for what is wanted alone: it gives the body, `undefined` where
   * that is longer than `maxBytes`.
   */
  take(
    name: { namespace: string; hash: string },
    read: (maxBytes: number) => Promise<Uint8Array | undefined>,
  ): Promise<IntakeOutcome>
}

/**
 * Creates the intake of an operator: `PUT /artifacts/<namespace>/<hash>` of its server.
 *
 * @throws {InvalidInputError} for bounds that are none.
 * @example
 * ```ts
 * import { createArtifactIntake } from '@newton/policy-sdk/operator'
 *
 * const intake = createArtifactIntake({
 *   isPending: (name) => registered.has(name.hash) && !pipeline.inTree(name),
 *   isHeld: (hash) => disk.has(hash),
 *   keep: (hash, bytes) => cache.put(hash, bytes),
 * })
 * ```
 */
export function createArtifactIntake(parameters: ArtifactIntakeParameters): ArtifactIntake {
  const { isPending, isHeld, keep, now = Date.now } = parameters
  const { maxBytes = 16_777_216, perSecond = 4, burst = 16, concurrent = 4 } = parameters
  for (const [name, value] of Object.entries({ maxBytes, perSecond, burst, concurrent }))
    assertCount(name, value)
  const account = { tokens: burst, at: now() }
  let running = 0

  const admit = (): boolean => {
    refill(account, { burst, perSecond }, now())
    if (running >= concurrent || account.tokens < 1) return false
    account.tokens -= 1
    running++
    return true
  }
  const judge = async (
    name: ArtifactName,
    read: (maxBytes: number) => Promise<Uint8Array | undefined>,
  ): Promise<IntakeOutcome> => {
    if ((await isPending(name)) !== true) return 'unwanted'
    if (await isHeld(name.hash)) return 'held'
    const bytes = await read(maxBytes)
    if (bytes === undefined) return 'too large'
    if (longKeccakHex(bytes) !== name.hash) return 'other bytes'
    await keep(name.hash, bytes)
    return 'taken'
  }
  return {
    async take({ namespace, hash }, read) {
      const number = /^\d$/.test(namespace) ? Number(namespace) : 0
      if (!isArtifactNamespace(number) || !/^0x[0-9a-f]{64}$/.test(hash)) return 'malformed'
      if (!admit()) return 'busy'
      try {
        return await judge({ namespace: number, hash: hash as Hex }, read)
      } finally {
        running--
      }
    },
  }
}
