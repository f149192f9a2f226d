import { expect, test } from 'vitest'
import { formatEvaluationBundle, verifyEvaluationBundle } from '../../src/registry/bundle/index.js'
import { createBundle } from './bundleWorld.js'

test('behavior: no changed byte of a bundle is verified', async () => {
  const { bundle, trust } = await createBundle()
  const bytes = new TextEncoder().encode(formatEvaluationBundle(bundle))
  expect(verifyEvaluationBundle(bytes, trust).status).toBe('verified')
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = bytes.slice()
    changed[at] = (changed[at] as number) ^ 1
    expect(verifyEvaluationBundle(changed, trust).status, `byte ${at}`).not.toBe('verified')
  }
}, 1_800_000)
