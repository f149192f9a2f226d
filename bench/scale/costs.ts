/** What the steps of a task cost on this machine, in milliseconds of CPU: measured, not guessed. */
import { createServer } from 'node:http'
import { privateKeyToAccount } from 'viem/accounts'
import {
  blsKeyFromSeed,
  buildCertificate,
  computeSignableDigest,
  createOperatorTable,
} from '../../src/core/bn254/index.js'
import { mclBackend } from '../../src/core/bn254/mcl/index.js'
import { toHex, uintToBytes, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import {
  computeParamsDigest,
  randomNonce,
  recoverCaller,
  signCall,
} from '../../src/operator/rpc/auth.js'

/** Milliseconds of CPU of one of `times` calls, after some to warm up. */
async function cpuOf(times: number, work: (turn: number) => unknown): Promise<number> {
  for (let turn = 0; turn < Math.min(50, times); turn++) await work(turn)
  const before = process.cpuUsage()
  for (let turn = 0; turn < times; turn++) await work(turn)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / times
}

/** Measures what can be measured in one process. */
export async function measureSteps(options: { operators: number; quorum: number }) {
  const { operators, quorum } = options
  const account = privateKeyToAccount(keccakHex(utf8('the gateway')))
  const policyRegistry = `0x${'a1'.repeat(20)}` as const
  const domain = { chainId: 31_337n, policyRegistry }
  const params = { task: `0x${'ab'.repeat(1_000)}` }
  const call = () => ({
    ...{ operator: policyRegistry, method: 'newt_evaluateAndSign', nonce: randomNonce() },
    ...{ paramsHash: computeParamsDigest(params), expiresAt: 1_800_000_000n },
  })
  const signCost = await cpuOf(200, () => signCall(account, call(), domain))
  const [signature, ...rest] = (await signCall(account, call(), domain)).slice(16).split('.')
  const signed = { ...call(), nonce: rest[0] as `0x${string}` }
  const recoverCost = await cpuOf(200, () =>
    recoverCaller({ ...signed, signature: signature as `0x${string}` }, domain),
  )
  const keys = Array.from({ length: operators }, (_, index) => blsKeyFromSeed(utf8(`${index}`)))
  const backend = await mclBackend()
  const table = createOperatorTable(
    keys.map((key, index) => ({
      ...{ operator: toHex(uintToBytes(BigInt(index + 1), 20)), ...key.publicKey },
      weights: [100n],
    })),
    { backend },
  )
  const messageHash = keccakHex(utf8('a response'))
  const referenceTimestamp = 1_750_000_000
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  const blsCost = await cpuOf(100, (turn) =>
    (keys[turn % operators] as (typeof keys)[0]).sign(digest),
  )
  const shares = keys.slice(0, quorum).map((key, index) => ({
    operator: toHex(uintToBytes(BigInt(index + 1), 20)),
    signature: key.sign(digest),
  }))
  const joinCost = await cpuOf(20, () =>
    buildCertificate({ table, referenceTimestamp, messageHash, shares, backend }),
  )
  return { signCost, recoverCost, blsCost, joinCost, httpCost: await httpCost() }
}

/** One exchange of 4 kB each way, both sides together. */
async function httpCost(): Promise<number> {
  const body = 'x'.repeat(4_096)
  const server = createServer((incoming, outgoing) => {
    incoming.resume().on('end', () => outgoing.end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const cost = await cpuOf(500, async () => {
    await (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body })).text()
  })
  server.closeAllConnections()
  server.close()
  return cost
}
