/**
 * Certificates judged twice: by the contract, and by a check of its own here. Nothing of the package
 * computes in this file: curve and pairing are noble's, hashes and encodings viem's, and the two
 * pairing equations (the signature is the key's, both keys are one) are checked apart, where the
 * contract mixes them.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { type Abi, concat, encodeAbiParameters, type Hex, keccak256, parseAbi, toHex } from 'viem'
import { readContract } from 'viem/actions'
import { publishOperatorTableSync, registerOperatorKeySync } from '../src/registry/index.js'
import type { TestChain, TestClient } from './registry/chain.js'

const { G1, G2, fields } = bn254
const P = fields.Fp.ORDER
const R = fields.Fr.ORDER
type PointG1 = InstanceType<typeof G1.Point>
type PointG2 = InstanceType<typeof G2.Point>

type RawG1 = { X: bigint; Y: bigint }
type RawG2 = { X: [bigint, bigint]; Y: [bigint, bigint] }
type Witness = {
  operatorIndex: number
  operatorInfoProof: Hex
  operatorInfo: { pubkey: RawG1; weights: bigint[] }
}
type Certificate = {
  referenceTimestamp: number
  messageHash: Hex
  signature: RawG1
  apk: RawG2
  nonSignerWitnesses: Witness[]
}
type Member = { secret: bigint; g1: PointG1; g2: PointG2; weights: bigint[] }
type Table = { referenceTimestamp: number; members: Member[]; quorumBps: bigint }

const QUORUM = 6700n
const TYPEHASH = keccak256(toHex('BN254Certificate(uint32 referenceTimestamp,bytes32 messageHash)'))
const POSSESSION = keccak256(toHex('NewtonBN254ProofOfPossessionV1'))

const verifierAbi: Abi = parseAbi([
  'struct G1Point { uint256 X; uint256 Y; }',
  'struct G2Point { uint256[2] X; uint256[2] Y; }',
  'struct OperatorInfo { G1Point pubkey; uint256[] weights; }',
  'struct Witness { uint32 operatorIndex; bytes operatorInfoProof; OperatorInfo operatorInfo; }',
  'struct Certificate { uint32 referenceTimestamp; bytes32 messageHash; G1Point signature; G2Point apk; Witness[] nonSignerWitnesses; }',
  'function verifyCertificateAt(uint256 blockNumber, Certificate certificate) view returns (uint256[])',
])

const pointAbi = { type: 'tuple', components: [{ type: 'uint256' }, { type: 'uint256' }] } as const
const pairAbi = {
  type: 'tuple',
  components: [{ type: 'uint256[2]' }, { type: 'uint256[2]' }],
} as const

// --- Random numbers, the same for the same seed ---

type Dice = { word: () => bigint; below: (limit: number) => number }

function createDice(seed: string): Dice {
  let state = keccak256(toHex(seed))
  const word = (): bigint => {
    state = keccak256(state)
    return BigInt(state)
  }
  return { word, below: (limit) => Number(word() % BigInt(limit)) }
}

// --- Points ---

const rawG1 = (point: PointG1): RawG1 => {
  if (point.is0()) return { X: 0n, Y: 0n }
  const { x, y } = point.toAffine()
  return { X: x, Y: y }
}

const rawG2 = (point: PointG2): RawG2 => {
  if (point.is0()) return { X: [0n, 0n], Y: [0n, 0n] }
  const { x, y } = point.toAffine()
  return { X: [x.c1, x.c0], Y: [y.c1, y.c0] }
}

const sumG1 = (points: readonly PointG1[]): PointG1 =>
  points.reduce((sum, point) => sum.add(point), G1.Point.ZERO)
const sumG2 = (points: readonly PointG2[]): PointG2 =>
  points.reduce((sum, point) => sum.add(point), G2.Point.ZERO)

/** The first x at or after the hash that is on the curve, with the root that the power gives. */
function hashToPoint(hash: Hex): PointG1 {
  const { Fp } = fields
  for (let x = BigInt(hash) % P; ; x = (x + 1n) % P) {
    const square = Fp.add(Fp.mul(Fp.mul(x, x), x), 3n)
    const y = Fp.pow(square, (P + 1n) / 4n)
    if (Fp.mul(y, y) === square) return G1.Point.fromAffine({ x, y })
  }
}

const signable = (referenceTimestamp: number, messageHash: Hex): Hex =>
  keccak256(
    encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'uint32' }, { type: 'bytes32' }],
      [TYPEHASH, referenceTimestamp, messageHash],
    ),
  )

// --- Tables ---

function leafOf(pubkey: RawG1, weights: readonly bigint[]): Hex {
  const info = encodeAbiParameters(
    [{ type: 'tuple', components: [pointAbi, { type: 'uint256[]' }] }],
    [[[pubkey.X, pubkey.Y], weights]] as never,
  )
  return keccak256(concat(['0x75', info]))
}

const depthOf = (count: number): number => Math.ceil(Math.log2(count))

/** All layers of the tree, leaves first. */
function layersOf(table: Table): Hex[][] {
  const width = 2 ** depthOf(table.members.length)
  const zero: Hex = `0x${'00'.repeat(32)}`
  const leaves = Array.from({ length: width }, (_, index) => {
    const member = table.members[index]
    return member === undefined ? zero : leafOf(rawG1(member.g1), member.weights)
  })
  const layers = [leaves]
  while ((layers.at(-1) as Hex[]).length > 1) {
    const below = layers.at(-1) as Hex[]
    layers.push(
      Array.from({ length: below.length / 2 }, (_, index) =>
        keccak256(concat([below[2 * index] as Hex, below[2 * index + 1] as Hex])),
      ),
    )
  }
  return layers
}

function witnessOf(table: Table, index: number): Witness {
  const member = table.members[index] as Member
  const layers = layersOf(table)
  const siblings = layers.slice(0, -1).map((layer, level) => layer[(index >> level) ^ 1] as Hex)
  return {
    operatorIndex: index,
    operatorInfoProof: siblings.length === 0 ? '0x' : concat(siblings),
    operatorInfo: { pubkey: rawG1(member.g1), weights: [...member.weights] },
  }
}

// --- The check ---

/** What of every strategy signed, or `null`: the certificate is refused. */
export function judge(table: Table, certificate: Certificate): bigint[] | null {
  const { members, quorumBps } = table
  if (certificate.referenceTimestamp !== table.referenceTimestamp) return null
  const signature = readG1(certificate.signature)
  const apk = readG2(certificate.apk)
  if (signature === null || apk === null) return null
  const root = (layersOf(table).at(-1) as Hex[])[0]
  const totals = (members[0] as Member).weights.map((_, at) =>
    members.reduce((sum, { weights }) => sum + (weights[at] as bigint), 0n),
  )
  const signed = [...totals]
  let key = sumG1(members.map(({ g1 }) => g1))
  let last = -1
  for (const { operatorIndex, operatorInfoProof, operatorInfo } of certificate.nonSignerWitnesses) {
    if (operatorIndex <= last || operatorIndex >= members.length) return null
    last = operatorIndex
    const proof = operatorInfoProof.slice(2).match(/.{64}/g) ?? []
    if (operatorInfoProof.length !== 2 + 64 * depthOf(members.length)) return null
    let node = leafOf(operatorInfo.pubkey, operatorInfo.weights)
    for (const [level, sibling] of proof.entries()) {
      const right = (operatorIndex >> level) % 2 === 1
      node = keccak256(concat(right ? [`0x${sibling}`, node] : [node, `0x${sibling}`]))
    }
    if (node !== root) return null
    const absent = members[operatorIndex] as Member
    key = key.subtract(absent.g1)
    for (const [at, weight] of absent.weights.entries())
      signed[at] = (signed[at] as bigint) - weight
  }
  if (key.is0()) return null
  if (signed.some((weight, at) => weight * 10_000n < (totals[at] as bigint) * quorumBps))
    return null
  const message = hashToPoint(signable(certificate.referenceTimestamp, certificate.messageHash))
  const one = fields.Fp12.ONE
  const isSignature = bn254.pairingBatch([
    { g1: signature, g2: G2.Point.BASE.negate() },
    { g1: message, g2: apk },
  ])
  const isOneKey = bn254.pairingBatch([
    { g1: key, g2: G2.Point.BASE.negate() },
    { g1: G1.Point.BASE, g2: apk },
  ])
  return fields.Fp12.eql(isSignature, one) && fields.Fp12.eql(isOneKey, one) ? signed : null
}

function readG1({ X, Y }: RawG1): PointG1 | null {
  if (X >= P || Y >= P || (X === 0n && Y === 0n)) return null
  try {
    const point = G1.Point.fromAffine({ x: X, y: Y })
    point.assertValidity()
    return point
  } catch {
    return null
  }
}

function readG2({ X, Y }: RawG2): PointG2 | null {
  const all = [...X, ...Y]
  if (all.some((value) => value >= P) || all.every((value) => value === 0n)) return null
  try {
    const x = fields.Fp2.fromBigTuple([X[1], X[0]])
    const y = fields.Fp2.fromBigTuple([Y[1], Y[0]])
    const point = G2.Point.fromAffine({ x, y })
    point.assertValidity()
    return point.isTorsionFree() ? point : null
  } catch {
    return null
  }
}

// --- Certificates, good and bad ---

function certify(table: Table, absent: readonly number[], messageHash: Hex): Certificate {
  const signers = table.members.filter((_, index) => !absent.includes(index))
  const message = hashToPoint(signable(table.referenceTimestamp, messageHash))
  return {
    referenceTimestamp: table.referenceTimestamp,
    messageHash,
    signature: rawG1(sumG1(signers.map(({ secret }) => message.multiply(secret)))),
    apk: rawG2(sumG2(signers.map(({ g2 }) => g2))),
    nonSignerWitnesses: absent.map((index) => witnessOf(table, index)),
  }
}

const flip = (proof: Hex, at: number): Hex => {
  const digits = [...proof]
  const index = 2 + (at % (digits.length - 2))
  digits[index] = digits[index] === '0' ? '1' : '0'
  return digits.join('') as Hex
}

/** One thing about a certificate changed, by name. */
const changes: Record<string, (certificate: Certificate, dice: Dice, table: Table) => void> = {
  nothing: () => undefined,
  message: (certificate, dice) => {
    certificate.messageHash = toHex(dice.word(), { size: 32 })
  },
  'another table': (certificate, dice) => {
    certificate.referenceTimestamp += dice.below(2) === 0 ? -1 : 1
  },
  'signature of another key': (certificate, dice) => {
    const point = hashToPoint(signable(certificate.referenceTimestamp, certificate.messageHash))
    certificate.signature = rawG1(point.multiply((dice.word() % (R - 1n)) + 1n))
  },
  'negated signature': (certificate) => {
    certificate.signature = { X: certificate.signature.X, Y: P - certificate.signature.Y }
  },
  'signature not reduced': (certificate, dice) => {
    const { signature } = certificate
    certificate.signature =
      dice.below(2) === 0
        ? { X: signature.X + P, Y: signature.Y }
        : { X: signature.X, Y: signature.Y + P }
  },
  'signature off the curve': (certificate) => {
    certificate.signature = { X: certificate.signature.X, Y: (certificate.signature.Y + 1n) % P }
  },
  'signature at infinity': (certificate) => {
    certificate.signature = { X: 0n, Y: 0n }
  },
  'apk at infinity': (certificate) => {
    certificate.apk = { X: [0n, 0n], Y: [0n, 0n] }
  },
  'apk with its parts swapped': (certificate) => {
    const { X, Y } = certificate.apk
    certificate.apk = { X: [X[1], X[0]], Y: [Y[1], Y[0]] }
  },
  'apk not reduced': (certificate) => {
    const { X, Y } = certificate.apk
    certificate.apk = { X: [X[0] + P, X[1]], Y }
  },
  'apk of another operator': (certificate, dice, table) => {
    const member = table.members[dice.below(table.members.length)] as Member
    certificate.apk = rawG2(member.g2)
  },
  'apk and signature of one outsider': (certificate, dice) => {
    // A rogue key: both equations of the message hold, the key is not the table's.
    const secret = (dice.word() % (R - 1n)) + 1n
    const point = hashToPoint(signable(certificate.referenceTimestamp, certificate.messageHash))
    certificate.apk = rawG2(G2.Point.BASE.multiply(secret))
    certificate.signature = rawG1(point.multiply(secret))
  },
  'a signer counted as absent': (certificate, dice, table) => {
    const named = certificate.nonSignerWitnesses.map(({ operatorIndex }) => operatorIndex)
    const others = table.members.map((_, index) => index).filter((index) => !named.includes(index))
    const more = others[dice.below(others.length)]
    if (more === undefined) return
    certificate.nonSignerWitnesses = [...named, more]
      .sort((a, b) => a - b)
      .map((index) => witnessOf(table, index))
  },
  'an absent one not named': (certificate, dice) => {
    const { nonSignerWitnesses: absent } = certificate
    if (absent.length > 0) absent.splice(dice.below(absent.length), 1)
  },
  'an absent one twice': (certificate) => {
    const [first] = certificate.nonSignerWitnesses
    if (first !== undefined) certificate.nonSignerWitnesses.unshift(first)
  },
  'absent ones in another order': (certificate) => {
    certificate.nonSignerWitnesses.reverse()
  },
  'another weight': (certificate, dice) => {
    const [first] = certificate.nonSignerWitnesses
    if (first === undefined) return
    const { weights } = first.operatorInfo
    const at = dice.below(weights.length)
    weights[at] = (weights[at] as bigint) + 1n
  },
  'another index': (certificate, dice, table) => {
    const last = certificate.nonSignerWitnesses.at(-1)
    if (last !== undefined) last.operatorIndex += 1 + dice.below(table.members.length + 2)
  },
  'a bit of a proof': (certificate, dice) => {
    const [first] = certificate.nonSignerWitnesses
    if (first === undefined || first.operatorInfoProof === '0x') return
    first.operatorInfoProof = flip(first.operatorInfoProof, dice.below(1 << 20))
  },
  'a longer proof': (certificate) => {
    const [first] = certificate.nonSignerWitnesses
    if (first !== undefined) {
      first.operatorInfoProof = concat([first.operatorInfoProof, toHex(1n, { size: 32 })])
    }
  },
  'a shorter proof': (certificate) => {
    const [first] = certificate.nonSignerWitnesses
    if (first !== undefined && first.operatorInfoProof !== '0x') {
      first.operatorInfoProof = first.operatorInfoProof.slice(0, -64) as Hex
    }
  },
}

// --- On chain ---

export type DifferentialResult = {
  tables: number
  certificates: number
  /** How many of them both took. */
  taken: number
  /** Changes that were made at least once. */
  changes: ReadonlySet<string>
}

/**
 * Publishes random tables of the chain's accounts and has both judge random certificates, among them
 * changed ones. Throws with the seed where they differ.
 */
export async function compareCertificates(
  chain: TestChain,
  { tables, perTable, seed }: { tables: number; perTable: number; seed: string },
): Promise<DifferentialResult> {
  const { owner, addresses } = chain
  const dice = createDice(seed)
  const pool = await registerPool(chain, dice)
  const made = new Set<string>()
  let taken = 0
  const names = Object.keys(changes)
  for (let round = 0; round < tables; round += 1) {
    const referenceTimestamp = 1000 + 2 * round
    const { table, operators } = randomTable(pool, dice, referenceTimestamp)
    const { receipt } = await publishOperatorTableSync(owner, {
      ...{ addresses, referenceTimestamp, operators, preflight: false },
      weights: table.members.map(({ weights }) => weights),
    })
    await chain.mine()
    for (let count = 0; count < perTable; count += 1) {
      const absent = table.members
        .map((_, index) => index)
        .filter(() => dice.below(6) === 0)
        .slice(0, table.members.length - 1)
      const certificate = certify(table, absent, toHex(dice.word(), { size: 32 }))
      // Half of them stay as they are.
      const change = dice.below(2) === 0 ? 'nothing' : (names[dice.below(names.length)] as string)
      changes[change]?.(certificate, dice, table)
      made.add(change)
      const here = judge(table, certificate)
      const there = await onChain(owner, {
        verifier: addresses.certificateVerifier,
        blockNumber: receipt.blockNumber,
        certificate,
      })
      if (String(here) !== String(there)) {
        throw new Error(
          `seed ${seed}, table ${round}, certificate ${count}, ${change}: ` +
            `the contract says ${there}, the check says ${here}`,
        )
      }
      if (here !== null) taken += 1
    }
  }
  return { tables, certificates: tables * perTable, taken, changes: made }
}

type Pool = { account: Hex; secret: bigint; g1: PointG1; g2: PointG2 }[]

/** Nine accounts with keys, ascending by address. */
async function registerPool(chain: TestChain, dice: Dice): Promise<Pool> {
  const { addresses } = chain
  const pool: Pool = []
  for (let index = 1; index <= 9; index += 1) {
    const wallet = chain.wallet(index)
    const account = wallet.account.address
    const secret = (dice.word() % (R - 1n)) + 1n
    const [g1, g2] = [G1.Point.BASE.multiply(secret), G2.Point.BASE.multiply(secret)]
    const [pkG1, pkG2] = [rawG1(g1), rawG2(g2)]
    const digest = keccak256(
      encodeAbiParameters(
        [
          ...([{ type: 'bytes32' }, { type: 'uint256' }, { type: 'address' }] as const),
          ...([{ type: 'address' }, pointAbi, pairAbi] as const),
        ],
        [
          ...([POSSESSION, BigInt(chain.chain.id), addresses.certificateVerifier] as const),
          ...([account, [pkG1.X, pkG1.Y], [pkG2.X, pkG2.Y]] as never as [Hex, never, never]),
        ],
      ),
    )
    const proof = rawG1(hashToPoint(digest).multiply(secret))
    await registerOperatorKeySync(wallet, { addresses, operator: account, pkG1, pkG2, proof })
    pool.push({ account, secret, g1, g2 })
  }
  return pool.sort((a, b) => (BigInt(a.account) < BigInt(b.account) ? -1 : 1))
}

function randomTable(
  pool: Pool,
  dice: Dice,
  referenceTimestamp: number,
): { table: Table; operators: Hex[] } {
  const chosen = pool.filter(() => dice.below(3) !== 0)
  const used = chosen.length === 0 ? pool.slice(0, 1) : chosen
  const strategies = 1 + dice.below(3)
  // A weight may be nothing, or dwarf the others; every strategy has some.
  const weight = (at: number): bigint =>
    [0n, 1n, dice.word() % 1000n, dice.word() % 2n ** 128n][at === 0 ? 2 : dice.below(4)] as bigint
  const members = used.map(({ secret, g1, g2 }, at) => ({
    ...{ secret, g1, g2 },
    weights: Array.from({ length: strategies }, () => weight(at) + (at === 0 ? 1n : 0n)),
  }))
  return {
    table: { referenceTimestamp, members, quorumBps: QUORUM },
    operators: used.map(({ account }) => account),
  }
}

async function onChain(
  client: TestClient,
  parameters: { verifier: Hex; blockNumber: bigint; certificate: Certificate },
): Promise<bigint[] | null> {
  const { verifier, blockNumber, certificate } = parameters
  try {
    return (await readContract(client, {
      address: verifier,
      abi: verifierAbi,
      functionName: 'verifyCertificateAt',
      args: [blockNumber, certificate],
    })) as bigint[]
  } catch (error) {
    if (/revert/i.test(String(error))) return null
    throw error
  }
}
