/** What a Rekor log answers, made here. */
import { canonicalJson } from '../../src/core/canonicalJson.js'
import {
  formatCheckpoint,
  leafHash,
  nodeHash,
  noteSigner,
  signNote,
} from '../../src/ledger/index.js'
import { toBase64 } from '../../src/ledger/log/encoding.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Signs its checkpoints. */
export const rekorSigner = noteSigner({ name: 'rekor.example', seed: new Uint8Array(32).fill(4) })

/** A Rekor log of two entries, of which the second one is what was sent. */
export function rekorOf(body: string): string {
  const { hashedRekordRequestV002: asked } = JSON.parse(body) as {
    hashedRekordRequestV002: { digest: string; signature: object }
  }
  const spec = {
    hashedRekordV002: {
      data: { algorithm: 'SHA2_256', digest: asked.digest },
      signature: asked.signature,
    },
  }
  const canonical = canonicalJson({ apiVersion: '0.0.2', kind: 'hashedrekord', spec } as never)
  const first = leafHash(utf8('first'))
  const text = formatCheckpoint({
    ...{ origin: 'rekor.example', size: 2n },
    root: nodeHash(first, leafHash(utf8(canonical))),
  })
  return JSON.stringify({
    ...{ logIndex: '1', kindVersion: { kind: 'hashedrekord', version: '0.0.2' } },
    integratedTime: '0',
    inclusionProof: {
      ...{ logIndex: '1', hashes: [toBase64(first)], treeSize: '9', rootHash: 'AAAA' },
      checkpoint: { envelope: signNote({ text, signers: [rekorSigner] }) },
    },
    canonicalizedBody: toBase64(utf8(canonical)),
  })
}
