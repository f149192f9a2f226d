import { expect, test } from 'vitest'
import { toHex, uintToBytes } from '../../internal/bytes.js'
import {
  buildCertificate,
  computeSignableDigest,
  createBlsKey,
  createOperatorTable,
  nobleBackend,
  verifyCertificate,
} from './index.js'
import { mclBackend } from './mcl/index.js'

test('behavior: 1,000 operators with 50 bad shares', async () => {
  const messageHash = toHex(uintToBytes(5, 32))
  const referenceTimestamp = 1_750_000_000
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  const keys = Array.from({ length: 1_000 }, (_, i) => createBlsKey(BigInt(i + 1) * 7_919n))
  const operators = keys.map((key, i) => ({
    operator: toHex(uintToBytes(i + 1, 20)),
    ...key.publicKey,
    weights: [1n],
  }))
  const table = createOperatorTable(operators)
  const bad = new Set(Array.from({ length: 50 }, (_, i) => (i * 379 + 11) % 1_000))
  expect(bad.size).toBe(50)
  const shares = keys.map((key, i) => ({
    operator: (operators[i] as (typeof operators)[number]).operator,
    signature: key.sign(bad.has(i) ? messageHash : digest),
  }))
  const named = [...bad].sort((a, b) => a - b)
  for (const backend of [await mclBackend(), nobleBackend]) {
    const parameters = { table, referenceTimestamp, messageHash, shares, backend }
    const { certificate, signers, refused } = await buildCertificate(parameters)
    expect(refused.map(({ index }) => index)).toEqual(named)
    expect(signers).toHaveLength(950)
    const against = { certificate, table: table.info, referenceTimestamp, messageHash }
    expect(verifyCertificate({ ...against, quorumBps: 9_500, backend }).status).toBe('valid')
    expect(verifyCertificate({ ...against, quorumBps: 9_501 })).toMatchObject({
      code: 'QUORUM_NOT_MET',
    })
  }
}, 300_000)
