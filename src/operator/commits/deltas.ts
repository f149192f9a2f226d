/** Where a delta is had from: where it was published, else from operators and bootnodes that keep it. */
import { namespaces } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { isPolicySdkError } from '../../errors/base.js'
import { withDeadline } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import { computeDeltaHash, snapshotClient } from '../../statetree/index.js'
import type { DeltaReader } from './committer.js'
import { readInRanges } from './ranges.js'

/**
 * Creates a reader of deltas. What a peer gives is used only where it hashes to what was asked for.
 *
 * @param parameters.peers - Base URLs of operators, such as `https://operator.example`, asked one after
 * another at `/deltas/<hash>`, in ranges of at most 1 MiB.
 * @param parameters.bootnodes - URLs of bootnodes, asked after the operators.
 * @throws {InvalidInputError} for options that are none.
 * @throws {ArtifactUnavailableError} from its calls, where nobody has it.
 */
export function createDeltaReader(parameters: {
  artifacts: ArtifactSource
  peers?: (() => readonly string[]) | undefined
  bootnodes?: readonly string[] | undefined
  fetch?: typeof globalThis.fetch | undefined
  /** @default 64 MiB */
  maxBytes?: number | undefined
  /** Milliseconds for one range of a peer. @default 10_000 */
  timeout?: number | undefined
  /** Milliseconds for all of one peer or bootnode. @default 60_000 */
  patience?: number | undefined
}): DeltaReader {
  assertMembers('parameters', parameters, ['artifacts'])
  assertOptions(
    parameters,
    {
      ...{ artifacts: 'object', peers: 'function', bootnodes: 'list', fetch: 'function' },
      ...{ maxBytes: { least: 1 }, timeout: 'milliseconds', patience: 'milliseconds' },
    },
    { field: 'parameters' },
  )
  const { artifacts, peers = () => [], maxBytes = 64 * 1_048_576, timeout = 10_000 } = parameters
  const { patience = 60_000 } = parameters
  const bootnodes = (parameters.bootnodes ?? []).map((url) =>
    snapshotClient({ url, maxBytes, resumptions: 2 }),
  )
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
    const limit = { signal: io.signal, timeout: patience }
    const places = [
      ...peers().map(
        (peer) => () =>
          withDeadline(`delta from ${peer}`, limit, (signal) =>
            readInRanges({ url: `${peer}/deltas/${deltaHash}`, fetch, maxBytes, timeout, signal }),
          ),
      ),
      ...bootnodes.map((bootnode) => () => bootnode.delta(deltaHash, limit)),
    ]
    for (const read of places) {
      try {
        const bytes = await read()
        if (computeDeltaHash(bytes) === deltaHash) return bytes
      } catch {
        io.signal?.throwIfAborted()
      }
    }
    throw failure
  }
}
