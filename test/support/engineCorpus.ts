/** The policies of the corpus, and the engine as a browser's bundler sees it. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { CorpusPolicy } from './engineEntry.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = new URL('../corpus/rego/', import.meta.url)

type Case = { input?: unknown; inputText?: string; data: unknown }

/** Each policy without its cases, with the documents of them. */
export const policies: readonly CorpusPolicy[] = readdirSync(folder)
  .sort()
  .map((file) => {
    const source = readFileSync(new URL(file, folder), 'utf8')
    const cases = source
      .split('\n')
      .filter((line) => line.startsWith('# case: '))
      .map((line) => JSON.parse(line.slice('# case: '.length)) as Case)
    return {
      rego: source.replaceAll(/^# case: .*\n/gm, ''),
      documents: cases.map(({ input, inputText, data }) => ({
        inputJson: inputText ?? JSON.stringify(input),
        dataJson: JSON.stringify(data),
      })),
    }
  })

/** The script that puts `decideAll` on the global object. */
export async function engineScript(format: 'esm' | 'iife'): Promise<string> {
  const bundle = await build({
    entryPoints: [`${root}test/support/engineEntry.ts`],
    bundle: true,
    format,
    platform: 'browser',
    write: false,
    external: ['@open-policy-agent/opa-wasm', '@bytecodealliance/*', 'node:*'],
  })
  return bundle.outputFiles[0]?.text ?? ''
}
