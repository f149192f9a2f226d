/**
 * Builds plugin.wasm from its Rust source.
 *
 * `npx tsx examples/plugins/sanctions-score/build.ts` (add `--check` to compare with what is
 * checked in). Needs cargo with the target wasm32-unknown-unknown: `rustup target add
 * wasm32-unknown-unknown`.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { componentNew } from '@bytecodealliance/jco-transpile/wasm-tools'

const directory = fileURLToPath(new URL('.', import.meta.url))
const target = mkdtempSync(join(tmpdir(), 'plugin-'))
try {
  execFileSync('cargo', ['build', '--release', '--locked', '--target', 'wasm32-unknown-unknown'], {
    cwd: directory,
    stdio: 'inherit',
    env: {
      ...process.env,
      CARGO_TARGET_DIR: target,
      // Paths of this machine would end up in panic messages.
      RUSTFLAGS: `--remap-path-prefix=${process.env['CARGO_HOME'] ?? join(homedir(), '.cargo')}=/cargo --remap-path-prefix=${directory}=/plugin/`,
    },
  })
  const core = readFileSync(join(target, 'wasm32-unknown-unknown/release/sanctions_score.wasm'))
  const component = await componentNew(core)
  const path = join(directory, 'plugin.wasm')
  if (process.argv.includes('--check')) {
    const same = Buffer.compare(Buffer.from(component), readFileSync(path)) === 0
    console.log(
      same ? 'plugin.wasm is what its source gives' : 'plugin.wasm differs from its source',
    )
    if (!same) process.exitCode = 1
  } else {
    writeFileSync(path, component)
    console.log(`plugin.wasm: ${component.length} bytes`)
  }
} finally {
  rmSync(target, { recursive: true, force: true })
}
