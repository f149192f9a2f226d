/** Everything of a new project that is not the policy or the plugin. */
import { buildCommand, pluginFiles } from './pluginFiles.js'
import { policyFiles } from './policyFiles.js'

/** A project to make. */
export type Project = { name: string; language: 'javascript' | 'rust'; version: string }

/** Text by path. */
export function projectFiles(project: Project): Readonly<Record<string, string>> {
  return {
    'package.json': packageJson(project),
    'README.md': readme(project),
    '.gitignore': 'node_modules\nartifacts\nplugin/plugin.wasm\nplugin/target\n',
    '.github/workflows/ci.yml': workflow,
    ...policyFiles,
    ...pluginFiles(project.language),
  }
}

/** What a devnet runs on, in versions that the package takes. */
const devnetPackages = {
  '@electric-sql/pglite': '^0.5.17',
  '@foundry-rs/anvil': '^1.7.1',
  '@hono/node-server': '^2.1.9',
  'fs-native-extensions': '^1.5.1',
  hono: '^4.13.19',
  kysely: '^0.28.19',
  lmdb: '^3.5.6',
  ws: '^8.21.0',
  zod: '^4.6.7',
}

function packageJson({ name, language, version }: Project): string {
  const value = {
    name,
    private: true,
    type: 'module',
    scripts: {
      build: buildCommand[language],
      lint: 'newton-policy policy lint',
      test: 'newton-policy policy lint && newton-policy policy test',
      simulate: 'newton-policy policy simulate',
      devnet: 'newton-policy devnet',
    },
    devDependencies: {
      '@newton/policy-sdk': `^${version}`,
      viem: '^2.54.0',
      '@bytecodealliance/jco-transpile': '^0.15.0',
      '@bytecodealliance/preview2-shim': '^0.26.1',
      ...(language === 'javascript' ? { '@bytecodealliance/componentize-js': '^0.23.0' } : {}),
      ...devnetPackages,
    },
  }
  return `${JSON.stringify(value, null, 2)}\n`
}

const workflow = `name: ci
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 20 }
      - run: npm install
      - run: npm run build
      - run: npm test
      - run: npm run simulate
`

function readme({ name, language }: Project): string {
  const needs = language === 'rust' ? '; needs Rust: https://rustup.rs' : ''
  return `# ${name}

A policy: \`policy/policy.rego\` decides, \`plugin/\` finds out what it has to know. \`intent.json\` is the
transaction that \`npm run simulate\` tries, \`wasm-args.json\` what the plugin is asked about it.

\`\`\`sh
npm install
npm run build       # the plugin, into plugin/plugin.wasm${needs}
npm test            # lint, and the tests of the policy
npm run simulate    # what the operators would decide: allow
\`\`\`

## Deploy

On a local network, started with \`npm run devnet\` in another terminal. On another one, name its profile:
\`--profile testnet\`.

\`\`\`sh
CLIENT=0x…   # the client that npm run devnet printed
DATA=$(npx newton-policy policy-data template register plugin/plugin.wasm plugin/params.schema.json)
POLICY=$(npx newton-policy policy template register policy/policy.rego policy/params.schema.json --data-templates $DATA)
DATA_INSTANCE=$(npx newton-policy policy-data instance deploy --template $DATA --client $CLIENT --params plugin/params.json --expire-after 150)
npx newton-policy policy instance deploy --template $POLICY --client $CLIENT --params policy/params.json --expire-after 150 --data-instances $DATA_INSTANCE
npx newton-policy policy describe --client $CLIENT
\`\`\`

## Ask for a decision

\`\`\`sh
npx newton-policy task create --client $CLIENT --wasm-args wasm-args.json --to 0x2222222222222222222222222222222222222222 --value 1000
\`\`\`

Exit code 0 is an allow, 3 a deny, and 5 says to try again: operators decide once they have committed the
policy's files, some seconds after they were registered.
`
}
