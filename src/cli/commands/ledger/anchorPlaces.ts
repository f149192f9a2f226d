/** Where `ledger anchor` anchors: on a chain, in a Rekor log, with calendars of OpenTimestamps. */
import { createPrivateKey, type JsonWebKey } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'
import type { LedgerRecord } from '../../../core/interfaces/ledgerSink.js'
import {
  type AnchorCandidate,
  type AnchorReceipt,
  anchorRecord,
  type ChainAnchorReceipt,
  createRekorAnchor,
  createTimestampAnchor,
  parseNoteKey,
  type RekorAnchorReceipt,
  type RekorTrust,
  rekorAnchorRecord,
  type TimestampReceipt,
  timestampAnchorRecord,
  upgradeTimestamp,
  verifyRekorAnchor,
} from '../../../ledger/index.js'
import { createChainAnchor } from '../../../registry/index.js'
import { type ChainArgs, chainArgs, chainOf, writeClientOf } from '../../config/chain.js'
import { signerArgs, signerOf } from '../../config/credentials.js'
import { UsageError } from '../../errors.js'
import { readBytes, readJsonObject } from '../../files.js'
import { heed } from '../../terminal/interrupt.js'
import type { Terminal } from '../../terminal/output.js'

/** Options of all places. */
export const placeArgs = {
  to: {
    type: 'string',
    description: 'Where to: chain (CheckpointAnchor), rekor, or opentimestamps',
    default: 'chain',
    valueHint: 'place',
  },
  'rekor-url': {
    type: 'string',
    description: 'Rekor log of version 2 that takes entries',
    valueHint: 'https://…',
  },
  'rekor-log': { type: 'string', description: 'Verifier key of that log', valueHint: 'key' },
  'anchor-key': {
    type: 'string',
    description: 'PEM file of the P-256 key that signs for Rekor, which takes no Ed25519',
    valueHint: 'file.pem',
  },
  calendars: {
    type: 'string',
    description: 'Calendars of OpenTimestamps, separated by commas',
    default:
      'https://alice.btc.calendar.opentimestamps.org,https://finney.calendar.eternitywall.com',
    valueHint: 'urls',
  },
  ...chainArgs,
  ...signerArgs,
} as const

/** Arguments of {@link placeArgs}, as a command has them. */
export type PlaceArgs = ChainArgs & {
  to: string
  calendars: string
  'rekor-url'?: string | undefined
  'rekor-log'?: string | undefined
  'anchor-key'?: string | undefined
  'signer-key'?: string | undefined
  keystore?: string | undefined
}

/** A receipt, in words, and the event that it makes where it is new. */
export type Anchored = {
  receipt: AnchorReceipt
  how: string
  record: () => Promise<LedgerRecord | undefined>
}

/** A place that anchors one checkpoint. */
export type Place = (
  candidate: AnchorCandidate,
  options: { signal: AbortSignal },
) => Promise<Anchored>

/**
 * The place that `--to` names.
 *
 * @throws {UsageError} for one that is none, or lacks an option.
 */
export async function placeOf(terminal: Terminal, args: PlaceArgs): Promise<Place> {
  switch (args.to) {
    case 'chain':
      return chainPlace(terminal, args)
    case 'rekor':
      return rekorPlace(terminal, args)
    case 'opentimestamps':
      return timestampPlace(terminal, args)
    default:
      throw new UsageError('--to is chain, rekor or opentimestamps.')
  }
}

async function chainPlace(terminal: Terminal, args: PlaceArgs): Promise<Place> {
  const target = await chainOf(terminal, args)
  const account = await signerOf(terminal, { args, profile: target.profile })
  const { addresses, fromBlock } = target
  const client = writeClientOf(terminal, { target, account })
  const anchor = createChainAnchor({ client, addresses, fromBlock })
  return async (candidate, options) => {
    const receipt = (await anchor.anchor(candidate, options)) as ChainAnchorReceipt
    const { transactionHash } = receipt
    return {
      receipt,
      how: transactionHash === undefined ? 'was anchored before' : `anchored by ${transactionHash}`,
      record: async () => {
        if (transactionHash === undefined) return undefined
        const { blockNumber } = await target.client.getTransactionReceipt({ hash: transactionHash })
        return anchorRecord({ ...receipt, transactionHash }, { blockNumber })
      },
    }
  }
}

async function rekorPlace(terminal: Terminal, args: PlaceArgs): Promise<Place> {
  const { 'rekor-url': url, 'rekor-log': log, 'anchor-key': path } = args
  if (url === undefined || log === undefined || path === undefined) {
    throw new UsageError('--to rekor needs --rekor-url, --rekor-log and --anchor-key.', {
      metaMessages: [
        'A key is made with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out anchor.pem',
      ],
    })
  }
  const secret = await anchorSecret(terminal, path)
  const trust: RekorTrust = { log: parseNoteKey(log), anchorKey: p256.getPublicKey(secret, false) }
  const target = createRekorAnchor({
    ...{ url, trust },
    sign: async (digest) => {
      await heed(terminal.signal)
      return p256.sign(digest, secret, { prehash: false, format: 'der' })
    },
  })
  return async (candidate, options) => {
    const receipt = (await target.anchor(candidate, options)) as RekorAnchorReceipt
    const verdict = verifyRekorAnchor(receipt, trust)
    // The target verified it: what it says here is the place.
    const logIndex = verdict.status === 'verified' ? verdict.rekor.index : 0n
    return {
      receipt,
      how: `anchored as entry ${logIndex} of ${trust.log.name}`,
      record: async () => rekorAnchorRecord(receipt, { url, logIndex }),
    }
  }
}

async function anchorSecret(terminal: Terminal, path: string): Promise<Uint8Array> {
  const pem = new TextDecoder().decode(await readBytes(terminal, path))
  let key: JsonWebKey
  try {
    key = createPrivateKey(pem).export({ format: 'jwk' })
  } catch (cause) {
    throw new UsageError(`${path} does not hold a private key in PEM.`, { cause: cause as Error })
  }
  if (key.crv !== 'P-256' || key.d === undefined) {
    throw new UsageError(`${path} holds a key of another curve than P-256.`)
  }
  return Uint8Array.from(Buffer.from(key.d, 'base64url'))
}

function timestampPlace(_terminal: Terminal, args: PlaceArgs): Place {
  const calendars = calendarsOf(args)
  const target = createTimestampAnchor({ calendars })
  return async (candidate, options) => {
    const receipt = (await target.anchor(candidate, options)) as TimestampReceipt
    return {
      receipt,
      how: 'promised by a calendar; some hours later: the same with --upgrade <receipt>',
      record: async () => timestampAnchorRecord(receipt, { calendars }),
    }
  }
}

/**
 * A receipt of OpenTimestamps with a proof under a block, `undefined` where no calendar has one yet.
 *
 * @throws {UsageError} for a file that is no such receipt.
 */
export async function upgraded(
  terminal: Terminal,
  { args, path }: { args: PlaceArgs; path: string },
  options: { signal: AbortSignal },
): Promise<Anchored | undefined> {
  const file = await readJsonObject(terminal, path)
  const { kind, origin, size, root, text, file: bytes } = file
  const members = [origin, size, root, text, bytes]
  if (kind !== 'opentimestamps' || members.some((member) => typeof member !== 'string')) {
    throw new UsageError(`${path} holds no receipt of ledger anchor --to opentimestamps.`)
  }
  const given = { ...file, size: BigInt(size as string) } as unknown as TimestampReceipt
  const calendars = calendarsOf(args)
  const receipt = await upgradeTimestamp({ receipt: given, calendars }, options)
  if (receipt === undefined) return undefined
  return {
    receipt,
    how: 'proven under a block of Bitcoin',
    record: async () => timestampAnchorRecord(receipt, { calendars }),
  }
}

function calendarsOf({ calendars }: PlaceArgs): string[] {
  const urls = calendars.split(',').map((url) => url.trim())
  for (const url of urls) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new UsageError('--calendars are http or https URLs, separated by commas.')
    }
  }
  return urls
}
