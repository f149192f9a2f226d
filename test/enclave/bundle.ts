/** What an application's bundler makes of the sources. */
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { build } from 'esbuild'

const src = fileURLToPath(new URL('../../src/', import.meta.url))

/**
 * The files of a bundle by name, the bytes that its entry loads at once, as they are and as a server
 * sends them, and the sources it is of.
 */
export type Bundle = {
  files: Map<string, string>
  entryBytes: number
  entryBrotli: number
  inputs: string[]
}

/** Bundles with splitting, as applications do: what an entry does not load at once is no part of it. */
export async function bundle(contents: string): Promise<Bundle> {
  const result = await build({
    stdin: { contents, resolveDir: src, loader: 'ts' },
    bundle: true,
    splitting: true,
    outdir: '/out',
    chunkNames: '[hash]',
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    write: false,
    metafile: true,
  })
  const named = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
  const outputs = new Map(
    Object.entries(result.metafile.outputs).map(([path, output]) => [named(path), output]),
  )
  const loaded = new Set<string>()
  const load = (name: string): void => {
    if (loaded.has(name)) return
    loaded.add(name)
    for (const { path, kind } of outputs.get(name)?.imports ?? [])
      if (kind === 'import-statement') load(named(path))
  }
  load('stdin.js')
  const files = new Map(result.outputFiles.map(({ path, text }) => [named(path), text]))
  return {
    files,
    entryBrotli: [...loaded].reduce((sum, name) => sum + brotli(files.get(name) ?? ''), 0),
    entryBytes: [...loaded].reduce((sum, name) => sum + (outputs.get(name)?.bytes ?? 0), 0),
    inputs: Object.keys(result.metafile.inputs),
  }
}

function brotli(text: string): number {
  return brotliCompressSync(text, {
    params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
  }).length
}

/** An entry of the verifier alone. */
export const verifier = `export { assertNitroAttestation, verifyNitroAttestation, verifyArchivedNitroAttestation } from './enclave/index.js'`
