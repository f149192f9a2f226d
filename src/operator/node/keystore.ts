/**
 * BLS keys in encrypted files. Written: the fields of EIP-2335 with `curve: "bn254"` and the public key on
 * G1, X before Y. Read: that, the same fields as bn254-keystore-go has them, and eigensdk-go's
 * `{ pubKey, crypto }` around Web3 Secret Storage, version 3.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  pbkdf2,
  randomBytes,
  randomUUID,
  scrypt,
  timingSafeEqual,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { type BlsKey, type Bn254Backend, createBlsKey, encodeG1 } from '../../core/bn254/index.js'
import { mclBackend } from '../../core/bn254/mcl/index.js'
import { writeFileDurably } from '../../da/node/fileDa.js'
import { bytesToUint, concat, toHex, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { KeystoreError } from '../errors.js'

/** Cost of the key derivation; half a second to a few seconds, and 256 MiB. */
const COST = { n: 262_144, r: 8, p: 1 } as const
/** Most memory that somebody else's file may make the derivation take. */
const MAX_MEMORY = 1_073_741_824
const MAX_ROUNDS = 10_000_000

type Sealed = {
  kdf: { name: string; parameters: Record<string, unknown> }
  iv: Uint8Array
  ciphertext: Uint8Array
  checksum: Uint8Array
  /** How the checksum is computed: EIP-2335 by SHA-256, Web3 by keccak-256. */
  digest: 'sha256' | 'keccak256'
  publicKey: string | undefined
}

/**
 * Encrypts a new key's secret into the text of a file.
 *
 * @param parameters.cost - Of scrypt: `n`. @default 262144
 */
export async function encryptBlsKey(parameters: {
  secret: Uint8Array
  password: string
  cost?: number | undefined
}): Promise<string> {
  const { secret, password, cost = COST.n } = parameters
  const { publicKey } = createBlsKey(secret)
  const [salt, iv] = [randomBytes(32), randomBytes(16)]
  const derived = await deriveScrypt(passwordBytes(password), salt, { ...COST, n: cost })
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const message = concat(cipher.update(secret), cipher.final())
  const checksum = createHash('sha256').update(derived.subarray(16, 32)).update(message).digest()
  const file = {
    crypto: {
      kdf: {
        function: 'scrypt',
        params: { dklen: 32, n: cost, r: COST.r, p: COST.p, salt: bare(salt) },
        message: '',
      },
      checksum: { function: 'sha256', params: {}, message: bare(checksum) },
      cipher: { function: 'aes-128-ctr', params: { iv: bare(iv) }, message: bare(message) },
    },
    description: 'BN254 key of a Newton operator',
    curve: 'bn254',
    pubkey: bare(encodeG1(publicKey.pubkey)),
    path: 'm/254/60/0/0',
    uuid: randomUUID(),
    version: 4,
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

/** Writes a file that only its owner can read. */
export async function writeBlsKeystore(path: string, text: string): Promise<void> {
  await writeFileDurably(path, utf8(text), { mode: 0o600 })
}

/**
 * Opens a key file. The key is computed anew from the secret and compared with what the file says.
 *
 * @throws {KeystoreError} for a file of another form or curve, a wrong password, a derivation that would
 * cost too much.
 * @example
 * ```ts
 * import { openBlsKeystore } from '@newton/policy-sdk/operator/node'
 *
 * const signer = await openBlsKeystore('/etc/newton/bls.json', password)
 * ```
 */
export async function openBlsKeystore(path: string, password: string): Promise<BlsKey> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KeystoreError({ path, reason: 'the file cannot be read' }, { cause })
  })
  const sealed = parse(path, text)
  const derived = await derive(path, sealed, password)
  const tail = concat(derived.subarray(16, 32), sealed.ciphertext)
  const checksum =
    sealed.digest === 'sha256' ? createHash('sha256').update(tail).digest() : keccak(tail)
  if (checksum.length !== sealed.checksum.length || !timingSafeEqual(checksum, sealed.checksum)) {
    throw new KeystoreError({ path, reason: 'the password does not open it' })
  }
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), sealed.iv)
  const plain = concat(decipher.update(sealed.ciphertext), decipher.final())
  // Several times as fast where it is installed; the same signatures where it is not.
  const backend = await mclBackend().catch(() => undefined)
  const key = keyOf(path, secretOf(path, plain), backend)
  assertPublicKey(path, { key, stated: sealed.publicKey })
  return key
}

/** Secrets are 32 bytes, or decimal text as eigensdk-go writes it. */
function secretOf(path: string, plain: Uint8Array): Uint8Array {
  if (plain.length === 32) return plain
  const text = new TextDecoder().decode(plain)
  if (/^\d{1,78}$/.test(text)) {
    const hex = BigInt(text).toString(16).padStart(64, '0')
    return Uint8Array.from(Buffer.from(hex.slice(-64), 'hex'))
  }
  throw new KeystoreError({ path, reason: 'what is in it is no secret of 32 bytes' })
}

function keyOf(path: string, secret: Uint8Array, backend: Bn254Backend | undefined): BlsKey {
  try {
    return createBlsKey(secret, { backend })
  } catch (cause) {
    throw new KeystoreError({ path, reason: 'what is in it is no secret of BN254' }, { cause })
  } finally {
    secret.fill(0)
  }
}

/** A file that names another key is somebody's mistake, whichever of both is right. */
function assertPublicKey(
  path: string,
  { key, stated }: { key: BlsKey; stated: string | undefined },
): void {
  if (stated === undefined || stated === '') return
  const { X, Y } = key.publicKey.pubkey
  const decimals = stated.match(/\d+/g) ?? []
  const hex = stated.replace(/^0x/, '').toLowerCase()
  const named =
    (decimals.length >= 2 && decimals[0] === String(X) && decimals[1] === String(Y)) ||
    hex === bare(encodeG1(key.publicKey.pubkey)) ||
    hex === compressed({ X, Y })
  if (!named) throw new KeystoreError({ path, reason: 'its public key is not that of its secret' })
}

/** gnark's form: X, with the two highest bits for the larger (11) or the smaller (10) Y. */
function compressed({ X, Y }: { X: bigint; Y: bigint }): string {
  const field = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
  const flag = Y > (field - 1n) / 2n ? 0xc0 : 0x80
  const bytes = Buffer.from(X.toString(16).padStart(64, '0'), 'hex')
  bytes[0] = (bytes[0] as number) | flag
  return bytes.toString('hex')
}

function parse(path: string, text: string): Sealed {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch (cause) {
    throw new KeystoreError({ path, reason: 'it is no JSON' }, { cause })
  }
  const { crypto, curve } = Object(value) as Record<string, unknown>
  if (curve !== undefined && curve !== 'bn254') {
    throw new KeystoreError({ path, reason: `it is of curve ${String(curve).slice(0, 20)}` })
  }
  const sealed = typeof Object(crypto).kdf === 'string' ? readWeb3(value) : readEip2335(value)
  if (sealed !== undefined) return sealed
  const reason = 'it has neither the fields of EIP-2335 nor those of eigensdk-go'
  throw new KeystoreError({ path, reason })
}

function readEip2335(value: Record<string, unknown>): Sealed | undefined {
  const { kdf, checksum, cipher } = Object(value['crypto']) as Record<
    string,
    { function?: unknown; params?: Record<string, unknown>; message?: unknown } | undefined
  >
  const iv = hexOf(cipher?.params?.['iv'])
  const [ciphertext, sum] = [hexOf(cipher?.message), hexOf(checksum?.message)]
  if (cipher?.function !== 'aes-128-ctr' || checksum?.function !== 'sha256') return undefined
  if (iv?.length !== 16 || ciphertext === undefined || sum === undefined) return undefined
  return {
    kdf: { name: String(kdf?.function), parameters: kdf?.params ?? {} },
    ...{ iv, ciphertext, checksum: sum, digest: 'sha256' },
    publicKey: textOf(value['pubkey'] ?? value['pubKey']),
  }
}

function readWeb3(value: Record<string, unknown>): Sealed | undefined {
  const { cipher, ciphertext, cipherparams, kdf, kdfparams, mac } = value['crypto'] as Record<
    string,
    unknown
  >
  // Without it the file is that of an account: its secret would be taken for a key of another curve.
  const publicKey = textOf(value['pubKey'])
  const iv = hexOf(Object(cipherparams).iv)
  const [bytes, sum] = [hexOf(ciphertext), hexOf(mac)]
  if (cipher !== 'aes-128-ctr' || publicKey === undefined) return undefined
  if (iv?.length !== 16 || bytes === undefined || sum === undefined) return undefined
  return {
    kdf: { name: String(kdf), parameters: Object(kdfparams) as Record<string, unknown> },
    ...{ iv, ciphertext: bytes, checksum: sum, digest: 'keccak256', publicKey },
  }
}

async function derive(path: string, sealed: Sealed, password: string): Promise<Uint8Array> {
  const { name, parameters } = sealed.kdf
  const { dklen, n, r, p, c, prf } = parameters
  const salt = hexOf(parameters['salt'])
  // EIP-2335 normalizes passwords; Web3 takes them as they are.
  const secret = sealed.digest === 'sha256' ? passwordBytes(password) : utf8(password)
  const refuse = (): never => {
    throw new KeystoreError({ path, reason: 'its key derivation is none that is bounded' })
  }
  if (salt === undefined || dklen !== 32) return refuse()
  if (name === 'pbkdf2') {
    const rounds = Number(c)
    if (!Number.isSafeInteger(rounds) || rounds < 1 || rounds > MAX_ROUNDS) return refuse()
    if (prf !== 'hmac-sha256') return refuse()
    return promisify(pbkdf2)(secret, salt, rounds, 32, 'sha256')
  }
  const cost = { n: Number(n), r: Number(r), p: Number(p) }
  const memory = 128 * cost.n * cost.r
  const whole = Object.values(cost).every((one) => Number.isSafeInteger(one) && one > 0)
  const power = Number.isInteger(Math.log2(cost.n))
  if (name !== 'scrypt' || !whole || !power || memory > MAX_MEMORY || cost.p > 16) return refuse()
  return deriveScrypt(secret, salt, cost)
}

async function deriveScrypt(
  password: Uint8Array,
  salt: Uint8Array,
  { n, r, p }: { n: number; r: number; p: number },
): Promise<Uint8Array> {
  const options = { N: n, r, p, maxmem: 128 * n * r + 128 * r * p + 33_554_432 }
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      scrypt(password, salt, 32, options, (error, key) => (error ? reject(error) : resolve(key)))
    })
  } catch {
    // OpenSSL refuses parameters that files in the wild have, such as r = 1 with n = 2^18.
    return scryptAsync(password, salt, { N: n, r, p, dkLen: 32, maxmem: options.maxmem })
  }
}

/** A password as EIP-2335 has it: NFKD, without control characters. */
function passwordBytes(password: string): Uint8Array {
  const kept = [...password.normalize('NFKD')].filter((letter) => {
    const code = letter.codePointAt(0) as number
    return code > 0x1f && (code < 0x7f || code > 0x9f)
  })
  return utf8(kept.join(''))
}

function hexOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' && /^(0x)?([0-9a-fA-F]{2})*$/.test(value)
    ? Uint8Array.from(Buffer.from(value.replace(/^0x/, ''), 'hex'))
    : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function bare(bytes: Uint8Array): string {
  return toHex(bytes).slice(2)
}

/** A new secret: 512 random bits, reduced, so that no value is likelier than another. */
export function randomBlsSecret(): Uint8Array {
  const order = 21888242871839275222246405745257275088548364400416034343698204186575808495617n
  const scalar = (bytesToUint(Uint8Array.from(randomBytes(64))) % (order - 1n)) + 1n
  return Uint8Array.from(Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex'))
}
