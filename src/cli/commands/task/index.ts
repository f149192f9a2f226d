/** `task`: evaluations through a gateway, verified here before they are shown. */
import type { CommandDef } from 'citty'
import type { Address, Hex } from 'viem'
import { encodeWasmArgs } from '../../../eval/index.js'
import {
  createTaskClient,
  type TaskClient,
  type VerifiedTask,
  writeTaskAnswer,
} from '../../../operator/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { attestationReaderOf, type StoreArgs } from '../../config/attestationReader.js'
import { type ChainArgs, type ChainTarget, chainArgs, chainOf } from '../../config/chain.js'
import { type GatewayArgs, gatewayArgs, gatewayOptionsOf } from '../../config/gateway.js'
import { readJsonObject, writeJson } from '../../files.js'
import { type IntentArgs, integer, intentOf } from '../../intent.js'
import { command, group } from '../../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal } from '../../terminal/output.js'
import { simulateTask, subjectArgs } from './simulate.js'

const outArgs = {
  out: {
    type: 'string',
    description: 'Keep the answer with all that it is verified from, for attestation verify',
    valueHint: 'file.json',
  },
} as const

const taskArgs = {
  ...subjectArgs,
  timeout: { type: 'string', description: 'Seconds for operators to decide', default: '30' },
  broadcast: {
    type: 'boolean',
    description: 'Let the gateway land the answer on chain',
    default: false,
  },
  ...outArgs,
  ...daArgs,
  ...gatewayArgs,
  ...chainArgs,
} as const

type TaskArgs = IntentArgs &
  ChainArgs &
  GatewayArgs & {
    client: string
    da?: string | undefined
    out?: string | undefined
    timeout: string
    broadcast: boolean
    'wasm-args'?: string | undefined
  }

// Everything is read from the chain and the store: the gateway is asked, and not believed.
async function tasksOf(
  terminal: Terminal,
  input: { args: GatewayArgs & StoreArgs; target: ChainTarget; signal: AbortSignal },
): Promise<TaskClient> {
  const { args, target } = input
  const gateway = gatewayOptionsOf(terminal, { args, profile: target.profile })
  return createTaskClient({ gateway, reader: await attestationReaderOf(terminal, input) })
}

async function opened(
  terminal: Terminal,
  { args, signal }: { args: TaskArgs; signal: AbortSignal },
): Promise<{ tasks: TaskClient; request: Parameters<TaskClient['createTask']>[0] }> {
  const target = await chainOf(terminal, args)
  const wasmArgs = args['wasm-args']
  return {
    tasks: await tasksOf(terminal, { args, target, signal }),
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

async function keep(terminal: Terminal, path: string | undefined, task: VerifiedTask) {
  if (path !== undefined) await writeJson(terminal, path, writeTaskAnswer(task))
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
    await keep(terminal, args.out, result)
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
          const result = last
          keep(terminal, args.out, result).then(() => resolve(shown(result)), reject)
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

const show = command({
  name: 'show',
  example: 'newton-policy task show 0x… --chain devnet',
  description:
    'Where a task stands; its answer is verified down to a re-run before it is shown; exit code 3 for a deny',
  args: {
    task: { type: 'positional', description: 'Id of the task', required: true },
    ...outArgs,
    ...daArgs,
    ...gatewayArgs,
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const target = await chainOf(terminal, args)
    const tasks = await tasksOf(terminal, { args, target, signal })
    const { taskId, state, error, result } = await tasks.readTask(args.task as Hex, { signal })
    terminal.stderr(`task ${taskId}: ${state}\n`)
    if (error !== undefined) throw error
    if (result === undefined) {
      return { data: { taskId, state }, text: state, exitCode: exitCodes.tryAgain }
    }
    await keep(terminal, args.out, result)
    return shown(result)
  },
})

/** The commands of tasks. */
export const task: CommandDef = group('task', 'Evaluations through a gateway, verified here', {
  create: async () => create,
  watch: async () => watch,
  show: async () => show,
  simulate: async () => simulateTask,
})
