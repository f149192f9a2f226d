/**
 * Plugins in JavaScript and in Rust are built, published and registered; two verifiers with two workers each
 * rebuild them and claim that they match. One whose source was changed by a byte does not, one whose toolchain
 * is not pinned does not run. A reader sees it before signing. `npm run example:provenance`, after `npm run build`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ARTIFACT_ABSENT, sortRefs } from '@newton/policy-sdk'
import { fileDa } from '@newton/policy-sdk/da/node'
import {
  appendMetadata,
  type BuildInfo,
  createSourceArchive,
  splitMetadata,
  toMetadataEntries,
} from '@newton/policy-sdk/provenance'
import {
  registerPolicyDataTemplateSync,
  registerPolicyTemplateSync,
} from '@newton/policy-sdk/registry'
import { deployContracts } from '@newton/policy-sdk/testing'
import { freePort, startAnvil } from '@newton/policy-sdk/testing/node'
import { createWalletClient, type Hex, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const bin = path('../../dist/cli/bin.js')
const folder = mkdtempSync(join(tmpdir(), 'provenance-'))
/** Keys of the chain's own accounts: the first registers, and each is a verifier's. */
const keys: readonly [Hex, Hex] = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
]
const account = privateKeyToAccount(keys[0])
const children: ChildProcess[] = []

// Where authors publish their sources.
const archives = createServer((request, response) => {
  try {
    response.end(readFileSync(join(folder, `${request.url?.slice(1)}`)))
  } catch {
    response.writeHead(404).end()
  }
})
await new Promise<void>((done) => archives.listen(0, '127.0.0.1', done))
const sources = `http://127.0.0.1:${(archives.address() as AddressInfo).port}`
const anvil = await startAnvil()

const cli = (...words: string[]): string =>
  execFileSync(process.execPath, [bin, ...words], { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
const role = (words: readonly string[], env: Record<string, string> = {}): ChildProcess => {
  const child = spawn(process.execPath, [bin, 'provenance', ...words], {
    ...{ cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
    env: { ...process.env, ...env },
  })
  children.push(child)
  return child
}

try {
  copyFileSync(path('../plugins/sanctions-score-js/plugin.js'), join(folder, 'plugin.js'))
  console.log('building')
  const javascript = build('plugin.js', 'js')
  const rust = buildRust()

  // The same plugin, which says that it comes from a source with another byte, in a comment.
  const bytes = new Uint8Array(readFileSync(join(folder, 'plugin.js')))
  bytes[bytes.indexOf(0x6c)] = 0x6d
  const changed = createSourceArchive([{ path: 'plugin.js', bytes }])
  writeFileSync(join(folder, 'changed.tar'), changed.archive)
  const tampered = told(javascript, {
    ...{ sourceSha256: changed.sourceSha256, sourceUri: `${sources}/changed.tar` },
  })
  // And once more, which does not say by which kit it was made to repeat itself.
  const unpinned = told(javascript, { determinism: undefined })

  const client = createWalletClient({ account, chain: foundry, transport: http(anvil.url) })
  const { fromBlock: _, ...addresses } = await deployContracts(client)
  const da = fileDa({ directory: join(folder, 'artifacts') })
  const plugins = {
    javascript: javascript.wasm,
    ...(rust === undefined ? {} : { rust: rust.wasm }),
    ...{ tampered, unpinned },
  }
  const templates: Hex[] = []
  for (const [name, wasm] of Object.entries(plugins)) {
    const { artifactHash } = await da.put(wasm)
    const { id } = await registerPolicyDataTemplateSync(client, {
      ...{ wasmHash: artifactHash, paramsSchemaHash: ARTIFACT_ABSENT },
      ...{ secretsSchemaHash: ARTIFACT_ABSENT, addresses },
    })
    templates.push(id)
    console.log(`registered ${artifactHash}, ${name}`)
  }
  const rego = await da.put(new TextEncoder().encode('package p\ndefault allow := false\n'))
  const policy = await registerPolicyTemplateSync(client, {
    ...{ regoHash: rego.artifactHash, paramsSchemaHash: ARTIFACT_ABSENT, addresses },
    policyDataTemplateRefs: sortRefs(templates),
  })

  // Nobody does anything more: two verifiers, who know nothing of each other, find all plugins.
  writeFileSync(join(folder, 'contracts.json'), JSON.stringify(addresses))
  const chain = ['--rpc-url', anvil.url, '--contracts', 'contracts.json', '--da', 'artifacts']
  await Promise.all(keys.map((verifier, at) => verify({ verifier, at, chain })))
  const expected = Object.keys(plugins).length * keys.length
  await until(async () => {
    const { plugins } = JSON.parse(
      cli('provenance', 'index', '--allow-private', '--json', ...chain),
    ).data
    const claims = plugins.flatMap(({ claims }: { claims: unknown[] }) => claims)
    return claims.length === expected
  })
  console.log(cli('provenance', 'index', '--allow-private', ...chain))

  // A reader who believes both of them, and these environments, looks at a policy before signing for it.
  writeFileSync(
    join(folder, 'trust.json'),
    JSON.stringify({
      images: Object.fromEntries(
        [javascript, rust].flatMap((built) => (built ? [[built.buildInfo.image, 'trusted']] : [])),
      ),
      verifiers: keys.map((each) => privateKeyToAccount(each).address),
      threshold: keys.length,
    }),
  )
  const words = ['policy', 'describe', '--policy-template', policy.id, '--trust', 'trust.json']
  console.log(cli(...words, '--allow-private', ...chain))
} finally {
  for (const child of children) child.kill()
  archives.close()
  await anvil.stop()
  rmSync(folder, { recursive: true, force: true })
}

type Built = { wasm: Uint8Array; buildInfo: BuildInfo }

/** Builds by the command, and publishes the source. */
function build(source: string, name: string): Built {
  const { data } = JSON.parse(
    cli(
      ...['plugin', 'build', source, '--out', `${name}.wasm`, '--json'],
      ...['--archive', `${name}.tar`, '--source-uri', `${sources}/${name}.tar`],
    ),
  )
  console.log(`built ${data.wasmHash} in ${data.buildInfo.image}`)
  return {
    wasm: new Uint8Array(readFileSync(join(folder, `${name}.wasm`))),
    buildInfo: data.buildInfo,
  }
}

/** The plugin in Rust, where there is what builds it. */
function buildRust(): Built | undefined {
  try {
    return build(path('../plugins/sanctions-score'), 'rust')
  } catch (error) {
    const { code, message } = JSON.parse((error as { stdout: string }).stdout).error
    if (code !== 'TOOLCHAIN_UNAVAILABLE' || process.env['CI_REQUIRE_ALL'] === '1') throw error
    console.log(`skipped the plugin in Rust: ${message}`)
    return undefined
  }
}

/** A plugin that says something else of its build. */
function told({ wasm, buildInfo }: Built, change: Partial<BuildInfo>): Uint8Array {
  return appendMetadata(
    splitMetadata(wasm).code,
    toMetadataEntries({ ...buildInfo, ...change } as BuildInfo),
  )
}

/** Starts a verifier with a key of its own, and two workers. */
async function verify(given: {
  verifier: Hex
  at: number
  chain: readonly string[]
}): Promise<void> {
  const { verifier, at, chain } = given
  const tokens = ['one', 'two'].map((name) => `${at}-${name}`.padEnd(40, '.'))
  const directory = `verifier-${at}`
  writeFileSync(
    join(folder, `workers-${at}.json`),
    JSON.stringify(Object.fromEntries(tokens.map((token, i) => [token, `worker ${i + 1}`]))),
  )
  const port = await freePort()
  role(
    [
      ...['control', '--workers', `workers-${at}.json`, '--directory', directory],
      ...['--memory-queue', '--finality', 'latest', '--port', String(port), '--interval', '1'],
      ...chain,
    ],
    { NEWTON_SIGNER_KEY: verifier },
  )
  const control = `http://127.0.0.1:${port}`
  await until(async () => (await fetch(control)).status === 404)
  await new Promise((done) => setTimeout(done, 5_000))
  // They stay until the end: what does not match for one is built by the other as well.
  for (const token of tokens) {
    role(['worker', '--control', control, '--allow-private'], { NEWTON_WORKER_TOKEN: token })
  }
}

async function until(isThere: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await isThere().catch(() => false)) return
    await new Promise((done) => setTimeout(done, 1_000))
  }
  throw new Error('it did not happen within five minutes')
}
