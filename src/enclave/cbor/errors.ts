import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** What can be wrong with CBOR input. */
export type CborFault =
  | 'malformed'
  | 'trailing'
  | 'noncanonical'
  | 'duplicate'
  | 'utf8'
  | 'unsupported'
  | 'budget'

const sentences: Record<CborFault, string> = {
  malformed: 'is not well-formed',
  trailing: 'goes on after its end',
  noncanonical: 'is not in its shortest form',
  duplicate: 'has a key twice',
  utf8: 'has text that is not UTF-8',
  unsupported: 'has a type that is not read here',
  budget: 'is nested too deeply or has too many items',
}

/** Bytes are not the CBOR (RFC 8949) that is expected here. */
export class EnclaveCborError extends BaseError {
  override readonly name = 'EnclaveCborError'
  override readonly code = 'CBOR_INVALID'
  /** What is wrong. */
  readonly fault: CborFault
  /** Byte offset of the item at fault. */
  readonly offset: number

  constructor(
    { fault, offset }: { fault: CborFault; offset: number },
    options: BaseErrorOptions = {},
  ) {
    super(`The CBOR ${sentences[fault]} at byte ${offset}.`, options)
    this.fault = fault
    this.offset = offset
  }
}
