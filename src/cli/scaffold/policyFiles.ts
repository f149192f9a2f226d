/** The policy of a new project, its tests and its schemas. */

const rego = `package transfer

import rego.v1

# Allows a transfer up to a limit, to an address that the plugin does not know as blocked.

default allow := false

screening := data.wasm.screening

amount := to_number(input.value)

deny contains "the recipient is blocked" if screening.blocked == true

deny contains "the screening is for another address" if screening.address != lower(input.to)

deny contains "the amount is over the limit" if amount > to_number(data.params.maxAmount)

allow if {
	screening.blocked == false
	screening.address == lower(input.to)
	amount <= to_number(data.params.maxAmount)
	count(deny) == 0
}
`

const regoTest = `package transfer_test

import rego.v1

import data.transfer

to := "0x2222222222222222222222222222222222222222"

screening := {"screening": {"address": to, "blocked": false}}

test_small_amount_is_allowed if {
	transfer.allow with input as {"to": to, "value": "10"}
		with data.params as {"maxAmount": "10"}
		with data.wasm as screening
}

test_large_amount_is_denied if {
	not transfer.allow with input as {"to": to, "value": "11"}
		with data.params as {"maxAmount": "10"}
		with data.wasm as screening
}

test_blocked_recipient_is_denied if {
	not transfer.allow with input as {"to": to, "value": "1"}
		with data.params as {"maxAmount": "10"}
		with data.wasm as {"screening": {"address": to, "blocked": true}}
}

test_screening_of_another_address_is_denied if {
	not transfer.allow with input as {"to": to, "value": "1"}
		with data.params as {"maxAmount": "10"}
		with data.wasm as {"screening": {"address": "0x01", "blocked": false}}
}

test_no_screening_is_denied if {
	not transfer.allow with input as {"to": to, "value": "1"}
		with data.params as {"maxAmount": "10"}
		with data.wasm as {}
}
`

const paramsSchema = {
  type: 'object',
  properties: { maxAmount: { type: 'string', pattern: '^[0-9]{1,30}$' } },
  required: ['maxAmount'],
  additionalProperties: false,
}

const blockedSchema = {
  type: 'object',
  properties: {
    blocked: {
      type: 'array',
      items: { type: 'string', pattern: '^0x[0-9a-f]{40}$' },
      maxItems: 100,
    },
  },
  required: ['blocked'],
  additionalProperties: false,
}

const blocked = { blocked: ['0x3333333333333333333333333333333333333333'] }

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** Text by path. */
export const policyFiles: Readonly<Record<string, string>> = {
  'policy/policy.rego': rego,
  'policy/policy_test.rego': regoTest,
  'policy/params.schema.json': json(paramsSchema),
  'policy/params.json': json({ maxAmount: '1000000000000000000' }),
  'plugin/params.schema.json': json(blockedSchema),
  'plugin/params.json': json(blocked),
  'intent.json': json({ to: '0x2222222222222222222222222222222222222222', value: '1000' }),
  'wasm-args.json': json({ address: '0x2222222222222222222222222222222222222222' }),
}
