/**
 * Private keys in encrypted files: Web3 Secret Storage, version 3, as geth and Foundry write it.
 *
 * @see https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/
 */
import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto'
import { scrypt } from '@noble/hashes/scrypt.js'
import { keccak256 } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { UsageError } from '../errors.js'

/** Cost of the key derivation; 2^17 takes about half a second, as geth's standard does. */
const COST = { n: 131_072, r: 8, p: 1, dklen: 32 } as const
/** Most memory that somebody else's file may make the derivation take. */
const MAX_MEMORY = 536_870_912

type Keystore = {
  version: 3
  address?: string
  crypto: {
    cipher: string
    ciphertext: string
    cipherparams: { iv: string }
    kdf: string
    kdfparams: { n: number; r: number; p: number; dklen: number; salt: string }
    mac: string
  }
}

/** Encrypts a key. Returns the file's text. `n` is the cost of the derivation, for tests. */
export function encryptKey(key: `0x${string}`, password: string, n: number = COST.n): string {
  const salt = randomBytes(32)
  const iv = randomBytes(16)
  const derived = derive(password, { ...COST, n, salt: salt.toString('hex') })
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const ciphertext = Buffer.concat([
    cipher.update(Buffer.from(key.slice(2), 'hex')),
    cipher.final(),
  ])
  const file: Keystore = {
    version: 3,
    address: privateKeyToAccount(key).address.slice(2).toLowerCase(),
    crypto: {
      cipher: 'aes-128-ctr',
      ciphertext: ciphertext.toString('hex'),
      cipherparams: { iv: iv.toString('hex') },
      kdf: 'scrypt',
      kdfparams: { ...COST, n, salt: salt.toString('hex') },
      mac: mac(derived, ciphertext).toString('hex'),
    },
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

/**
 * Decrypts a key.
 *
 * @throws {UsageError} for a file of another form, or a wrong password.
 */
export function decryptKey(text: string, password: string, path: string): `0x${string}` {
  const { crypto } = parseKeystore(text, path)
  const derived = derive(password, crypto.kdfparams)
  const ciphertext = Buffer.from(crypto.ciphertext, 'hex')
  const expected = Buffer.from(crypto.mac, 'hex')
  const actual = mac(derived, ciphertext)
  if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) {
    throw new UsageError(`The password does not open ${path}.`)
  }
  const iv = Buffer.from(crypto.cipherparams.iv, 'hex')
  const cipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const key = Buffer.concat([cipher.update(ciphertext), cipher.final()])
  return `0x${key.toString('hex')}`
}

function parseKeystore(text: string, path: string): Keystore {
  let value: Keystore
  try {
    value = JSON.parse(text) as Keystore
  } catch (cause) {
    throw new UsageError(`${path} is not a keystore file.`, { cause })
  }
  const crypto = value?.crypto
  const { kdfparams } = crypto ?? {}
  const memory = 128 * Number(kdfparams?.n) * Number(kdfparams?.r)
  const readable =
    value?.version === 3 &&
    crypto.cipher === 'aes-128-ctr' &&
    crypto.kdf === 'scrypt' &&
    kdfparams?.dklen === 32 &&
    memory <= MAX_MEMORY &&
    Number(kdfparams.p) <= 16 &&
    /^[\da-f]{32}$/i.test(crypto.cipherparams?.iv) &&
    /^[\da-f]{64}$/i.test(crypto.ciphertext)
  if (!readable) {
    throw new UsageError(`${path} is not a keystore that can be read.`, {
      metaMessages: ['Version 3 with scrypt and aes-128-ctr is, as cast wallet import writes it.'],
    })
  }
  return value
}

// OpenSSL refuses parameters that files in the wild have, such as r = 1 with n = 2^18.
function derive(password: string, parameters: Keystore['crypto']['kdfparams']): Buffer {
  const { n, r, p, dklen, salt } = parameters
  const options = { N: n, r, p, dkLen: dklen, maxmem: 2 * MAX_MEMORY }
  return Buffer.from(scrypt(Buffer.from(password), Buffer.from(salt, 'hex'), options))
}

function mac(derived: Buffer, ciphertext: Buffer): Buffer {
  const hash = keccak256(Buffer.concat([derived.subarray(16, 32), ciphertext]))
  return Buffer.from(hash.slice(2), 'hex')
}
