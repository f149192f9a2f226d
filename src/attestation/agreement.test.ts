import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { address, createWorld, word } from '../../test/support/attestationWorld.js'
import { createOperatorTable } from '../core/bn254/index.js'
import type { Json } from '../core/canonicalJson.js'
import { utf8 } from '../internal/bytes.js'
import { keccakHex } from '../internal/keccak.js'
import {
  agreeOnOutputs,
  assertOwnOutputs,
  commitToOutputs,
  computeOutputHashes,
  computeOutputsDigest,
  type OutputCommitment,
} from './agreement.js'
import { AbstainError, InputsDivergeError } from './errors.js'

const { keys, table } = createWorld()
const taskId = word(1)
const templates = [word(11), word(12)] as const
const outputs = (a: number, b = 0): Record<Hex, Json> => ({ [word(11)]: { a }, [word(12)]: { b } })
const from = (index: number, own: Record<Hex, Json>, of = taskId): OutputCommitment =>
  commitToOutputs({
    key: keys[index] as (typeof keys)[number],
    operator: address(0x100 + index),
    taskId: of,
    outputs: own,
  })
const agree = (commitments: readonly OutputCommitment[]) =>
  agreeOnOutputs({ table, taskId, templates, commitments })

describe('agreeOnOutputs', () => {
  test('the majority by stake is agreed, the others abstain', () => {
    const own = [outputs(1), outputs(1), outputs(2), outputs(1)]
    const agreement = agree(own.map((one, index) => from(index, one)))
    expect(agreement.hashes).toEqual(computeOutputHashes(outputs(1)))
    expect(agreement.signers).toEqual([0, 1, 3])
    expect(agreement.weights).toEqual([300n])
    const abstains = own.map((one) => {
      try {
        assertOwnOutputs({ agreed: agreement.hashes, outputs: one })
        return false
      } catch (error) {
        expect(error).toBeInstanceOf(AbstainError)
        expect((error as AbstainError).templates).toEqual([word(11)])
        return true
      }
    })
    expect(abstains).toEqual([false, false, true, false])
  })

  test('each output has its own majority; signers equal all of them', () => {
    const agreement = agree([
      from(0, outputs(1, 1)),
      from(1, outputs(1, 1)),
      from(2, outputs(1, 2)),
      from(3, outputs(2, 1)),
    ])
    expect(agreement.hashes).toEqual(computeOutputHashes(outputs(1, 1)))
    expect(agreement.signers).toEqual([0, 1])
  })

  test.each<[string, Record<Hex, Json>[]]>([
    ['exactly half is no majority', [outputs(1), outputs(1), outputs(2), outputs(2)]],
    ['half of those who answered is no majority of the table', [outputs(1), outputs(1)]],
    ['all differ', [outputs(1), outputs(2), outputs(3), outputs(4)]],
    ['nobody answered', []],
  ])('%s', (_name, own) => {
    expect(() => agree(own.map((one, index) => from(index, one)))).toThrow(InputsDivergeError)
  })

  test('a majority must hold in every strategy', () => {
    const weights = [
      [90n, 1n],
      [4n, 1n],
      [3n, 1n],
      [3n, 97n],
    ]
    const other = createOperatorTable(
      keys.map((key, i) => ({
        operator: address(0x100 + i),
        ...key.publicKey,
        weights: weights[i] as bigint[],
      })),
    )
    const commitments = [from(0, outputs(1)), from(3, outputs(2))]
    expect(() => agreeOnOutputs({ table: other, taskId, templates, commitments })).toThrow(
      InputsDivergeError,
    )
    const both = [from(0, outputs(1)), from(3, outputs(1))]
    expect(agreeOnOutputs({ table: other, taskId, templates, commitments: both }).signers).toEqual([
      0, 3,
    ])
  })

  test('a policy without plugins agrees on nothing', () => {
    const commitments = [0, 1, 2].map((index) => from(index, {}))
    expect(agreeOnOutputs({ table, taskId, templates: [], commitments })).toMatchObject({
      hashes: {},
      signers: [0, 1, 2],
    })
  })

  test('what does not count is named', () => {
    const honest = [0, 1, 2].map((index) => from(index, outputs(1)))
    const stolen = { ...from(0, outputs(2)), operator: address(0x103) }
    const cases: [OutputCommitment, string][] = [
      [stolen, 'SIGNATURE_INVALID'],
      [from(3, outputs(1), word(9)), 'OTHER_TASK'],
      [{ ...from(3, outputs(1)), operator: address(7) }, 'UNKNOWN_OPERATOR'],
      [from(3, { [word(11)]: { a: 1 } }), 'OTHER_TEMPLATES'],
      [from(3, { ...outputs(1), [word(13)]: {} }), 'OTHER_TEMPLATES'],
      [{ ...from(3, outputs(1)), hashes: { [word(11)]: '0x' } }, 'MALFORMED'],
      [null as never, 'MALFORMED'],
    ]
    for (const [commitment, fault] of cases) {
      const agreement = agree([...honest, commitment])
      expect(agreement.signers).toEqual([0, 1, 2])
      expect(agreement.refused.map((one) => one.fault)).toEqual([fault])
    }
  })

  test('an operator that says two things says nothing; saying one twice is fine', () => {
    const honest = [0, 1, 2].map((index) => from(index, outputs(1)))
    const agreement = agree([
      ...honest,
      from(3, outputs(1)),
      from(3, outputs(2)),
      from(0, outputs(1)),
    ])
    expect(agreement.signers).toEqual([0, 1, 2])
    expect(agreement.refused).toEqual([{ operator: address(0x103), fault: 'EQUIVOCATION' }])
  })

  test('hashes are those of canonical JSON; the digest orders templates', () => {
    const hashes = computeOutputHashes({ [word(11)]: { b: 1, a: 2 } })
    expect(hashes[word(11)]).toBe(keccakHex(utf8('{"a":2,"b":1}')))
    const one = { [word(12)]: word(2), [word(11)]: word(1) }
    const two = { [word(11)]: word(1), [word(12)]: word(2) }
    expect(computeOutputsDigest({ taskId, hashes: one })).toBe(
      computeOutputsDigest({ taskId, hashes: two }),
    )
    expect(computeOutputsDigest({ taskId: word(2), hashes: one })).not.toBe(
      computeOutputsDigest({ taskId, hashes: one }),
    )
    expect(() => computeOutputHashes({ '0x11': {} })).toThrow('outputs.0x11')
  })

  test('an agreed output that one does not have makes one abstain', () => {
    expect(() =>
      assertOwnOutputs({ agreed: computeOutputHashes(outputs(1)), outputs: {} }),
    ).toThrow(AbstainError)
  })
})
