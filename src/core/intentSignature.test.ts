import { concatHex, encodeAbiParameters, type Hex, keccak256, stringToHex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { computeIntentHash, type Intent } from './intent.js'
import {
  assertIntentSignature,
  buildIntentTypedData,
  hashIntentTypedData,
  IntentSignatureError,
  readIntentDomain,
  recoverIntentSigner,
} from './intentSignature.js'

const account = privateKeyToAccount(`0x${'42'.repeat(32)}`)
const client = '0x00000000000000000000000000000000000000cc'
const intent: Intent = {
  from: account.address,
  to: '0x00000000000000000000000000000000000000aa',
  value: 5n,
  data: '0xa9059cbb',
  chainId: 11155111n,
  functionSignature: stringToHex('transfer(address,uint256)'),
}
const domain = {
  name: 'NewtonPolicyWallet',
  version: '1',
  chainId: 11155111n,
  verifyingContract: client,
} as const

describe('intent signatures', () => {
  test('the digest is EIP-712 of the domain and the intent hash', () => {
    const type =
      'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
    const separator = keccak256(
      encodeAbiParameters(
        [
          { type: 'bytes32' },
          { type: 'bytes32' },
          { type: 'bytes32' },
          { type: 'uint256' },
          { type: 'address' },
        ],
        [
          keccak256(stringToHex(type)),
          keccak256(stringToHex(domain.name)),
          keccak256(stringToHex('1')),
          domain.chainId,
          client,
        ],
      ),
    )
    const expected = keccak256(concatHex(['0x1901', separator, computeIntentHash(intent)]))
    expect(hashIntentTypedData({ intent, domain })).toBe(expected)
  })

  test('a wallet signs it and the signer is recovered', async () => {
    const signature = await account.signTypedData(buildIntentTypedData({ intent, domain }))
    expect(await recoverIntentSigner({ intent, domain, signature })).toBe(account.address)
    const other = { ...intent, value: 6n }
    expect(await recoverIntentSigner({ intent: other, domain, signature })).not.toBe(
      account.address,
    )
  })

  test('a domain is read as the client exposes it', () => {
    const salt: Hex = `0x${'00'.repeat(32)}`
    const result = ['0x0f', 'NewtonPolicyWallet', '1', 11155111n, client, salt, []] as const
    expect(readIntentDomain(result)).toEqual({ ...domain, salt: undefined })
    expect(hashIntentTypedData({ intent, domain: readIntentDomain(result) })).toBe(
      hashIntentTypedData({ intent, domain }),
    )
    const few = readIntentDomain(['0x08', '', '', 0n, client, salt, []])
    expect(Object.keys(buildIntentTypedData({ intent, domain: few }).domain)).toEqual([
      'verifyingContract',
    ])
    expect(() => readIntentDomain(['0x20', '', '', 0n, client, salt, []])).toThrow('not known')
    expect(() => readIntentDomain(['0x0f', '', '', 0n, client, salt, [1n]])).toThrow('not known')
  })

  test('error: domains that would sign for something else', () => {
    expect(() => hashIntentTypedData({ intent, domain: {} })).toThrow('empty')
    expect(() => hashIntentTypedData({ intent, domain: { ...domain, chainId: 1n } })).toThrow(
      'chain 1',
    )
    expect(() =>
      hashIntentTypedData({ intent, domain: { ...domain, verifyingContract: '0x1' } }),
    ).toThrow('verifyingContract')
    expect(() => hashIntentTypedData({ intent: { ...intent, value: -1n }, domain })).toThrow(
      'intent.value',
    )
  })

  test.each<[string, Hex]>([
    ['empty', '0x'],
    ['64 bytes', `0x${'11'.repeat(64)}`],
    ['no hex', 'nothing' as Hex],
    ['a high s', `0x${'11'.repeat(32)}${'ff'.repeat(32)}1b`],
    ['a recovery byte of 0', `0x${'11'.repeat(64)}00`],
  ])('error: %s', async (_name, signature) => {
    expect(() => assertIntentSignature(signature)).toThrow(IntentSignatureError)
    await expect(recoverIntentSigner({ intent, domain, signature })).rejects.toMatchObject({
      code: 'INTENT_SIGNATURE',
    })
  })

  test('error: no key behind it', async () => {
    const signature: Hex = `0x${'00'.repeat(31)}05${'11'.repeat(32)}1b`
    await expect(recoverIntentSigner({ intent, domain, signature })).rejects.toBeInstanceOf(
      IntentSignatureError,
    )
  })
})
