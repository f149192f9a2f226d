/** Builds a Rust plugin as its verifiers will: the same program, in the same place, from the same archive. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { PluginBuildError } from '../../eval/node/errors.js'
import { type BuildInfo, createSourceArchive } from '../../provenance/index.js'
import { openSandbox, sandboxedBuilder } from '../../provenance/node/index.js'
import { RUST_KIT, rustToolchain } from './rust.js'
import { describedBy, readSourceFolder } from './sources.js'

/** A plugin that was built from a folder. */
export type BuiltRustPlugin = {
  component: Uint8Array
  buildInfo: BuildInfo | undefined
  archive: Uint8Array
  sourceSha256: Hex
  toolchain: { image: string; determinism: string; isolation: 'bubblewrap' | 'none' }
}

/** Whether a path is the folder of a crate. */
export async function isCrate(folder: string): Promise<boolean> {
  return stat(join(folder, 'Cargo.toml')).then(
    (entry) => entry.isFile(),
    () => false,
  )
}

/**
 * Builds the crate in `folder`.
 *
 * @throws {PluginBuildError} for a crate that does not build, with the end of what was printed.
 * @throws {ToolchainError} where cargo, the target or a linker is not installed.
 */
export async function buildRustPlugin(
  folder: string,
  options: {
    sourceUri?: string | undefined
    metadata: boolean
    timeout: number
    signal: AbortSignal
    /** Told the end of what the build printed, where it failed. */
    onLog?: ((tail: string) => void) | undefined
    /** Told of each file that does not go into the archive, and is no output. */
    onLeftOut?: ((path: string) => void) | undefined
  },
): Promise<BuiltRustPlugin> {
  const { sourceUri, signal } = options
  const { archive, sourceSha256 } = createSourceArchive(
    await readSourceFolder(folder, options.onLeftOut),
  )
  const { toolchain, close } = await rustToolchain({ cwd: folder })
  try {
    // Its author trusts what it builds, as with cargo itself: walls are for strangers' sources.
    const sandbox = await openSandbox({ unsafeNoIsolation: true })
    let log = ''
    const builder = sandboxedBuilder({
      ...{ sandbox, toolchains: [toolchain], limits: { time: options.timeout } },
      onLog: (tail) => {
        log = tail
      },
    })
    const { image, determinism = RUST_KIT } = toolchain
    const told = {
      ...{ image, determinism, args: ['plugin', 'build'], options: [], sourceSha256 },
      ...(sourceUri === undefined ? {} : { sourceUri }),
    }
    const made = await builder.make(told, { signal, archive })
    if (made.status === 'did_not_run') {
      options.onLog?.(log)
      throw new PluginBuildError(made.reason.replaceAll('_', ' '), {
        metaMessages: ['A crate has one `cdylib` and a Cargo.lock of crates.io with checksums.'],
        details: log,
      })
    }
    const plain = { component: made.wasm, buildInfo: undefined }
    return {
      ...(options.metadata ? describedBy(made.wasm, told) : plain),
      ...{ archive, sourceSha256 },
      toolchain: { image, determinism, isolation: sandbox.isolation },
    }
  } finally {
    await close()
  }
}
