/**
 * What the ledger says so far, as the rules ask for it: rows by key, each made by one event.
 *
 * Rows are a function of the events in their order. They are kept for look-ups only, and can be made
 * again from the logs.
 */
import type { Json, JsonObject } from '../../core/jsonText.js'
import type { LedgerEvent } from './event.js'

/** Rows by key. */
export type LedgerView = { get(key: string): Json | undefined }

/** A row to write. */
export type ViewChange = readonly [key: string, value: Json]

/** Who may say what is told by the role of a key. */
export const keyRoles = [
  'genesis',
  'admin',
  'operator',
  'gateway',
  'challenger',
  'auditor',
  'builder',
] as const

/** The role of a key. */
export type KeyRole = (typeof keyRoles)[number]

/** What the ledger knows of a key. */
export type KeyRow = {
  role: KeyRole
  /** Standard base64. */
  public_key: string
  status: 'active' | 'ended'
  /** `seq` of the event that added it, decimal. */
  since: string
  /** `seq` of the event that revoked it or rotated it away. */
  until?: string
}

/** Keys of rows. */
export const rowKeys = {
  key: (keyId: string): string => `key/${keyId}`,
  admins: 'admins',
  artifact: (hash: string): string => `artifact/${hash}`,
  task: (fields: JsonObject): string =>
    `task/${fields['chainId']}/${fields['policyClient']}/${fields['taskId']}`,
  evaluation: (hash: string): string => `evaluation/${hash}`,
  claims: (wasmHash: string): string => `claims/${wasmHash}`,
} as const

/** The row of a key. */
export function keyRow(view: LedgerView, keyId: string): KeyRow | undefined {
  return view.get(rowKeys.key(keyId)) as KeyRow | undefined
}

/** How many keys of the role `admin` are active. */
export function adminCount(view: LedgerView): number {
  return Number(view.get(rowKeys.admins) ?? 0)
}

/** What builders say of a plugin, by their keys: of each build the last word, which is of that build alone. */
type Words = Readonly<Record<string, Readonly<Record<string, 'MATCH' | 'NO_MATCH'>>>>

/**
 * Whether a plugin counts as built from its source, as trust policies have it: a builder says so of a build,
 * and none that this build gives other bytes, or that one does where none gives these. A build that did not
 * run takes back what was said of it.
 */
export function isVerifiedWasm(view: LedgerView, wasmHash: string): boolean {
  const words = Object.values((view.get(rowKeys.claims(wasmHash)) ?? {}) as Words)
  const confirms = (own: Words[string]): boolean => Object.values(own).includes('MATCH')
  const countOf = (build: string) => ({
    matches: words.filter((own) => own[build] === 'MATCH').length,
    denials: words.filter(
      (own) =>
        own[build] === 'NO_MATCH' || (!confirms(own) && Object.values(own).includes('NO_MATCH')),
    ).length,
  })
  // The build that most confirm; of two, the one that fewer deny.
  const [best] = [...new Set(words.flatMap((own) => Object.keys(own)))]
    .map(countOf)
    .sort((a, b) => b.matches - a.matches || a.denials - b.denials)
  return best !== undefined && best.matches > 0 && best.denials === 0
}

type Reducer = (event: LedgerEvent, seq: bigint, view: LedgerView) => ViewChange[]

/** Rows that an event makes. Pure; of an event that was accepted. */
export function reduceEvent(event: LedgerEvent, seq: bigint, view: LedgerView): ViewChange[] {
  return reducers[event.schema_version]?.(event, seq, view) ?? []
}

const fieldsOf = (event: LedgerEvent): JsonObject => event.payload as unknown as JsonObject

const added = (view: LedgerView, seq: bigint, keys: { ended?: string; fields: JsonObject }) => {
  const { ended, fields } = keys
  const changes: ViewChange[] = []
  let admins = adminCount(view)
  const old = ended === undefined ? undefined : keyRow(view, ended)
  if (ended !== undefined && old !== undefined) {
    const row: KeyRow = { ...old, status: 'ended', until: seq.toString() }
    changes.push([rowKeys.key(ended), row])
    if (old.role === 'admin') admins -= 1
  }
  const role = fields['role']
  if (role !== undefined) {
    const row: KeyRow = {
      role: role as KeyRole,
      public_key: fields['public_key'] as string,
      status: 'active',
      since: seq.toString(),
    }
    changes.push([rowKeys.key(fields['key_id'] as string), row])
    if (role === 'admin') admins += 1
  }
  changes.push([rowKeys.admins, admins])
  return changes
}

/** By schema version, for ever: an event is read as what it was when it was written. */
const reducers: Readonly<Record<string, Reducer>> = {
  'ets.genesis/1': (event, seq) => [
    [
      rowKeys.key(event.key_id),
      { role: 'genesis', public_key: event.public_key, status: 'active', since: seq.toString() },
    ],
  ],
  'ets.key.add/1': (event, seq, view) => added(view, seq, { fields: fieldsOf(event) }),
  'ets.key.rotate/1': (event, seq, view) =>
    added(view, seq, {
      ended: fieldsOf(event)['old_key_id'] as string,
      fields: fieldsOf(event),
    }),
  'ets.key.revoke/1': (event, seq, view) =>
    added(view, seq, { ended: fieldsOf(event)['key_id'] as string, fields: {} }),
  'newton.template/1': (event) =>
    (fieldsOf(event)['artifacts'] as string[]).map((hash) => [rowKeys.artifact(hash), 1]),
  'newton.evaluation/1': (event) => {
    const fields = fieldsOf(event)
    const { evaluationResult, messageHash } = fields
    return [
      [rowKeys.task(fields), event.current_hash],
      [
        rowKeys.evaluation(event.current_hash),
        { evaluationResult: evaluationResult ?? null, messageHash: messageHash ?? null },
      ],
    ]
  },
  'newton.verification/1': (event, _, view) => {
    const { wasmHash, buildInfoHash, result } = fieldsOf(event)
    const key = rowKeys.claims(wasmHash as string)
    const words = (view.get(key) ?? {}) as Words
    const { [buildInfoHash as string]: _before, ...others } = words[event.key_id] ?? {}
    const isWord = result === 'MATCH' || result === 'NO_MATCH'
    const own = isWord ? { ...others, [buildInfoHash as string]: result } : others
    // A key that ended cannot take its word back: the match of one that acts comes in its place.
    const standing = Object.entries(words).map(([by, said]) =>
      result !== 'MATCH' || isActive(view, by) ? [by, said] : [by, matchesOf(said)],
    )
    return [[key, { ...Object.fromEntries(standing), [event.key_id]: own }]]
  },
}

function matchesOf(said: Words[string]): Words[string] {
  return Object.fromEntries(Object.entries(said).filter(([, word]) => word === 'MATCH'))
}

function isActive(view: LedgerView, keyId: string): boolean {
  return keyRow(view, keyId)?.status === 'active'
}
