/** Artifacts on IPFS, read from gateways that need no trust. */
import type { CID } from 'multiformats/cid'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import { assertOptions } from '../../internal/options.js'
import { createDaAdapter, type DaHooks } from '../adapter.js'
import { DaConfigError, DaIntegrityError, DaPayloadTooLargeError } from '../errors.js'
import { createHealthBoard, type HealthBoard } from '../health.js'
import type { FetchLike } from '../internal/http.js'
import { atLeastOne, hookRules, someTime } from '../internal/optionRules.js'
import type { ArtifactCheck } from '../verifier.js'
import { createBlockSource, createGatewayRace } from './blocks.js'
import { resolvePath } from './directory.js'
import { type Gateway, probeBlock } from './gateway.js'
import { codecs, parseCid, pathOf } from './multihash.js'
import {
  buildUnixfs,
  type IpfsBlock,
  matchProfile,
  type UnixfsProfile,
  walkUnixfs,
} from './unixfs.js'

/** Puts blocks where gateways find them: a pinning service or a node of one's own. */
export type IpfsUpload = (
  file: { cid: string; blocks: readonly IpfsBlock[]; bytes: Uint8Array },
  options: { signal: AbortSignal },
) => Promise<void>

/** Options of {@link ipfs}. */
export type IpfsOptions = DaHooks & {
  /** Base URLs of path gateways that serve trustless responses, in order of preference. */
  gateways: readonly string[]
  fetch?: FetchLike | undefined
  headers?: Readonly<Record<string, string>> | undefined
  /** Milliseconds after which the next gateway joins. @default 1_000 */
  hedgeDelay?: number | undefined
  /** Shared memory of who failed. A new one by default. */
  health?: HealthBoard | undefined
  /** Whether trees are fetched as one CAR first, block by block where that fails. @default true */
  car?: boolean | undefined
  /** Most bytes of one artifact. @default 64 MiB */
  maxBytes?: number | undefined
  /** Most blocks of one tree, repeats included. @default 4_096 */
  maxBlocks?: number | undefined
  /** @default 16 */
  maxDepth?: number | undefined
  /** Milliseconds without a byte inside a body. @default 15_000 */
  stallTimeout?: number | undefined
  /** How `put` publishes. Without it the adapter only reads. */
  upload?: IpfsUpload | undefined
  /** Profile under which `put` makes CIDs. @default 'unixfs-v1-2025' */
  profile?: UnixfsProfile | undefined
  /** Whether what `upload` publishes is pinned for good. Otherwise it counts as kept for a day. */
  pinned?: boolean | undefined
}

/**
 * Creates an adapter over trustless gateways.
 *
 * Every block is checked against its CID, whichever gateway it came from; a gateway that serves
 * wrong bytes is named, remembered and passed over. Gateways race: the next one joins when the
 * first is slow. Redirects are refused, so name path gateways that do not move to subdomains.
 *
 * @example
 * ```ts
 * import { cidLocator, ipfs } from '@newton/policy-sdk/da/ipfs'
 *
 * const da = ipfs({ gateways: ['https://trustless-gateway.link'] })
 * const locator = cidLocator('bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e')
 * // await da.getWithVerification(locator, artifactHash)
 * ```
 */
export function ipfs(options: IpfsOptions): DaClient {
  assertOptions(
    options,
    {
      ...hookRules,
      gateways: 'list',
      fetch: 'function',
      headers: 'object',
      hedgeDelay: 'milliseconds',
      health: 'object',
      car: 'flag',
      maxBytes: atLeastOne,
      maxBlocks: atLeastOne,
      maxDepth: atLeastOne,
      stallTimeout: someTime,
      upload: 'function',
      profile: 'text',
      pinned: 'flag',
    },
    { required: ['gateways'] },
  )
  const {
    maxBytes = 67_108_864,
    maxBlocks = 4_096,
    maxDepth = 16,
    car = true,
    hedgeDelay = 1_000,
  } = options
  const { upload, profile = 'unixfs-v1-2025', pinned = false, now = Date.now } = options
  const health = options.health ?? createHealthBoard({ now })
  const gateways = options.gateways.map((url) => gatewayOf(url, options))
  if (gateways.length === 0)
    throw new InvalidInputError({ field: 'gateways', reason: 'expected at least one' })
  const source = 'ipfs'
  const daySeconds = 86_400

  const race = createGatewayRace({ gateways, health, hedgeDelay })
  const fileOf = async (
    root: CID,
    path: string | undefined,
    getBlock: (cid: CID) => Promise<Uint8Array>,
  ): Promise<CID> =>
    path === undefined ? root : resolvePath(root, path, { source, getBlock, maxBlocks })

  return createDaAdapter(
    {
      kind: 'ipfs',
      retention: pinned ? { kind: 'permanent' } : { kind: 'expires', seconds: daySeconds },
      supports: ({ kind }) => kind === 'cid',
      async put(bytes, { signal, onProgress }) {
        if (!upload) {
          throw new DaConfigError({
            source,
            reason: 'gateways only read',
            hint: 'Pass `upload` to publish.',
          })
        }
        if (bytes.length > maxBytes)
          throw new DaPayloadTooLargeError({ source, byteLength: bytes.length, limit: maxBytes })
        const { root, blocks } = buildUnixfs(bytes, profile)
        await upload({ cid: root.toString(), blocks, bytes }, { signal })
        onProgress?.({ loaded: bytes.length, total: bytes.length })
        return {
          locator: { kind: 'cid', cid: toHex(root.toV1().bytes) },
          checks: ['multihash'],
          expiresAt: pinned ? undefined : Math.floor(now() / 1_000) + daySeconds,
        }
      },
      async read(locator, { signal, onProgress }) {
        const root = rootOf(locator)
        const path = pathOf(locator)
        const blocks = createBlockSource({ race, maxBytes, maxBlocks, signal })
        // A raw root is the whole file, and one block is one request in any case.
        if (car && root.code === codecs.dagPb) await blocks.fill(root, path)
        const file = await fileOf(root, path, blocks.get)
        return walkUnixfs(file, {
          source,
          getBlock: blocks.get,
          limits: { maxBytes, maxBlocks, maxDepth },
          onBytes: (loaded) => onProgress?.({ loaded }),
        })
      },
      async head(locator, { signal }) {
        const root = rootOf(locator)
        const path = pathOf(locator)
        const blocks = createBlockSource({ race, maxBytes, maxBlocks, signal })
        try {
          const file = await fileOf(root, path, blocks.get)
          const found = await race(`head ${file}`, signal, async (gateway, inner) =>
            probeBlock(gateway, file, inner),
          )
          return { status: found ? 'available' : 'unknown' }
        } catch {
          signal.throwIfAborted()
          return { status: 'unknown' }
        }
      },
    },
    options,
  )
}

/**
 * The check of CIDs as part of an artifact's verification: the bytes are put under each named
 * profile. A tree of another shape is refused here though its bytes may be right: read those with
 * {@link ipfs}, which walks any tree.
 */
export function cidCheck(): ArtifactCheck {
  return {
    name: 'multihash',
    // What a directory holds under a path only a walk from its root shows.
    supports: (locator) => locator.kind === 'cid' && locator.path === undefined,
    async check(bytes, locator) {
      const cid = parseCid(locator)
      const profile = matchProfile(bytes, cid)
      if (profile === undefined) {
        throw new DaIntegrityError({
          source: 'ipfs',
          reason: `the bytes do not make ${cid} under a named profile`,
        })
      }
      return ['multihash', `multihash.${profile}`]
    },
  }
}

function rootOf(locator: Parameters<typeof parseCid>[0]): CID {
  const root = parseCid(locator)
  if (root.code !== codecs.raw && root.code !== codecs.dagPb) {
    throw new InvalidInputError({
      field: 'cid',
      reason: `codec 0x${root.code.toString(16)} is no file`,
    })
  }
  return root
}

function gatewayOf(url: string, options: IpfsOptions): Gateway {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (
    !parsed ||
    !/^https?:$/.test(parsed.protocol) ||
    parsed.username !== '' ||
    parsed.search !== ''
  ) {
    throw new InvalidInputError({
      field: 'gateways',
      reason: `${JSON.stringify(url)} is no base URL of a gateway`,
    })
  }
  return {
    url: `${parsed.origin}${parsed.pathname.replace(/\/+$/, '').replace(/\/ipfs$/, '')}`,
    source: parsed.host,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    headers: options.headers ?? {},
    stallTimeout: options.stallTimeout ?? 15_000,
  }
}
