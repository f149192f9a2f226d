import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

const src = (path: string): string => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // Tests import the package the way a user does.
    alias: [
      { find: /^@newton\/policy-sdk$/, replacement: src('index.ts') },
      {
        find: /^@newton\/policy-sdk\/(abi|newton)$/,
        replacement: `${src('core/')}$1/index.ts`,
      },
      { find: '@newton/policy-sdk/attestation/mcl', replacement: src('core/bn254/mcl/index.ts') },
      { find: /^@newton\/policy-sdk\/(.+)$/, replacement: `${src('')}$1/index.ts` },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Long suites (many kills, soaks, browsers) have a configuration of their own.
    exclude: [...configDefaults.exclude, '**/*.deep.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: process.env['CI'] ? ['default'] : ['default'],
    pool: 'forks',
  },
})
