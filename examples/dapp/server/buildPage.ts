/** Builds the page with Vite, against this repository's sources. */
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const root = fileURLToPath(new URL('../page', import.meta.url))
const src = (path: string): string =>
  fileURLToPath(new URL(`../../../src/${path}`, import.meta.url))

/** Writes the built page into a directory. */
export async function buildPage(outDir: string): Promise<void> {
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    resolve: {
      // A project of one's own has the package in node_modules and needs none of these.
      alias: [
        { find: /^@newton\/policy-sdk$/, replacement: src('index.ts') },
        { find: /^@newton\/policy-sdk\/abi$/, replacement: src('core/abi/index.ts') },
        { find: /^@newton\/policy-sdk\/(.+)$/, replacement: `${src('')}$1/index.ts` },
      ],
    },
    build: {
      ...{ outDir, emptyOutDir: true, target: 'es2022', sourcemap: false },
      // Nothing inline: the policy of the page allows no `data:` scripts or fonts.
      assetsInlineLimit: 0,
      chunkSizeWarningLimit: 4_000,
    },
  })
}
