import { readFileSync } from 'node:fs'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { computeKeyHash } from '../../core/artifact.js'
import {
  assertProof,
  fromProofCalldata,
  type ProofCalldata,
  toProofCalldata,
  verifyProof,
} from './proof.js'

type Raw = Omit<ProofCalldata, 'present'> & { present: Hex }
type Case = {
  name: string
  root: Hex
  keyHash: Hex
  valueHash: Hex
  claim: 'inclusion' | 'exclusion'
  proof: Raw
  valid: boolean
}

const load = (name: string) =>
  JSON.parse(
    readFileSync(
      new URL(`../../../test/vectors/jmt-compact/${name}.json`, import.meta.url),
      'utf8',
    ),
  ).cases

describe('the verdicts that Solidity gives too', () => {
  test('raw keys', () => {
    const cases: Case[] = load('proofs')
    expect(cases.length).toBeGreaterThan(400)
    for (const { name, root, keyHash, valueHash, claim, proof: raw, valid } of cases) {
      const calldata = { ...raw, present: BigInt(raw.present) }
      const proof = fromProofCalldata(calldata, claim)
      const value = claim === 'inclusion' ? valueHash : null
      expect(verifyProof({ root, keyHash, valueHash: value, proof }), name).toBe(valid)
      expect(toProofCalldata(proof)).toEqual(calldata)
      if (!valid)
        expect(() => assertProof({ root, keyHash, valueHash: value, proof }), name).toThrow(
          'refused',
        )
    }
  })

  test('artifacts', () => {
    for (const { root, namespace, artifactHash, keyHash, claim, proof: raw } of load('artifacts')) {
      expect(computeKeyHash(namespace, artifactHash)).toBe(keyHash)
      const proof = fromProofCalldata({ ...raw, present: BigInt(raw.present) }, claim)
      expect(
        verifyProof({
          root,
          keyHash,
          valueHash: claim === 'inclusion' ? artifactHash : null,
          proof,
        }),
      ).toBe(true)
      const other = claim === 'inclusion' ? 'exclusion' : 'inclusion'
      expect(
        verifyProof({
          root,
          keyHash,
          valueHash: other === 'inclusion' ? artifactHash : null,
          proof: { ...proof, type: other },
        }),
      ).toBe(false)
    }
  })
})
