import { recoverAddress, toHex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { fromHex } from '../../internal/bytes.js'
import { createSignerRecovery } from './knownKeys.js'

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const word = (value: bigint): string => value.toString(16).padStart(64, '0')
const hashOf = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, index) => (seed * 31 + index * 7) & 255)

async function theirs(hash: Uint8Array, signature: `0x${string}`): Promise<string | undefined> {
  return recoverAddress({ hash, signature }).then(
    (address) => address.toLowerCase(),
    () => undefined,
  )
}

describe('createSignerRecovery', () => {
  test('default: signers are recovered as viem does, known or not, and kept ones are no others', async () => {
    const accounts = [1, 2, 3, 4, 5, 6].map(() => privateKeyToAccount(generatePrivateKey()))
    const recovery = createSignerRecovery()
    for (const round of [1, 2]) {
      for (const [index, account] of accounts.entries()) {
        const hash = hashOf(index + round * 100)
        const signature = await account.sign({ hash: toHex(hash) })
        const address = account.address.toLowerCase() as `0x${string}`
        expect(recovery.recover(hash, signature)).toBe(address)
        recovery.keep(address)
        expect(recovery.recover(hash, signature)).toBe(address)
        expect(recovery.recover(hashOf(7), signature)).toBe(await theirs(hashOf(7), signature))
      }
    }
  })

  test('behavior: every change of a signature gives a known key’s recovery what an unknown one’s gives', async () => {
    const account = privateKeyToAccount(generatePrivateKey())
    const address = account.address.toLowerCase() as `0x${string}`
    const [known, unknown] = [createSignerRecovery(), createSignerRecovery()]
    const hash = hashOf(1)
    const signature = await account.sign({ hash: toHex(hash) })
    known.recover(hash, signature)
    known.keep(address)
    const r = BigInt(`0x${signature.slice(2, 66)}`)
    const s = BigInt(`0x${signature.slice(66, 130)}`)
    const v = Number.parseInt(signature.slice(130), 16)
    const made = (parts: { r?: bigint; s?: bigint; v?: number }) => {
      const end = (parts.v ?? v).toString(16).padStart(2, '0')
      return `0x${word(parts.r ?? r)}${word(parts.s ?? s)}${end}` as `0x${string}`
    }
    const changed = [
      made({ v: v === 27 ? 28 : 27 }),
      // The twin of a signature has the other point, and so the other parity.
      made({ s: order - s }),
      made({ s: order - s, v: v === 27 ? 28 : 27 }),
      made({ v: v - 27 }),
      made({ v: 29 }),
      made({ v: 2 }),
      made({ r: 0n }),
      made({ s: 0n }),
      made({ r: order }),
      made({ r: r + order < 1n << 256n ? r + order : r + 1n }),
      made({ s: s ^ 1n }),
      made({ r: r ^ 1n }),
      signature.slice(0, -2) as `0x${string}`,
      `${signature}00` as `0x${string}`,
      '0x' as const,
    ]
    for (const [index, one] of changed.entries()) {
      expect(known.recover(hash, one), String(index)).toBe(unknown.recover(hash, one))
      // viem takes more forms of v, and 64 or 66 bytes: those are refused here.
      const end = Number.parseInt(one.slice(130) || 'ff', 16)
      if (fromHex(one).length === 65 && [0, 1, 27, 28].includes(end)) {
        expect(known.recover(hash, one), String(index)).toBe(await theirs(hash, one))
      } else expect(known.recover(hash, one)).toBeUndefined()
    }
    expect(known.recover(new Uint8Array(32), signature)).toBe(
      unknown.recover(new Uint8Array(32), signature),
    )
  })
})
