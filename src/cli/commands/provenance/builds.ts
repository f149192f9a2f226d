/** Which builds a plugin is said to come from: by itself, and by the registry of build information. */
import { createHash } from 'node:crypto'
import type { Hex } from 'viem'
import {
  completeBuildInfo,
  computeBuildInfoHash,
  computeWasmHashes,
  createProvenanceIndex,
  guessBuilds,
  type IndexedBuild,
  MAX_BUILDS,
  parseBuildEntries,
  readMetadata,
  readSourceArchive,
} from '../../../provenance/index.js'
import type { Toolchain } from '../../../provenance/node/index.js'
import { AddressRequiredError, createProvenanceEvents } from '../../../registry/index.js'
import { type ChainArgs, type ChainTarget, chainOf } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { printProgress, type Terminal } from '../../terminal/output.js'
import { RUST_KIT } from '../../toolchains/rust.js'
import { pluginReader } from './sources.js'

type Args = ChainArgs & { plugin: string; da?: string | undefined }

/** A build to try, and who names it: nobody, where it is a guess. */
export type TriedBuild = Omit<IndexedBuild, 'origin'> & { origin: IndexedBuild['origin'] | 'guess' }

/** A plugin, and how it is said to have been built. */
export type SaidPlugin = {
  wasm: Uint8Array
  builds: readonly IndexedBuild[]
  /** Whether there was a registry to ask. */
  asked: boolean
}

/**
 * Reads a plugin and its builds. What it says itself comes first; the registry is asked about a plugin
 * that is named by its hash, where a chain is named, and where the plugin says too little.
 *
 * @throws {BuildInfoError} where its own metadata is malformed: no entry mends that.
 */
export async function readSaidPlugin(
  terminal: Terminal,
  { args, signal }: { args: Args; signal: AbortSignal },
): Promise<SaidPlugin> {
  const wasmHash = hashOf(args.plugin)
  let target = wasmHash === undefined ? undefined : await chainOf(terminal, args)
  const wasm =
    wasmHash !== undefined && target !== undefined
      ? await pluginReader(terminal, { target, args })(wasmHash, { signal })
      : await readBytes(terminal, args.plugin)
  const own = ownBuild(wasm)
  const isNamed = [args.chain, args['chain-id'], args['rpc-url']].some((it) => it !== undefined)
  if (target === undefined && (isNamed || own === undefined)) {
    target = await chainOf(terminal, args).catch((error: unknown) => {
      // Without a chain there is nobody else to ask.
      if (error instanceof UsageError && !isNamed) return undefined
      throw error
    })
  }
  if (target === undefined) return { wasm, builds: own === undefined ? [] : [own], asked: false }
  try {
    const builds = await buildsOnChain(terminal, { target, wasm, signal })
    return { wasm, builds: builds.slice(0, MAX_BUILDS), asked: true }
  } catch (error) {
    if (own === undefined || !(error instanceof AddressRequiredError)) throw error
    return { wasm, builds: [own], asked: false }
  }
}

/**
 * What a source may have built, where nobody says how a plugin was: `plugin build` as it is called, by each
 * toolchain of this machine that builds such a source.
 */
export async function guessedBuilds(
  wasm: Uint8Array,
  { archive, toolchains }: { archive: Uint8Array; toolchains: readonly Toolchain[] },
): Promise<readonly TriedBuild[]> {
  const hashes = computeWasmHashes(wasm)
  const files = await readSourceArchive(archive)
  const isCrate = files.some(({ path }) => path === 'Cargo.toml')
  const modules = files.map(({ path }) => path).filter((path) => /^[^/]+\.m?js$/.test(path))
  const features = '--features=clocks,random'
  const ofModules = ['0.2', '0.1'].flatMap((world) =>
    modules.map((path) => [features, `--source=${path}`, `--world=${world}`]),
  )
  const images = toolchains
    .filter(({ determinism }) => (determinism === RUST_KIT) === isCrate)
    .map(({ image, determinism, manifest }) => ({
      ...{ archs: { [manifest?.arch ?? 'here']: image }, determinism },
      options: isCrate ? [[]] : ofModules,
    }))
  const sourceSha256 = `0x${createHash('sha256').update(archive).digest('hex')}` as const
  const own = parseBuildEntries(readMetadata(wasm).entries)
  const guesses = guessBuilds({ sources: [{ sourceSha256 }], images }, { ...hashes, own })
  return guesses.map((info) => ({
    ...{ info, buildInfoHash: computeBuildInfoHash(info), origin: 'guess' as const },
  }))
}

/** A hash in any case, `undefined` for a path. */
function hashOf(plugin: string): Hex | undefined {
  if (/^0[xX][0-9a-fA-F]{64}$/.test(plugin)) return `0x${plugin.slice(2).toLowerCase()}`
  if (!/^[0-9a-fA-F]{64}$/.test(plugin)) return undefined
  throw new UsageError('A plugin is named by its keccak-256: 0x and 64 hex digits.', {
    metaMessages: ['64 digits alone are a SHA-256. For a file of this name: ./<name>'],
  })
}

function ownBuild(wasm: Uint8Array): IndexedBuild | undefined {
  const { wasmSha256 } = computeWasmHashes(wasm)
  const info = completeBuildInfo(parseBuildEntries(readMetadata(wasm).entries), wasmSha256)
  return info && { info, buildInfoHash: computeBuildInfoHash(info), origin: 'plugin' }
}

async function buildsOnChain(
  terminal: Terminal,
  given: { target: ChainTarget; wasm: Uint8Array; signal: AbortSignal },
): Promise<readonly IndexedBuild[]> {
  const { target, wasm, signal } = given
  const { client, addresses, fromBlock } = target
  const events = await createProvenanceEvents({ client, addresses, finality: 'latest' })
  const toBlock = await events.getFinalizedBlock({ signal })
  printProgress(terminal, 'reading build information')
  const read = await events.getEvents({ fromBlock, toBlock }, { signal })
  printProgress(terminal)
  const index = createProvenanceIndex()
  const wasmHash = index.addPlugin(wasm)
  index.apply(read.filter((event) => event.wasmHash.toLowerCase() === wasmHash))
  return index.get(wasmHash)?.builds ?? []
}
