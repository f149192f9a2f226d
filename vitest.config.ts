import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

const src = (path: string): string => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

/**
 * Tests beside the sources share a process and the modules they import: loading them anew for each file
 * takes as long as the tests. These have one of their own, because they change or measure theirs.
 */
const alone = [
  // Warnings, rejections and WebAssembly of the whole process.
  'src/da/ipfs/ipfs.test.ts',
  // A module of Node's own that others loaded before.
  'src/da/node/guardedHttps.test.ts',
  'src/da/node/hostileBodies.test.ts',
  'src/enclave/host/host.test.ts',
  'src/eval/rego/engineMemory.test.ts',
  'src/eval/rego/engineModule.test.ts',
  // Memory and globals.
  'src/enclave/evaluate/load.test.ts',
  'src/enclave/wire/wire.test.ts',
  'src/gateway/subscription.test.ts',
]

const deep = [...configDefaults.exclude, '**/*.{deep,long}.test.ts']

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
      { find: '@newton/policy-sdk/eval/ajv', replacement: src('eval/schema/ajv/index.ts') },
      { find: '@newton/policy-sdk/bundle', replacement: src('registry/bundle/index.ts') },
      { find: /^@newton\/policy-sdk\/(.+)$/, replacement: `${src('')}$1/index.ts` },
    ],
  },
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // One worker fewer than processors is one worker on two of them.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['src/**/*.test.ts'],
          // Long suites (many kills, soaks, browsers) have a configuration of their own.
          exclude: [...deep, ...alone],
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: ['test/**/*.test.ts', ...alone], exclude: deep },
      },
    ],
  },
})
