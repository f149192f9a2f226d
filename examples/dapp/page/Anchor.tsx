/** Where the verification starts: a block's hash, and who vouches for it. */
import type { UnverifiedAnswer } from '@newton/policy-sdk/operator'
import type { ReactNode } from 'react'
import { useNetwork } from './config.js'
import { quoted } from './format.js'
import { type Proofs, useSession } from './session.js'
import { Hash } from './ui.js'

export function Anchor({ answer }: { answer: UnverifiedAnswer }): ReactNode {
  const { ownHash, setOwnHash, proofs } = useSession()
  const { rpcUrl } = useNetwork()
  const { referenceBlock, referenceBlockHash } = answer.response
  const brought = /^0x[\da-f]{64}$/i.test(ownHash)
  const confirmed = brought && ownHash.toLowerCase() === referenceBlockHash.toLowerCase()
  return (
    <section className="anchor" aria-labelledby="anchor-title">
      <h2 id="anchor-title">Starting from</h2>
      <p>
        Block {referenceBlock.toString()}, hash{' '}
        <Hash value={referenceBlockHash} name="block hash" />, as told by{' '}
        <code>{new URL(rpcUrl).host}</code>;{' '}
        <strong>
          {confirmed
            ? 'confirmed by your own value'
            : brought
              ? 'contradicted by your own value'
              : 'not confirmed by anyone else'}
        </strong>
        .
      </p>
      <p className="note">{wordsOf(proofs)}</p>
      <details>
        <summary>Bring a hash of your own</summary>
        <div className="field">
          <label htmlFor="own-hash">
            Hash of block {referenceBlock.toString()}, from a source you trust
          </label>
          <input
            id="own-hash"
            className="mono"
            value={ownHash}
            onChange={(event) => setOwnHash(event.target.value.trim())}
            autoComplete="off"
            spellCheck={false}
            placeholder="0x… and 64 digits"
          />
        </div>
      </details>
    </section>
  )
}

function wordsOf(proofs: Proofs): string {
  switch (proofs.state) {
    case 'proved':
      return `Proved against this block’s state root by your node: ${[...proofs.facts].sort().join(', ')}. Rows and files are hashes of themselves.`
    case 'refused':
      return `Your node gives no proofs that hold. Slots and tables below are its word. ${quoted(proofs.why)}`
    default:
      return 'Asking your node for proofs.'
  }
}
