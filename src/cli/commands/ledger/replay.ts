/** `ledger replay`: every event again, and every evaluation where a gateway still has its inputs. */
import type { CommandDef } from 'citty'
import { createReplayer, operatorEngine } from '../../../eval/index.js'
import {
  type LedgerEvent,
  type ReEvaluation,
  readCut,
  rebuildLogs,
  replayLedger,
} from '../../../ledger/index.js'
import { opensslVerify } from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import { createReEvaluator, gatewayInputs } from '../../../operator/index.js'
import { createRegistryReader } from '../../../registry/index.js'
import { cacheOf, daArgs, requireDa } from '../../config/artifactStore.js'
import { type ChainArgs, chainArgs, chainOf } from '../../config/chain.js'
import { type GatewayArgs, gatewayArgs, gatewayOptionsOf } from '../../config/gateway.js'
import { UsageError } from '../../errors.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { exitCodes, type Terminal } from '../../terminal/output.js'
import { filesOf, readerArgs, trustOf } from './sources.js'

/** `ledger replay`. */
export const replay: CommandDef = command({
  name: 'replay',
  example:
    'newton-policy ledger replay https://ledger.example --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0',
  description:
    'Verify every event again, under what the events before it say, and give the state’s root',
  args: {
    ...readerArgs,
    from: {
      type: 'string',
      description: 'Look in full at what comes after the last snapshot before this place only',
      valueHint: 'seq',
    },
    to: { type: 'string', description: 'Place of the first event that is left out' },
    evaluate: {
      type: 'boolean',
      description: 'Run evaluations again, on the inputs that the gateway still has',
      default: false,
    },
    ...gatewayArgs,
    ...daArgs,
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const [from, to] = (['from', 'to'] as const).map((name) => {
      const given = args[name]
      return given === undefined ? undefined : BigInt(wholeNumber(name, given, 15))
    })
    if (from !== undefined && to !== undefined && from > to) {
      throw new UsageError(`--from ${from} is behind --to ${to}.`)
    }
    const { ledger } = args
    const store = await filesOf(terminal, args.source)
    const reEvaluate = args.evaluate ? await evaluationsOf(terminal, { args, signal }) : undefined
    const cut = await readCut({ store, ledger, trust: await trustOf(terminal, args) }, signal)
    if (cut === undefined) {
      return { data: { events: 0 }, text: 'no event yet', exitCode: exitCodes.notFound }
    }
    const { roots: wrong, files } = await rebuildLogs({ store, cut }, signal)
    const { rows, ...result } = await replayLedger(
      {
        ...{ store, ledger, cut, from, to, reEvaluate },
        ...{ schemas: await loadEventSchemas(), verify: opensslVerify() },
      },
      signal,
    )
    const faults = [
      ...wrong.map((log) => `FAULT ${log}: its entries do not have the root that was recorded`),
      ...files.map((fault) => `FAULT ${fault}`),
      ...result.faults.map(({ seq, kind, detail }) => `FAULT event ${seq}, ${kind}: ${detail}`),
    ]
    const { events, state_root, evaluated, unknown } = result
    const ran = args.evaluate ? [`${evaluated} evaluations run again, ${unknown} could not be`] : []
    return {
      data: { ...result, state: rows, wrongRoots: wrong, wrongFiles: files },
      text: [...faults, ...ran, `${events} events, state root ${state_root}`].join('\n'),
      exitCode: faults.length === 0 ? exitCodes.done : exitCodes.denied,
    }
  },
})

/** Runs evaluations again from the chain, the store of artifacts and what the gateway kept. */
async function evaluationsOf(
  terminal: Terminal,
  {
    args,
    signal,
  }: { args: ChainArgs & GatewayArgs & { da?: string | undefined }; signal: AbortSignal },
): Promise<(event: LedgerEvent, signal: AbortSignal) => Promise<ReEvaluation>> {
  const { client, addresses, profile } = await chainOf(terminal, args)
  const artifacts = cacheOf(requireDa(terminal, { args, profile }))
  const { memory } = artifacts
  const replayer = createReplayer({
    registry: await createRegistryReader({ client, addresses, memory }, { signal }),
    ...{ artifacts, memory, engine: operatorEngine() },
    // Without transcripts there is nothing to run a plugin on: what operators agreed on is taken.
    plugins: { run: () => Promise.reject(new TypeError('there is no transcript')) },
  })
  const inputs = gatewayInputs(gatewayOptionsOf(terminal, { args, profile }))
  return createReEvaluator({ replayer, inputs })
}
