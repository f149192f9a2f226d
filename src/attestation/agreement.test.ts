import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { address, createWorld, word } from '../../test/support/attestationWorld.js'
import {
  createBlsKey,
  createOperatorTable,
  GROUP_ORDER,
  nobleBackend,
} from '../core/bn254/index.js'
import type { Json } from '../core/canonicalJson.js'
import { utf8 } from '../internal/bytes.js'
import { keccakHex } from '../internal/keccak.js'
import { agreeOnOutputs, assertOwnOutputs, isMajority } from './agreement.js'
import {
  commitToOutputs,
  computeOutputHashes,
  computeOutputsDigest,
  type OutputCommitment,
} from './commitments.js'
import { AbstainError, InputsDivergeError } from './errors.js'

const { keys, table } = createWorld()
const taskId = word(1)
const templates = [word(11), word(12)] as const
const outputs = (a: number, b = 0): Record<Hex, Json> => ({ [word(11)]: { a }, [word(12)]: { b } })
const from = (index: number, own: Record<Hex, Json>, of = taskId): Promise<OutputCommitment> =>
  commitToOutputs({
    key: keys[index] as (typeof keys)[number],
    operator: address(0x100 + index),
    taskId: of,
    outputs: own,
  })
type Given = OutputCommitment | Promise<OutputCommitment>
const agree = async (commitments: readonly Given[]) =>
  agreeOnOutputs({ table, taskId, templates, commitments: await Promise.all(commitments) })

describe('agreeOnOutputs', () => {
  test('the majority by stake is agreed, the others abstain', async () => {
    const own = [outputs(1), outputs(1), outputs(2), outputs(1)]
    const agreement = await agree(own.map((one, index) => from(index, one)))
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

  test('a strategy in which nobody has stake stands in the way of nothing, and none of all decides nothing', async () => {
    const tableOf = (weightsOf: (index: number) => bigint[]) =>
      createOperatorTable(
        keys.map((key, index) => ({
          ...{ operator: address(0x100 + index), ...key.publicKey },
          weights: weightsOf(index),
        })),
      )
    const all = await Promise.all([0, 1, 2].map((index) => from(index, outputs(1))))
    const shown = (weighed: typeof table, commitments: readonly OutputCommitment[]) =>
      agreeOnOutputs({ table: weighed, taskId, templates, commitments })
    const idle = tableOf(() => [100n, 0n])
    expect((await shown(idle, all)).signers).toEqual([0, 1, 2])
    // Half of the first strategy is half, whatever the other one has.
    await expect(shown(idle, all.slice(0, 2))).rejects.toBeInstanceOf(InputsDivergeError)
    // Stake of the last operator alone: without it there is no majority in that strategy.
    const one = tableOf((index) => [100n, index === 3 ? 1n : 0n])
    await expect(shown(one, all)).rejects.toBeInstanceOf(InputsDivergeError)
    expect((await shown(one, [...all, await from(3, outputs(1))])).signers).toEqual([0, 1, 2, 3])
    // As the collecting side counts, for each.
    for (const [weighed, indices] of [
      [idle, [0, 1, 2]],
      [idle, [0, 1]],
      [one, [0, 1, 2]],
      [one, [0, 1, 2, 3]],
    ] as const) {
      const { totalWeights } = weighed.info
      const weights = totalWeights.map((_total, strategy) =>
        indices.reduce((sum, at) => sum + (weighed.operators[at]?.weights[strategy] ?? 0n), 0n),
      )
      const agreed = await shown(
        weighed,
        await Promise.all(indices.map((at) => from(at, outputs(1)))),
      )
        .then(() => true)
        .catch(() => false)
      expect(isMajority(weights, totalWeights)).toBe(agreed)
    }
    expect(isMajority([0n], [0n])).toBe(false)
    expect(isMajority([], [])).toBe(false)
  })

  test('each output has its own majority; signers equal all of them', async () => {
    const agreement = await agree([
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
  ])('%s', async (_name, own) => {
    await expect(agree(own.map((one, index) => from(index, one)))).rejects.toThrow(
      InputsDivergeError,
    )
  })

  test('two in league, whose keys cancel out, stop nobody', async () => {
    const league = [createBlsKey(77n), createBlsKey(GROUP_ORDER - 77n)]
    const entries = [...league, ...keys].map((key, index) => ({
      ...{ operator: address(0x200 + index), ...key.publicKey, weights: [100n] },
    }))
    const joined = createOperatorTable(entries)
    const commitments = await Promise.all(
      [...league, ...keys].map((key, index) => {
        const operator = (entries[index] as { operator: Hex }).operator
        return commitToOutputs({ key, operator, taskId, outputs: outputs(index < 2 ? 9 : 1) })
      }),
    )
    const agreement = await agreeOnOutputs({ table: joined, taskId, templates, commitments })
    expect(agreement.hashes).toEqual(computeOutputHashes(outputs(1)))
    expect(agreement.signers).toEqual([2, 3, 4, 5])
    expect(agreement.refused).toEqual([])
  })

  test('a majority must hold in every strategy', async () => {
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
    const commitments = [await from(0, outputs(1)), await from(3, outputs(2))]
    await expect(agreeOnOutputs({ table: other, taskId, templates, commitments })).rejects.toThrow(
      InputsDivergeError,
    )
    const both = [await from(0, outputs(1)), await from(3, outputs(1))]
    const agreed = await agreeOnOutputs({ table: other, taskId, templates, commitments: both })
    expect(agreed.signers).toEqual([0, 3])
  })

  test('a policy without plugins agrees on nothing', async () => {
    const commitments = await Promise.all([0, 1, 2].map((index) => from(index, {})))
    expect(await agreeOnOutputs({ table, taskId, templates: [], commitments })).toMatchObject({
      hashes: {},
      signers: [0, 1, 2],
    })
  })

  test('what does not count is named', async () => {
    const honest = [0, 1, 2].map((index) => from(index, outputs(1)))
    const stolen = { ...(await from(0, outputs(2))), operator: address(0x103) }
    const cases: [OutputCommitment, string][] = [
      [stolen, 'SIGNATURE_INVALID'],
      [await from(3, outputs(1), word(9)), 'OTHER_TASK'],
      [{ ...(await from(3, outputs(1))), operator: address(7) }, 'UNKNOWN_OPERATOR'],
      [await from(3, { [word(11)]: { a: 1 } }), 'OTHER_TEMPLATES'],
      [await from(3, { ...outputs(1), [word(13)]: {} }), 'OTHER_TEMPLATES'],
      [{ ...(await from(3, outputs(1))), hashes: { [word(11)]: '0x' } }, 'MALFORMED'],
      [null as never, 'MALFORMED'],
    ]
    for (const [commitment, fault] of cases) {
      const agreement = await agree([...honest, commitment])
      expect(agreement.signers).toEqual([0, 1, 2])
      expect(agreement.refused.map((one) => one.fault)).toEqual([fault])
    }
  })

  test('an operator that says two things says nothing; saying one twice is fine', async () => {
    const honest = [0, 1, 2].map((index) => from(index, outputs(1)))
    const agreement = await agree([
      ...honest,
      from(3, outputs(1)),
      from(3, outputs(2)),
      from(0, outputs(1)),
    ])
    expect(agreement.signers).toEqual([0, 1, 2])
    expect(agreement.refused).toEqual([{ operator: address(0x103), fault: 'EQUIVOCATION' }])
  })

  test('a bad signature in the name of another takes nothing from its own', async () => {
    const own = await Promise.all([0, 1, 2].map((index) => from(index, outputs(1))))
    const forged = { ...(own[0] as OutputCommitment), signature: own[1]?.signature as never }
    for (const commitments of [
      [forged, ...own],
      [...own, forged, forged],
    ]) {
      const agreement = await agree(commitments)
      expect(agreement.signers).toEqual([0, 1, 2])
      expect(agreement.refused).toEqual(
        commitments
          .filter((one) => one === forged)
          .map(() => ({ operator: address(0x100), fault: 'SIGNATURE_INVALID' })),
      )
    }
  })

  test('copies and forgeries in one name cost a few pairings, and no more of them are looked at', async () => {
    const own = await Promise.all([0, 1, 2].map((index) => from(index, outputs(1))))
    const [first] = own as [OutputCommitment]
    const foreign = await Promise.all(
      Array.from({ length: 60 }, (_, b) => from(1, outputs(2, b)).then((one) => one.signature)),
    )
    const forged = foreign.map((signature) => ({ ...first, signature }))
    const pairings = async (commitments: readonly OutputCommitment[]) => {
      let count = 0
      const agreement = await agreeOnOutputs({
        ...{ table, taskId, templates, commitments },
        backend: {
          ...nobleBackend,
          pairingProduct: (pairs) => {
            count++
            return nobleBackend.pairingProduct(pairs)
          },
        },
      })
      return { count, agreement }
    }
    const alone = await pairings(own)
    const copied = await pairings([...own, ...Array.from({ length: 200 }, () => first)])
    expect(copied.count).toBe(alone.count)
    expect(copied.agreement.signers).toEqual([0, 1, 2])
    const flooded = await pairings([...own, ...forged])
    expect(flooded.count).toBeLessThan(alone.count + 60)
    expect(flooded.agreement.signers).toEqual([0, 1, 2])
    const faults = flooded.agreement.refused.map(({ fault }) => fault)
    expect(faults.filter((fault) => fault === 'TOO_MANY')).toHaveLength(57)
    expect(faults.filter((fault) => fault === 'SIGNATURE_INVALID')).toHaveLength(3)
  })

  test('hashes are those of canonical JSON; the digest orders templates', async () => {
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

  test('an agreed output that one does not have makes one abstain', async () => {
    expect(() =>
      assertOwnOutputs({ agreed: computeOutputHashes(outputs(1)), outputs: {} }),
    ).toThrow(AbstainError)
  })
})
