/** What the engine's browser test bundles: the whole corpus, decided. */
import { operatorEngine, type RegoOutcome } from '../../src/eval/index.js'

/** One policy of the corpus with the documents it is decided on. */
export type CorpusPolicy = { rego: string; documents: { inputJson: string; dataJson: string }[] }

/** Decides every case, and gives the outcomes as JSON. */
export async function decideAll(policies: readonly CorpusPolicy[]): Promise<string> {
  const outcomes: RegoOutcome[] = []
  for (const { rego, documents } of policies) {
    const policy = await operatorEngine().prepare({ rego: new TextEncoder().encode(rego) })
    for (const one of documents) {
      const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }
      outcomes.push(policy.evaluate(one, world))
    }
    policy.dispose()
  }
  return JSON.stringify(outcomes)
}

Object.assign(globalThis, { decideAll })
