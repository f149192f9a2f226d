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
  /** Bytes that are held until their frame is whole. */
  held(): number
  /** Sets the limit that was agreed, for frames whose header comes after. */
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
  let header: FrameHeader | undefined
  const bytes = createByteQueue()
  const readHeader = (): FrameHeader => {
    try {
      return decodeHeader(bytes.take(HEADER_BYTES), most)
    } catch (cause) {
      spent = cause as EnclaveProtocolError
      bytes.clear()
      throw cause
    }
  }
  return {
    push: (chunk) => {
      if (spent !== undefined) throw spent
      bytes.push(chunk)
      const frames: Frame[] = []
      for (;;) {
        if (header === undefined) {
          if (bytes.length() < HEADER_BYTES) return frames
          header = readHeader()
        }
        if (bytes.length() < header.length) return frames
        frames.push({ ...header.frame, body: bytes.take(header.length) })
        header = undefined
      }
    },
    waitingFor: () => (header !== undefined ? 'body' : bytes.length() > 0 ? 'header' : 'nothing'),
    held: () => bytes.length(),
    limit: (next) => {
      most = next
    },
  }
}

type FrameHeader = { frame: Omit<Frame, 'body'>; length: number }

function decodeHeader(bytes: Uint8Array, most: number): FrameHeader {
  const fail = (fault: WireFault, details?: string): EnclaveProtocolError =>
    new EnclaveProtocolError({ fault, details })
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

const smallChunk = 1_024
const blockBytes = 65_536

/** Bytes in the pieces they came in. Each byte is copied once, however small the pieces are. */
function createByteQueue(): {
  push(chunk: Uint8Array): void
  /** Takes `count` bytes off the front, which are there; a copy, so that no chunk is kept alive by it. */
  take(count: number): Uint8Array
  length(): number
  clear(): void
} {
  let pieces: Uint8Array[] = []
  /** Index of the first piece, and what of it is used up. */
  let first = 0
  let used = 0
  let held = 0
  /** Small chunks are put together: a piece of its own for each byte would cost a hundredfold. */
  let block: Uint8Array | undefined
  let blockStart = 0
  let blockUsed = 0
  const gather = (chunk: Uint8Array): void => {
    if (block === undefined || blockUsed + chunk.length > block.length) {
      block = new Uint8Array(blockBytes)
      blockStart = 0
      blockUsed = 0
    }
    block.set(chunk, blockUsed)
    const last = pieces.length - 1
    const goesOn = last > first && pieces[last]?.buffer === block.buffer
    if (!goesOn) blockStart = blockUsed
    blockUsed += chunk.length
    const piece = block.subarray(blockStart, blockUsed)
    if (goesOn) pieces[last] = piece
    else pieces.push(piece)
  }
  return {
    push: (chunk) => {
      if (chunk.length === 0) return
      if (chunk.length < smallChunk) gather(chunk)
      else pieces.push(chunk)
      held += chunk.length
    },
    take: (count) => {
      const out = new Uint8Array(count)
      for (let at = 0; at < count; ) {
        const piece = pieces[first] as Uint8Array
        const part = piece.subarray(used, used + count - at)
        out.set(part, at)
        at += part.length
        used += part.length
        if (used === piece.length) {
          first++
          used = 0
        }
      }
      held -= count
      // Used pieces go together, not one by one: moving the rest each time would cost their square.
      if (first > 1024 || first === pieces.length) {
        pieces = pieces.slice(first)
        first = 0
      }
      return out
    },
    length: () => held,
    clear: () => {
      pieces = []
      held = 0
    },
  }
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
}
