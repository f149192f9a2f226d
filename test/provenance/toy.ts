/** A toolchain that builds a plugin by running the script `build.sh` of its source. */
import { execFileSync } from 'node:child_process'
import { utf8 } from '../../src/internal/bytes.js'
import { createSourceArchive } from '../../src/provenance/index.js'
import type { Toolchain } from '../../src/provenance/node/index.js'

/** Whether builds can be isolated here, and why not. */
export function missingIsolation(): string | undefined {
  try {
    execFileSync('bwrap', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    if (process.env['CI_REQUIRE_ALL'] === '1') throw new TypeError('bubblewrap is not installed')
    return 'bubblewrap is not installed'
  }
}

export const toyImage = `newton-toolchain@sha256:${'70'.repeat(32)}`

/** Runs what the source says, with all of `/usr` to do it with. */
export function toyToolchain(more: Partial<Toolchain> = {}): Toolchain {
  return {
    image: toyImage,
    binds: [{ host: '/usr', guest: '/usr' }],
    entrypoint: ['/bin/sh', '/source/build.sh'],
    env: {},
    isIntact: async () => true,
    ...more,
  }
}

/** A script that prints the smallest component, with `text` in a section of its own. */
export function toyScript(text: string): string {
  const octal = (byte: number): string => `\\${byte.toString(8).padStart(3, '0')}`
  const bytes = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 0, text.length + 2, 1, 0x78, ...utf8(text)]
  return `printf '${bytes.map(octal).join('')}'\n`
}

/** What {@link toyScript} builds. */
export function toyPlugin(text: string): Uint8Array {
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0, 0, text.length + 2, 1, 0x78],
    ...utf8(text),
  ])
}

/** The archive of a script and other files. */
export function toySource(
  script: string,
  files: Readonly<Record<string, string>> = {},
): ReturnType<typeof createSourceArchive> {
  return createSourceArchive([
    { path: 'build.sh', bytes: utf8(script) },
    ...Object.entries(files).map(([path, text]) => ({ path, bytes: utf8(text) })),
  ])
}
