/** A verifier that is given nothing, or half of what it needs, refuses: it neither throws nor accepts. */
import { expect, test } from 'vitest'
import { verifyEventProof } from '../src/core/ethereum/eventProof.js'
import { verifySlotProof } from '../src/core/ethereum/slotProof.js'
import { verifyEvidence, verifyStatement } from '../src/provenance/index.js'

const junk = [undefined, null, 5, 'text', {}, [], new Uint8Array(3)] as never[]
const verifiers: readonly (readonly [string, (one: never, two: never) => { status: string }])[] = [
  ['verifyEventProof', verifyEventProof],
  ['verifySlotProof', verifySlotProof],
  ['verifyStatement', verifyStatement],
  ['verifyEvidence', verifyEvidence],
]

test.each(verifiers)('behavior: %s refuses junk in either place', (_name, verify) => {
  for (const one of junk) {
    for (const two of junk) {
      expect(['reject', 'refused']).toContain(verify(one, two).status)
    }
  }
})
