/**
 * Whether a verifier was told what he believes he was told: a slip in a name or a threshold would be a
 * weaker check, and pass.
 */
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex } from '../../internal/bytes.js'
import { assertCount, assertKnown, assertList, assertMembers } from '../../internal/options.js'
import { assertCheckpointTrust } from '../../ledger/log/checkpoint.js'
import { type BundleTrust, optionalParts } from './trust.js'

/** @throws {InvalidInputError} naming the member that is missing, unknown, or of another form. */
export function assertBundleTrust(trust: BundleTrust): void {
  const required = ['operators', 'ledger'] as const
  assertMembers('trust', trust, required)
  assertKnown('trust', trust, [...required, 'stateRoots', 'anchor', 'provenance', 'demand'])
  assertOperators(trust.operators)
  assertLedger(trust.ledger)
  const { stateRoots, anchor, provenance, demand } = trust
  if (stateRoots !== undefined) {
    assertList('trust.stateRoots', stateRoots)
    for (const [at, root] of stateRoots.entries()) fixedFromHex(root, 32, `trust.stateRoots[${at}]`)
  }
  if (anchor !== undefined) assertAnchor(anchor)
  if (provenance !== undefined) assertFunction('trust.provenance', provenance)
  if (demand !== undefined) assertDemand(demand)
}

function assertOperators(operators: BundleTrust['operators']): void {
  const members = ['chainId', 'policyRegistry', 'tables', 'quorumBps'] as const
  assertMembers('trust.operators', operators, members)
  assertKnown('trust.operators', operators, members)
  const { chainId, policyRegistry, tables, quorumBps } = operators
  if (typeof chainId !== 'bigint') throw invalid('trust.operators.chainId', 'expected a bigint')
  fixedFromHex(policyRegistry, 20, 'trust.operators.policyRegistry')
  assertList('trust.operators.tables', tables)
  tables.forEach((entry, at) => {
    assertMembers(`trust.operators.tables[${at}]`, entry, ['referenceTimestamp', 'table'])
  })
  assertCount('trust.operators.quorumBps', quorumBps, { most: 10_000 })
}

function assertLedger(ledger: BundleTrust['ledger']): void {
  const members = ['name', 'meta', 'writers'] as const
  assertMembers('trust.ledger', ledger, members)
  assertKnown('trust.ledger', ledger, members)
  if (typeof ledger.name !== 'string' || ledger.name === '') {
    throw invalid('trust.ledger.name', 'expected the name of a ledger')
  }
  assertList('trust.ledger.writers', ledger.writers)
  assertCheckpointTrust(ledger.meta, 'trust.ledger.meta')
}

function assertAnchor(anchor: NonNullable<BundleTrust['anchor']>): void {
  const members = ['chainId', 'contract', 'owner', 'isTrusted'] as const
  assertMembers('trust.anchor', anchor, members)
  assertKnown('trust.anchor', anchor, members)
  assertCount('trust.anchor.chainId', anchor.chainId)
  fixedFromHex(anchor.contract, 20, 'trust.anchor.contract')
  fixedFromHex(anchor.owner, 20, 'trust.anchor.owner')
  assertFunction('trust.anchor.isTrusted', anchor.isTrusted)
}

function assertDemand(demand: unknown): void {
  assertList('trust.demand', demand)
  const unknown = demand.find((part) => !(optionalParts as readonly unknown[]).includes(part))
  if (unknown === undefined) return
  throw invalid('trust.demand', `it names what is none of ${optionalParts.join(', ')}`)
}

function assertFunction(field: string, value: unknown): void {
  if (typeof value !== 'function') throw invalid(field, 'expected a function')
}

function invalid(field: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field, reason })
}
