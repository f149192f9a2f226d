/** The words of a command line: which are options, and which of them cannot be meant. */
import type { ArgDef, ArgsDef } from 'citty'
import { UsageError } from '../errors.js'
import { didYouMean } from './didYouMean.js'
import { looksLikeKey, quotedWord } from './quoting.js'

/** Words as they were given, read by the definitions of a command. */
export type Given = {
  options: {
    /** As it is declared; as it was written where nobody declared it. */
    name: string
    value?: string | undefined
    /** `--no-x`. */
    negated: boolean
    known: boolean
    hint?: string | undefined
  }[]
  /** What is no option, with the name of the positional that it is. */
  words: { text: string; name?: string | undefined }[]
}

/** What else a command says of its words. */
export type WordRules = {
  /** Options that are not switches and may be said to be none. */
  negatable?: readonly string[] | undefined
  /** Most words that are no options, besides those that are declared. */
  extra?: number | undefined
}

/** Reads words by the definitions of a command, without judging them. */
export function readWords(args: ArgsDef, words: readonly string[]): Given {
  const names = namesOf(args)
  const positionals = Object.keys(args).filter((name) => args[name]?.type === 'positional')
  const given: Given = { options: [], words: [] }
  const addWord = (text: string): void => {
    given.words.push({ text, name: positionals[given.words.length] })
  }
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string
    if (word === '--') {
      for (const text of words.slice(index + 1)) addWord(text)
      break
    }
    const match = /^--?([A-Za-z][\w.-]*)(?:=([\s\S]*))?$/.exec(word)
    if (match === null) {
      addWord(word)
      continue
    }
    const [, written = '', inline] = match
    const negated = !names.has(written) && written.startsWith('no-') && names.has(written.slice(3))
    const name = names.get(negated ? written.slice(3) : written)
    const definition = name === undefined ? undefined : (args[name] as ArgDef)
    const hint = (definition as { valueHint?: string } | undefined)?.valueHint
    const base = { name: name ?? written, negated, known: name !== undefined, hint }
    if (inline !== undefined) given.options.push({ ...base, value: inline })
    else if (definition === undefined) {
      // Nobody knows whether it takes the next word: that may be a key all the same.
      const next = words[index + 1]
      given.options.push({ ...base, value: next?.startsWith('-') ? undefined : next })
    } else if (definition.type === 'boolean' || negated) given.options.push(base)
    else given.options.push({ ...base, value: words[++index] })
  }
  return given
}

/**
 * Refuses words that cannot be meant: an option that is misspelled (`--dryrun` would then write), without a
 * value, given twice or against itself, and words too many.
 *
 * @throws {UsageError}
 */
export function assertWords(
  args: ArgsDef,
  words: readonly string[],
  { negatable = [], extra = 0 }: WordRules,
): Given {
  const names = namesOf(args)
  const given = readWords(args, words)
  const seen = new Map<string, { negated: boolean; value?: string | undefined }>()
  for (const option of given.options) {
    const { name, value, negated, known } = option
    const definition = known ? (args[name] as ArgDef) : undefined
    const isSwitch = definition?.type === 'boolean'
    if (definition === undefined || (negated && !isSwitch && !negatable.includes(name))) {
      throw unknownOption(args, negated ? `no-${name}` : name)
    }
    if ((isSwitch || negated) && value !== undefined) {
      const no = negated ? 'no-' : ''
      throw new UsageError(`--${no}${name} is a switch and takes no value.`, {
        metaMessages: [`Say --${no}${name}, or leave it out.`],
      })
    }
    // An empty variable of a shell: the next option would be taken for the value.
    if (!(isSwitch || negated) && (value === undefined || names.has(optionNameOf(value)))) {
      throw new UsageError(`--${name} needs a value.`)
    }
    const before = seen.get(name)
    if (before !== undefined && before.negated !== negated) {
      throw new UsageError(`--${name} and --no-${name} contradict each other.`)
    }
    if (before !== undefined && !isSwitch && !negated) {
      throw new UsageError(`--${name} is given twice.`, { metaMessages: ['Give it once.'] })
    }
    seen.set(name, option)
  }
  assertCount(args, given, extra)
  return given
}

function assertCount(args: ArgsDef, { words }: Given, extra: number): void {
  const declared = Object.values(args).filter(({ type }) => type === 'positional').length
  const over = words[declared + extra]
  if (over === undefined) return
  throw new UsageError(`There is a word too many: ${quotedWord(over.text)}.`, {
    metaMessages: [
      declared + extra === 0
        ? 'This command takes options only.'
        : `This command takes ${declared + extra} besides its options, at most.`,
    ],
  })
}

function unknownOption(args: ArgsDef, name: string): UsageError {
  const options = Object.entries(args)
    .filter(([, { type }]) => type !== 'positional')
    .map(([option]) => `--${option}`)
  // Without its value: a key may stand behind a slip of the hand.
  const said = looksLikeKey(name) ? 'There is no such option.' : `There is no option --${name}.`
  return new UsageError(said, {
    metaMessages: [...didYouMean(`--${name}`, options), `Options: ${options.join(', ')}.`],
  })
}

function optionNameOf(word: string): string {
  return /^--([A-Za-z][\w-]*)/.exec(word)?.[1] ?? ''
}

/** Every way to write an option, and the name that it is declared by. */
function namesOf(args: ArgsDef): Map<string, string> {
  const names = new Map<string, string>()
  for (const [name, definition] of Object.entries(args)) {
    if (definition.type === 'positional') continue
    const { alias } = definition as { alias?: string | string[] }
    const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    for (const written of [name, kebab, ...[alias ?? []].flat()]) names.set(written, name)
  }
  return names
}
