/**
 * What keeping an artifact costs, by choice. Prices are the published ones and go stale: pass your
 * own.
 *
 * EigenDA bills blobs by symbols of 32 bytes, powers of two, 4,096 at least; the ladder's steps
 * double. Source: EigenDA's payment parameters for mainnet (447,000,000 wei a symbol) and
 * `encoding/codec`.
 */
import { InvalidInputError } from '../errors/common.js'
import { blobSymbols, MAX_PAYLOAD_BYTES, payloadCapacity } from './eigenda/payloadCodec.js'

/** Prices. */
export type CostPrices = {
  /** @default 447_000_000n */
  weiPerSymbol?: bigint | undefined
  /** Symbols billed at least. @default 4_096 */
  minSymbols?: number | undefined
  /** Days between renewals. @default 13 */
  renewEveryDays?: number | undefined
  /** Wei for a unit of gas on the chain of the registry. @default 1_000_000_000n */
  weiPerGas?: bigint | undefined
  /** Bytes of a locator that each renewal announces. @default 1_100, one certificate */
  locatorBytes?: number | undefined
  /** Wei for a gigabyte a year in an object store. Left out of the result without it. */
  archiveWeiPerGbYear?: bigint | undefined
}

/** One way to keep an artifact. */
export type CostOption = {
  name: 'eigenda once' | 'eigenda renewed' | 'archive' | 'contract code'
  /** Paid at the start. */
  initialWei: bigint
  /** Paid each year. */
  yearlyWei: bigint
  /** How long the bytes stay. */
  keeps: string
}

/** Costs and what to make of them. */
export type CostAdvice = {
  byteLength: number
  /** Blobs the artifact is split over. */
  parts: number
  /** Symbols that are billed for one dispersal. */
  billedSymbols: number
  /** Bytes that would cost the same. */
  sameCostUpTo: number
  options: readonly CostOption[]
  /** One line each. */
  hints: readonly string[]
}

/**
 * Computes the price of each choice.
 *
 * @param byteLength - Bytes of the artifact.
 * @throws {InvalidInputError} for a length that is no positive integer.
 * @example
 * ```ts
 * import { adviseCost } from '@newton/policy-sdk/da'
 *
 * adviseCost(100_000).options[0].initialWei // 1830912000000n, 1.83e-6 ETH
 * ```
 */
export function adviseCost(byteLength: number, prices: CostPrices = {}): CostAdvice {
  if (!Number.isSafeInteger(byteLength) || byteLength < 1) {
    throw new InvalidInputError({
      field: 'byteLength',
      reason: `expected a positive integer, got ${byteLength}`,
    })
  }
  const { weiPerSymbol = 447_000_000n, minSymbols = 4_096, renewEveryDays = 13 } = prices
  const { weiPerGas = 1_000_000_000n, locatorBytes = 1_100, archiveWeiPerGbYear } = prices
  const parts = Math.ceil(byteLength / MAX_PAYLOAD_BYTES)
  const lastPart = byteLength - (parts - 1) * MAX_PAYLOAD_BYTES
  const lastSymbols = Math.max(minSymbols, blobSymbols(lastPart))
  const billedSymbols = (parts - 1) * blobSymbols(MAX_PAYLOAD_BYTES) + lastSymbols
  const sameCostUpTo =
    (parts - 1) * MAX_PAYLOAD_BYTES + Math.min(MAX_PAYLOAD_BYTES, payloadCapacity(lastSymbols))
  const dispersal = BigInt(billedSymbols) * weiPerSymbol
  const renewals = BigInt(Math.ceil(365 / renewEveryDays))
  // Base, calldata at 16, log topics and data at 8 a byte, and the call itself.
  const announcement = BigInt(21_000 + 30_000 + parts * locatorBytes * 24) * weiPerGas
  const options: CostOption[] = [
    { name: 'eigenda once', initialWei: dispersal, yearlyWei: 0n, keeps: '14 days' },
    {
      name: 'eigenda renewed',
      initialWei: dispersal,
      yearlyWei: renewals * (dispersal + announcement),
      keeps: 'while renewed',
    },
  ]
  if (archiveWeiPerGbYear !== undefined) {
    const yearlyWei = (archiveWeiPerGbYear * BigInt(byteLength)) / 1_000_000_000n
    options.push({ name: 'archive', initialWei: 0n, yearlyWei, keeps: 'while its owner pays' })
  }
  if (byteLength <= 24_575) {
    const initialWei = BigInt(53_000 + byteLength * (200 + 16)) * weiPerGas
    options.push({ name: 'contract code', initialWei, yearlyWei: 0n, keeps: 'with the chain' })
  }
  return {
    byteLength,
    parts,
    billedSymbols,
    sameCostUpTo,
    options,
    hints: hintsFor({ byteLength, parts, minSymbols, lastPart, lastSymbols, renewals }),
  }
}

/**
 * Prints advice as a table, for a terminal.
 *
 * @example
 * ```ts
 * import { adviseCost, formatCostAdvice } from '@newton/policy-sdk/da'
 *
 * formatCostAdvice(adviseCost(100_000))
 * ```
 */
export function formatCostAdvice({
  byteLength,
  parts,
  billedSymbols,
  options,
  hints,
}: CostAdvice): string {
  const rows = [
    ['choice', 'at once (ETH)', 'a year (ETH)', 'keeps'],
    ...options.map(({ name, initialWei, yearlyWei, keeps }) => [
      name,
      ether(initialWei),
      ether(yearlyWei),
      keeps,
    ]),
  ]
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...rows.map((row) => (row[column] as string).length)),
  )
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd(),
  )
  const head = `${byteLength} bytes: ${parts} blob${parts === 1 ? '' : 's'}, ${billedSymbols} symbols billed`
  return [head, ...lines, ...hints.map((hint) => `- ${hint}`)].join('\n')
}

function hintsFor({
  byteLength,
  parts,
  minSymbols,
  lastPart,
  lastSymbols,
  renewals,
}: {
  byteLength: number
  parts: number
  minSymbols: number
  lastPart: number
  lastSymbols: number
  renewals: bigint
}): string[] {
  const hints: string[] = []
  const floor = payloadCapacity(minSymbols)
  if (parts > 1)
    hints.push(`It is over ${MAX_PAYLOAD_BYTES} bytes and is split over ${parts} blobs.`)
  if (parts === 1 && lastPart <= floor && byteLength * 4 < floor) {
    hints.push(
      `Up to ${floor} bytes cost the same: pack ${Math.floor(floor / byteLength)} artifacts of this size into one blob.`,
    )
  }
  const below = payloadCapacity(lastSymbols / 2)
  if (lastSymbols > minSymbols && lastPart - below <= Math.max(64, lastPart * 0.02)) {
    hints.push(`${lastPart - below} bytes less would halve the price of its last blob.`)
  }
  hints.push(`Renewing is ${renewals} dispersals and announcements a year; an archive needs none.`)
  return hints
}

function ether(wei: bigint): string {
  const digits = wei.toString().padStart(19, '0')
  const text = `${digits.slice(0, -18)}.${digits.slice(-18)}`.replace(/0+$/, '').replace(/\.$/, '')
  // Nine decimals are a gwei; below that a price is noise.
  const [whole, fraction = ''] = text.split('.')
  const kept = fraction.slice(0, 9).replace(/0+$/, '')
  return kept === ''
    ? fraction === ''
      ? (whole as string)
      : `<${whole}.000000001`
    : `${whole}.${kept}`
}
