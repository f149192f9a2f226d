/** All toolchains of this machine, for whoever rebuilds what others built. */
import { isPolicySdkError } from '../../errors/base.js'
import type { Toolchain } from '../../provenance/node/index.js'
import { javascriptToolchain } from './javascript.js'
import type { OpenedToolchain } from './packages.js'
import { type CrateOptions, rustToolchain } from './rust.js'

/** Toolchains, and why others are not here. */
export type OpenedToolchains = {
  toolchains: readonly Toolchain[]
  missing: readonly string[]
  close(): Promise<void>
}

/** Option of commands that rebuild. */
export const toolchainArgs = {
  rust: {
    type: 'string',
    description: 'Toolchains of rustup to rebuild with, separated by commas; else what rustc is',
    valueHint: '1.95.0',
  },
} as const

/**
 * Describes what is installed. A machine without Rust rebuilds JavaScript, and one without a C compiler
 * says so.
 */
export async function openToolchains(
  options: CrateOptions & { rust?: string | undefined } = {},
): Promise<OpenedToolchains> {
  const channels = options.rust?.split(',').filter((name) => name !== '') ?? [undefined]
  const opened: OpenedToolchain[] = []
  const missing: string[] = []
  const attempts = [
    javascriptToolchain,
    ...channels.map((channel) => () => rustToolchain({ ...options, channel })),
  ]
  const close = async (): Promise<void> => {
    for (const each of opened) await each.close()
  }
  // In turn: each reads half a gigabyte.
  for (const attempt of attempts) {
    try {
      opened.push(await attempt())
    } catch (error) {
      if (!isPolicySdkError(error)) {
        await close()
        throw error
      }
      missing.push(error.shortMessage)
    }
  }
  return { toolchains: opened.map(({ toolchain }) => toolchain), missing, close }
}
