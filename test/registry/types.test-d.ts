/** What must not compile, and what must: a client without chain or account cannot write. */
import { createClient, createPublicClient, createWalletClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { expectTypeOf, test } from 'vitest'
import type { AttestationOutcome } from '../../src/attestation/index.js'
import {
  deployPolicyInstance,
  getPolicyTemplate,
  policyActions,
  registerPolicyTemplateSync,
} from '../../src/registry/index.js'

const account = privateKeyToAccount(`0x${'01'.repeat(32)}`)
const transport = http('http://127.0.0.1:1')
const instance = {
  templateId: '0x01',
  client: '0x02',
  expireAfter: 1,
} as const

const whole = createWalletClient({ account, chain: foundry, transport })
const noAccount = createWalletClient({ chain: foundry, transport })
const noChain = createWalletClient({ account, transport })
const neither = createPublicClient({ transport })

test('a write needs chain and account', () => {
  expectTypeOf(deployPolicyInstance).toBeCallableWith(whole, instance)
  // @ts-expect-error no account
  void (() => deployPolicyInstance(noAccount, instance))
  // @ts-expect-error no chain
  void (() => deployPolicyInstance(noChain, instance))
  // @ts-expect-error neither
  void (() => deployPolicyInstance(neither, instance))
})

test('what the client lacks comes with the call', () => {
  void (() => deployPolicyInstance(noAccount, { ...instance, account }))
  void (() => deployPolicyInstance(noAccount, { ...instance, account: account.address }))
  void (() => deployPolicyInstance(noChain, { ...instance, chain: foundry }))
  void (() => deployPolicyInstance(neither, { ...instance, account, chain: foundry }))
  // @ts-expect-error no chain
  void (() => deployPolicyInstance(neither, { ...instance, account }))
})

test('a read needs neither', () => {
  expectTypeOf(getPolicyTemplate).toBeCallableWith(createClient({ transport }), { id: '0x01' })
})

test('ids are hex, rows and hashes too', () => {
  // @ts-expect-error an id is hex
  void (() => getPolicyTemplate(whole, { id: 'abc' }))
  type Row = NonNullable<Awaited<ReturnType<typeof getPolicyTemplate>>>
  expectTypeOf<Row['regoHash']>().toEqualTypeOf<`0x${string}`>()
  expectTypeOf(deployPolicyInstance).returns.resolves.toEqualTypeOf<`0x${string}`>()
})

test('an outcome is what its status says', () => {
  const judge = (outcome: AttestationOutcome): void => {
    if (outcome.status === 'valid') {
      expectTypeOf(outcome.level).toEqualTypeOf<'quorum' | 'result'>()
      // @ts-expect-error what is valid has no reason
      void outcome.reason
    }
    if (outcome.status === 'slashable') expectTypeOf(outcome).toHaveProperty('evidence')
    // @ts-expect-error only what can be challenged has evidence
    if (outcome.status === 'reject') void outcome.evidence
  }
  void judge
})

test('instance actions take one chain', () => {
  // @ts-expect-error an instance is of exactly one chain
  void (() => deployPolicyInstance(whole, { ...instance, chains: [] }))
})

test('the decorator asks with each call for what the client lacks', () => {
  const extended = whole.extend(policyActions())
  expectTypeOf(extended.policy.registerPolicyTemplateSync).toBeFunction()
  expectTypeOf(extended.policy.registerPolicyTemplateSync).returns.resolves.toHaveProperty('id')
  expectTypeOf(registerPolicyTemplateSync).returns.resolves.toHaveProperty('receipt')
  const reading = createPublicClient({ chain: foundry, transport }).extend(policyActions())
  expectTypeOf(reading.policy.getPolicyTemplate).toBeFunction()
  // @ts-expect-error no account: it is named as what is missing
  void (() => reading.policy.deployPolicyInstance(instance))
  void (() => reading.policy.deployPolicyInstance({ ...instance, account }))
  const nothing = createPublicClient({ transport }).extend(policyActions())
  // @ts-expect-error no chain either
  void (() => nothing.policy.deployPolicyInstance({ ...instance, account }))
})
