/**
 * The state of a ledger as a function of its events, in their order, and its root:
 *
 * ```
 * state_root = RFC 6962 root over JCS({ name, root, version }) of each reducer, by name
 * root of a growing reducer = RFC 6962 root over JCS(row), in order of seq
 * root of a bounded reducer = SHA-256 of JCS of its rows by key
 * ```
 * A reducer is pure: no clock, no I/O, no randomness. It is keyed by schema version, for ever: an event
 * is reduced as what it was when it was written.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { canonicalBytes } from '../../core/canonicalJson.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import type { LedgerEvent } from '../events/event.js'
import { type CompactRange, emptyRange, growRange, rangeRoot } from '../log/compactRange.js'

/** A reducer's root. */
export type ReducerRoot = { name: string; root: string; version: string }

/** The state after some events. */
export type LedgerState = {
  /** Takes the event at `seq`, which is the number of events taken before. */
  apply(event: LedgerEvent, seq: bigint): void
  roots(): ReducerRoot[]
  /** `state_root` in hex. */
  root(): string
  /** Rows of the bounded reducers, by name and key. */
  rows(): Readonly<Record<string, JsonObject>>
}

type Row = { key: string; value: Json } | { append: Json }
type Reducer = {
  name: string
  version: string
  kind: 'growing' | 'bounded'
  /** By schema version. */
  events: Readonly<Record<string, (fields: JsonObject, event: LedgerEvent, seq: bigint) => Row>>
}

const pick = (fields: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.map((name) => [name, fields[name] ?? null]))
const keyRow = (fields: JsonObject, seq: bigint, status: string): Row => ({
  key: fields['key_id'] as string,
  value: { role: fields['role'] ?? null, since: seq.toString(), status },
})
const rowWith =
  (key: string, names: readonly string[]) =>
  (fields: JsonObject, _event: LedgerEvent, seq: bigint): Row => ({
    key: fields[key] as string,
    value: { ...pick(fields, names), seq: seq.toString() },
  })
const appended =
  (names: readonly string[]) =>
  (fields: JsonObject, event: LedgerEvent, seq: bigint): Row => ({
    append: { ...pick(fields, names), event: event.current_hash, seq: seq.toString() },
  })

const reducers: readonly Reducer[] = [
  {
    ...{ name: 'attestations', version: '1', kind: 'growing' },
    events: {
      'newton.attestation/1': appended(['evaluation', 'evaluationResult', 'messageHash']),
    },
  },
  {
    ...{ name: 'claims', version: '1', kind: 'growing' },
    events: { 'newton.verification/1': appended(['buildInfoHash', 'level', 'result', 'wasmHash']) },
  },
  {
    ...{ name: 'evaluations', version: '1', kind: 'growing' },
    events: {
      'newton.evaluation/1': appended([
        ...['artifactDigest', 'chainId', 'evaluationResult', 'messageHash', 'policyClient'],
        'taskId',
      ]),
    },
  },
  {
    ...{ name: 'instances', version: '1', kind: 'bounded' },
    events: {
      'newton.instance/1': rowWith('instanceId', ['paramsHash', 'policyClient', 'templateId']),
    },
  },
  {
    ...{ name: 'keys', version: '1', kind: 'bounded' },
    events: {
      'ets.key.add/1': (fields, _, seq) => keyRow(fields, seq, 'active'),
      'ets.key.rotate/1': (fields, _, seq) => keyRow(fields, seq, 'active'),
      'ets.key.revoke/1': (fields, _, seq) => keyRow(fields, seq, 'ended'),
    },
  },
  {
    ...{ name: 'slots', version: '1', kind: 'bounded' },
    events: {
      'newton.slot/1': (fields, _, seq) => ({
        key: `${fields['chainId']}/${fields['kind']}/${fields['policyClient']}`,
        value: { ...pick(fields, ['blockNumber', 'instanceId']), seq: seq.toString() },
      }),
    },
  },
  {
    ...{ name: 'templates', version: '1', kind: 'bounded' },
    events: { 'newton.template/1': rowWith('templateId', ['artifacts', 'kind']) },
  },
]

/** Parts of the state that have rows, by name. */
export const stateParts: readonly string[] = [
  'counters',
  ...reducers.filter(({ kind }) => kind === 'bounded').map(({ name }) => name),
]

/** The state before the first event. */
export function createLedgerState(): LedgerState {
  const growing = new Map<string, CompactRange>()
  const bounded = new Map<string, Map<string, Json>>([['counters', new Map()]])
  for (const { name, kind } of reducers) {
    if (kind === 'growing') growing.set(name, emptyRange())
    else bounded.set(name, new Map())
  }
  const rowsOf = (name: string): JsonObject => {
    const rows = bounded.get(name) ?? new Map<string, Json>()
    return Object.fromEntries(rows)
  }
  const rootOf = (name: string): string => {
    const range = growing.get(name)
    if (range !== undefined) return bytesToHex(rangeRoot(range))
    return bytesToHex(sha256(canonicalBytes(rowsOf(name))))
  }
  const roots = (): ReducerRoot[] =>
    [...reducers, { name: 'counters', version: '1' }]
      .map(({ name, version }) => ({ name, root: rootOf(name), version }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    apply: (event, seq) => {
      const version = event.schema_version
      const counters = bounded.get('counters') as Map<string, Json>
      counters.set(version, (Number(counters.get(version) ?? 0) + 1) as Json)
      for (const reducer of reducers) {
        const reduce = Object.hasOwn(reducer.events, version) ? reducer.events[version] : undefined
        if (reduce === undefined) continue
        const row = reduce(event.payload as unknown as JsonObject, event, seq)
        if ('append' in row)
          growRange(growing.get(reducer.name) as CompactRange, canonicalBytes(row.append))
        else bounded.get(reducer.name)?.set(row.key, row.value)
      }
      // A rotation ends the key before it as well.
      if (version === 'ets.key.rotate/1') {
        const old = (event.payload as unknown as JsonObject)['old_key_id'] as string
        const row = { role: null, since: seq.toString(), status: 'ended' }
        bounded.get('keys')?.set(old, row)
      }
    },
    roots,
    root: () => bytesToHex(computeStateRoot(roots())),
    rows: () => Object.fromEntries([...bounded.keys()].sort().map((name) => [name, rowsOf(name)])),
  }
}

/** The root over the reducers' roots, which an `ets.snapshot` event names. */
export function computeStateRoot(roots: readonly ReducerRoot[]): Uint8Array {
  const range = emptyRange()
  const sorted = [...roots].sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const { name, root, version } of sorted)
    growRange(range, canonicalBytes({ name, root, version }))
  return rangeRoot(range)
}
