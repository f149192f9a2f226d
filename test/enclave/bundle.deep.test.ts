/** Whether the bundle of the verifier gives a browser the verdicts that Node has. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { describe, expect, test } from 'vitest'
import { bundle, verifier } from './bundle.js'

const vectors = new URL('../../../shared/vectors/public/nitro/', import.meta.url)
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path))

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
