/** Reads the fields of an index's record, one after the other. */
import { type Address, getAddress, type Hex } from 'viem'
import { bytesToUint, toHex } from '../../../internal/bytes.js'
import { IndexStoreError } from '../../chain/errors.js'
import type { IndexedLocator } from './state.js'

/** What is left of a record. Each read throws where the record ends too early. */
export type RecordCursor = {
  uint(size: number): bigint
  word(): Hex
  /** Ordinal, block and account: how each row begins. */
  head(): { ordinal: number; block: bigint; account: Address }
  /** All that is left. */
  rest(): Uint8Array
  locators(): IndexedLocator[]
  done(): boolean
}

/** Starts at the beginning of a record. */
export function recordCursor(bytes: Uint8Array): RecordCursor {
  let at = 0
  const take = (size: number): Uint8Array => {
    if (at + size > bytes.length) throw new IndexStoreError({ reason: 'a record is too short' })
    at += size
    return bytes.subarray(at - size, at)
  }
  const uint = (size: number): bigint => bytesToUint(take(size))
  const done = (): boolean => at === bytes.length
  return {
    uint,
    done,
    word: () => toHex(take(32)),
    head: () => ({
      ordinal: Number(uint(4)),
      block: uint(8),
      account: getAddress(toHex(take(20))),
    }),
    rest: () => take(bytes.length - at),
    locators() {
      const list: IndexedLocator[] = []
      while (!done()) {
        const block = uint(8)
        const announcer = getAddress(toHex(take(20)))
        list.push({ block, announcer, locator: toHex(take(Number(uint(4)))) })
      }
      return list
    },
  }
}
