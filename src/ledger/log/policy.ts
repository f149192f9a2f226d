/** Trust files of transparency logs (C2SP tlog-policy): which logs, which witnesses, which of them. */
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import { assertCount, assertKnown, assertList, assertMembers } from '../../internal/options.js'
import { fromDecimal, wellFormedText } from './encoding.js'
import { type NoteKey, parseNoteKey } from './keys.js'

/** What has to have cosigned: a witness, or enough members of a group. */
export type Quorum =
  | { readonly witness: NoteKey }
  | { readonly threshold: number; readonly members: readonly Quorum[] }

/** A trust file, read. */
export type TlogPolicy = {
  /** Any of these logs is believed, under the name of its key as origin. */
  readonly logs: readonly { readonly key: NoteKey; readonly url?: string }[]
  readonly witnesses: readonly {
    readonly name: string
    readonly key: NoteKey
    readonly url?: string
  }[]
  /** `none` believes a log alone. */
  readonly quorum: Quorum | 'none'
}

const maxLength = 1_000_000
/** Groups inside one another. */
const maxDepth = 64

/**
 * Reads a trust file. Every line ends with a newline: a file that was cut off is refused, not read as a
 * weaker one.
 *
 * @throws InvalidInputError naming the line.
 * @example
 * const policy = parseTlogPolicy(`log ${logKey}\nwitness w1 ${witnessKey}\nquorum w1\n`)
 * const result = verifyCheckpoint(note, policy)
 */
export function parseTlogPolicy(file: string | Uint8Array): TlogPolicy {
  const text = wellFormedText(file)
  if (text === undefined || text.length > maxLength || !text.endsWith('\n')) {
    throw invalid(0, 'it is UTF-8 that ends with a newline')
  }
  const state: State = {
    logs: [],
    witnesses: [],
    names: new Map(),
    depths: new Map(),
    members: new Set(),
  }
  for (const [at, line] of text.slice(0, -1).split('\n').entries()) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) {
      throw invalid(at + 1, 'it has no control characters but tabs')
    }
    const items = line.split(/[ \t]+/).filter((item) => item !== '')
    const [verb, ...rest] = items
    if (verb === undefined || verb.startsWith('#')) continue
    readLine(state, { verb, rest, line: at + 1 })
  }
  const { logs, witnesses, quorum } = state
  if (quorum === undefined) throw invalid(0, 'it has one quorum line')
  return { logs, witnesses, quorum }
}

/** Whether witnesses that cosigned are enough. */
export function meetsQuorum(quorum: Quorum | 'none', cosigned: ReadonlySet<NoteKey>): boolean {
  if (quorum === 'none') return true
  if ('witness' in quorum) return cosigned.has(quorum.witness)
  const met = quorum.members.filter((member) => meetsQuorum(member, cosigned))
  return met.length >= quorum.threshold
}

/**
 * Refuses a policy that no trust file could have said: made by hand, a slip would ask for nobody.
 *
 * @throws {InvalidInputError} naming the member.
 */
export function assertTlogPolicy(policy: TlogPolicy, field: string): void {
  const members = ['logs', 'witnesses', 'quorum'] as const
  assertMembers(field, policy, members)
  assertKnown(field, policy, members)
  assertList(`${field}.logs`, policy.logs)
  assertList(`${field}.witnesses`, policy.witnesses)
  const { logs, witnesses } = policy
  if (logs.length === 0) throw refused(`${field}.logs`, 'a policy to verify with names a log')
  if (logs.some((log) => log?.key?.kind !== 'log')) {
    throw refused(`${field}.logs`, 'each has the Ed25519 key of a log (type 1)')
  }
  if (witnesses.some((witness) => witness?.key?.kind !== 'witness')) {
    throw refused(`${field}.witnesses`, 'each has the key of a cosigner (type 4)')
  }
  const keys = [...logs, ...witnesses].map(({ key }) => toHex(key.publicKey))
  // One key is one party: a log does not witness itself, and no witness counts twice.
  if (new Set(keys).size !== keys.length) {
    throw refused(`${field}.witnesses`, 'each key is there once')
  }
  if (policy.quorum !== 'none') assertQuorum(policy.quorum, { policy, field: `${field}.quorum` })
}

function assertQuorum(
  quorum: Quorum,
  { policy, field }: { policy: TlogPolicy; field: string },
): void {
  const counted = new Set<NoteKey>()
  const walk = (part: Quorum, depth: number): void => {
    const isPart = typeof part === 'object' && part !== null && depth <= maxDepth
    if (!isPart) throw refused(field, `it is a witness, or groups in at most ${maxDepth} levels`)
    if ('witness' in part) {
      const known = policy.witnesses.some(({ key }) => key === part.witness)
      if (!known) throw refused(field, 'it names keys of `witnesses`')
      if (counted.has(part.witness)) throw refused(field, 'a witness counts once')
      counted.add(part.witness)
      return
    }
    assertList(`${field}.members`, part.members)
    assertCount(`${field}.threshold`, part.threshold, { most: part.members.length })
    for (const member of part.members) walk(member, depth + 1)
  }
  walk(quorum, 0)
}

function refused(field: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field, reason })
}

type State = {
  logs: { key: NoteKey; url?: string }[]
  witnesses: { name: string; key: NoteKey; url?: string }[]
  names: Map<string, Quorum>
  /** Levels of groups under a name. */
  depths: Map<string, number>
  /** Names that are members of a group: each counts in one way only. */
  members: Set<string>
  quorum?: Quorum | 'none'
}
type Line = { verb: string; rest: readonly string[]; line: number }

function readLine(state: State, line: Line): void {
  const read = Object.hasOwn(readers, line.verb) ? readers[line.verb] : undefined
  if (read === undefined) throw invalid(line.line, `\`${line.verb}\` is no line of a policy`)
  read(state, line.rest, line.line)
}

const readers: Readonly<
  Record<string, (state: State, rest: readonly string[], line: number) => void>
> = {
  log: readLog,
  witness: readWitness,
  group: readGroup,
  quorum: readQuorum,
}

function readQuorum(state: State, rest: readonly string[], line: number): void {
  const [name] = rest
  if (name === undefined || rest.length !== 1) throw invalid(line, 'it is `quorum <name>`')
  if (state.quorum !== undefined) throw invalid(line, 'there is one quorum line')
  state.quorum = name === 'none' ? 'none' : nameOf(state, name, line)
}

function readLog(state: State, rest: readonly string[], line: number): void {
  const [vkey, url] = rest
  if (vkey === undefined || rest.length > 2) throw invalid(line, 'it is `log <vkey> [<url>]`')
  const key = keyOf(state, { vkey, kind: 'log', line })
  state.logs.push({ key, ...(url === undefined ? {} : { url }) })
}

function readWitness(state: State, rest: readonly string[], line: number): void {
  const [name, vkey, url] = rest
  if (name === undefined || vkey === undefined || rest.length > 3) {
    throw invalid(line, 'it is `witness <name> <vkey> [<url>]`')
  }
  const key = keyOf(state, { vkey, kind: 'witness', line })
  define(state, { name, value: { witness: key }, line })
  state.witnesses.push({ name, key, ...(url === undefined ? {} : { url }) })
}

function readGroup(state: State, rest: readonly string[], line: number): void {
  const [name, count, ...names] = rest
  if (name === undefined || count === undefined || names.length === 0) {
    throw invalid(line, 'it is `group <name> all|any|<k> <name>…`')
  }
  const members = names.map((member) => {
    if (state.members.has(member)) throw invalid(line, `\`${member}\` is a member already`)
    state.members.add(member)
    return nameOf(state, member, line)
  })
  const number = fromDecimal(count)
  const threshold = count === 'any' ? 1 : count === 'all' ? members.length : Number(number ?? 0n)
  if (threshold < 1 || threshold > members.length) {
    throw invalid(line, 'the threshold is `all`, `any` or 1 to the number of members')
  }
  const depth = 1 + Math.max(...names.map((member) => state.depths.get(member) ?? 0))
  if (depth > maxDepth) throw invalid(line, `groups are in at most ${maxDepth} levels`)
  define(state, { name, value: { threshold, members }, line })
  state.depths.set(name, depth)
}

function define(
  state: State,
  { name, value, line }: { name: string; value: Quorum; line: number },
): void {
  if (name === 'none' || state.names.has(name)) throw invalid(line, `\`${name}\` is taken`)
  state.names.set(name, value)
}

function nameOf(state: State, name: string, line: number): Quorum {
  const known = state.names.get(name)
  if (known === undefined) throw invalid(line, `\`${name}\` is not defined above`)
  return known
}

function keyOf(
  state: State,
  { vkey, kind, line }: { vkey: string; kind: NoteKey['kind']; line: number },
): NoteKey {
  const key = readKey(vkey, line)
  if (key.kind !== kind) throw invalid(line, `the key is not a ${kind}’s`)
  const known = [...state.logs, ...state.witnesses].map((entry) => toHex(entry.key.publicKey))
  // One key is one party: a log does not witness itself, and no witness counts twice.
  if (known.includes(toHex(key.publicKey))) throw invalid(line, 'the key is there already')
  return key
}

function readKey(vkey: string, line: number): NoteKey {
  try {
    return parseNoteKey(vkey)
  } catch (cause) {
    throw invalid(line, 'its key does not read', cause)
  }
}

function invalid(line: number, reason: string, cause?: unknown): InvalidInputError {
  const field = line === 0 ? 'policy' : `policy line ${line}`
  return new InvalidInputError(
    { field, reason, hint: 'Its format is C2SP tlog-policy.' },
    cause === undefined ? {} : { cause },
  )
}
