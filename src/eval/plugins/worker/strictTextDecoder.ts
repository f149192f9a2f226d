/** The platform's decoder. Taken at load: a run worker puts the strict one in its place. */
export const LenientTextDecoder: typeof TextDecoder = globalThis.TextDecoder

/**
 * What glue code decodes guest strings with. Invalid UTF-8 is an error, as the component model has
 * it, and a byte-order mark is a character like any other.
 */
export class StrictTextDecoder {
  readonly #decoder = new LenientTextDecoder('utf-8', { fatal: true, ignoreBOM: true })

  decode(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes)
  }
}
