/** Builds that a control plane tries where nobody says how a plugin was built, and what becomes of a match. */

import { isPolicySdkError } from '../../../errors/base.js'
import {
  assertCandidates,
  type BuildCandidates,
  type RecordedClaim,
} from '../../../provenance/index.js'
import { type SinkParameters, submitBuildInfoSync } from '../../../registry/index.js'
import { UsageError } from '../../errors.js'
import { readJsonObject } from '../../files.js'
import type { Terminal } from '../../terminal/output.js'

/** Option of the control plane. */
export const candidateArgs = {
  candidates: {
    type: 'string',
    description: 'What to try where nobody says how a plugin was built: sources, images, options',
    valueHint: 'file.json',
  },
} as const

/**
 * Reads the file of `--candidates`.
 *
 * @throws {UsageError} where no builds can be made of it.
 */
export async function candidatesOf(
  terminal: Terminal,
  path: string | undefined,
): Promise<BuildCandidates | undefined> {
  if (path === undefined) return undefined
  const candidates = (await readJsonObject(terminal, path)) as unknown as BuildCandidates
  try {
    assertCandidates(candidates)
  } catch (cause) {
    throw new UsageError(`${path} holds no candidates.`, {
      cause: cause as Error,
      metaMessages: [
        (cause as Error).message.split('\n')[0] as string,
        'Its form: { "sources": [{ "sourceSha256": "0x…", "sourceUri": "https://…" }],',
        '  "images": [{ "archs": { "linux-x64": "newton-toolchain@sha256:…" }, "determinism": "newton-det/2" }],',
        '  "options": [["--world=0.2"], ["--world=0.1"]] }',
      ],
    })
  }
  return candidates
}

/** What became of the build information of a match that nobody had named. */
export type GuessEvent =
  | { type: 'control.published'; wasmHash: string; buildInfoHash: string }
  | { type: 'control.unpublished'; wasmHash: string; buildInfo: object; error: unknown }

/**
 * Submits the build information of a match that nobody had named: until it is in the registry, readers know no
 * build behind the claim. An account that is no manager of the registry says it, for one that is.
 */
export function publishGuess(
  { client, ...fixed }: SinkParameters,
  tell: (event: GuessEvent) => void,
): (claim: RecordedClaim) => Promise<void> {
  return async ({ guessed, evidence, buildInfo }) => {
    if (guessed !== true) return
    const { wasmHash, buildInfoHash } = evidence
    try {
      await submitBuildInfoSync(client as Parameters<typeof submitBuildInfoSync>[0], {
        ...{ ...fixed, wasmHash, buildInfo },
      })
      tell({ type: 'control.published', wasmHash, buildInfoHash })
    } catch (error) {
      if (!isPolicySdkError(error) || error.retryable) throw error
      tell({ type: 'control.unpublished', wasmHash, buildInfo, error })
    }
  }
}
