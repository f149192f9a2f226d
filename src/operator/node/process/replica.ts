/** A replica as a process; with `serve` a bootnode. */
import { join } from 'node:path'
import { createAcceptedResponses } from '../../../registry/index.js'
import { createDeltaReader } from '../../commits/deltas.js'
import { createReplicaNode, type ReplicaNode } from '../../roles/replica.js'
import { listenRole } from '../roleServer.js'
import type { SettingsOf } from '../settings/read.js'
import type { replicaSettings } from '../settings/roles.js'
import { fileTextStore } from '../textStore.js'
import { type ArtifactSettings, openArtifacts } from './artifacts.js'
import { followIndex, openChain } from './chain.js'
import {
  claimDirectory,
  closing,
  describeError,
  type LogHook,
  listenAddress,
  opening,
  processMetrics,
  type RunningRole,
} from './running.js'
import { openTree } from './tree.js'

/** Settings of a replica, read. */
export type ReplicaSettings = SettingsOf<typeof replicaSettings> & ArtifactSettings

/** A replica that runs. */
export type RunningReplica = RunningRole & {
  readonly role: 'replica'
  readonly node: ReplicaNode
}

/**
 * Starts a replica from its settings.
 *
 * @throws {DirectoryLockedError} where another process has the data directory.
 * @example
 * ```ts
 * import { readSettings, replicaSettings, startReplica } from '@newton/policy-sdk/operator/node'
 *
 * const settings = await readSettings(replicaSettings, { file: 'replica.toml' })
 * const replica = await startReplica({ settings })
 * await replica.close()
 * ```
 */
export function startReplica(parameters: {
  settings: ReplicaSettings
  log?: LogHook | undefined
}): Promise<RunningReplica> {
  const { settings } = parameters
  const log = parameters.log ?? (() => undefined)
  return opening(log, async (closers) => {
    const directory = settings['data.directory']
    await claimDirectory(directory, 'replica', closers)
    const artifacts = openArtifacts(settings, { directory })
    const { cache } = artifacts
    const chain = await openChain(settings, cache.memory)
    const { reader } = await followIndex(chain, {
      ...{ directory, closers, log },
      confirmations: settings['chain.confirmations'],
    })
    const { pipeline } = await openTree(chain, {
      ...{ directory, closers, log, artifacts: cache },
      // It holds no uploads: what a quorum has let in is not judged here.
      external: { writesFor: async () => [], accepts: () => false },
      window: settings['commits.window_seconds'],
      bootnodes: settings['da.bootnodes'],
    })
    artifacts.follow(pipeline)
    const urls = Object.values(settings.operators)
    const { client, addresses, events, fromBlock: startBlock, interval } = chain
    const node = createReplicaNode({
      ...{ pipeline, events, registry: reader, startBlock, interval, serve: settings.serve },
      deltas: createDeltaReader({
        ...{ artifacts: cache, peers: () => urls, bootnodes: settings['da.bootnodes'] },
      }),
      responses: createAcceptedResponses({ client, addresses }),
      store: fileTextStore(join(directory, 'bindings.json')),
      onAnomaly: ({ code, detail }) =>
        log({ level: 'error', event: 'anomaly', code: `0x${code.toString(16)}`, detail }),
      onError: (error) => log({ level: 'warn', event: 'replica.failed', ...describeError(error) }),
    })
    closers.add(node.close)
    const metrics = async (): Promise<string> =>
      (await node.metrics()) + (await processMetrics(directory))
    const server = await listenRole({
      ...{ fetch: node.fetch, metrics, ready: node.ready },
      ...listenAddress(settings),
    })
    log({ level: 'info', event: 'replica.listening', url: server.url })
    const close = closing(server, closers)
    return { role: 'replica', url: server.url, node, ready: node.ready, metrics, close }
  })
}
