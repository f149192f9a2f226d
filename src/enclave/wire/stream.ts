import type { IoOptions } from '../../internal/deadline.js'

/** A two-way stream of bytes, already connected. It promises no message boundaries. */
export type ByteStream = {
  /** Bytes from the peer, in order. Ends when the peer ends; throws when the stream breaks. */
  readonly incoming: AsyncIterable<Uint8Array>
  /** Hands bytes over; resolves when the stream takes more. Rejects when it is broken. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends the outgoing direction after what was written. */
  end(): Promise<void>
  /** Drops the stream at once, both directions. */
  destroy(): void
}

/** Makes connections to one enclave. */
export type EnclaveTransport = {
  /** For errors and events, without credentials. */
  readonly name: string
  connect(options?: IoOptions): Promise<ByteStream>
}

/** Takes connections inside an enclave. */
export type EnclaveListener = {
  /** Calls `onStream` for each connection until closed. */
  listen(onStream: (stream: ByteStream) => void): Promise<{ close(): Promise<void> }>
}
