/** An auditor that runs logged evaluations again by the operators' engine. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { RESULT_ALLOW, RESULT_DENY } from '../../src/core/evaluationResult.js'
import type { Evaluation } from '../../src/core/interfaces/evaluator.js'
import { computeMessageHash } from '../../src/core/response.js'
import type { Task } from '../../src/core/task.js'
import {
  createEvaluator,
  createReplayer,
  createSchemaValidator,
  deploySimulated,
  operatorEngine,
  type PluginRuntime,
} from '../../src/eval/index.js'
import {
  createAuditor,
  createSnapshotter,
  type EventDomain,
  type LedgerViolation,
  memoryTiles,
  type NoteSigner,
  type SubmitResult,
} from '../../src/ledger/index.js'
import {
  createReEvaluator,
  type FalseEvaluation,
  type LoggedInputs,
  type ReEvaluatorParameters,
} from '../../src/operator/index.js'
import { evaluationDraft, templateDraft } from './evaluationDrafts.js'
import { fill, ledgerName, openTestLedger, people, schemas, submit, verify } from './ledgerWorld.js'

const engine = operatorEngine()
const plugins = new Proxy({}, { get: () => () => Promise.reject(new Error('no plugin runs')) })
const address = (byte: string): Hex => `0x${byte.repeat(20)}`
const rego = new TextEncoder().encode(
  'package limit\ndefault allow := false\nallow if input.value == 7\ndeny contains "too much" if input.value != 7\n',
)

/** One task of a deployed policy, evaluated as an honest operator does. */
async function evaluated(value: bigint) {
  const deployment = deploySimulated({
    rego,
    intent: {
      ...{ from: address('11'), to: address('33'), value, data: '0x' },
      ...{ chainId: 31_337n, functionSignature: '0x' },
    },
  })
  const registry = { snapshot: async () => deployment.snapshot }
  const parts = { artifacts: deployment.artifacts, engine, plugins: plugins as PluginRuntime }
  const evaluator = createEvaluator({
    ...parts,
    registry: { ...registry, isEnclaveWhitelistedAt: async () => true },
    schemas: createSchemaValidator(),
    committed: { isCommittedAt: async () => true },
  })
  const { task } = deployment
  const evaluation = await evaluator.evaluate({ task, referenceTimestamp: 1_750_000_000 })
  return { task, evaluation, replayer: createReplayer({ ...parts, registry }) }
}
const inputsOf = (task: Task, evaluation: Evaluation): LoggedInputs => ({
  ...{ task, response: evaluation.response, reasons: evaluation.reasons },
  inputs: { outputs: evaluation.outputs, secrets: evaluation.secrets },
})
const flipped = (evaluation: Evaluation): Evaluation => {
  const evaluationResult = evaluation.allow ? RESULT_DENY : RESULT_ALLOW
  const response = { ...evaluation.response, evaluationResult }
  return { ...evaluation, allow: !evaluation.allow, evaluationResult, response }
}
const taken = (result: SubmitResult): void => expect(result).toMatchObject({ status: 201 })

/** A ledger with an honest evaluation and whatever else, and the audits of it. */
async function world(change: (honest: Evaluation) => Evaluation, event: object = {}) {
  const { task, evaluation, replayer } = await evaluated(7n)
  const logged = change(evaluation)
  const store = memoryTiles()
  const ledger = await openTestLedger({ store })
  const { digestPreimage: preimage } = evaluation
  taken(await submit(ledger, templateDraft(preimage)))
  const draft = evaluationDraft({ response: logged.response, preimage })
  taken(await submit(ledger, { ...draft, fields: { ...draft.fields, ...event } }))
  await ledger.flush()
  const log = (ledger.signers.get('meta') as NoteSigner).key
  const parts = { store, ledger: ledgerName, trust: { log }, schemas, verify }
  const found: FalseEvaluation[] = []
  const audit = (changes: Partial<ReEvaluatorParameters> = {}) => {
    const reported: LedgerViolation[] = []
    const auditor = createAuditor({
      ...parts,
      report: async (violation) => {
        reported.push(violation)
      },
      reEvaluate: createReEvaluator({
        replayer,
        inputs: async ({ messageHash }) => {
          expect(messageHash).toBe(computeMessageHash(logged.response))
          return inputsOf(task, logged)
        },
        onFalse: async (one) => {
          found.push(one)
        },
        ...changes,
      }),
    })
    return { auditor, reported }
  }
  return { ledger, parts, task, evaluation, logged, found, audit }
}

describe('createReEvaluator', () => {
  test('behavior: an honest evaluation comes out the same', async () => {
    const { ledger, audit, found } = await world((honest) => honest)
    const { auditor, reported } = audit()
    const { violations, replay } = await auditor.replay()
    expect(violations).toEqual([])
    expect(replay).toMatchObject({ evaluated: 1n, unknown: 0n, full: 0n })
    expect([reported, found]).toEqual([[], []])
    await ledger.close()
  })

  test('behavior: a decision that the policy does not give is found, and handed on', async () => {
    const { ledger, audit, found, logged, task } = await world(flipped)
    const { auditor, reported } = audit()
    const { violations } = await auditor.replay()
    expect(violations).toMatchObject([{ kind: 'evaluation', eventId: expect.any(String) }])
    expect(violations[0]?.detail).toBe('allow is false, and comes out as true')
    expect(reported).toEqual(violations)
    expect(found).toMatchObject([{ task, response: logged.response }])
    expect(found[0]?.differences.map(({ field }) => field)).toEqual([
      'allow',
      'response.evaluationResult',
    ])
    // That it could not be handed on hides nothing.
    const failing = audit({
      onFalse: () => Promise.reject(new TypeError('the challenger is down')),
    })
    const detail = `${violations[0]?.detail}; not handed on: the challenger is down`
    const again = (await failing.auditor.replay()).violations
    expect(again).toMatchObject([{ kind: 'evaluation', detail }])
    await ledger.close()
  })

  test('behavior: an event that says otherwise than the response it names', async () => {
    const { ledger, audit } = await world((honest) => honest, { evaluationResult: RESULT_DENY })
    const { violations } = await audit().auditor.replay()
    expect(violations[0]?.detail).toContain('evaluationResult is 0x0000')
    await ledger.close()
  })

  test('behavior: other inputs than those that were signed show nothing', async () => {
    const { ledger, audit, task, evaluation, found } = await world(flipped)
    const good = inputsOf(task, flipped(evaluation))
    const bad: (LoggedInputs | undefined)[] = [
      undefined,
      { ...good, response: evaluation.response },
      { ...good, task: { ...task, nonce: task.nonce + 1n } },
      { ...good, inputs: { ...good.inputs, outputs: { [`0x${'01'.repeat(32)}`]: {} } } },
      { ...good, response: null as never },
      { ...good, inputs: null as never },
    ]
    for (const inputs of bad) {
      const { violations, replay } = await audit({ inputs: async () => inputs }).auditor.replay()
      expect(violations).toEqual([])
      expect(replay).toMatchObject({ evaluated: 0n, unknown: 1n })
    }
    const gone = audit({ inputs: () => Promise.reject(new TypeError('the gateway is down')) })
    expect((await gone.auditor.replay()).replay).toMatchObject({ unknown: 1n, faults: [] })
    const blind = {
      replay: async () => ({ status: 'inconclusive', code: 'X', reason: '' }) as const,
    }
    expect((await audit({ replayer: blind }).auditor.replay()).replay).toMatchObject({
      unknown: 1n,
    })
    expect(found).toEqual([])
    await ledger.close()
  })

  test('behavior: from a snapshot on, and what lies before it is held against the snapshot', async () => {
    const { ledger, audit, parts } = await world(flipped)
    const at = (ledger.head() as { seq: bigint }).seq
    const snapshotter = createSnapshotter({
      ...parts,
      sink: {
        record: async ({ domain, schemaVersion, fields }) => {
          const by = people.auditor
          const draft = { domain: domain as EventDomain, schemaVersion, fields, by }
          const result = await submit(ledger, draft)
          taken(result)
          return { eventId: 'receipt' in result ? result.receipt.event.event_id : '' }
        },
      },
    })
    expect(await snapshotter.tick()).toMatchObject({ status: 'recorded', seq: at })
    await fill(ledger, 3)
    await ledger.flush()
    const { auditor } = audit()
    // The false evaluation lies before the snapshot.
    expect(await auditor.replay({ from: at + 2n })).toMatchObject({
      ...{ violations: [], replay: { full: at + 1n, evaluated: 0n } },
    })
    expect(await auditor.replay({ from: at })).toMatchObject({
      ...{ violations: [{ kind: 'evaluation' }], replay: { full: 0n } },
    })
    const whole = await auditor.replay()
    const short = await auditor.replay({ from: at + 2n })
    expect(short.replay?.state_root).toBe(whole.replay?.state_root)
    // A snapshot of another state is none to begin at: all is looked at.
    const head = ledger.head() as { seq: bigint; current_hash: string }
    taken(
      await submit(ledger, {
        ...{ domain: 'audit', schemaVersion: 'ets.snapshot/1', by: people.auditor },
        fields: {
          ...{ seq: `${head.seq}`, head: head.current_hash, state_root: 'ab'.repeat(32) },
          reducers: [],
        },
      }),
    )
    await ledger.flush()
    expect((await auditor.replay({ from: head.seq + 1n })).violations).toMatchObject([
      ...[{ kind: 'evaluation' }, { kind: 'snapshot' }],
    ])
    await ledger.close()
  })
})
