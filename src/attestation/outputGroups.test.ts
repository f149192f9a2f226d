import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { address, createWorld, word } from '../../test/support/attestationWorld.js'
import {
  addG1,
  createBlsKey,
  createOperatorTable,
  encodeG1,
  FIELD_MODULUS,
  G1_INFINITY,
  type G1Point,
  GROUP_ORDER,
  nobleBackend,
  type OperatorTable,
} from '../core/bn254/index.js'
import type { Json } from '../core/canonicalJson.js'
import { toHex } from '../internal/bytes.js'
import { agreeOnGroups, agreeOnOutputs } from './agreement.js'
import {
  checkCommitments,
  commitToOutputs,
  computeOutputHashes,
  computeOutputsDigest,
  type OutputCommitment,
} from './commitments.js'
import { encodeSigners, MAX_OUTPUT_GROUPS, type OutputGroup } from './outputGroups.js'

const { keys, table } = createWorld()
const taskId = word(1)
const templates = [word(11), word(12)] as const
const outputs = (a: number, b = 0): Record<Hex, Json> => ({ [word(11)]: { a }, [word(12)]: { b } })
const from = (index: number, own: Record<Hex, Json>): Promise<OutputCommitment> =>
  commitToOutputs({
    ...{ key: keys[index] as (typeof keys)[number], operator: address(0x100 + index) },
    ...{ taskId, outputs: own },
  })
const gather = async (commitments: readonly Promise<OutputCommitment>[]) =>
  agreeOnOutputs({ table, taskId, templates, commitments: await Promise.all(commitments) })
const read = (groups: readonly OutputGroup[], change: object = {}) =>
  agreeOnGroups({ table, taskId, templates, groups, ...change })
/** A group of commitments, summed and marked as whoever sends it likes. */
const groupOf = async (indices: readonly number[], own: Record<Hex, Json>) => {
  const all = await Promise.all(indices.map((index) => from(index, own)))
  const [{ hashes }] = all as [OutputCommitment]
  const signature = addG1(all.map((one) => one.signature))
  return { hashes, signature, signers: encodeSigners(indices, table) }
}
/** Counts pairing products, and their pairs. */
const counting = () => {
  const counts = { products: 0, pairs: 0 }
  const backend = {
    ...nobleBackend,
    pairingProduct: (pairs: Parameters<typeof nobleBackend.pairingProduct>[0]) => {
      counts.products++
      counts.pairs += pairs.length
      return nobleBackend.pairingProduct(pairs)
    },
  }
  return { counts, backend }
}
const refusedAs = (reason: string) => ({ code: 'OUTPUT_GROUPS_REFUSED', reason })

describe('groups of commitments', () => {
  test('vector: one group of three operators out of four', async () => {
    const { groups } = await gather([0, 1, 3].map((index) => from(index, outputs(1))))
    expect(groups).toHaveLength(1)
    const [group] = groups as [OutputGroup]
    expect({ ...group, signature: toHex(encodeG1(group.signature)) }).toMatchInlineSnapshot(`
      {
        "hashes": {
          "0x000000000000000000000000000000000000000000000000000000000000000b": "0x25e7c2a96531eb50246780c1f25742e489bf55210e26981dc02992bb585feb97",
          "0x000000000000000000000000000000000000000000000000000000000000000c": "0x9681377d90b54305cdd89160ff0b0466e4573aa0257adc082e92f56b20ffef2c",
        },
        "signature": "0x2eaffa3a99a3b8cc30ebfedb734ae90fb02579fafc1deacbe4602bf0dd144cc3295cbeab4efd501bb3c52503f7d8f1a8c6c9d2292a8ac7cd31bf15f1dca32864",
        "signers": "0x0b",
      }
    `)
  })

  test('default: the operator agrees to what the gateway does, with one product of two pairings', async () => {
    const own = [outputs(1), outputs(1), outputs(2), outputs(1)]
    const agreement = await gather(own.map((one, index) => from(index, one)))
    const { counts, backend } = counting()
    const agreed = await read(agreement.groups, { backend })
    expect(agreed.hashes).toEqual(agreement.hashes)
    expect(agreed.signers).toEqual([0, 1, 3])
    expect(agreed.weights).toEqual([300n])
    expect(counts).toEqual({ products: 1, pairs: 2 })
  })

  test('behavior: outputs whose majorities are of different operators need several groups, and one product', async () => {
    const own = [outputs(1, 1), outputs(1, 1), outputs(1, 2), outputs(2, 1)]
    const agreement = await gather(own.map((one, index) => from(index, one)))
    expect(agreement.groups).toHaveLength(3)
    const { counts, backend } = counting()
    const agreed = await read(agreement.groups, { backend })
    expect(agreed.hashes).toEqual(agreement.hashes)
    expect(agreed.signers).toEqual([0, 1])
    expect(counts).toEqual({ products: 1, pairs: 4 })
  })

  test('behavior: sums that are wrong by as much and right together name none who did not sign', async () => {
    const one = await groupOf([0, 1, 2], outputs(1, 1))
    const other = await groupOf([3], outputs(1, 2))
    const shift = (keys[0] as (typeof keys)[number]).sign(word(99))
    const back = { X: shift.X, Y: FIELD_MODULUS - shift.Y }
    const agreed = await read([
      { ...one, signature: addG1([one.signature, shift]) },
      { ...other, signature: addG1([other.signature, back]) },
    ])
    expect(agreed.signers).toEqual([0, 1, 2])
    await expect(
      read([{ ...one, signature: addG1([one.signature, shift]) }, other]),
    ).rejects.toMatchObject(refusedAs('SIGNATURE_INVALID'))
  })

  test('behavior: no group is needed where there are no plugins, and none is no majority otherwise', async () => {
    expect(await read([], { templates: [] })).toMatchObject({ hashes: {}, signers: [] })
    await expect(read([])).rejects.toMatchObject({ code: 'INPUTS_DIVERGE', templates })
    const minority = await groupOf([0, 1], outputs(1))
    await expect(read([minority])).rejects.toMatchObject({ code: 'INPUTS_DIVERGE' })
  })

  test('error: whatever is changed of a group, it is refused by name', async () => {
    const group = await groupOf([0, 1, 2], outputs(1))
    const other = await groupOf([3], outputs(2))
    const otherHash = { ...group.hashes, [word(11)]: word(5) }
    const [first] = Object.keys(group.hashes) as [Hex]
    const { [first]: _gone, ...fewer } = group.hashes
    const cases: [string, readonly unknown[], object?][] = [
      ['SIGNATURE_INVALID', [{ ...group, hashes: otherHash }]],
      ['SIGNATURE_INVALID', [{ ...group, signature: other.signature }]],
      ['SIGNATURE_INVALID', [{ ...group, signature: G1_INFINITY }]],
      ['SIGNATURE_INVALID', [{ ...group, signature: { X: 1n, Y: 1n } }]],
      ['SIGNATURE_INVALID', [{ ...group, signature: null }]],
      // One more and one less than signed, and another one.
      ['SIGNATURE_INVALID', [{ ...group, signers: '0x0f' }]],
      ['SIGNATURE_INVALID', [{ ...group, signers: '0x03' }]],
      ['SIGNATURE_INVALID', [{ ...group, signers: '0x0b' }]],
      ['EMPTY_GROUP', [{ ...group, signers: '0x00' }]],
      ['UNKNOWN_OPERATOR', [{ ...group, signers: '0x17' }]],
      ['UNKNOWN_OPERATOR', [{ ...group, signers: '0x87' }]],
      ['WRONG_BITMAP', [{ ...group, signers: '0x' }]],
      ['WRONG_BITMAP', [{ ...group, signers: '0x0700' }]],
      ['WRONG_BITMAP', [{ ...group, signers: 7 }]],
      ['OTHER_TEMPLATES', [{ ...group, hashes: fewer }]],
      ['OTHER_TEMPLATES', [{ ...group, hashes: { ...group.hashes, [word(13)]: word(1) } }]],
      ['OTHER_TEMPLATES', [{ ...group, hashes: null }]],
      ['MALFORMED', [{ ...group, hashes: { [word(11)]: '0x12', [word(12)]: word(1) } }]],
      ['OTHER_TEMPLATES', [null]],
      ['GROUP_REPEATED', [group, group]],
      ['GROUP_REPEATED', [group, await groupOf([3], outputs(1))]],
      ['EQUIVOCATION', [group, { ...(await groupOf([2, 3], outputs(2))) }]],
      ['TOO_MANY_GROUPS', Array.from({ length: MAX_OUTPUT_GROUPS + 1 }, () => group)],
      ['MALFORMED', 'groups' as never],
      ['SIGNATURE_INVALID', [group], { taskId: word(2) }],
      ['SIGNATURE_INVALID', [group, { ...other, signature: group.signature }]],
    ]
    for (const [reason, groups, change] of cases) {
      await expect(read(groups as OutputGroup[], change), reason).rejects.toMatchObject(
        refusedAs(reason),
      )
    }
    expect((await read([group])).signers).toEqual([0, 1, 2])
    await expect(read([group, await groupOf([2], outputs(2))])).rejects.toMatchObject({
      ...{ reason: 'EQUIVOCATION', operator: address(0x102) },
    })
  })

  test('error: INVALID_INPUT for parameters of one’s own that are none', async () => {
    const { groups } = await gather([0, 1, 2].map((index) => from(index, outputs(1))))
    const bad: object[] = [
      ...[
        undefined,
        null,
        7,
        {},
        { operators: [] },
        { ...table, operators: 4 },
        { ...table, info: {} },
      ].map((table) => ({ table })),
      ...[undefined, null, 'two', [7], [undefined], ['0x12'], new Array(2)].map((templates) => ({
        templates,
      })),
      ...[undefined, null, 7, '0x12'].map((taskId) => ({ taskId })),
      ...[null, {}, 'mcl', () => nobleBackend, { pairingProduct: 1 }].map((backend) => ({
        backend,
      })),
      { bakend: nobleBackend },
    ]
    for (const change of bad) {
      await expect(read(groups, change), Object.keys(change)[0]).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
    for (const parameters of [null, undefined, 7]) {
      await expect(agreeOnGroups(parameters as never)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
    const given = { table, taskId, templates, groups }
    await expect(agreeOnGroups(given, null as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    expect(await agreeOnGroups({ ...given, backend: undefined })).toMatchObject({
      signers: [0, 1, 2],
    })
    // What a gateway sends is refused as groups, also a list with holes.
    for (const sent of [null, undefined, {}, new Array(3), [groups[0], null], [undefined]]) {
      await expect(read(sent as never)).rejects.toMatchObject({ code: 'OUTPUT_GROUPS_REFUSED' })
    }
  })

  test('error: each bit of a signature and of the hashes is bound', async () => {
    const group = await groupOf([0, 1, 2], outputs(1))
    for (const id of Object.keys(group.hashes) as Hex[]) {
      for (const bit of [0n, 97n, 255n]) {
        const hash = `0x${(BigInt(group.hashes[id] as Hex) ^ (1n << bit)).toString(16).padStart(64, '0')}`
        const changed = { ...group, hashes: { ...group.hashes, [id]: hash as Hex } }
        await expect(read([changed])).rejects.toMatchObject(refusedAs('SIGNATURE_INVALID'))
      }
    }
    for (const bit of [0n, 100n, 253n]) {
      for (const change of [
        { X: group.signature.X ^ (1n << bit) },
        { Y: group.signature.Y ^ (1n << bit) },
      ]) {
        const signature: G1Point = { ...group.signature, ...change }
        await expect(read([{ ...group, signature }])).rejects.toMatchObject(
          refusedAs('SIGNATURE_INVALID'),
        )
      }
    }
  })

  test('error: a rogue key takes no part in a table, and a key of another table signs nothing here', async () => {
    // The key that would cancel the others' is not one whose secret its owner has: no proof, no table.
    const others = addG1(keys.slice(0, 3).map(({ publicKey }) => publicKey.pubkey))
    const rogue = { X: others.X, Y: others.Y }
    const entries = keys.slice(0, 3).map((key, index) => ({
      ...{ operator: address(0x100 + index), ...key.publicKey, weights: [100n] },
    }))
    const { pubkeyG2 } = (keys[3] as (typeof keys)[number]).publicKey
    expect(() =>
      createOperatorTable([
        ...entries,
        { operator: address(0x103), pubkey: rogue, pubkeyG2, weights: [100n] },
      ]),
    ).toThrow(expect.objectContaining({ fault: 'KEY_MISMATCH' }))
    const group = await groupOf([0, 1, 2], outputs(1))
    const swapped = createOperatorTable([
      ...entries.slice(0, 2),
      { operator: address(0x102), ...createBlsKey(55n).publicKey, weights: [100n] },
      { operator: address(0x103), ...createBlsKey(56n).publicKey, weights: [100n] },
    ])
    await expect(read([group], { table: swapped })).rejects.toMatchObject(
      refusedAs('SIGNATURE_INVALID'),
    )
  })

  describe('keys that cancel out', () => {
    const league = [createBlsKey(77n), createBlsKey(GROUP_ORDER - 77n)]
    const all = [...league, ...keys]
    const tableOf = (weights: readonly bigint[]): OperatorTable =>
      createOperatorTable(
        all.map((key, index) => ({
          ...{ operator: address(0x200 + index), ...key.publicKey },
          weights: [weights[index] as bigint],
        })),
      )
    const commit = (said: readonly number[]) =>
      Promise.all(
        all.map((key, index) =>
          commitToOutputs({
            ...{ key, operator: address(0x200 + index), taskId },
            outputs: outputs(said[index] as number),
          }),
        ),
      )

    test('error: KEYS_CANCEL, whoever is said to have signed', async () => {
      const joined = tableOf([100n, 100n, 100n, 100n, 100n, 100n])
      const signature = all[2]?.sign(word(4)) as G1Point
      const { hashes } = await groupOf([0], outputs(1))
      const group = { hashes, signature, signers: encodeSigners([0, 1], joined) }
      await expect(read([group], { table: joined })).rejects.toMatchObject(refusedAs('KEYS_CANCEL'))
    })

    test('behavior: a minority of them stops nobody, and a majority shows nothing', async () => {
      const few = tableOf([100n, 100n, 100n, 100n, 100n, 100n])
      const honest = await agreeOnOutputs({
        ...{ table: few, taskId, templates, commitments: await commit([9, 9, 1, 1, 1, 1]) },
      })
      expect((await read(honest.groups, { table: few })).signers).toEqual([2, 3, 4, 5])
      const many = tableOf([900n, 900n, 100n, 100n, 100n, 100n])
      await expect(
        agreeOnOutputs({
          ...{ table: many, taskId, templates, commitments: await commit([9, 9, 1, 1, 1, 1]) },
        }),
      ).rejects.toMatchObject({ code: 'INPUTS_DIVERGE' })
    })
  })

  test('behavior: two in league, one of whom says two things, leave no sum that does not verify', async () => {
    // Their signatures are wrong by as much, and right together: the sum is good only with both.
    const [a, b, ...rest] = await Promise.all([0, 1, 2, 3].map((index) => from(index, outputs(1))))
    const shift = (keys[0] as (typeof keys)[number]).sign(word(99))
    const back = { X: shift.X, Y: FIELD_MODULUS - shift.Y }
    const commitments = [
      { ...(a as OutputCommitment), signature: addG1([a?.signature as G1Point, shift]) },
      { ...(b as OutputCommitment), signature: addG1([b?.signature as G1Point, back]) },
      ...rest,
      a as OutputCommitment,
      await from(0, outputs(2)),
    ]
    const checked = await checkCommitments({ table, taskId, templates, commitments })
    expect([...checked.counted.keys()]).toEqual([2, 3])
    expect(checked.refused.map(({ fault }) => fault).sort()).toEqual([
      ...['EQUIVOCATION', 'SIGNATURE_INVALID', 'SIGNATURE_INVALID'],
    ])
    expect(checked.signed).toHaveLength(4)
    const agreement = await gather([1, 2, 3].map((index) => from(index, outputs(1))))
    expect((await read(agreement.groups)).signers).toEqual([1, 2, 3])
  })

  test('behavior: more groups than are looked at are no agreement', async () => {
    const many = Array.from({ length: 160 }, (_, index) => createBlsKey(BigInt(index + 1)))
    const large = createOperatorTable(
      many.map((key, index) => ({
        ...{ operator: address(0x100 + index), ...key.publicKey, weights: [1n] },
      })),
    )
    // Each output has a majority, and nearly each operator an opinion of its own on one of both.
    const signature = (keys[0] as (typeof keys)[number]).sign(word(1))
    const said = many.map((_, index) => {
      const hashes = computeOutputHashes(outputs(index < 81 ? 1 : index, index >= 75 ? 1 : index))
      const commitment = { operator: address(0x100 + index), taskId, hashes, signature }
      const digest = computeOutputsDigest({ taskId, hashes })
      return [index, { index, hashes, digest, commitment }] as const
    })
    const agree = (members: typeof said) =>
      agreeOnOutputs({
        ...{ table: large, taskId, templates, commitments: [] },
        checked: { counted: new Map(members), signed: [], refused: [] },
      })
    await expect(agree(said)).rejects.toMatchObject({ code: 'INPUTS_DIVERGE' })
    const [, first] = said[0] as (typeof said)[number]
    const alike = said.map(([index, one]) => [index, index > 30 ? first : one] as const)
    const agreement = await agree(alike.map(([index, one]) => [index, { ...one, index }] as const))
    expect(agreement.groups).toHaveLength(1)
  })
})
