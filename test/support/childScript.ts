/** Programs of tests that run in a process of their own: one file for Node, which starts at once. */
import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

// Inside node_modules, so that the bundle finds native bindings.
const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))

/** Bundles a TypeScript program; packages stay outside, for they find their bindings and WebAssembly. */
export async function childScript(entry: URL): Promise<{ path: string; remove(): void }> {
  mkdirSync(cache, { recursive: true })
  const name = basename(entry.pathname, '.ts')
  const path = join(cache, `${name}-${process.pid}.mjs`)
  await build({
    entryPoints: [fileURLToPath(entry)],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: { '@newton/policy-sdk': fileURLToPath(new URL('../../src', import.meta.url)) },
    logLevel: 'warning',
  })
  return { path, remove: () => rmSync(path, { force: true }) }
}
