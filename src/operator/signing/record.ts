/**
 * The byte layout of a signing journal.
 *
 * ```
 * segment = header ‖ frame ‖ frame ‖ …
 * header  = "NEWTJNL2" ‖ domain(32) ‖ previous(32) ‖ counter(8) ‖ lowBlock(8) ‖ lowTimestamp(8)
 *           ‖ floorBlock(8) ‖ floorTimestamp(8) ‖ H(all before)(32)
 * frame   = "NJF1" ‖ length(4) ‖ H("NJF1" ‖ length ‖ counter)[0..4] ‖ body ‖ H(previous ‖ body)(32)
 * body    = counter(8) ‖ record ‖ record ‖ …          length = |body|
 * record  = kind(1) ‖ key(32) ‖ digest(32) ‖ height(8) ‖ length(4) ‖ answer
 * ```
 * `H` is keccak-256 and integers are big-endian. `previous` is the hash at the end of the frame
 * before, so that a frame that is missing, moved or changed breaks the chain. `counter` is the number
 * of the frame's first record. A frame is written in one piece: records that share one sync share it.
 */
import type { Hex } from 'viem'
import {
  bytesEqual,
  bytesToUint,
  concat,
  fixedFromHex,
  toHex,
  uintToBytes,
  utf8,
} from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'

/** What a record states. */
export const journalKinds = ['outputs', 'response', 'document', 'commit'] as const
/** Kind of a statement that an operator signs. */
export type JournalKind = (typeof journalKinds)[number]

/** One statement that is about to be signed. */
export type JournalRecord = {
  kind: JournalKind
  /** What there is only one statement about: 32 bytes. */
  key: Hex
  /** What is signed: 32 bytes. */
  digest: Hex
  /** Reference block of a task, timestamp of a commit. */
  height: bigint
  /** The whole answer, given again to whoever asks again. */
  answer: Uint8Array
}

/** Heights below which nothing is signed any more. */
export type JournalHeights = { block: bigint; timestamp: bigint }

/** What stands at the start of a segment. */
export type SegmentHeader = {
  domain: Hex
  previous: Hex
  counter: bigint
  low: JournalHeights
  /** What no journal of this chain may be sure of: zeros where there is nothing. */
  floor: JournalHeights
}

/** Where a record's answer lies in its segment. */
export type PlacedRecord = Omit<JournalRecord, 'answer'> & { offset: number; length: number }

/** One frame as it was read. */
export type Frame = { records: PlacedRecord[]; hash: Hex; end: number; counter: bigint }

const segmentMagic = utf8('NEWTJNL2')
const frameMagic = utf8('NJF1')
/** Bytes of a segment's header. */
export const HEADER_BYTES = 8 + 32 + 32 + 8 + 4 * 8 + 32
const frameHead = 4 + 4 + 4
const recordHead = 1 + 32 + 32 + 8 + 4
/** Most bytes of one answer. */
export const MAX_ANSWER_BYTES: number = 4 * 1024 * 1024
/** Most bytes of one frame's body: one answer always fits. */
export const MAX_BODY_BYTES: number = 8 * 1024 * 1024

/** Encodes a segment's header. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const { domain, previous, counter, low, floor } = header
  const head = concat(
    segmentMagic,
    fixedFromHex(domain, 32, 'domain'),
    fixedFromHex(previous, 32, 'previous'),
    uintToBytes(counter, 8, 'counter'),
    uintToBytes(low.block, 8, 'low.block'),
    uintToBytes(low.timestamp, 8, 'low.timestamp'),
    uintToBytes(floor.block, 8, 'floor.block'),
    uintToBytes(floor.timestamp, 8, 'floor.timestamp'),
  )
  return concat(head, keccak(head))
}

/** Decodes a segment's header; `undefined` where the bytes are none. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const head = bytes.subarray(0, HEADER_BYTES - 32)
  if (!bytesEqual(head.subarray(0, 8), segmentMagic)) return undefined
  if (!bytesEqual(keccak(head), bytes.subarray(HEADER_BYTES - 32, HEADER_BYTES))) return undefined
  return {
    domain: toHex(head.subarray(8, 40)),
    previous: toHex(head.subarray(40, 72)),
    counter: bytesToUint(head.subarray(72, 80)),
    low: {
      block: bytesToUint(head.subarray(80, 88)),
      timestamp: bytesToUint(head.subarray(88, 96)),
    },
    floor: {
      block: bytesToUint(head.subarray(96, 104)),
      timestamp: bytesToUint(head.subarray(104, 112)),
    },
  }
}

/** Bytes that a record takes in a frame. */
export function recordBytes({ answer }: JournalRecord): number {
  return recordHead + answer.length
}

/** Encodes records as one frame, with the hash that the next one names as `previous`. */
export function encodeFrame(
  records: readonly JournalRecord[],
  { previous, counter }: { previous: Hex; counter: bigint },
): { bytes: Uint8Array; hash: Hex; offsets: readonly number[] } {
  const parts: Uint8Array[] = [uintToBytes(counter, 8)]
  const offsets: number[] = []
  let length = 8
  for (const { kind, key, digest, height, answer } of records) {
    offsets.push(frameHead + length + recordHead)
    parts.push(
      Uint8Array.of(journalKinds.indexOf(kind) + 1),
      fixedFromHex(key, 32, 'key'),
      fixedFromHex(digest, 32, 'digest'),
      uintToBytes(height, 8, 'height'),
      uintToBytes(answer.length, 4, 'answer'),
      answer,
    )
    length += recordHead + answer.length
  }
  const body = concat(...parts)
  const hash = keccak(fixedFromHex(previous, 32, 'previous'), body)
  const head = concat(frameMagic, uintToBytes(body.length, 4))
  const bytes = concat(head, headCheck(head, body), body, hash)
  return { bytes, hash: toHex(hash), offsets }
}

/** Reads the frame at `offset`; `undefined` where there is no whole and undamaged one. */
export function decodeFrame(bytes: Uint8Array, offset: number, previous?: Hex): Frame | undefined {
  const head = bytes.subarray(offset, offset + 8)
  if (head.length < 8 || !bytesEqual(head.subarray(0, 4), frameMagic)) return undefined
  const length = Number(bytesToUint(head.subarray(4)))
  if (length < 8 || length > MAX_BODY_BYTES) return undefined
  const start = offset + frameHead
  const end = start + length + 32
  if (end > bytes.length) return undefined
  const body = bytes.subarray(start, start + length)
  if (!bytesEqual(bytes.subarray(offset + 8, start), headCheck(head, body))) return undefined
  const hash = bytes.subarray(start + length, end)
  if (previous !== undefined) {
    if (!bytesEqual(keccak(fixedFromHex(previous, 32, 'previous'), body), hash)) return undefined
  }
  const records = readRecords(body, start)
  if (records === undefined) return undefined
  return { records, hash: toHex(hash), end, counter: bytesToUint(body.subarray(0, 8)) }
}

/**
 * Whether a frame starts anywhere behind `offset`: what is unreadable before it was written, and
 * perhaps signed, so it is no torn end.
 */
export function hasFrameAfter(bytes: Uint8Array, offset: number): boolean {
  for (let at = offset + 1; at + frameHead <= bytes.length; at++) {
    if (bytes[at] === frameMagic[0] && decodeFrame(bytes, at) !== undefined) return true
  }
  return false
}

function headCheck(head: Uint8Array, body: Uint8Array): Uint8Array {
  return keccak(head, body.subarray(0, 8)).subarray(0, 4)
}

function readRecords(body: Uint8Array, base: number): PlacedRecord[] | undefined {
  const records: PlacedRecord[] = []
  let at = 8
  while (at < body.length) {
    if (at + recordHead > body.length) return undefined
    const kind = journalKinds[(body[at] as number) - 1]
    const length = Number(bytesToUint(body.subarray(at + 73, at + recordHead)))
    const offset = at + recordHead
    if (kind === undefined || length > MAX_ANSWER_BYTES || offset + length > body.length) {
      return undefined
    }
    records.push({
      kind,
      key: toHex(body.subarray(at + 1, at + 33)),
      digest: toHex(body.subarray(at + 33, at + 65)),
      height: bytesToUint(body.subarray(at + 65, at + 73)),
      offset: base + offset,
      length,
    })
    at = offset + length
  }
  return records
}
