/** `task simulate`: what operators would decide about a transaction, evaluated here from what is on chain. */
import type { CommandDef } from 'citty'
import type { Address } from 'viem'
import type { RegistryReader, Task } from '../../../core/index.js'
import {
  createEvaluator,
  createPluginRuntime,
  createSchemaValidator,
  encodeWasmArgs,
  operatorEngine,
} from '../../../eval/index.js'
import { nodeHttpTransport, nodePluginWorkers } from '../../../eval/node/index.js'
import { createRegistryReader } from '../../../registry/index.js'
import { cacheOf, daArgs, requireDa } from '../../config/artifactStore.js'
import { chainArgs, chainOf } from '../../config/chain.js'
import { readJsonObject } from '../../files.js'
import { type IntentArgs, intentArgs, intentOf } from '../../intent.js'
import { command } from '../../terminal/command.js'
import { exitCodes } from '../../terminal/output.js'

/** Options of commands that ask about a transaction of a client. */
export const subjectArgs = {
  client: {
    type: 'string',
    description: 'Address of the policy client',
    required: true,
    valueHint: '0x…',
  },
  ...intentArgs,
  'wasm-args': {
    type: 'string',
    description: 'Arguments for the plugins: a JSON file, or the object itself',
    valueHint: 'file.json',
  },
} as const

/** The task that a gateway would make of the transaction now; operators are asked nothing. */
async function taskOf(
  registry: RegistryReader,
  asked: Pick<Task, 'policyClient' | 'intent' | 'wasmArgs'> & { signal: AbortSignal },
): Promise<Task> {
  const { signal, ...fields } = asked
  const { number, hash } = await registry.getLatestBlock({ signal })
  const { chainId, policyRegistry } = registry
  return {
    ...{ chainId, policyRegistry, ...fields },
    ...{ referenceBlock: number, referenceBlockHash: hash, nonce: 0n },
  }
}

/** Decides here about a client's transaction, from its slots, rows and artifacts. */
export const simulateTask: CommandDef = command({
  name: 'simulate',
  example: 'newton-policy task simulate --client 0x… --to 0x… --value 1000 --chain devnet',
  description:
    'Evaluate the policy that a client has on chain now, here and without operators; exit code 3 for a deny',
  args: { ...subjectArgs, ...daArgs, ...chainArgs },
  run: async ({ args, terminal, signal }) => {
    const { chain, client, addresses, profile } = await chainOf(terminal, args)
    const artifacts = cacheOf(requireDa(terminal, { args, profile }))
    const { memory } = artifacts
    const registry = await createRegistryReader({ client, addresses, memory }, { signal })
    const wasmArgs = args['wasm-args']
    const task = await taskOf(registry, {
      policyClient: args.client as Address,
      intent: intentOf(args as IntentArgs, BigInt(chain.id)),
      wasmArgs:
        wasmArgs === undefined ? '0x' : encodeWasmArgs(await readJsonObject(terminal, wasmArgs)),
      signal,
    })
    const plugins = createPluginRuntime({
      ...{ workers: nodePluginWorkers(), transport: nodeHttpTransport(), memory },
    })
    try {
      const evaluator = createEvaluator({
        ...{ registry, artifacts, plugins, memory, mode: 'simulate' },
        ...{ engine: operatorEngine(), schemas: createSchemaValidator({ memory }) },
      })
      const { allow, reasons, outputs, warnings } = await evaluator.evaluate(
        // Of the table in force, which goes into what is signed: nothing is signed here.
        { task, referenceTimestamp: 0 },
        { signal },
      )
      for (const warning of warnings) terminal.stderr(`warning: ${warning}\n`)
      const { referenceBlock } = task
      terminal.stderr(`simulated at block ${referenceBlock}: no operator was asked\n`)
      return {
        data: { allow, reasons, outputs, warnings, referenceBlock },
        text: [allow ? 'allow' : 'deny', ...reasons.map((reason) => `  - ${reason}`)].join('\n'),
        exitCode: allow ? exitCodes.done : exitCodes.denied,
      }
    } finally {
      await plugins.close()
    }
  },
})
