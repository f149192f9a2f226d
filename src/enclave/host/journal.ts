/** What the host remembers: its inbox, outbox and dead letters, each step in one transaction. */
import { canonicalBytes, type Json, parseJsonBytes } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import type { ChainEvent } from '../app/app.js'
import { type Codec, uint64Codec } from '../store/codec.js'
import {
  defineKey,
  type StoreKey,
  type StoreTransaction,
  type TypedStore,
} from '../store/typedStore.js'

/** A step of the host's work on an event. */
export type HostStep = 'handle' | 'submit'

/** Something that could not be done, and waits for an operator or was passed by. */
export type DeadLetter = {
  step: HostStep
  contract: string
  sequence: bigint
  /** Code of the last failure. */
  code: string
  attempts: number
  /** Milliseconds since 1970. */
  at: number
  /** `held`: nothing behind it goes on. `passed`: the line went on without it. */
  state: 'held' | 'passed'
}

/** Names a dead letter. */
export type LetterPlace = Pick<DeadLetter, 'step' | 'contract' | 'sequence'>

/** The journal of a host. */
export type Journal<event, transaction> = {
  cursor(): Promise<string | undefined>
  /** @returns Whether the event is new. With it the cursor moves: the chain need not send it again. */
  receive(event: ChainEvent<event>): Promise<boolean>
  /** The next event of a contract in its order, where it is here. */
  nextEvent(contract: string): Promise<{ sequence: bigint; event: ChainEvent<event> | undefined }>
  /** Out of the inbox, into the outbox; `letter` where the event was passed by. */
  answered(
    place: { contract: string; sequence: bigint },
    outcome: { submission: transaction | undefined; letter?: DeadLetter | undefined },
  ): Promise<void>
  nextSubmission(
    contract: string,
  ): Promise<{ sequence: bigint; transaction: transaction } | undefined>
  submitted(contract: string, sequence: bigint): Promise<void>
  /** Counts a failure of a step. @returns The failures so far. */
  failed(place: LetterPlace): Promise<number>
  /** Keeps a dead letter. One of a submission takes it out of the outbox with it. */
  bury(letter: DeadLetter): Promise<void>
  letter(place: LetterPlace): Promise<DeadLetter | undefined>
  letters(): Promise<DeadLetter[]>
  /** Takes a letter away; a submission goes back to the outbox where it is to be sent again. */
  unbury(place: LetterPlace, options: { resend: boolean }): Promise<void>
  /** Contracts that have something to do. */
  contracts(): Promise<string[]>
  counts(): Promise<{ inbox: number; outbox: number; deadLetters: number }>
  deployed(): Promise<string | undefined>
  setDeployed(contract: string): Promise<void>
}

const text: Codec<string> = { encode: utf8, decode: (bytes) => fromUtf8(bytes) }
const cursorKey = defineKey('cursor', text)
const deployedKey = defineKey('deployed', text)
const place = (contract: string, sequence: bigint): string =>
  `${encodeURIComponent(contract)}/${sequence.toString().padStart(20, '0')}`
const doneKey = (contract: string): StoreKey<bigint> =>
  defineKey(`done/${encodeURIComponent(contract)}`, uint64Codec)
const attemptsKey = ({ step, contract, sequence }: LetterPlace): StoreKey<bigint> =>
  defineKey(`attempts/${step}/${place(contract, sequence)}`, uint64Codec)
const letterKey = ({ step, contract, sequence }: LetterPlace): StoreKey<DeadLetter> =>
  defineKey(`dead/${step}/${place(contract, sequence)}`, letterCodec)

/** Opens the journal in a store. */
export function openJournal<event, transaction>(
  store: TypedStore,
  codecs: { event: Codec<event>; transaction: Codec<transaction> },
): Journal<event, transaction> {
  const envelope = chainEventCodec(codecs.event)
  const inboxKey = (contract: string, sequence: bigint): StoreKey<ChainEvent<event>> =>
    defineKey(`inbox/${place(contract, sequence)}`, envelope)
  const outboxKey = (contract: string, sequence: bigint): StoreKey<transaction> =>
    defineKey(`outbox/${place(contract, sequence)}`, codecs.transaction)
  const unsentKey = (contract: string, sequence: bigint): StoreKey<transaction> =>
    defineKey(`unsent/${place(contract, sequence)}`, codecs.transaction)
  const names = (prefix: string): Promise<readonly string[]> =>
    store.transaction((tx) => tx.names(prefix))

  return {
    cursor: () => store.get(cursorKey),
    receive: (received) =>
      store.transaction(async (tx) => {
        const { contract, sequence } = received
        tx.set(cursorKey, received.cursor)
        const done = (await tx.get(doneKey(contract))) ?? 0n
        const waiting = await tx.get(inboxKey(contract, sequence))
        if (sequence <= done || waiting?.id === received.id) return false
        // The same sequence with another id: a reorganization replaced it before it was handled.
        tx.set(inboxKey(contract, sequence), received)
        tx.delete(attemptsKey({ step: 'handle', contract, sequence }))
        tx.delete(letterKey({ step: 'handle', contract, sequence }))
        return true
      }),
    nextEvent: async (contract) => {
      const sequence = ((await store.get(doneKey(contract))) ?? 0n) + 1n
      return { sequence, event: await store.get(inboxKey(contract, sequence)) }
    },
    answered: ({ contract, sequence }, { submission, letter }) =>
      store.transaction((tx) => {
        tx.delete(inboxKey(contract, sequence))
        tx.delete(attemptsKey({ step: 'handle', contract, sequence }))
        tx.set(doneKey(contract), sequence)
        if (submission !== undefined) tx.set(outboxKey(contract, sequence), submission)
        const key = letterKey({ step: 'handle', contract, sequence })
        if (letter === undefined) tx.delete(key)
        else tx.set(key, letter)
      }),
    nextSubmission: async (contract) => {
      const prefix = `outbox/${encodeURIComponent(contract)}/`
      const [name] = await names(prefix)
      if (name === undefined) return undefined
      const sequence = BigInt(name.slice(prefix.length))
      const transaction = await store.get(outboxKey(contract, sequence))
      return transaction === undefined ? undefined : { sequence, transaction }
    },
    submitted: (contract, sequence) =>
      store.transaction((tx) => {
        tx.delete(outboxKey(contract, sequence))
        tx.delete(attemptsKey({ step: 'submit', contract, sequence }))
      }),
    failed: (at) =>
      store.transaction(async (tx) => {
        const attempts = ((await tx.get(attemptsKey(at))) ?? 0n) + 1n
        tx.set(attemptsKey(at), attempts)
        return Number(attempts)
      }),
    bury: (letter) =>
      store.transaction(async (tx) => {
        const { step, contract, sequence } = letter
        tx.set(letterKey(letter), letter)
        if (step === 'submit') {
          await move(tx, outboxKey(contract, sequence), unsentKey(contract, sequence))
        }
      }),
    letter: (at) => store.get(letterKey(at)),
    letters: async () => {
      const keys = (await names('dead/')).map((name) => defineKey(name, letterCodec))
      const letters = await Promise.all(keys.map((key) => store.get(key)))
      return letters.filter((letter) => letter !== undefined)
    },
    unbury: (at, { resend }) =>
      store.transaction(async (tx) => {
        const { step, contract, sequence } = at
        tx.delete(letterKey(at))
        tx.delete(attemptsKey(at))
        if (step !== 'submit') return
        const kept = unsentKey(contract, sequence)
        if (resend) await move(tx, kept, outboxKey(contract, sequence))
        else tx.delete(kept)
      }),
    contracts: async () => {
      const waiting = [...(await names('inbox/')), ...(await names('outbox/'))]
      return [...new Set(waiting.map((name) => decodeURIComponent(name.split('/')[1] as string)))]
    },
    counts: () =>
      store.transaction(async (tx) => ({
        inbox: (await tx.names('inbox/')).length,
        outbox: (await tx.names('outbox/')).length,
        deadLetters: (await tx.names('dead/')).length,
      })),
    deployed: () => store.get(deployedKey),
    setDeployed: (contract) => store.transaction((tx) => tx.set(deployedKey, contract)),
  }
}

async function move<value>(
  tx: StoreTransaction,
  from: StoreKey<value>,
  to: StoreKey<value>,
): Promise<void> {
  const value = await tx.get(from)
  if (value !== undefined) tx.set(to, value)
  tx.delete(from)
}

const letterCodec: Codec<DeadLetter> = {
  encode: ({ sequence, ...letter }) => canonicalBytes({ ...letter, sequence: sequence.toString() }),
  decode: (bytes) => {
    const letter = parseJsonBytes(bytes) as Record<string, Json>
    const sequence = letter['sequence']
    if (typeof sequence !== 'string') {
      throw new InvalidInputError({ field: 'letter', reason: 'not one of a dead letter' })
    }
    return { ...letter, sequence: BigInt(sequence) } as unknown as DeadLetter
  },
}

function chainEventCodec<event>(codec: Codec<event>): Codec<ChainEvent<event>> {
  const separator = '\u0000'
  return {
    encode: ({ cursor, contract, sequence, id, event }) => {
      const head = utf8([cursor, contract, sequence, id].join(separator))
      const body = codec.encode(event)
      const out = new Uint8Array(4 + head.length + body.length)
      new DataView(out.buffer).setUint32(0, head.length)
      out.set(head, 4)
      out.set(body, 4 + head.length)
      return out
    },
    decode: (bytes) => {
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
      const head = fromUtf8(bytes.subarray(4, 4 + length))
      const [cursor = '', contract = '', sequence = '0', id = ''] = head.split(separator)
      const event = codec.decode(bytes.subarray(4 + length))
      return { cursor, contract, sequence: BigInt(sequence), id, event }
    },
  }
}
