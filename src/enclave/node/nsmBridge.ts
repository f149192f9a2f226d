/**
 * The real NSM device, through a bridge.
 *
 * Node has no `ioctl`, so a small program inside the enclave opens `/dev/nsm` and answers on a Unix socket:
 * `length(4, big-endian) ‖ CBOR request` in, `length(4) ‖ CBOR answer` out, one after another on a
 * connection. A source for it is in `docs/enclave/nsm-bridge.c`.
 */
import { connect } from 'node:net'
import { InvalidInputError } from '../../errors/common.js'
import { withDeadline } from '../../internal/deadline.js'
import { NSM_MAX_REQUEST, NSM_MAX_RESPONSE, type NsmDevice, NsmError } from '../nsm.js'
import { EnclaveTransportError } from '../wire/errors.js'

/**
 * Opens the device behind a bridge.
 *
 * @param parameters.path - The bridge's Unix socket.
 */
export function nsmBridgeDevice(parameters: { path: string }): NsmDevice {
  const { path } = parameters
  if (typeof path !== 'string' || path === '') {
    throw new InvalidInputError({ field: 'path', reason: 'expected a path' })
  }
  return {
    call: (request, options = {}) => {
      if (request.length > NSM_MAX_REQUEST)
        throw new NsmError({ request: 'a request', fault: 'InputTooLarge' })
      return withDeadline('The NSM device', { timeout: 10_000, ...options }, (signal) =>
        exchange(path, request, signal),
      )
    },
  }
}

/** One call, one connection: a broken one never holds up the next. */
function exchange(path: string, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    const pieces: Buffer[] = []
    let size = 0
    const fail = (reason: string, cause?: unknown): void => {
      socket.destroy()
      reject(new EnclaveTransportError({ reason: `the NSM bridge ${reason}` }, { cause }))
    }
    signal.addEventListener('abort', () => socket.destroy(), { once: true })
    socket.on('error', (cause) => fail('does not answer', cause))
    socket.on('end', () => fail('ended in the middle of an answer'))
    socket.on('connect', () => {
      const head = Buffer.alloc(4)
      head.writeUInt32BE(request.length)
      socket.write(Buffer.concat([head, request]))
    })
    socket.on('data', (piece) => {
      pieces.push(piece)
      size += piece.length
      if (size < 4) return
      const all = Buffer.concat(pieces)
      const length = all.readUInt32BE(0)
      if (length > NSM_MAX_RESPONSE) fail('promises more than the device can answer')
      else if (size > 4 + length) fail('answers more than it was asked')
      else if (size === 4 + length) {
        socket.removeAllListeners('end')
        socket.end()
        resolve(new Uint8Array(all.subarray(4)))
      }
    })
  })
}
