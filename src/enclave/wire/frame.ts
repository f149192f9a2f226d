/**
 * Frames of the enclave wire protocol, version 1.
 *
 * Header, 20 bytes, big-endian: `"NPEV"(4) ‖ version(1) ‖ type(1) ‖ flags(2) = 0 ‖ requestId(4) ‖
 * deadlineMs(4) ‖ length(4)`, then `length` bytes of deterministic CBOR.
 */
import { InvalidInputError } from '../../errors/common.js'
import { concat } from '../../internal/bytes.js'
import { EnclaveProtocolError, type WireFault } from './errors.js'

/** Version of the protocol. */
export const WIRE_VERSION = 1
/** Bytes of a frame header. */
export const HEADER_BYTES = 20
/** Most bytes of a frame body, unless less is agreed. */
export const DEFAULT_MAX_FRAME = 4_194_304

/** Types of frames. */
export const frameTypes = {
  HELLO: 1,
  HELLO_ACK: 2,
  REQUEST: 3,
  RESPONSE: 4,
  ERROR: 5,
  CANCEL: 6,
  PING: 7,
  PONG: 8,
  GOAWAY: 9,
  ARTIFACT: 10,
  TCP_OPEN: 11,
  DATA: 12,
  CLOSE: 13,
} as const

/** A type of frame. */
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes]

/** One frame. */
export type Frame = {
  type: FrameType
  /** 0 where the frame belongs to no request. */
  requestId: number
  /** Milliseconds left for the request, 0 for no limit. */
  deadline: number
  body: Uint8Array
}

const magic = [0x4e, 0x50, 0x45, 0x56] as const

/**
 * Encodes a frame.
 *
 * @throws {InvalidInputError} for numbers outside 32 bits.
 */
export function encodeFrame(frame: Frame): Uint8Array {
  const { type, requestId, deadline, body } = frame
  if (!isUint32(requestId) || !isUint32(deadline) || !isUint32(body.length)) {
    throw new InvalidInputError({ field: 'frame', reason: 'expected integers of 32 bits' })
  }
  const header = new Uint8Array(HEADER_BYTES)
  header.set(magic)
  const view = new DataView(header.buffer)
  view.setUint8(4, WIRE_VERSION)
  view.setUint8(5, type)
  view.setUint32(8, requestId)
  view.setUint32(12, deadline)
  view.setUint32(16, body.length)
  return concat(header, body)
}

/** Takes bytes as they come and gives frames. */
export type FrameDecoder = {
  /** Adds bytes; returns the frames they complete. Throws `EnclaveProtocolError`, then is spent. */
  push(chunk: Uint8Array): Frame[]
  /** What the decoder is in the middle of. */
  waitingFor(): 'nothing' | 'header' | 'body'
  /** Lowers the limit once it is agreed. */
  limit(maxFrame: number): void
}

/**
 * Creates a decoder. The header is checked before anything of the body's length is allocated; the body
 * is kept in the pieces it came in until it is whole.
 */
export function createFrameDecoder({
  maxFrame = DEFAULT_MAX_FRAME,
}: {
  maxFrame?: number
} = {}): FrameDecoder {
  let most = maxFrame
  let spent: EnclaveProtocolError | undefined
  let header: { frame: Omit<Frame, 'body'>; length: number } | undefined
  let pieces: Uint8Array[] = []
  let held = 0
  const fail = (fault: WireFault, details?: string): EnclaveProtocolError => {
    spent = new EnclaveProtocolError({ fault, details })
    pieces = []
    return spent
  }
  const readHeader = (bytes: Uint8Array): { frame: Omit<Frame, 'body'>; length: number } => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
    if (magic.some((byte, index) => bytes[index] !== byte)) throw fail('magic')
    const version = view.getUint8(4)
    if (version !== WIRE_VERSION) throw fail('version', `version ${version}`)
    const type = view.getUint8(5)
    if (type < 1 || type > 13) throw fail('type', `type ${type}`)
    if (view.getUint16(6) !== 0) throw fail('flags')
    const length = view.getUint32(16)
    if (length > most) throw fail('frame-too-large', `${length} bytes, at most ${most}`)
    return {
      frame: {
        type: type as FrameType,
        requestId: view.getUint32(8),
        deadline: view.getUint32(12),
      },
      length,
    }
  }
  /** Takes `count` bytes off the front of what is held. */
  const take = (count: number): Uint8Array => {
    const out: Uint8Array[] = []
    let missing = count
    while (missing > 0) {
      const first = pieces[0] as Uint8Array
      const part = first.subarray(0, missing)
      out.push(part)
      missing -= part.length
      if (part.length === first.length) pieces.shift()
      else pieces[0] = first.subarray(part.length)
    }
    held -= count
    return out.length === 1 ? (out[0] as Uint8Array) : concat(...out)
  }
  return {
    push: (chunk) => {
      if (spent !== undefined) throw spent
      if (chunk.length > 0) {
        pieces.push(chunk)
        held += chunk.length
      }
      const frames: Frame[] = []
      for (;;) {
        if (header === undefined) {
          if (held < HEADER_BYTES) return frames
          header = readHeader(take(HEADER_BYTES))
        }
        if (held < header.length) return frames
        // A copy, so that a small body does not keep a large chunk alive and cannot change later.
        frames.push({ ...header.frame, body: new Uint8Array(take(header.length)) })
        header = undefined
      }
    },
    waitingFor: () => (header !== undefined ? 'body' : held > 0 ? 'header' : 'nothing'),
    limit: (next) => {
      most = Math.min(most, next)
    },
  }
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
}
