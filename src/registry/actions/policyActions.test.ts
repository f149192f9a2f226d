import { createWalletClient, custom, type Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { describe, expect, test } from 'vitest'
import { policyActions } from './policyActions.js'

const word: Hex = `0x${'11'.repeat(32)}`
const address: Hex = `0x${'11'.repeat(20)}`
const transport = custom({
  request: async () => Promise.reject(new Error('nobody is asked')),
})
const wallet = createWalletClient({
  account: privateKeyToAccount(word),
  chain: foundry,
  transport,
})
const addresses = {
  policyRegistry: address,
  policyDataRegistry: address,
  stateCommitRegistry: address,
  certificateVerifier: address,
  challengeVerifier: address,
}
const { policy } = wallet.extend(policyActions({ addresses }))
type Call = (parameters?: unknown) => Promise<unknown>
const calls = policy as unknown as Readonly<Record<string, Call>>

describe('policyActions', () => {
  test('error: INVALID_INPUT for a call without parameters, of every action', async () => {
    for (const [name, call] of Object.entries(calls)) {
      for (const none of [undefined, null, 5]) {
        await expect(call(none), name).rejects.toThrow('`parameters` is not valid')
      }
    }
  })

  test.each([
    ['deployPolicy', {}, 'policyInstance'],
    ['deployPolicy', { policyInstance: {}, policyDataInstances: [5] }, 'policyDataInstances[0]'],
    ['commitStateRoot', {}, 'commit'],
    ['announceCommit', { sequenceNo: 1n, deltaHash: word }, 'locators'],
    ['announceCommitCopy', { sequenceNo: 1n }, 'locator'],
    ['injectSealedSnapshot', {}, 'signatures'],
    ['publishOperatorTable', {}, 'operators'],
    ['setSnapshotSigners', {}, 'signers'],
    ['slashForRelayedVerdict', {}, 'verdict'],
    ['scheduleVerdictSource', { sourceChainId: 1 }, 'sourceChainId'],
  ])('error: INVALID_INPUT names what %s lacks', async (name, parameters, field) => {
    await expect(calls[name]?.(parameters)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(calls[name]?.(parameters)).rejects.toThrow(`\`${field}\``)
  })

  test.each(['publishOperatorTable', 'activateEnclaveVersion', 'deprecateEnclaveVersion'])(
    'error: ACCOUNT_REQUIRED names %s as its caller does',
    async (name) => {
      const bare = createWalletClient({ chain: foundry, transport })
      const { policy } = bare.extend(policyActions({ addresses }))
      const call = (policy as unknown as Readonly<Record<string, Call>>)[name]
      await expect(call?.({})).rejects.toThrow(`\`${name}\` needs an account`)
    },
  )

  test('error: INVALID_INPUT for options that it does not know', () => {
    expect(() => policyActions({ adresses: addresses } as never)).toThrow('`config.adresses`')
    expect(() => policyActions(null as never)).toThrow('`config`')
  })
})
