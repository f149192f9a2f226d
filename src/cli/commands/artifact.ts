import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import {
  type ArtifactNamespace,
  artifactHashBytes,
  computeArtifactHash,
  decodeLocator,
  encodeLocator,
  namespaces,
} from '../../core/index.js'
import { toHex } from '../../internal/bytes.js'
import { daArgs, publish, requireDa, sourceOf } from '../config/artifactStore.js'
import { profileArgs } from '../config/chain.js'
import { loadConfig, profileOf } from '../config/config.js'
import { FileAccessError, UsageError } from '../errors.js'
import { readBytes } from '../files.js'
import { command, group } from '../terminal/command.js'
import { exitCodes, type Terminal } from '../terminal/output.js'

const fileArg = {
  file: { type: 'positional', description: 'The artifact', required: true },
} as const
const hashArg = {
  hash: { type: 'positional', description: 'Its hash', required: true },
} as const
const locatorArg = {
  locator: {
    type: 'string',
    description: 'Where it was stored, as publish prints it',
    valueHint: '0x…',
  },
} as const

async function daFor(
  terminal: Terminal,
  args: { da?: string | undefined; profile?: string | undefined },
) {
  const { profile } = profileOf(terminal, await loadConfig(terminal), args.profile)
  return requireDa(terminal, { args, profile })
}

function hashOf(text: string): Hex {
  return toHex(artifactHashBytes(text as Hex, { field: 'hash', optional: false }))
}

const hash = command({
  name: 'hash',
  example: 'newton-policy artifact hash policy.rego',
  description: 'Print the name of an artifact: keccak-256 of the file',
  args: fileArg,
  run: async ({ args, terminal }) => {
    const bytes = await readBytes(terminal, args.file)
    const artifactHash = computeArtifactHash(bytes)
    return { data: { artifactHash, byteLength: bytes.length }, text: artifactHash }
  },
})

const verify = command({
  name: 'verify',
  example: 'newton-policy artifact verify policy.rego --hash 0x…',
  description: 'Check that a file is the artifact of that name; exit code 3 where it is not',
  args: {
    ...fileArg,
    hash: {
      type: 'string',
      description: 'Expected artifact hash',
      required: true,
      valueHint: '0x…',
    },
  },
  run: async ({ args, terminal }) => {
    const actual = computeArtifactHash(await readBytes(terminal, args.file))
    const expected = hashOf(args.hash)
    const matches = actual === expected
    return {
      data: { matches, actual, expected },
      text: matches ? `${args.file} is ${actual}` : `${args.file} is ${actual}, not ${expected}`,
      exitCode: matches ? exitCodes.done : exitCodes.denied,
    }
  },
})

const publishFile = command({
  name: 'publish',
  example: 'newton-policy artifact publish policy.rego --da ./artifacts',
  description: 'Store a file and print its hash; the locator goes to stderr.',
  args: { ...fileArg, ...daArgs, ...profileArgs },
  run: async ({ args, terminal }) => {
    const bytes = await readBytes(terminal, args.file)
    const da = await daFor(terminal, args)
    const receipt = await publish(terminal, { da, bytes, label: args.file })
    const locator = encodeLocator(receipt.locator)
    const { artifactHash, byteLength, expiresAt } = receipt
    terminal.stderr(`locator ${locator}\n`)
    if (expiresAt !== undefined) {
      terminal.stderr(`expires ${new Date(expiresAt * 1_000).toISOString()}\n`)
    }
    return { data: { artifactHash, byteLength, locator, expiresAt }, text: artifactHash }
  },
})

const fetchFile = command({
  name: 'fetch',
  example: 'newton-policy artifact fetch 0x… --out policy.rego --da ./artifacts',
  description: 'Get an artifact by its hash, check it, and write it to a file',
  args: {
    ...hashArg,
    out: { type: 'string', description: 'File to write', required: true, valueHint: 'file' },
    ...locatorArg,
    ...daArgs,
    ...profileArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const artifactHash = hashOf(args.hash)
    const source = sourceOf(await daFor(terminal, args))
    const bytes = await source.getArtifact(
      { hash: artifactHash, namespace: namespaces.rego as ArtifactNamespace, ...located(args) },
      { signal },
    )
    const path = resolve(terminal.cwd, args.out)
    await writeFile(path, bytes).catch((cause: unknown) => {
      throw new FileAccessError({ path, action: 'written' }, { cause })
    })
    return {
      data: { artifactHash, byteLength: bytes.length, path },
      text: `${args.out}: ${bytes.length} bytes, ${artifactHash}`,
    }
  },
})

function located({ locator }: { locator?: string | undefined }) {
  return locator === undefined ? {} : { locators: [decodeLocator(locator as Hex)] }
}

const status = command({
  name: 'status',
  example: 'newton-policy artifact status 0x… --da ./artifacts',
  description: 'Say whether the store has an artifact, without moving it where it can tell',
  args: { ...hashArg, ...locatorArg, ...daArgs, ...profileArgs },
  run: async ({ args, terminal, signal }) => {
    const artifactHash = hashOf(args.hash)
    const source = sourceOf(await daFor(terminal, args))
    const request = {
      ...{ hash: artifactHash, namespace: namespaces.rego as ArtifactNamespace },
      ...located(args),
    }
    const available = (await source.hasArtifact?.(request, { signal })) ?? false
    return {
      data: { artifactHash, available },
      text: `${artifactHash} ${available ? 'is there' : 'is not there'}`,
      exitCode: available ? exitCodes.done : exitCodes.notFound,
    }
  },
})

const renew = command({
  name: 'renew',
  example: 'newton-policy artifact renew 0x… --locator 0x… --da http://127.0.0.1:3100',
  description: 'Store an artifact again before the store drops it; prints the new locator',
  args: {
    ...hashArg,
    locator: { ...locatorArg.locator, required: true },
    ...daArgs,
    ...profileArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const artifactHash = hashOf(args.hash)
    const da = await daFor(terminal, args)
    if (da.renew === undefined) {
      throw new UsageError(`A store of kind ${da.kind} does not expire: there is nothing to renew.`)
    }
    const locator = decodeLocator(args.locator as Hex)
    const bytes = await da.getWithVerification(locator, artifactHash, { signal })
    const receipt = await da.renew(locator, bytes, { signal })
    const next = encodeLocator(receipt.locator)
    return { data: { artifactHash, locator: next, expiresAt: receipt.expiresAt }, text: next }
  },
})

/** The commands of artifacts. */
export const artifact: CommandDef = group(
  'artifact',
  'Artifacts: immutable bytes named by their hash',
  {
    hash: async () => hash,
    verify: async () => verify,
    publish: async () => publishFile,
    fetch: async () => fetchFile,
    status: async () => status,
    renew: async () => renew,
  },
)
