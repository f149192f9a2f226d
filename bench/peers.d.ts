// Its types are not reachable through its `exports`.
declare module '@zk-kit/sparse-merkle-tree' {
  export class SparseMerkleTree {
    constructor(hash: (nodes: (string | bigint)[]) => string)
    add(key: string, value: string): void
    createProof(key: string): { siblings: string[] }
    verifyProof(proof: { siblings: string[] }): boolean
  }
}

// Only what is compiled with here.
declare module 'solc' {
  const solc: {
    version(): string
    compile(input: string, callbacks: { import(file: string): { contents: string } }): string
  }
  export default solc
}
