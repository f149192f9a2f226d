/**
 * A plugin is built, published and registered; two workers rebuild it and a claim says that it matches. One
 * whose source was changed by a byte does not. `npm run example:provenance`, after `npm run build`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ARTIFACT_ABSENT } from '@newton/policy-sdk'
import { fileDa } from '@newton/policy-sdk/da/node'
import {
  appendMetadata,
  createSourceArchive,
  splitMetadata,
  toMetadataEntries,
} from '@newton/policy-sdk/provenance'
import { registerPolicyDataTemplateSync } from '@newton/policy-sdk/registry'
import { deployContracts } from '@newton/policy-sdk/testing'
import { freePort, startAnvil } from '@newton/policy-sdk/testing/node'
import { createWalletClient, type Hex, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const bin = path('../../dist/cli/bin.js')
const folder = mkdtempSync(join(tmpdir(), 'provenance-'))
const key: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const account = privateKeyToAccount(key)
const tokens = ['one', 'two'].map((name) => name.padEnd(40, '.'))
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
    env: { ...process.env, NEWTON_SIGNER_KEY: key, ...env },
  })
  children.push(child)
  return child
}
const ended = (child: ChildProcess): Promise<unknown> =>
  new Promise((done) => child.once('exit', done))

try {
  copyFileSync(path('../plugins/sanctions-score-js/plugin.js'), join(folder, 'plugin.js'))
  console.log('building')
  const { data } = JSON.parse(
    cli(
      ...['plugin', 'build', 'plugin.js', '--out', 'plugin.wasm', '--json'],
      ...['--archive', 'source.tar', '--source-uri', `${sources}/source.tar`],
    ),
  )
  const plugin = new Uint8Array(readFileSync(join(folder, 'plugin.wasm')))
  console.log(`built ${data.wasmHash} in ${data.buildInfo.image}`)

  // The same plugin, which says that it comes from a source with another byte, in a comment.
  const bytes = new Uint8Array(readFileSync(join(folder, 'plugin.js')))
  bytes[bytes.indexOf(0x6c)] = 0x6d
  const changed = createSourceArchive([{ path: 'plugin.js', bytes }])
  writeFileSync(join(folder, 'changed.tar'), changed.archive)
  const tampered = appendMetadata(
    splitMetadata(plugin).code,
    toMetadataEntries({
      ...data.buildInfo,
      sourceSha256: changed.sourceSha256,
      sourceUri: `${sources}/changed.tar`,
    }),
  )

  const client = createWalletClient({ account, chain: foundry, transport: http(anvil.url) })
  const { fromBlock: _, ...addresses } = await deployContracts(client)
  const da = fileDa({ directory: join(folder, 'artifacts') })
  for (const wasm of [plugin, tampered]) {
    const { artifactHash } = await da.put(wasm)
    await registerPolicyDataTemplateSync(client, {
      ...{ wasmHash: artifactHash, paramsSchemaHash: ARTIFACT_ABSENT },
      ...{ secretsSchemaHash: ARTIFACT_ABSENT, addresses },
    })
    console.log(`registered ${artifactHash}`)
  }

  // Nobody does anything more: the control plane and its workers find both plugins.
  writeFileSync(join(folder, 'contracts.json'), JSON.stringify(addresses))
  writeFileSync(
    join(folder, 'workers.json'),
    JSON.stringify(Object.fromEntries(tokens.map((token, i) => [token, `worker ${i + 1}`]))),
  )
  const port = await freePort()
  const chain = ['--rpc-url', anvil.url, '--contracts', 'contracts.json', '--da', 'artifacts']
  role([
    ...['control', '--workers', 'workers.json', '--directory', 'control', '--memory-queue'],
    ...['--finality', 'latest'],
    ...['--port', String(port), '--interval', '1', ...chain],
  ])
  const control = `http://127.0.0.1:${port}`
  await until(async () => (await fetch(control)).status === 404)
  await new Promise((done) => setTimeout(done, 5_000))
  const worker = (token: string): ChildProcess =>
    role(['worker', '--control', control, '--allow-private', '--once'], {
      NEWTON_WORKER_TOKEN: token,
    })
  await Promise.all(tokens.map((token) => ended(worker(token))))
  await until(async () => {
    const { plugins } = JSON.parse(
      cli('provenance', 'index', '--allow-private', '--json', ...chain),
    ).data
    return plugins.filter(({ claims }: { claims: unknown[] }) => claims.length > 0).length === 2
  })
  console.log(cli('provenance', 'index', '--allow-private', ...chain))
} finally {
  for (const child of children) child.kill()
  archives.close()
  await anvil.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function until(isThere: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 120; tries++) {
    if (await isThere().catch(() => false)) return
    await new Promise((done) => setTimeout(done, 1_000))
  }
  throw new Error('it did not happen within two minutes')
}
