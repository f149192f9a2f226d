/** The files of a project as `init` makes it, for commands that are given none. */
import { readdir, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { UsageError } from './errors.js'
import type { Terminal } from './terminal/output.js'

/** Paths of a project, as they are read from where the command runs. */
export type ProjectFiles = {
  rego: string
  /** All Rego files of the policy's folder, tests too. */
  modules: string[]
  paramsSchema?: string | undefined
  params?: string | undefined
  /** Set where the project has a plugin. */
  plugin?:
    | { wasm: string; paramsSchema?: string | undefined; params?: string | undefined }
    | undefined
  wasmArgs?: string | undefined
  intent?: string | undefined
}

/** The project that the working directory is in; `undefined` where it is in none. */
export async function findProject(terminal: Terminal): Promise<ProjectFiles | undefined> {
  for (let folder = terminal.cwd; ; folder = dirname(folder)) {
    if (await isThere(join(folder, 'policy', 'policy.rego'))) return filesIn(terminal, folder)
    if (folder === dirname(folder)) return undefined
  }
}

async function filesIn(terminal: Terminal, folder: string): Promise<ProjectFiles> {
  const path = (...names: string[]): string => relative(terminal.cwd, join(folder, ...names))
  const maybe = async (...names: string[]): Promise<string | undefined> =>
    (await isThere(join(folder, ...names))) ? path(...names) : undefined
  const names = (await readdir(join(folder, 'policy'))).filter((name) => name.endsWith('.rego'))
  return {
    rego: path('policy', 'policy.rego'),
    modules: names.sort().map((name) => path('policy', name)),
    paramsSchema: await maybe('policy', 'params.schema.json'),
    params: await maybe('policy', 'params.json'),
    plugin: (await isThere(join(folder, 'plugin')))
      ? {
          wasm: path('plugin', 'plugin.wasm'),
          paramsSchema: await maybe('plugin', 'params.schema.json'),
          params: await maybe('plugin', 'params.json'),
        }
      : undefined,
    wasmArgs: await maybe('wasm-args.json'),
    intent: await maybe('intent.json'),
  }
}

/**
 * The project, where no file was named.
 *
 * @throws {UsageError} that names the option, where there is no project either.
 */
export async function requireProject(terminal: Terminal, option: string): Promise<ProjectFiles> {
  const project = await findProject(terminal)
  if (project !== undefined) return project
  throw new UsageError(`Missing required argument: ${option}`, {
    metaMessages: [
      'In a project that newton-policy init made, its policy/policy.rego is taken; this is none.',
    ],
  })
}

/** Says on stderr which files of the project are taken. */
export function sayTaken(terminal: Terminal, files: readonly (string | undefined)[]): void {
  terminal.stderr(`using   ${files.filter((file) => file !== undefined).join(', ')}\n`)
}

/** Whether there is a file or folder at `path`. */
export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
