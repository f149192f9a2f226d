/** The trees that people use in JavaScript. */
import { createMerkleProof, createMPT, verifyMerkleProof } from '@ethereumjs/mpt'
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { SparseMerkleTree } from '@zk-kit/sparse-merkle-tree'
import { MerkleTree } from 'merkletreejs'
import { best, type Cell, each, hasher, hex, memory, now, pairs } from './cell.js'

export async function ethereumjs(size: number): Promise<Cell> {
  const data = pairs(size)
  let trie = await createMPT({ useKeyHashing: true })
  const before = memory()
  const start = now()
  for (const { keyHash, valueHash } of data) await trie.put(keyHash, valueHash)
  const bulk = now() - start
  const perKey = memory() - before
  const picked = data.slice(0, 500)
  const proveStart = now()
  const proofs = []
  for (const { keyHash } of picked) proofs.push(await createMerkleProof(trie, keyHash))
  const prove = now() - proveStart
  const root = trie.root()
  const verifyStart = now()
  for (const [i, { keyHash }] of picked.entries()) {
    trie = await createMPT({ useKeyHashing: true, root })
    await verifyMerkleProof(keyHash, proofs[i] as Uint8Array[], { useKeyHashing: true, root })
  }
  const verify = now() - verifyStart
  const bytes =
    proofs.reduce((sum, proof) => sum + proof.reduce((n, node) => n + node.length, 0), 0) /
    proofs.length
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / 500) * 1_000,
    verify: (verify / 500) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}

export async function zkKit(size: number): Promise<Cell> {
  const data = pairs(size)
  const hash = (nodes: (string | bigint)[]): string => hex(hasher.hash(Buffer.from(nodes.join(''))))
  const tree = new SparseMerkleTree(hash)
  const before = memory()
  const start = now()
  for (const { keyHash, valueHash } of data) tree.add(hex(keyHash), hex(valueHash))
  const bulk = now() - start
  const perKey = memory() - before
  const picked = data.slice(0, 1_000)
  const prove = await best(3, () => picked.map(({ keyHash }) => tree.createProof(hex(keyHash))))
  const proofs = picked.map(({ keyHash }) => tree.createProof(hex(keyHash)))
  const verify = await best(3, () => {
    for (const proof of proofs)
      if (!tree.verifyProof(proof)) throw new TypeError('a proof was refused')
  })
  const count = picked.length
  const bytes = proofs.reduce((sum, { siblings }) => sum + siblings.length * 32, 0) / count
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / count) * 1_000,
    verify: (verify / count) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}

export async function merkletreejs(size: number): Promise<Cell> {
  const leaves = pairs(size).map(({ valueHash }) => Buffer.from(valueHash))
  const keccak = (bytes: Buffer): Buffer => Buffer.from(hasher.hash(bytes))
  const before = memory()
  const start = now()
  const tree = new MerkleTree(leaves, keccak, { sortPairs: true })
  const root = tree.getRoot()
  const bulk = now() - start
  const perKey = memory() - before
  const picked = leaves.slice(0, 1_000)
  const prove = await best(3, () => picked.map((leaf, i) => tree.getProof(leaf, i)))
  const proofs = picked.map((leaf, i) => tree.getProof(leaf, i))
  const verify = await best(3, () => {
    picked.forEach((leaf, i) => {
      if (!tree.verify(proofs[i] as never, leaf, root)) throw new TypeError('a proof was refused')
    })
  })
  const count = picked.length
  const bytes = (proofs[0] as unknown[]).length * 32
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / count) * 1_000,
    verify: (verify / count) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}

export async function openzeppelin(size: number): Promise<Cell> {
  const leaves = pairs(size).map(({ valueHash }) => `0x${hex(valueHash)}`)
  const before = memory()
  const start = now()
  const tree = SimpleMerkleTree.of(leaves)
  const bulk = now() - start
  const perKey = memory() - before
  const picked = leaves.slice(0, 300)
  const prove = await best(3, () => picked.map((_, i) => tree.getProof(i)))
  const proofs = picked.map((_, i) => tree.getProof(i))
  const verify = await best(3, () => {
    picked.forEach((leaf, i) => {
      if (!SimpleMerkleTree.verify(tree.root, leaf, proofs[i] as string[]))
        throw new TypeError('a proof was refused')
    })
  })
  const count = picked.length
  const bytes = (proofs[0] as string[]).length * 32
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / count) * 1_000,
    verify: (verify / count) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}
