import { expect, test } from 'vitest'
import { seeded } from '../../../test/statetree/model.js'
import { defaultHasher, foldPath, hashLeaf } from '../hash/hasher.js'
import { PLACEHOLDER_HASH } from '../hash/scheme.js'
import { verifyProof } from './proof.js'

const next = seeded(31)
const random = (length: number): Uint8Array => new Uint8Array(length).map(() => next(256))

test('siblings go to their levels, whatever the depth and wherever placeholders are', () => {
  const hasher = defaultHasher()
  for (const depth of [0, 1, 2, 7, 31, 32, 33, 47, 48, 49, 63, 64, 65, 200, 255, 256]) {
    for (const share of [0, 1, 2, 9, 10]) {
      const [keyHash, valueHash] = [random(32), random(32)]
      const isThere = [...Array(depth)].map(() => next(10) < share)
      const siblings = isThere.map((there) => (there ? random(32) : PLACEHOLDER_HASH))
      const start = hashLeaf(hasher, keyHash, valueHash)
      const root = foldPath(hasher, { start, siblings, keyHash })
      const present = isThere.reduce((bits, there, i) => bits | (BigInt(there) << BigInt(i)), 0n)
      const bytes = Uint8Array.from(siblings.filter((_, i) => isThere[i]).flatMap((s) => [...s]))
      const proof = { type: 'inclusion' as const, depth, present, siblings: bytes }
      expect(verifyProof({ root, keyHash, valueHash, proof })).toBe(true)
      // The same siblings at other levels lead elsewhere.
      const other = present ^ (depth > 1 ? 3n : 0n)
      const isMoved = depth > 1 && isThere[0] !== isThere[1]
      if (isMoved)
        expect(verifyProof({ root, keyHash, valueHash, proof: { ...proof, present: other } })).toBe(
          false,
        )
    }
  }
})
