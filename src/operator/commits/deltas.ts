/** Where a delta is had from: where it was published, else from the operators that keep it. */
import { namespaces } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { concat } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { computeDeltaHash } from '../../statetree/index.js'
import type { DeltaReader } from './committer.js'

/**
 * Creates a reader of deltas. What a peer gives is used only where it hashes to what was asked for.
 *
 * @param parameters.peers - Base URLs of operators, such as `https://operator.example`, asked one after
 * another at `/deltas/<hash>`.
 * @throws {ArtifactUnavailableError} from its calls, where nobody has it.
 */
export function createDeltaReader(parameters: {
  artifacts: ArtifactSource
  peers?: (() => readonly string[]) | undefined
  fetch?: typeof globalThis.fetch | undefined
  /** @default 64 MiB */
  maxBytes?: number | undefined
  /** Milliseconds for one peer. @default 10_000 */
  timeout?: number | undefined
}): DeltaReader {
  const { artifacts, peers = () => [], maxBytes = 64 * 1_048_576, timeout = 10_000 } = parameters
  const fetch: typeof globalThis.fetch =
    parameters.fetch ?? ((...call) => globalThis.fetch(...call))
  return async ({ deltaHash, locators }, io = {}) => {
    let failure: unknown
    try {
      // A name for it is enough: the hash decides.
      return await artifacts.getArtifact(
        { hash: deltaHash, namespace: namespaces.rego, locators },
        io,
      )
    } catch (error) {
      io.signal?.throwIfAborted()
      if (!isPolicySdkError(error)) throw error
      failure = error
    }
    for (const peer of peers()) {
      try {
        const bytes = await withDeadline(
          `delta from ${peer}`,
          { signal: io.signal, timeout },
          (signal) => readPeer(fetch, { url: `${peer}/deltas/${deltaHash}`, maxBytes, signal }),
        )
        if (computeDeltaHash(bytes) === deltaHash) return bytes
      } catch {
        io.signal?.throwIfAborted()
      }
    }
    throw failure
  }
}

async function readPeer(
  fetch: typeof globalThis.fetch,
  { url, maxBytes, signal }: { url: string; maxBytes: number; signal: AbortSignal },
): Promise<Uint8Array> {
  const response = await fetch(url, { signal, redirect: 'error' })
  const reader = response.body?.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > maxBytes || !response.ok) {
      reader.cancel().catch(() => undefined)
      throw new InvalidInputError({ field: 'delta', reason: 'the peer does not give it' })
    }
    chunks.push(value)
  }
  return concat(...chunks)
}
