import { basename, relative, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { PluginProvenance } from '../../../core/interfaces/provenance.js'
import {
  createPluginRuntime,
  createSchemaValidator,
  type IdentityData,
  operatorEngine,
  type SimulationRequest,
  simulate,
} from '../../../eval/index.js'
import { nodeHttpTransport, nodePluginWorkers } from '../../../eval/node/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs, chainOf } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { isInline, oneOf, readBytes, readJsonObject } from '../../files.js'
import { integer, intentArgs, intentArgsOf, intentOf } from '../../intent.js'
import { isThere, requireProject, sayTaken } from '../../project.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal, toJson } from '../../terminal/output.js'
import { provenanceOf, trustArgs } from '../provenance/sources.js'
import { type Outcome, repeat } from './watching.js'

// The chain that says where plugins come from; `--chain-id` is that of the transaction.
const { 'chain-id': _, ...registryArgs } = chainArgs

const simulateArgs = {
  rego: {
    type: 'string',
    description: 'Rego source; also the first word; without it, all files of the project',
    valueHint: 'file',
  },
  params: { type: 'string', description: 'Params of the policy', valueHint: 'file.json' },
  'params-schema': { type: 'string', description: 'JSON Schema of the params', valueHint: 'file' },
  plugin: { type: 'string', description: 'Data plugin, a WASM component', valueHint: 'file' },
  'plugin-params': { type: 'string', description: 'Params of the plugin', valueHint: 'file.json' },
  'plugin-params-schema': { type: 'string', description: 'JSON Schema of them', valueHint: 'file' },
  'plugin-secrets': {
    type: 'string',
    description: 'Secrets of the plugin, plaintext',
    valueHint: 'file.json',
  },
  'plugin-secrets-schema': {
    type: 'string',
    description: 'JSON Schema of them',
    valueHint: 'file',
  },
  'wasm-args': { type: 'string', description: 'Arguments for the plugin', valueHint: 'file.json' },
  identity: {
    type: 'string',
    description:
      'What newton.identity.* answers from: {"kyc":{"status":"approved",…}}, a JSON file or the object itself',
    valueHint: 'file.json',
  },
  intent: {
    type: 'string',
    description:
      'The transaction as JSON: to, from, value, data, function; an option comes before it',
    valueHint: 'file.json',
  },
  ...intentArgs,
  to: { ...intentArgs.to, required: false },
  'chain-id': { type: 'string', description: 'Chain of the transaction', default: '1' },
  'allow-private': {
    type: 'boolean',
    description: 'Let the plugin reach private addresses',
    default: false,
  },
  'require-verified-wasm': {
    type: 'boolean',
    description: 'Refuse a plugin that nobody whom --trust believes has rebuilt from source',
    default: false,
  },
  ...trustArgs,
  ...daArgs,
  ...registryArgs,
  watch: {
    type: 'boolean',
    description:
      'Run again whenever a file changes, and show what came out otherwise; with --json one line of JSON each time',
    default: false,
  },
} as const

/** `policy simulate`: what the operators would decide, from files. */
export const simulatePolicy: CommandDef = command({
  name: 'simulate',
  example:
    'newton-policy policy simulate policy.rego --params params.json --params-schema params.schema.json --to 0x2222222222222222222222222222222222222222 --value 7',
  description: 'Evaluate a policy from files with the operators’ engine; exit code 3 for a deny',
  args: simulateArgs,
  json: 'Print one JSON envelope on stdout; with --watch one a line, for each run',
  extra: 1,
  run: async ({ args: given, terminal, signal }) => {
    const args: Args & { json: boolean } = {
      ...(await completed(terminal, given)),
      json: given.json,
    }
    const provenance = await trustedProvenance(terminal, { args, signal })
    const requireVerifiedWasm = args['require-verified-wasm']
    const plugins = createPluginRuntime({
      workers: nodePluginWorkers(),
      transport: nodeHttpTransport(),
      http: { allowPrivate: args['allow-private'] === true },
    })
    const tools = {
      ...{ engine: operatorEngine(), schemas: createSchemaValidator(), plugins },
      ...{ provenance, requireVerifiedWasm },
    }
    const once = async (): Promise<CommandResult & { outcome: Outcome }> => {
      const evaluation = await simulate(await requestOf(args, terminal), tools, { signal })
      const { allow, reasons, outputs, warnings, timings } = evaluation
      const lines = [allow ? 'allow' : 'deny', ...reasons.map((reason) => `  - ${reason}`)]
      for (const warning of warnings) {
        // Files are committed nowhere: that goes without saying.
        if (!warning.startsWith('Artifacts were not checked')) {
          terminal.stderr(`warning: ${warning}\n`)
        }
      }
      return {
        data: { allow, reasons, outputs, warnings, timings },
        text: lines.join('\n'),
        exitCode: allow ? exitCodes.done : exitCodes.denied,
        outcome: { status: 'decided', allow, reasons, outputs: toJson(outputs) },
      }
    }
    try {
      if (!args.watch) return await once()
      return await repeat(once, {
        files: filesOf(args, terminal),
        terminal,
        signal,
        json: args.json,
      })
    } finally {
      await plugins.close()
    }
  },
})

type Args = {
  [name in keyof typeof simulateArgs]?:
    | ((typeof simulateArgs)[name] extends { type: 'boolean' } ? boolean : string)
    | undefined
}

/** What a command line leaves to the project: all of it where no policy is named, and nothing else. */
async function completed(terminal: Terminal, args: Args & { _: string[] }): Promise<Args> {
  const rego = oneOf(args, { option: 'rego', position: 0 })
  if (rego !== undefined) return assertTogether({ ...args, rego })
  const project = await requireProject(terminal, '--rego')
  const { plugin } = project
  const own: Args = {
    ...{ rego: project.rego, params: project.params, 'params-schema': project.paramsSchema },
    ...{ plugin: plugin?.wasm, 'plugin-params': plugin?.params },
    ...{ 'plugin-params-schema': plugin?.paramsSchema },
    ...{ 'wasm-args': project.wasmArgs, intent: project.intent },
  }
  const all = { ...own, ...withoutUndefined(args) }
  sayTaken(
    terminal,
    filesOf(all, terminal).map((file) => relative(terminal.cwd, file)),
  )
  if (plugin !== undefined && !(await isThere(resolve(terminal.cwd, all.plugin as string)))) {
    throw new UsageError(`The plugin is not built: ${all.plugin} is not there.`, {
      metaMessages: ['Build it: npm run build'],
    })
  }
  return assertTogether(all)
}

function withoutUndefined(args: Args): Args {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined))
}

/** Refuses options that mean nothing without another one: what was meant would not be run. */
function assertTogether(args: Args): Args {
  const needs = [
    ...(['plugin-params', 'plugin-params-schema', 'plugin-secrets', 'plugin-secrets-schema'].map(
      (name) => [name, 'plugin'],
    ) as [keyof Args, keyof Args][]),
    ...([
      ['params', 'params-schema'],
      ['plugin-params', 'plugin-params-schema'],
      ['plugin-secrets', 'plugin-secrets-schema'],
    ] as [keyof Args, keyof Args][]),
  ]
  for (const [name, other] of needs) {
    if (args[name] === undefined || args[other] !== undefined) continue
    // As on the command line of --watch: no object is no params.
    if (args[name] === '{}') continue
    throw new UsageError(`--${name} needs --${other}.`, {
      metaMessages:
        other === 'plugin'
          ? ['Name the component that they are for.']
          : ['On chain too a template without a schema takes none.'],
    })
  }
  return args
}

async function trustedProvenance(
  terminal: Terminal,
  { args, signal }: { args: Args; signal: AbortSignal },
): Promise<PluginProvenance | undefined> {
  const { trust, chain, profile, contracts, da } = args
  if (trust === undefined) {
    if (args['require-verified-wasm'] !== true) return undefined
    throw new UsageError('--require-verified-wasm needs --trust: whom to believe.')
  }
  const target = await chainOf(terminal, {
    ...{ chain, profile, contracts, 'rpc-url': args['rpc-url'] },
  })
  return provenanceOf(terminal, { target, args: { da }, signal, trust })
}

async function requestOf(args: Args, terminal: Terminal): Promise<SimulationRequest> {
  const bytes = (path: string | undefined) =>
    path === undefined ? undefined : readBytes(terminal, path)
  const json = (path: string | undefined) =>
    path === undefined ? undefined : readJsonObject(terminal, path)
  const wasm = await bytes(args.plugin)
  return {
    rego: await readBytes(terminal, args.rego as string),
    regoFile: basename(args.rego as string),
    params: await json(args.params),
    paramsSchema: await bytes(args['params-schema']),
    plugins:
      wasm === undefined
        ? []
        : [
            {
              wasm,
              params: await json(args['plugin-params']),
              paramsSchema: await bytes(args['plugin-params-schema']),
              secrets: await json(args['plugin-secrets']),
              secretsSchema: await bytes(args['plugin-secrets-schema']),
            },
          ],
    wasmArgs: await json(args['wasm-args']),
    identity: (await json(args.identity)) as IdentityData | undefined,
    intent: intentOf(
      args.intent === undefined
        ? args
        : intentArgsOf(args, await readJsonObject(terminal, args.intent), args.intent),
      integer(args['chain-id'], '--chain-id'),
    ),
  }
}

function filesOf(args: Args, terminal: Terminal): string[] {
  const names = [
    ...(['rego', 'params', 'params-schema', 'wasm-args', 'identity', 'intent'] as const),
    ...(['plugin', 'plugin-params', 'plugin-params-schema'] as const),
    ...(['plugin-secrets', 'plugin-secrets-schema'] as const),
  ]
  return names.flatMap((name) => {
    const path = args[name]
    // An object that is given among the words lies in no file.
    return path === undefined || isInline(path) ? [] : [resolve(terminal.cwd, path)]
  })
}
