/** A challenger as a process. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LocalAccount } from 'viem'
import { createDocumentVerifier } from '../../../enclave/index.js'
import { createResultReplayer, operatorEngine } from '../../../eval/index.js'
import {
  createAcceptedResponses,
  createChallengeSink,
  createOperatorTrees,
} from '../../../registry/index.js'
import { gatewayAttachments } from '../../gateway/attachments.js'
import {
  type ChallengerNode,
  type ChallengerNodeParameters,
  createChallengerNode,
} from '../../roles/challenger.js'
import { createHttpProver } from '../../roles/prover.js'
import { listenRole } from '../roleServer.js'
import type { SettingsOf } from '../settings/read.js'
import type { challengerSettings, KeySetting } from '../settings/roles.js'
import { fileTextStore } from '../textStore.js'
import { type ArtifactSettings, openArtifacts } from './artifacts.js'
import { followIndex, type OpenedChain, openChain, windowsOf } from './chain.js'
import { openLedgerHook } from './ledger.js'
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

/** Settings of a challenger; its keys are opened by whoever starts it. */
export type ChallengerSettings = Omit<SettingsOf<typeof challengerSettings>, KeySetting> &
  ArtifactSettings

/** A challenger that runs. */
export type RunningChallenger = RunningRole & {
  readonly role: 'challenger'
  readonly node: ChallengerNode
}

/**
 * Starts a challenger from its settings.
 *
 * @throws {DirectoryLockedError} where another process has the data directory.
 * @example
 * ```ts
 * import { challengerSettings, readSettings, startChallenger } from '@newton/policy-sdk/operator/node'
 *
 * const settings = await readSettings(challengerSettings, { file: 'challenger.toml' })
 * const challenger = await startChallenger({ settings, account })
 * await challenger.close()
 * ```
 */
export function startChallenger(parameters: {
  settings: ChallengerSettings
  /** Pays for challenges. */
  account: LocalAccount
  log?: LogHook | undefined
}): Promise<RunningChallenger> {
  const { settings, account } = parameters
  const log = parameters.log ?? (() => undefined)
  return opening(log, async (closers) => {
    const directory = settings['data.directory']
    await claimDirectory(directory, 'challenger', closers)
    const { cache } = openArtifacts(settings, { directory })
    const chain = await openChain(settings, cache.memory)
    const { reader: registry } = await followIndex(chain, {
      ...{ directory, closers, log },
      confirmations: settings['chain.confirmations'],
    })
    const ledger = await openLedgerHook(settings, {
      ...{ directory, closers, log, registry, interval: chain.interval },
    })
    const { challengeWindow } = await windowsOf(chain)
    const node = createChallengerNode({
      ...(await nodeParts({ settings, account, chain })),
      reader: {
        registry,
        certificates: chain.certificates,
        artifacts: cache,
        documents: createDocumentVerifier(),
        replayer: createResultReplayer({ engine: operatorEngine(), memory: cache.memory }),
      },
      store: fileTextStore(join(directory, 'challenger.json')),
      ledger: ledger?.recorder,
      challengeWindow,
      onEvent: (event) => {
        const { type } = event
        if (type === 'verified' && event.outcome.status === 'valid') return
        const level = type === 'error' || type === 'retry' ? 'warn' : 'info'
        const failure = 'error' in event ? describeError(event.error) : {}
        const messageHash = 'messageHash' in event ? event.messageHash : undefined
        log({ level, event: `challenge.${type}`, messageHash, ...failure })
      },
    })
    closers.add(node.close)
    const metrics = async (): Promise<string> =>
      (await node.metrics()) + (ledger?.metrics() ?? '') + (await processMetrics(directory))
    const server = await listenRole({
      ...{ metrics, ready: node.ready },
      ...listenAddress(settings),
    })
    log({ level: 'info', event: 'challenger.listening', url: server.url })
    const close = closing(server, closers)
    return { role: 'challenger', url: server.url, node, ready: node.ready, metrics, close }
  })
}

async function nodeParts(parts: {
  settings: ChallengerSettings
  account: LocalAccount
  chain: OpenedChain
}): Promise<Omit<ChallengerNodeParameters, 'reader' | 'store' | 'challengeWindow' | 'onEvent'>> {
  const { settings, account, chain } = parts
  const { client, addresses, fromBlock } = chain
  const maxFee = settings['file.max_fee_gwei']
  const keyFile = settings['gateway.key_file']
  const url = settings['gateway.url']
  const prover = settings['prover.url']
  return {
    responses: createAcceptedResponses({ client, addresses }),
    operators: createOperatorTrees({ client, addresses, fromBlock }),
    sink: createChallengeSink({
      client: chain.wallet(account),
      addresses,
      ...(maxFee === undefined ? {} : { maxFeePerGas: BigInt(maxFee) * 1_000_000_000n }),
    }),
    ...{ level: settings.level, startBlock: fromBlock, interval: chain.interval },
    confirmations: settings['chain.confirmations'],
    finalityDepth: BigInt(settings['file.finality_depth']),
    balance: async () => client.getBalance({ address: account.address }),
    ...(prover === undefined ? {} : { prover: createHttpProver({ url: prover }) }),
    ...(url === undefined
      ? {}
      : {
          attachments: gatewayAttachments({
            ...{ url, tables: chain.tables },
            apiKey: keyFile === undefined ? undefined : (await readFile(keyFile, 'utf8')).trim(),
          }),
        }),
  }
}
