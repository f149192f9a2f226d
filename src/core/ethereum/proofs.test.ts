import { createMerkleProof, createMPT } from '@ethereumjs/mpt'
import fc from 'fast-check'
import { fromRlp, type Hex, toRlp } from 'viem'
import { describe, expect, test } from 'vitest'
import { concat, fromHex, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import { proveInTrie } from './buildTrie.js'
import { readExecutionHeader } from './header.js'
import { verifyAccountProof, verifyReceiptProof, verifyStorageProof } from './proofs.js'
import { readRlp, rlpInteger } from './rlp.js'
import { verifyTrieProof } from './trie.js'

type Plain = Uint8Array | number | bigint | readonly Plain[]
type Nested = Uint8Array | Nested[]
const bare = (value: Plain): Nested => {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'object') return value.map(bare)
  const hex = value.toString(16)
  return value === 0 || value === 0n
    ? new Uint8Array(0)
    : fromHex(`0x${hex.length % 2 ? '0' : ''}${hex}`)
}
/** Another implementation's RLP. */
const RLP = {
  encode: (value: Plain): Uint8Array => toRlp(bare(value) as never, 'bytes'),
  decode: (bytes: Uint8Array): Plain => fromRlp(bytes, 'bytes') as Plain,
}
const address = (n: number): Hex => toHex(keccak(utf8(`account ${n}`)).slice(0, 20))
const slot = (n: number): Hex => toHex(uintToBytes(n, 32))

/** A trie of another library, with its proofs. */
async function trieOf(entries: readonly (readonly [Uint8Array, Uint8Array])[]) {
  const trie = await createMPT()
  for (const [key, value] of entries) await trie.put(key, value)
  return {
    root: trie.root(),
    /** As nodes of Ethereum prove: what is written out in its parent is not repeated. */
    prove: async (key: Uint8Array): Promise<Uint8Array[]> =>
      (await createMerkleProof(trie, key)).filter((node, at) => at === 0 || node.length >= 32),
  }
}

const swapped = <item>(list: readonly item[], at: number, item: item): item[] =>
  list.map((other, index) => (index === at ? item : other))

/** Every proof that differs in one bit of each byte, one node less, one more, or their order. */
function* broken(nodes: readonly Hex[]): Generator<readonly Hex[]> {
  for (const [index, node] of nodes.entries()) {
    const bytes = fromHex(node)
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice()
      changed[at] = (changed[at] as number) ^ (1 << (at % 8))
      yield swapped(nodes, index, toHex(changed))
    }
    yield nodes.filter((_, other) => other !== index)
    yield swapped(nodes, index, `${node}00` as Hex)
    yield swapped(nodes, index, node.slice(0, -2) as Hex)
  }
  yield [...nodes, nodes.at(-1) as Hex]
  yield [...nodes, '0x80']
  if (nodes.length > 1) yield [...nodes].reverse()
}

describe('accounts and storage', () => {
  const storage = Array.from({ length: 60 }, (_, n) => ({
    key: slot(n * 7),
    value: BigInt(n * n + 1),
  }))
  const rlpOf = (value: bigint): Uint8Array => RLP.encode(value)

  test('of another implementation: present, absent, and every broken proof', async () => {
    const tree = await trieOf(
      storage.map(({ key, value }) => [keccak(fromHex(key)), rlpOf(value)] as const),
    )
    const storageRoot = toHex(tree.root)
    const nodesOf = async (key: Hex): Promise<Hex[]> =>
      (await tree.prove(keccak(fromHex(key)))).map((node) => toHex(node))
    for (const { key, value } of storage) {
      const nodes = await nodesOf(key)
      expect(verifyStorageProof({ storageRoot, slot: key, nodes })).toEqual({
        status: 'valid',
        value,
      })
      expect(verifyStorageProof({ storageRoot: slot(1), slot: key, nodes }).status).toBe('reject')
    }
    for (const key of [slot(1), slot(5), slot(1_000)]) {
      const nodes = await nodesOf(key)
      const verdict = verifyStorageProof({ storageRoot, slot: key, nodes })
      expect(verdict).toEqual({ status: 'valid', value: 0n })
      for (const changed of broken(nodes)) {
        expect(verifyStorageProof({ storageRoot, slot: key, nodes: changed }).status).toBe('reject')
      }
    }
    const [first] = storage
    const nodes = await nodesOf((first as { key: Hex }).key)
    for (const changed of broken(nodes)) {
      const verdict = verifyStorageProof({ storageRoot, slot: slot(0), nodes: changed })
      expect(verdict.status).toBe('reject')
    }
    // A proof for one slot is none for another.
    for (const { key } of storage.slice(1)) {
      const verdict = verifyStorageProof({ storageRoot, slot: key, nodes })
      if (verdict.status === 'valid') expect(verdict.value).toBe(0n)
      expect(verdict).not.toEqual({ status: 'valid', value: 1n })
    }
  })

  test('accounts: the four fields, absence, and values that are none', async () => {
    const word = keccak(utf8('storage'))
    const account = RLP.encode([7n, 10n ** 18n, word, keccak(utf8('code'))])
    const bad = [
      RLP.encode([7n, 1n, word]),
      RLP.encode([7n, 1n, word.slice(1), word]),
      RLP.encode([Uint8Array.of(0, 7), 1n, word, word]),
      RLP.encode(utf8('x'.repeat(40))),
    ]
    const tree = await trieOf([
      [keccak(fromHex(address(0))), account],
      ...bad.map((value, n) => [keccak(fromHex(address(n + 1))), value] as const),
    ])
    const stateRoot = toHex(tree.root)
    const verdictOf = async (who: Hex): Promise<ReturnType<typeof verifyAccountProof>> => {
      const nodes = (await tree.prove(keccak(fromHex(who)))).map((node) => toHex(node))
      return verifyAccountProof({ stateRoot, address: who, nodes })
    }
    expect(await verdictOf(address(0))).toEqual({
      status: 'valid',
      account: {
        nonce: 7n,
        balance: 10n ** 18n,
        storageRoot: toHex(word),
        codeHash: keccakHex(utf8('code')),
      },
    })
    expect(await verdictOf(address(99))).toEqual({ status: 'valid', account: null })
    for (const n of bad.keys()) {
      expect(await verdictOf(address(n + 1))).toEqual({ status: 'reject', code: 'VALUE' })
    }
  })

  test('any trie, any key: the verdict is what the trie holds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 3 }), {
          minLength: 1,
          maxLength: 25,
          selector: (key) => key.join(),
        }),
        fc.uint8Array({ minLength: 1, maxLength: 3 }),
        async (keys, other) => {
          // Short values are written out in their parents, and keys are prefixes of one another.
          const entries = keys.map((key) => [key, concat(Uint8Array.of(1), key)] as const)
          const tree = await trieOf(entries)
          for (const key of [...keys, other]) {
            const held = entries.find(([name]) => name.join() === key.join())?.[1] ?? null
            const nodes = await tree.prove(key)
            const verdict = verifyTrieProof({ root: tree.root, key, nodes })
            expect(verdict.status === 'valid' && verdict.value?.join()).toBe(held?.join())
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  test('the empty trie holds nothing; a missing proof shows nothing', () => {
    const storageRoot = keccakHex(Uint8Array.of(0x80))
    expect(verifyStorageProof({ storageRoot, slot: slot(1), nodes: [] })).toEqual({
      status: 'valid',
      value: 0n,
    })
    expect(verifyStorageProof({ storageRoot: slot(1), slot: slot(1), nodes: [] })).toEqual({
      status: 'reject',
      code: 'INCOMPLETE',
    })
  })

  test('hostile input is refused, never thrown', () => {
    const wrong = [undefined, null, 5, 'x', {}, [5], ['0xzz'], [null], Array(200).fill('0x80')]
    for (const nodes of wrong) {
      for (const key of ['0x', slot(1), undefined, 7]) {
        const given = { storageRoot: slot(1), slot: key as Hex, nodes: nodes as Hex[] }
        expect(verifyStorageProof(given).status).toBe('reject')
        const other = { stateRoot: key as Hex, address: key as Hex, nodes: nodes as Hex[] }
        expect(verifyAccountProof(other).status).toBe('reject')
      }
    }
  })
})

describe('receipts', () => {
  const log = {
    address: fromHex(address(1)),
    topics: [keccak(utf8('Asked(uint256)'))],
    data: utf8('d'),
  }
  const receiptOf = (type: number, status: number): Uint8Array => {
    const list = RLP.encode([
      status,
      21_000,
      new Uint8Array(256),
      [[log.address, log.topics, log.data]],
    ])
    return type === 0 ? list : concat(Uint8Array.of(type), list)
  }

  test('of a block, typed and legacy, by index; none beyond; every broken proof', async () => {
    const count = 300
    const key = (index: number): Uint8Array => RLP.encode(index)
    const tree = await trieOf(
      Array.from({ length: count }, (_, n) => [key(n), receiptOf(n % 3, n % 2)] as const),
    )
    const receiptsRoot = toHex(tree.root)
    const proofOf = async (n: number) => ({
      receiptsRoot,
      transactionIndex: n,
      nodes: (await tree.prove(key(n))).map((node) => toHex(node)),
    })
    for (const n of [0, 1, 2, 127, 128, 129, 255, 256, 299]) {
      expect(verifyReceiptProof(await proofOf(n))).toEqual({
        status: 'valid',
        receipt: {
          type: n % 3,
          succeeded: n % 2 === 1,
          cumulativeGasUsed: 21_000n,
          logs: [
            {
              address: toHex(log.address),
              topics: log.topics.map((topic) => toHex(topic)),
              data: toHex(log.data),
            },
          ],
        },
      })
    }
    expect(verifyReceiptProof(await proofOf(count))).toEqual({ status: 'valid', receipt: null })
    const proof = await proofOf(1)
    for (const nodes of broken(proof.nodes)) {
      expect(verifyReceiptProof({ ...proof, nodes }).status).toBe('reject')
    }
    for (const transactionIndex of [-1, 1.5, Number.NaN, '1' as never]) {
      expect(verifyReceiptProof({ ...proof, transactionIndex }).status).toBe('reject')
    }
  })
})

describe('RLP', () => {
  test('reads what another library writes, and nothing that it would write otherwise', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, fc.uint8Array({ maxLength: 80 }), fc.array(tie('value'))),
    })).value as fc.Arbitrary<Uint8Array>
    const plain = (read: ReturnType<typeof readRlp>): unknown =>
      read instanceof Uint8Array ? toHex(read) : read?.items.map((item) => plain(item))
    const given = (input: unknown): unknown =>
      input instanceof Uint8Array ? toHex(input) : (input as unknown[]).map(given)
    fc.assert(
      fc.property(value, (input) => {
        const encoded = RLP.encode(input as Plain)
        expect(plain(readRlp(encoded))).toEqual(given(input))
        expect(readRlp(concat(encoded, Uint8Array.of(0)))).toBeUndefined()
        expect(readRlp(encoded.subarray(0, encoded.length - 1))).toBeUndefined()
      }),
    )
    const refused = ['8100', '817f', 'b80100', 'b90001', 'b8', 'f80100', 'c1', 'bf00', 'ff', '']
    for (const hex of refused) expect(readRlp(fromHex(`0x${hex}`))).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const read = readRlp(bytes)
        if (read !== undefined) expect(toHex(RLP.encode(RLP.decode(bytes)))).toBe(toHex(bytes))
      }),
    )
    expect(readRlp(fromHex(`0x${'c1'.repeat(40)}c0`))).toBeUndefined()
    expect(rlpInteger(fromHex('0x00'))).toBeUndefined()
    expect(rlpInteger(fromHex('0x0100'))).toBe(256n)
  })
})

describe('headers', () => {
  const fields = (): (Uint8Array | number | bigint)[] => {
    const word = (n: number): Uint8Array => keccak(uintToBytes(n, 4))
    const head = [
      word(1),
      word(2),
      new Uint8Array(20),
      word(3),
      word(4),
      word(5),
      new Uint8Array(256),
    ]
    return [
      ...head,
      0,
      77,
      30_000_000,
      21_000,
      1_790_000_000,
      utf8('x'),
      word(6),
      new Uint8Array(8),
      7n,
    ]
  }

  test('are read with their hash; what is none is not', () => {
    const bytes = RLP.encode(fields())
    expect(readExecutionHeader(bytes)).toEqual({
      hash: keccakHex(bytes),
      parentHash: toHex(fields()[0] as Uint8Array),
      stateRoot: toHex(fields()[3] as Uint8Array),
      receiptsRoot: toHex(fields()[5] as Uint8Array),
      number: 77n,
      timestamp: 1_790_000_000n,
    })
    const wrong = [
      new Uint8Array(0),
      RLP.encode(fields().slice(0, 14)),
      RLP.encode(swapped(fields(), 3, new Uint8Array(31))),
      RLP.encode(swapped(fields(), 8, Uint8Array.of(0, 77))),
      concat(bytes, Uint8Array.of(0)),
      new Uint8Array(20_000),
    ]
    for (const one of wrong) expect(readExecutionHeader(one)).toBeUndefined()
    expect(readExecutionHeader('0x' as never)).toBeUndefined()
  })
})

describe('verifiers', () => {
  test('refuse what is no proof at all', () => {
    for (const none of [undefined, null, {}, 5, { nodes: 5 }]) {
      for (const verify of [verifyAccountProof, verifyStorageProof, verifyReceiptProof]) {
        expect(verify(none as never)).toEqual({ status: 'reject', code: 'MALFORMED' })
      }
    }
  })
})

describe('proveInTrie', () => {
  test('builds the roots and proofs of another library', async () => {
    const entry = fc.tuple(
      fc.uint8Array({ minLength: 2, maxLength: 2 }),
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 40 }), async (list) => {
        const entries = [...new Map(list.map((one) => [toHex(one[0]), one])).values()]
        const other = await trieOf(entries)
        for (const [key, value] of entries) {
          const { root, nodes } = proveInTrie(entries, key)
          expect(toHex(root)).toBe(toHex(other.root))
          expect(nodes.map((node) => toHex(node))).toEqual(
            (await other.prove(key)).map((node) => toHex(node)),
          )
          expect(verifyTrieProof({ root, key, nodes })).toEqual({ status: 'valid', value })
        }
      }),
      { numRuns: 60 },
    )
  })

  test('an empty trie is proved by nothing, or by its one empty node', () => {
    const { root, nodes } = proveInTrie([], Uint8Array.of(1))
    const key = Uint8Array.of(1)
    expect(nodes).toEqual([])
    const empty = { status: 'valid', value: null }
    expect(verifyTrieProof({ root, key, nodes })).toEqual(empty)
    expect(verifyTrieProof({ root, key, nodes: [Uint8Array.of(0x80)] })).toEqual(empty)
    const other = proveInTrie([[key, Uint8Array.of(2)]], key).root
    expect(verifyTrieProof({ root: other, key, nodes: [Uint8Array.of(0x80)] }).status).toBe(
      'reject',
    )
  })
})
