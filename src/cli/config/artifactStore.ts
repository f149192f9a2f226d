/** Where a command keeps and finds artifacts. */
import { resolve } from 'node:path'
import type { ArtifactSource, DaClient } from '../../core/index.js'
import {
  createArtifactSource,
  createLayeredArtifactCache,
  type LayeredArtifactCache,
} from '../../da/index.js'
import { fileDa } from '../../da/node/index.js'
import { UsageError } from '../errors.js'
import { heed } from '../terminal/interrupt.js'
import { printProgress, type Terminal } from '../terminal/output.js'
import type { Profile } from './config.js'
import { rememberingEigenDa } from './rememberedPayments.js'

/** Options of commands that publish or fetch artifacts. */
export const daArgs = {
  da: {
    type: 'string',
    description: 'Store of artifacts: a directory, or the URL of an EigenDA proxy',
    valueHint: 'dir|url',
  },
} as const

/**
 * The store that `--da`, `NEWTON_DA` or the profile names; `undefined` for none.
 *
 * @throws {UsageError} for a URL of another scheme.
 */
export function daOf(
  terminal: Terminal,
  { args, profile }: { args: { da?: string | undefined }; profile: Profile },
): DaClient | undefined {
  const named = args.da ?? (terminal.env['NEWTON_DA'] || undefined)
  const url =
    named === undefined ? profile.da_proxy_url : /^[a-z]+:\/\//i.test(named) ? named : undefined
  if (url !== undefined) {
    if (!/^https?:\/\//i.test(url))
      throw new UsageError(`${url} is not the URL of an EigenDA proxy.`)
    return rememberingEigenDa(terminal, { url })
  }
  const directory = named ?? profile.da_directory
  return directory === undefined
    ? undefined
    : fileDa({ directory: resolve(terminal.cwd, directory.replace(/^~(?=\/)/, terminal.home)) })
}

/** Option of commands that register artifacts. */
export const operatorArgs = {
  operators: {
    type: 'string',
    description: 'Operators that get the artifacts from here too, separated by commas',
    valueHint: 'urls',
  },
} as const

/** The operators that `--operators`, `NEWTON_OPERATORS` or the profile names. */
export function operatorUrls(
  terminal: Terminal,
  { args, profile }: { args: { operators?: string | undefined }; profile: Profile },
): string[] {
  const text = args.operators ?? (terminal.env['NEWTON_OPERATORS'] || profile.operator_urls) ?? ''
  const urls = text.split(',').map((one) => one.trim())
  for (const one of urls.filter((url) => url !== '')) {
    if (!URL.canParse(one) || !/^https?:$/.test(new URL(one).protocol))
      throw new UsageError(`${one} is not the URL of an operator.`)
  }
  return urls.filter((one) => one !== '')
}

/** Like {@link daOf}, for commands that cannot do without. */
export function requireDa(
  terminal: Terminal,
  parameters: { args: { da?: string | undefined }; profile: Profile },
): DaClient {
  const da = daOf(terminal, parameters)
  if (da !== undefined) return da
  throw new UsageError('There is no store of artifacts.', {
    metaMessages: [
      'Give --da <directory or URL of an EigenDA proxy>, set NEWTON_DA, or keep it in the profile:',
      'newton-policy config set da_directory <directory>',
    ],
  })
}

/** Artifacts by hash from a store; `undefined` without one. */
export function sourceOf(da: DaClient): ArtifactSource
export function sourceOf(da: DaClient | undefined): ArtifactSource | undefined
export function sourceOf(da: DaClient | undefined): ArtifactSource | undefined {
  return da === undefined ? undefined : createArtifactSource({ clients: [da] })
}

/** Uploads bytes with progress on a terminal. Returns the receipt. */
export async function publish(
  terminal: Terminal,
  { da, bytes, label }: { da: DaClient; bytes: Uint8Array; label: string },
): ReturnType<DaClient['put']> {
  const { signal } = terminal
  await heed(signal)
  const receipt = await da.put(bytes, {
    signal,
    onProgress: ({ loaded, total }) => {
      printProgress(terminal, `${label}: ${loaded} of ${total ?? '?'} bytes`)
    },
  })
  printProgress(terminal)
  terminal.stderr(
    `stored  ${label}: ${receipt.artifactHash}, ${receipt.byteLength} bytes in ${da.kind}\n`,
  )
  return receipt
}

/**
 * Artifacts of a store through the one cache: its `memory` is the bound for all that a command keeps, rows,
 * policies, schemas and compiled plugins.
 */
export function cacheOf(da: DaClient): LayeredArtifactCache {
  return createLayeredArtifactCache({ da: sourceOf(da) })
}
