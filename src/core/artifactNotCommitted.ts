import type { Hex } from 'viem'
import { BaseError, type BaseErrorOptions } from '../errors/base.js'

const kinds: Readonly<Record<number, string>> = {
  4: 'Rego source',
  5: 'policy params schema',
  6: 'WASM plugin',
  7: 'policy-data params schema',
  8: 'secrets schema',
}

/** An artifact is not under the root committed at the block that counts. A later block may do. */
export class ArtifactNotCommittedError extends BaseError {
  override readonly name = 'ArtifactNotCommittedError'
  override readonly code = 'ARTIFACT_NOT_COMMITTED'
  readonly hash: Hex
  readonly namespace: number

  constructor(
    { hash, namespace, block }: { hash: Hex; namespace: number; block: bigint },
    options: BaseErrorOptions = {},
  ) {
    const what = kinds[namespace] ?? `artifact of namespace ${namespace}`
    super(`The ${what} ${hash} is not under the root committed at block ${block}.`, {
      retryable: true,
      metaMessages: [
        'Registered artifacts are committed within a few minutes. Use a later reference block.',
        'In a devnet, `devnet.commit()` ends the window that is running.',
      ],
      ...options,
    })
    this.hash = hash
    this.namespace = namespace
  }
}
