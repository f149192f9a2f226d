import { describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import type { RegoOutcome } from './engine.js'
import type { KycIdentity } from './identity.js'
import { operatorEngine } from './operatorEngine.js'

/** 2023-11-14 in UTC. */
const blockTimestamp = 1_700_000_000n
const seed = `0x${'44'.repeat(32)}`
const kyc: KycIdentity = {
  status: 'approved',
  selectedCountryCode: 'US',
  addressSubdivision: 'CA',
  addressCountryCode: 'US',
  birthdate: '2000-11-15',
  expirationDate: '2023-11-20',
  issueDate: '2020-01-01',
  issuingAuthority: 'CA',
}

async function decide(condition: string, data?: Partial<KycIdentity>): Promise<RegoOutcome> {
  const policy = await operatorEngine().prepare({ rego: utf8(`package p\nallow if ${condition}`) })
  const identity = data === undefined ? undefined : { kyc: { ...kyc, ...data } }
  const options = { blockTimestamp, seed, identity }
  const outcome = policy.evaluate({ inputJson: '{}', dataJson: '{}' }, options)
  policy.dispose()
  return outcome
}

const allowed = { kind: 'defined', allow: true }

describe('newton.identity', () => {
  test.each([
    ['newton.identity.kyc.check_approved()', { status: 'pending' }],
    ['newton.identity.kyc.address_in_countries(["US"])', { addressCountryCode: 'DE' }],
    ['newton.identity.kyc.address_in_subdivision(["US-CA"])', { addressSubdivision: 'NY' }],
    ['newton.identity.kyc.address_not_in_subdivision(["US-NY"])', { addressSubdivision: 'NY' }],
    // Twenty-two until tomorrow, as the reference block has it.
    ['newton.identity.kyc.age_gte(22)', { birthdate: '2001-11-15' }],
    ['newton.identity.kyc.not_expired()', { expirationDate: '2023-11-13' }],
    ['newton.identity.kyc.valid_for(6)', { expirationDate: '2023-11-19' }],
    ['newton.identity.kyc.issued_since(1000)', { issueDate: '2023-11-01' }],
    ['newton.identity.get("issuing_authority") == "CA"', { issuingAuthority: 'NY' }],
  ])('%s', async (condition, other) => {
    expect(await decide(condition, {})).toMatchObject(allowed)
    expect(await decide(condition, other)).not.toMatchObject(allowed)
    expect(await decide(condition)).toMatchObject({ kind: 'unsupported' })
  })

  test.each(['status', 'addressCountryCode', 'birthdate', 'issuingAuthority'])(
    'error: half of a surrogate pair in %s',
    async (member) => {
      const outcome = await decide('newton.identity.kyc.age_gte(21)', { [member]: '\ud800' })
      expect(outcome).toMatchObject({ kind: 'error', code: 'INVALID_INPUT' })
    },
  )

  test('behavior: today is the day of the reference block, or what is given', async () => {
    expect(await decide('newton.identity.kyc.age_gte(23)', {})).toMatchObject({ kind: 'undefined' })
    const later = { referenceDate: '2023-11-15' }
    expect(await decide('newton.identity.kyc.age_gte(23)', later)).toMatchObject(allowed)
    const get = 'newton.identity.get("reference_date") == "2023-11-14"'
    expect(await decide(get, {})).toMatchObject(allowed)
  })

  test('behavior: data counts for one evaluation and not for the next', async () => {
    const rego = utf8('package p\nallow if newton.identity.kyc.check_approved()')
    const policy = await operatorEngine().prepare({ rego })
    expect(policy.needsIdentity).toBe(true)
    const documents = { inputJson: '{}', dataJson: '{}' }
    const world = { blockTimestamp, seed }
    expect(policy.evaluate(documents, { ...world, identity: { kyc } })).toMatchObject(allowed)
    expect(policy.evaluate(documents, world)).toMatchObject({ kind: 'unsupported' })
    const pending = { kyc: { ...kyc, status: 'pending' } }
    expect(policy.evaluate(documents, { ...world, identity: pending })).toMatchObject({
      kind: 'undefined',
    })
    policy.dispose()
  })

  test.each([
    ['a field that is missing', { status: undefined }],
    ['a field of another name', { country: 'US' }],
    ['a day that does not exist', { birthdate: '2000-02-30' }],
    ['a number', { issuingAuthority: 5 }],
  ])('error: INVALID_INPUT for %s', async (_, other) => {
    const outcome = await decide('newton.identity.kyc.check_approved()', other as never)
    expect(outcome).toMatchObject({ kind: 'error', code: 'INVALID_INPUT' })
  })
})

describe('functions that the engine does not have', () => {
  test.each(['newton.crypto.tlsn_verify(input.x)', 'newton.identity.social.handle()'])(
    'error: REGO_REFUSED for one of the operators: %s',
    async (call) => {
      const rego = utf8(`package p\nallow if ${call}`)
      await expect(operatorEngine().prepare({ rego })).rejects.toMatchObject({
        code: 'REGO_REFUSED',
        refusal: 'unsupported',
        location: { line: 2 },
      })
    },
  )

  test('behavior: others are told when the policy is prepared', async () => {
    const rego = utf8('package p\nallow if input.x\nallow if crypto.sha256("a") == "b"')
    const policy = await operatorEngine().prepare({ rego })
    expect(policy.unsupported).toMatchObject([{ name: 'crypto.sha256', location: { line: 3 } }])
    policy.dispose()
  })
})
