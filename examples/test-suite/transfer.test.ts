/**
 * An application's tests of its policy: one file, on mocks in this process and on a devnet of real
 * processes.
 *
 *     npm run example:tests           # mocks: no port, no process, no file
 *     npm run example:tests:devnet    # anvil, four operators, a gateway
 */

import { verifyTaskAttestation } from '@newton/policy-sdk/attestation'
import { acceptResponseSync } from '@newton/policy-sdk/registry'
import { mockNetwork, type PolicyNetwork } from '@newton/policy-sdk/testing'
import { policyMatchers } from '@newton/policy-sdk/testing/vitest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

expect.extend(policyMatchers)

const rego = `package payroll

import rego.v1

default allow := false

deny contains "the amount is over the limit" if {
  to_number(input.value) > to_number(data.params.limit)
}

deny contains "the recipient is not on the list" if {
  not lower(input.to) in data.params.recipients
}

allow if count(deny) == 0
`

const alice = '0x00000000000000000000000000000000000a11ce'
const stranger = '0x0000000000000000000000000000000000005bad'

let network: PolicyNetwork
let policyClient: `0x${string}`

beforeAll(async () => {
  if (process.env['NETWORK'] === 'devnet') {
    const { devnetNetwork } = await import('@newton/policy-sdk/testing/node')
    network = await devnetNetwork()
  } else {
    network = await mockNetwork()
  }
  const policy = await network.addPolicy({ rego, params: { limit: '500', recipients: [alice] } })
  policyClient = policy.policyClient
}, 300_000)
afterAll(() => network?.close(), 60_000)

const pay = (to: `0x${string}`, value: bigint) => ({
  policyClient,
  intent: {
    from: network.client.account.address,
    to,
    value,
    data: '0x' as const,
    chainId: BigInt(network.client.chain.id),
    functionSignature: '0x' as const,
  },
})

describe('the payroll policy', () => {
  test('pays who is on the list, and the answer can be used on chain', async () => {
    const answer = await network.tasks.createTask(pay(alice, 500n))
    expect(answer).toAllow()
    const { reader, client, addresses } = network
    const outcome = await verifyTaskAttestation({ ...answer, reader, level: 'result' })
    expect(outcome).toBeValidAttestation('result')
    await network.mine()
    const { receipt } = await acceptResponseSync(client, { ...answer, addresses })
    expect(receipt.status).toBe('success')
  })

  test('pays nobody else, and never more than the limit', async () => {
    expect(await network.tasks.createTask(pay(stranger, 1n))).toDeny(
      'the recipient is not on the list',
    )
    const both = await network.tasks.createTask(pay(stranger, 501n))
    expect(both).toDeny('the amount is over the limit')
    expect(both).toDeny(/not on the list/)
  })

  test('an answer that somebody changed is refused, here and on chain', async () => {
    const answer = await network.tasks.createTask(pay(alice, 400n))
    const forged = {
      ...answer,
      response: { ...answer.response, expirationBlock: answer.response.expirationBlock + 1n },
    }
    const { reader, client, addresses } = network
    const outcome = await verifyTaskAttestation({ ...forged, reader, level: 'result' })
    expect(outcome.status).not.toBe('valid')
    await expect(
      acceptResponseSync(client, { ...forged, addresses, preflight: false }),
    ).rejects.toMatchObject({ code: 'CONTRACT_REVERT' })
  })
})
