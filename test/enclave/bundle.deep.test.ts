/** What ends up in an application's bundle, and whether it runs in a browser. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { SIMULATOR_VERSION } from '../../src/enclave/simulator/index.js'

const src = fileURLToPath(new URL('../../src/', import.meta.url))
const vectors = new URL('../../../shared/vectors/public/nitro/', import.meta.url)
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path))

type Bundle = { files: Map<string, string>; entryBytes: number; inputs: string[] }

/** Bundles with splitting, as applications do: what an entry does not load at once is no part of it. */
async function bundle(contents: string): Promise<Bundle> {
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
  return {
    files: new Map(result.outputFiles.map(({ path, text }) => [named(path), text])),
    entryBytes: [...loaded].reduce((sum, name) => sum + (outputs.get(name)?.bytes ?? 0), 0),
    inputs: Object.keys(result.metafile.inputs),
  }
}

const verifier = `export { assertNitroAttestation, verifyNitroAttestation, verifyArchivedNitroAttestation } from './enclave/index.js'`

describe('bundles', () => {
  test('what a page loads for the verifier is under 60 kB minified; the fallback curve comes on demand', async () => {
    const { entryBytes, files } = await bundle(verifier)
    expect(entryBytes).toBeGreaterThan(10_000)
    expect(entryBytes).toBeLessThan(60_000)
    expect(files.size).toBeGreaterThan(1)
  })

  test('the production entry holds nothing of the simulator and nothing of Node', async () => {
    const { files, inputs } = await bundle(`export * from './enclave/index.js'`)
    expect(inputs.length).toBeGreaterThan(30)
    expect(inputs.filter((path) => path.includes('simulator') || path.includes('/node/'))).toEqual(
      [],
    )
    for (const trace of [SIMULATOR_VERSION, 'NOT AMAZON', 'newton-simulator', 'node:']) {
      for (const text of files.values()) expect(text).not.toContain(trace)
    }
  })
})

if (chromium === undefined) console.warn('skipped: no Chromium at /usr/bin/chromium')
describe.skipIf(chromium === undefined || !existsSync(vectors))('Chromium', () => {
  test('gives the same verdicts as Node, with both backends', async () => {
    const samples = JSON.parse(readFileSync(new URL('MANIFEST.json', vectors), 'utf8')) as {
      file: string
      pcr0: string
      now_ms: number
      expect_production: string
      reason: string
    }[]
    const { files } = await bundle(verifier)
    const server = createServer((request, response) => {
      const script = files.get((request.url ?? '').slice(1))
      response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript')
      response.end(script ?? '<!doctype html><title>verifier</title>')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const { chromium: driver } = await import('playwright-core')
    const browser = await driver.launch({
      executablePath: chromium as string,
      args: ['--no-sandbox', '--disable-background-networking'],
    })
    try {
      const page = await browser.newPage()
      // A secure context, so that WebCrypto is there.
      await page.goto(`http://127.0.0.1:${port}/`)
      const documents = samples.map((sample) => ({
        ...sample,
        base64: readFileSync(new URL(sample.file, vectors)).toString('base64'),
      }))
      // As text, because the test runner rewrites imports in functions.
      const script = `(async (list) => {
        const { verifyNitroAttestation } = await import('/stdin.js')
        const out = []
        for (const backend of ['webcrypto', 'noble']) {
          for (const { base64, pcr0, now_ms } of list) {
            const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
            const verdict = await verifyNitroAttestation(bytes, {
              measurements: [{ 0: '0x' + pcr0 }],
              freshness: { kind: 'maxAge', maxAge: 3600000 },
              binding: { userData: 'any', publicKey: 'any' },
              clock: () => now_ms,
              backend,
            })
            out.push(verdict.status === 'valid' ? 'accept' : verdict.code)
          }
        }
        return out
      })(${JSON.stringify(documents)})`
      const verdicts = await page.evaluate(script)
      const expected = samples.map(({ expect_production, reason }) =>
        expect_production === 'accept' ? 'accept' : reason,
      )
      expect(verdicts).toEqual([...expected, ...expected])
    } finally {
      await browser.close()
      server.close()
    }
  }, 120_000)
})
