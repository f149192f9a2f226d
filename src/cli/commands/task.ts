/** `task`: evaluations through a gateway, verified here before they are shown. */
import type { CommandDef } from 'citty'
import type { Address } from 'viem'
import { createResultReplayer, encodeWasmArgs, operatorEngine } from '../../eval/index.js'
import { createTaskClient, type TaskClient, type VerifiedTask } from '../../operator/index.js'
import { createCertificateReader, createRegistryReader } from '../../registry/index.js'
import { daArgs, requireDa, sourceOf } from '../config/artifactStore.js'
import { type ChainArgs, type ChainTarget, chainArgs, chainOf } from '../config/chain.js'
import { type GatewayArgs, gatewayArgs, gatewayOptionsOf } from '../config/gateway.js'
import { readJsonObject } from '../files.js'
import { type IntentArgs, integer, intentArgs, intentOf } from '../intent.js'
import { command, group } from '../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal } from '../terminal/output.js'

const taskArgs = {
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
  timeout: { type: 'string', description: 'Seconds for operators to decide', default: '30' },
  broadcast: {
    type: 'boolean',
    description: 'Let the gateway land the answer on chain',
    default: false,
  },
  ...daArgs,
  ...gatewayArgs,
  ...chainArgs,
} as const

type TaskArgs = IntentArgs &
  ChainArgs &
  GatewayArgs & {
    client: string
    da?: string | undefined
    timeout: string
    broadcast: boolean
    'wasm-args'?: string | undefined
  }

// Everything is read from the chain and the store: the gateway is asked, and not believed.
async function opened(
  terminal: Terminal,
  { args, signal }: { args: TaskArgs; signal: AbortSignal },
): Promise<{ tasks: TaskClient; request: Parameters<TaskClient['createTask']>[0] }> {
  const target: ChainTarget = await chainOf(terminal, args)
  const { client, addresses, profile } = target
  const gateway = gatewayOptionsOf(terminal, { args, profile })
  const artifacts = sourceOf(requireDa(terminal, { args, profile }))
  const registry = await createRegistryReader({ client, addresses }, { signal })
  const certificates = await createCertificateReader({ client, addresses }, { signal })
  const replayer = createResultReplayer({ engine: operatorEngine() })
  const reader = { registry, certificates, replayer, artifacts }
  const wasmArgs = args['wasm-args']
  return {
    tasks: createTaskClient({ gateway, reader }),
    request: {
      policyClient: args.client as Address,
      intent: intentOf(args, BigInt(target.chain.id)),
      timeout: Number(integer(args.timeout, '--timeout')) * 1_000,
      broadcast: args.broadcast,
      ...(wasmArgs !== undefined && {
        wasmArgs: encodeWasmArgs(await readJsonObject(terminal, wasmArgs)),
      }),
    },
  }
}

function shown({ allowed, reasons, task, response, signers, state }: VerifiedTask): CommandResult {
  const lines = [allowed ? 'allow' : 'deny', ...reasons.map((reason) => `  - ${reason}`)]
  const { taskId, artifactDigest, expirationBlock } = response
  return {
    data: {
      ...{ allowed, reasons, taskId, state, artifactDigest, expirationBlock, verified: 'result' },
      referenceBlock: task.referenceBlock,
      signers,
    },
    text: lines.join('\n'),
    exitCode: allowed ? exitCodes.done : exitCodes.denied,
  }
}

const create = command({
  name: 'create',
  description:
    'Have operators decide about a transaction, and verify their answer down to a re-run; exit code 3 for a deny',
  example:
    'newton-policy task create --client 0x… --to 0x… --value 1000 --wasm-args wasm-args.json',
  args: taskArgs,
  run: async ({ args, terminal, signal }) => {
    const { tasks, request } = await opened(terminal, { args, signal })
    const result = await tasks.createTask(request, { signal })
    const { taskId } = result.response
    terminal.stderr(`verified task ${taskId}: ${result.signers.length} operators signed\n`)
    return shown(result)
  },
})

const watch = command({
  name: 'watch',
  description: 'Like create, and tells each state of the task until it ends',
  example: 'newton-policy task watch --client 0x… --to 0x… --broadcast',
  args: taskArgs,
  run: async ({ args, terminal, signal }) => {
    const { tasks, request } = await opened(terminal, { args, signal })
    const sent = await tasks.sendTask(request, { signal })
    terminal.stderr(`task ${sent.taskId}\n`)
    return new Promise<CommandResult>((resolve, reject) => {
      let last: VerifiedTask | undefined
      const stop = tasks.watchTask({
        sent,
        onProgress: (progress) => {
          terminal.stderr(`${progress.state}\n`)
          if (progress.state === 'failed') return reject(progress.error)
          last = progress.result ?? last
          const ended = args.broadcast ? progress.state === 'final' : last !== undefined
          if (!ended || last === undefined) return
          stop()
          resolve(shown(last))
        },
        onError: reject,
      })
      signal.addEventListener(
        'abort',
        () => {
          stop()
          reject(signal.reason)
        },
        { once: true },
      )
    })
  },
})

/** The commands of tasks. */
export const task: CommandDef = group('task', 'Evaluations through a gateway, verified here', {
  create: async () => create,
  watch: async () => watch,
})
