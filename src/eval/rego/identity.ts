/**
 * The data behind `newton.identity.*`: what an identity document says of the one a task is for.
 */
import { InvalidInputError } from '../../errors/common.js'
import { assertKnown, assertMembers, assertObject } from '../../internal/options.js'

/** What `newton.identity.kyc.*` decides on. Dates are `YYYY-MM-DD`; countries ISO 3166-1 alpha-2. */
export type KycIdentity = {
  /** What counts as today. Default: the day of the reference block, in UTC. */
  referenceDate?: string | undefined
  /** Only `approved` is approved. */
  status: string
  selectedCountryCode: string
  /** State or province of the document's address, without the country. */
  addressSubdivision: string
  addressCountryCode: string
  birthdate: string
  expirationDate: string
  issueDate: string
  issuingAuthority: string
}

/** Identity data of one task, by domain. */
export type IdentityData = { kyc: KycIdentity }

/** The engine's names of the fields. */
const fields: Readonly<Record<keyof KycIdentity, string>> = {
  referenceDate: 'reference_date',
  status: 'status',
  selectedCountryCode: 'selected_country_code',
  addressSubdivision: 'address_subdivision',
  addressCountryCode: 'address_country_code',
  birthdate: 'birthdate',
  expirationDate: 'expiration_date',
  issueDate: 'issue_date',
  issuingAuthority: 'issuing_authority',
}

const dates: ReadonlySet<string> = new Set([
  'referenceDate',
  'birthdate',
  'expirationDate',
  'issueDate',
])

/**
 * @internal The text the engine takes.
 *
 * @throws {InvalidInputError} for a field that is missing, unknown, no string, or no date.
 */
export function identityJson(identity: IdentityData, blockTimestamp: bigint): string {
  assertMembers('identity', identity, ['kyc'])
  assertKnown('identity', identity, ['kyc'])
  const { kyc } = identity
  assertObject('identity.kyc', kyc)
  assertKnown('identity.kyc', kyc, Object.keys(fields))
  const given: Readonly<Record<string, unknown>> = {
    ...kyc,
    referenceDate: kyc.referenceDate ?? dayOf(blockTimestamp),
  }
  const out: Record<string, string> = {}
  for (const [name, engineName] of Object.entries(fields)) {
    const value = given[name]
    const field = `identity.kyc.${name}`
    if (typeof value !== 'string') {
      throw new InvalidInputError({ field, reason: 'expected a string' })
    }
    if (dates.has(name) && !isDay(value)) {
      throw new InvalidInputError({ field, reason: 'expected a date, YYYY-MM-DD' })
    }
    out[engineName] = value
  }
  return JSON.stringify(out)
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

function dayOf(seconds: bigint): string {
  const day = new Date(Number(seconds) * 1_000)
  return Number.isNaN(day.getTime()) ? '' : day.toISOString().slice(0, 10)
}
