/** `init`: a project that passes its own tests. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import { FileAccessError, UsageError } from '../errors.js'
import { projectFiles } from '../scaffold/projectFiles.js'
import { command } from '../terminal/command.js'
import { packageVersion } from '../version.js'

/** `init`. */
export const init: CommandDef = command({
  name: 'init',
  example: 'newton-policy init transfer-limit',
  description: 'Make a project: policy, plugin, schemas, tests, CI file.',
  args: {
    name: { type: 'positional', description: 'Its name, and the directory made', required: true },
    rust: { type: 'boolean', description: 'The plugin in Rust', default: false },
  },
  run: async ({ args, terminal }) => {
    const directory = resolve(terminal.cwd, args.name)
    const name = basename(directory)
    if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
      throw new UsageError(`${JSON.stringify(name)} cannot name a package.`, {
        metaMessages: ['Use small letters, digits, dots, dashes and underscores.'],
      })
    }
    const found = await readdir(directory).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return []
      throw new FileAccessError({ path: directory, action: 'read' }, { cause })
    })
    // What somebody wrote is never overwritten.
    if (found.length > 0) throw new UsageError(`${directory} is not empty.`)
    const version = await packageVersion()
    const language = args.rust ? ('rust' as const) : ('javascript' as const)
    const files = projectFiles({ name, language, version })
    for (const [path, text] of Object.entries(files)) {
      const target = join(directory, path)
      try {
        await mkdir(dirname(target), { recursive: true })
        await writeFile(target, text)
      } catch (cause) {
        throw new FileAccessError({ path: target, action: 'written' }, { cause })
      }
    }
    terminal.stderr(`next: cd ${args.name} && npm install && npm run build && npm test\n`)
    return { data: { directory, files: Object.keys(files) }, text: directory }
  },
})
