/**
 * Records in a file: all of them, and behind them what has changed since.
 *
 * ```
 * [record, …]                                    replaced as a whole while it is short
 * {"changed":[record, …],"gone":["key", …]}      a line for each write after that
 * ```
 * A line is synced before its write returns, and begins and ends a line of its own: what a crash leaves
 * of it is at the end, and is no line. All is written anew when the lines have grown as long as what they
 * change, so that a write costs what it changes and not what there is.
 */
import type { HeldFile, LockedFile } from './lockedFile.js'

/** Characters up to which all is replaced at each write. */
const SHORT = 65_536
/** Bytes that must be free where nothing has changed: more than what is paid for next takes. */
const RESERVED = 65_536
const BEGINNING = '\n{"changed":['

/** A list of records with one key each, replaced as a whole or not at all. */
export type RecordLog<record> = {
  read(): Promise<record[]>
  write(records: readonly record[]): Promise<void>
}

/** What the records of a log are. */
export type RecordRules<record> = {
  /** Copies of records that are to be written. @throws for what could not be read again. */
  check(records: unknown): record[]
  keyOf(record: record): string
  /** JSON in one line. */
  textOf(record: record): string
  /** What has the key in the text. */
  keyField: string
  /** Checks what was read. @throws where it is no list of records. */
  decode(list: unknown): record[]
  /** @throws that the file is damaged. */
  refuse(reason: string, cause?: unknown): never
}

/** What this process has written last. */
type Known = { texts: ReadonlyMap<string, string>; state: string; base: number; behind: number }

/** Opens the records of a file; nothing is touched before the first call. */
export function createRecordLog<record>(
  file: LockedFile,
  rules: RecordRules<record>,
): RecordLog<record> {
  // The first write of a process replaces all: what a crash left at the end is gone then.
  let known: Known | undefined

  async function replace(held: HeldFile, all: readonly string[], texts: Texts): Promise<void> {
    const text = `[${all.join(',')}]`
    const state = await held.write(isLong(all) ? `${text}\n` : text)
    known = isLong(all) && texts ? { texts, state, base: text.length, behind: 0 } : undefined
  }

  /** Whether the change could be written behind what is there. */
  async function append(held: HeldFile, before: Known, texts: ReadonlyMap<string, string>) {
    const change = changeOf(before.texts, texts)
    const behind = before.behind + change.length
    if (behind > Math.max(before.base, SHORT)) return false
    const { state: was } = before
    const isSame = change === ''
    const state = await (isSame ? held.reserve(RESERVED, was) : held.append(change, was))
    if (state !== undefined) known = { ...before, texts, state, behind }
    return state !== undefined
  }

  return {
    read: () =>
      file.use(async (held) => {
        const text = await held.read()
        return text === undefined ? [] : rules.decode(parse(text, rules))
      }),
    async write(records) {
      // As they are now, whatever becomes of the list while others have their turn.
      const checked = rules.check(records)
      const all = checked.map(rules.textOf)
      const keys = checked.map(rules.keyOf)
      const texts = new Map(keys.map((key, index) => [key, all[index] as string]))
      // Two records of one key are no change of anything.
      const own = texts.size === keys.length ? texts : undefined
      await file.use(async (held) => {
        if (known && own && isLong(all) && (await append(held, known, own))) return
        await replace(held, all, own)
      })
    },
  }
}

function isLong(all: readonly string[]): boolean {
  return all.reduce((length, { length: more }) => length + more, 0) > SHORT
}

type Texts = ReadonlyMap<string, string> | undefined

/** The line that makes one list of the other; empty where they are the same. */
function changeOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string {
  // What is changed goes to the end: all behind the first of it is written, in its order.
  const places = before.keys()
  const changed: string[] = []
  for (const [key, text] of after) {
    const isKept = changed.length === 0 && before.get(key) === text && isAhead(places, key)
    if (!isKept) changed.push(text)
  }
  const gone = [...before.keys()].filter((key) => !after.has(key))
  if (changed.length === 0 && gone.length === 0) return ''
  return `${BEGINNING}${changed.join(',')}],"gone":${JSON.stringify(gone)}}\n`
}

function isAhead(places: Iterator<string>, key: string): boolean {
  for (let place = places.next(); !place.done; place = places.next()) {
    if (place.value === key) return true
  }
  return false
}

/** The list of a file, unchecked. */
function parse<record>(text: string, { keyField, refuse }: RecordRules<record>): unknown {
  const [first = '', ...lines] = text.split('\n')
  const list = parsed(first, () => undefined)
  // A list that somebody has put into lines of his own is one too.
  if (!Array.isArray(list) || lines.every((line) => line.trim() === ''))
    return parsed(text, (cause) => refuse('it is not JSON', cause))
  const keyOf = (value: unknown): unknown => (value as Fields | null)?.[keyField]
  const records = new Map(list.map((value) => [keyOf(value), value]))
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue
    const change = changeIn(line)
    if (change === undefined) {
      const isUnended = index === lines.length - 1
      if (isCut(line, { isUnended, isLast: isLast(lines, index) })) break
      return refuse('a line is no change')
    }
    for (const key of change.gone) records.delete(key)
    for (const value of change.changed) {
      records.delete(keyOf(value))
      records.set(keyOf(value), value)
    }
  }
  return [...records.values()]
}

/** Whether it is of a write that did not return: at the end, without its end or with zeros where it has holes. */
function isCut(
  line: string,
  { isUnended, isLast }: { isUnended: boolean; isLast: boolean },
): boolean {
  if (!isLast || !(isUnended || line.includes('\0'))) return false
  return [BEGINNING, BEGINNING.trimStart()].some((beginning) =>
    [...line.slice(0, beginning.length)].every(
      (letter, at) => letter === '\0' || letter === beginning[at],
    ),
  )
}

function isLast(lines: readonly string[], index: number): boolean {
  return lines.slice(index + 1).every((line) => line.trim() === '')
}

type Fields = { [field: string]: unknown }

function changeIn(line: string): { changed: unknown[]; gone: unknown[] } | undefined {
  const { changed, gone } = (parsed(line, () => undefined) ?? {}) as Fields
  return Array.isArray(changed) && Array.isArray(gone) ? { changed, gone } : undefined
}

function parsed<otherwise>(text: string, failed: (cause: unknown) => otherwise): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    return failed(cause)
  }
}
