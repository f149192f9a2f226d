import type { Hex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Checkpoint,
  formatNoteKey,
  type LogTrust,
  noteSigner,
  parseTlogPolicy,
} from '../../src/ledger/index.js'
import {
  type BundleTrust,
  type EvaluationBundle,
  formatEvaluationBundle,
  verifyEvaluationBundle,
} from '../../src/registry/bundle/index.js'
import { createChainAnchor, proveAnchor } from '../../src/registry/index.js'
import { startChain, type TestChain } from '../registry/chain.js'
import { createBundle, witness } from './bundleWorld.js'

let chain: TestChain
let bundle: EvaluationBundle
let trust: BundleTrust
let file: string
/** A bundle whose anchors the account of this number sends. */
async function anchoredBundle(
  account: number,
  later?: (checkpoint: Checkpoint, isConsistent: (size: bigint) => boolean) => Checkpoint,
) {
  const { addresses } = chain
  const owner = chain.wallet(account)
  const hashes: Hex[] = []
  return createBundle({
    ...{ target: createChainAnchor({ client: owner, addresses }), later },
    prove: async (receipt) => {
      await chain.mine(1)
      const block = (await owner.request({
        method: 'eth_getBlockByNumber',
        params: ['latest', false],
      })) as { hash: Hex }
      hashes.push(block.hash)
      return proveAnchor(owner, { receipt, block: 'latest' })
    },
    trust: {
      ...{ chainId: 31_337, contract: addresses.checkpointAnchor, owner: owner.account.address },
      isTrusted: ({ hash }) => hashes.includes(hash),
    },
  })
}
beforeAll(async () => {
  chain = await startChain()
  const made = await anchoredBundle(0)
  bundle = made.bundle
  trust = made.trust
  file = formatEvaluationBundle(bundle)
}, 120_000)
afterAll(() => chain?.anvil.stop())

/** Every place of a value that is text or a number. */
function leaves(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]))
}
function changed(path: readonly (string | number)[], change: (value: never) => unknown): string {
  const copy = structuredClone(bundle)
  let at = copy as unknown as Record<string | number, never>
  for (const key of path.slice(0, -1)) at = at[key] as never
  const last = path.at(-1) as string
  at[last] = change(at[last] as never) as never
  return formatEvaluationBundle(copy)
}
const other = (value: string | number): string | number => {
  if (typeof value === 'number') return value + 1
  const at = value.length >> 1
  const digit = value[at] === '1' ? '2' : '1'
  return value === '0x' ? '0x00' : value.slice(0, at) + digit + value.slice(at + 1)
}

describe('verifyEvaluationBundle', () => {
  test('behavior: a whole bundle is verified from its text', () => {
    const verdict = verifyEvaluationBundle(file, trust)
    expect(verdict).toMatchObject({ status: 'verified', evaluation: { allowed: true } })
    expect(Object.values(verdict.checks).every(({ status }) => status === 'passed')).toBe(true)
    expect(verifyEvaluationBundle(new TextEncoder().encode(file), trust).status).toBe('verified')
  })

  test('behavior: no changed field is', () => {
    const paths = leaves(bundle)
    expect(paths.length).toBeGreaterThan(60)
    for (const path of paths) {
      const { status, checks } = verifyEvaluationBundle(changed(path, other), trust)
      expect(status, path.join('.')).toBe('invalid')
      expect(Object.values(checks).filter((check) => check.status === 'failed')).toHaveLength(1)
    }
  }, 120_000)

  test('behavior: no missing, added or moved part is', () => {
    const invalid = (text: string) =>
      expect(verifyEvaluationBundle(text, trust).status).toBe('invalid')
    invalid(file.slice(0, -1))
    invalid(` ${file}`)
    invalid(file.replace('{', '{"a":1,'))
    invalid(changed(['version'], () => 'newton-evaluation-bundle/2'))
    for (const path of [
      ['attestation'],
      ['ledger'],
      ['attestation', 'response'],
      ['ledger', 'entry'],
    ]) {
      invalid(changed(path, () => 7))
    }
    // Each artifact is demanded, each anchor has to hold, each plugin has its claim.
    invalid(changed(['tree', 'artifacts'], (list: unknown[]) => list.slice(1) as never))
    invalid(changed(['provenance'], (list: unknown[]) => list.slice(1) as never))
    invalid(changed(['anchors', 0, 'growth'], () => [`0x${'00'.repeat(32)}`]))
    invalid(changed(['anchors', 0, 'receipt'], () => ({})))
    for (const hostile of [undefined, null, 3, {}, [], '{}', 'null', new Uint8Array([255])]) {
      invalid(hostile as never)
    }
  })

  test('behavior: what is not shown is incomplete, what is not trusted fails', () => {
    const status = (by: Partial<BundleTrust>, text = file) =>
      verifyEvaluationBundle(text, { ...trust, ...by }).status
    const { operators, ledger } = trust
    expect(status({ operators: { ...operators, tables: [] } })).toBe('incomplete')
    expect(status({ operators: { ...operators, chainId: 1n } })).toBe('invalid')
    expect(status({ operators: { ...operators, quorumBps: 10_001 } })).toBe('invalid')
    expect(status({ ledger: { ...ledger, name: 'another' } })).toBe('invalid')
    expect(status({ ledger: { ...ledger, writers: [] } })).toBe('invalid')
    const stranger = noteSigner({ name: `${ledger.name}/meta`, seed: new Uint8Array(32).fill(3) })
    expect(status({ ledger: { ...ledger, meta: { log: stranger.key } } })).toBe('invalid')
    expect(status({ stateRoots: undefined })).toBe('incomplete')
    expect(status({ stateRoots: [`0x${'00'.repeat(32)}`] })).toBe('invalid')
    expect(status({ anchor: undefined })).toBe('incomplete')
    expect(status({ provenance: undefined })).toBe('incomplete')
    expect(status({ provenance: () => 1 as never })).toBe('invalid')
    expect(
      status({
        provenance: () => {
          throw new TypeError('no')
        },
      }),
    ).toBe('invalid')
    expect(status(undefined as never, file)).toBe('verified')
    expect(verifyEvaluationBundle(file, undefined as never).status).toBe('invalid')
    const bare = structuredClone(bundle) as Record<string, unknown>
    for (const part of ['tree', 'anchors', 'provenance']) delete bare[part]
    const text = formatEvaluationBundle(bare as never)
    expect(status({}, text)).toBe('incomplete')
    expect(status({ demand: [] }, text)).toBe('verified')
    // A part that is there is looked at, demanded or not.
    expect(status({ demand: [], stateRoots: [] })).toBe('invalid')
  })

  test('error: a trust with a slip in it is no weaker one, and is told as the trust’s', () => {
    const { operators, ledger } = trust
    const { log, witnesses } = ledger.meta as LogTrust
    const [key] = witnesses?.keys ?? []
    const policy = (quorum: unknown, more: object = {}) => ({
      meta: { logs: [{ key: log }], witnesses: [{ name: 'w', key }], quorum, ...more },
    })
    const slips: [object, string][] = [
      [{ demand: ['anchors'] }, 'trust.demand'],
      [{ demand: new Set(['tree']) }, 'trust.demand'],
      [{ demand: {} }, 'trust.demand'],
      [{ demands: ['tree'] }, 'trust.demands'],
      [{ stateRoot: [] }, 'trust.stateRoot'],
      [{ stateRoots: ['0x00'] }, 'trust.stateRoots[0]'],
      [{ provenance: true }, 'trust.provenance'],
      [{ anchor: { ...trust.anchor, isTrusted: true } }, 'trust.anchor.isTrusted'],
      [{ operators: { ...operators, quorumBps: 0 } }, 'trust.operators.quorumBps'],
      [{ operators: { ...operators, quorumBps: Number.NaN } }, 'trust.operators.quorumBps'],
      [{ operators: { ...operators, chainId: 1 } }, 'trust.operators.chainId'],
      [{ operators: { ...operators, tables: [null] } }, 'trust.operators.tables[0]'],
      [{ operators: null }, 'trust.operators'],
      ...(
        [
          [{ writers: null }, 'writers'],
          [{ meta: { log, witness: { keys: [key], quorum: 1 } } }, 'meta.witness'],
          [{ meta: { log, witnesses: null } }, 'meta.witnesses'],
          [{ meta: { log, witnesses: [key] } }, 'meta.witnesses.quorum'],
          [{ meta: { log, witnesses: { keys: [key], quorum: 0 } } }, 'meta.witnesses.quorum'],
          [{ meta: 'log x' }, 'meta'],
          [policy({ threshold: -1, members: [{ witness: key }] }), 'meta.quorum.threshold'],
          [policy({ threshold: 0, members: [] }), 'meta.quorum.threshold'],
          [policy({ threshold: Number.NaN, members: [{ witness: key }] }), 'meta.quorum.threshold'],
          [policy({ threshold: 2, members: [{ witness: key }, { witness: key }] }), 'meta.quorum'],
          [policy({ witness: { ...key } }), 'meta.quorum'],
          [policy(null), 'meta.quorum'],
          [policy('none', { witnesses: [{ name: 'w', key: log }] }), 'meta.witnesses'],
          [policy('none', { logs: [] }), 'meta.logs'],
          [policy('none', { quorums: 'none' }), 'meta.quorums'],
        ] as [object, string][]
      ).map(([part, field]): [object, string] => [
        { ledger: { ...ledger, ...part } },
        `trust.ledger.${field}`,
      ]),
    ]
    for (const [slip, field] of slips) {
      const verdict = verifyEvaluationBundle(file, { ...trust, ...slip } as BundleTrust)
      expect(verdict.status, field).toBe('invalid')
      expect(verdict.checks.trust, field).toMatchObject({
        status: 'failed',
        reason: expect.stringContaining(`\`${field}\``),
      })
      expect(verdict.checks.form.status).toBe('not_checked')
    }
  })

  test('behavior: an anchor of a later checkpoint, with the size that the log signed', async () => {
    const made = await anchoredBundle(1, (checkpoint) => checkpoint)
    const reasonOf = (of: typeof made, change: object = {}) => {
      const anchors = (of.bundle.anchors ?? []).map((anchor) => ({ ...anchor, ...change }))
      const text = formatEvaluationBundle({ ...of.bundle, anchors })
      const { status, checks } = verifyEvaluationBundle(text, of.trust)
      return 'reason' in checks.anchor ? checks.anchor.reason : status
    }
    expect(reasonOf(made)).toBe('verified')
    const [anchor] = made.bundle.anchors ?? []
    expect(anchor?.growth.length).toBeGreaterThan(0)
    const { checkpoint: _, ...rest } = anchor ?? {}
    const unsigned = formatEvaluationBundle({ ...made.bundle, anchors: [rest as never] })
    expect(verifyEvaluationBundle(unsigned, made.trust).checks.anchor).toMatchObject({
      reason: 'checkpoint',
    })
    const ofProof = made.bundle.ledger.metaProof.split('\n\n').slice(1).join('\n\n')
    expect(reasonOf(made, { checkpoint: ofProof })).toBe('checkpoint')
    expect(reasonOf(made, { checkpoint: '' })).toBe('checkpoint')
    expect(reasonOf(made, { growth: [] })).toBe('growth')

    // The right root under a size to which the same consistency proof leads as well.
    let lied = 0n
    const wrong = await anchoredBundle(2, (checkpoint, isConsistent) => {
      do lied += 1n
      while (lied === checkpoint.size || !isConsistent(lied))
      return { ...checkpoint, size: lied }
    })
    expect(wrong.bundle.anchors).toMatchObject([{ receipt: { size: `${lied}` } }])
    expect(reasonOf(wrong)).toBe('checkpoint')
  }, 120_000)

  test('behavior: a trust file of the ledger’s meta log does as well', () => {
    const { meta } = trust.ledger
    if ('quorum' in meta) throw new Error('a policy already')
    const lines = `log ${formatNoteKey(meta.log)}\nwitness w ${formatNoteKey(witness.key)}\nquorum w\n`
    const policy = { ...trust.ledger, meta: parseTlogPolicy(lines) }
    expect(verifyEvaluationBundle(file, { ...trust, ledger: policy }).status).toBe('verified')
  })
})
