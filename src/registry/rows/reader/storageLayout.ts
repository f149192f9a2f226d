/**
 * Where the contracts keep what has no id that it could be checked against: slots, the enclave
 * whitelist, operator tables. `contracts/snapshots/storage.json` is the contracts' own word for it.
 */
import type { Address, Hex } from 'viem'
import { fixedFromHex, toHex, uintToBytes } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'

/** First slots of the namespaces (ERC-7201). */
export const namespaceSlots = {
  policyRegistry: 0xfe20de54ae11991ddbdda12a789f361c628e7c075113cf97f52b295f1da81c00n,
  policyDataRegistry: 0xcfd0ac061d0d5bbe75db2bc7239e457fcb4192659737e38a62ed400118014300n,
  enclaveVersionRegistry: 0x035ea0f8a1ef9df0eb7f5e7260ef71faff218a2480558d77a6bc5479808f9400n,
  certificateVerifier: 0x0c5bde975f61ba992e1329435e0b4dcd13ebb6d125454e123594a1245b2edf00n,
} as const

/** The history of a client's policy slot. */
export function policyHistory(client: Address): bigint {
  return mapped(addressKey(client), namespaceSlots.policyRegistry + 1n)
}

/** The history of a client's slot of one data template. */
export function policyDataHistory(client: Address, templateId: Hex): bigint {
  const ofClient = mapped(addressKey(client), namespaceSlots.policyDataRegistry)
  return mapped(wordKey(templateId), ofClient)
}

/** The history of whether an enclave is required. */
export const enclaveRequiredHistory: bigint = namespaceSlots.policyRegistry + 2n

/** The last value of a history that has `count` moves. */
export function historyValue(history: bigint, count: bigint): bigint {
  return mapped(integerKey(count - 1n), history + 1n)
}

/** Activation and deprecation of a build. */
export function enclaveVersion(pcr0Commitment: Hex): bigint {
  return mapped(wordKey(pcr0Commitment), namespaceSlots.enclaveVersionRegistry)
}

/** How many checkpoints of operator tables there are. */
export const checkpointCount: bigint = namespaceSlots.certificateVerifier + 1n

/** One of them. */
export function checkpointSlot(index: bigint): bigint {
  return hashOf(integerKey(checkpointCount)) + index
}

/** The first slot of an operator table. */
export function tableSlot(referenceTimestamp: number): bigint {
  return mapped(integerKey(BigInt(referenceTimestamp)), namespaceSlots.certificateVerifier + 2n)
}

/** The first element of an array whose length is in a slot. */
export function firstElement(slot: bigint): bigint {
  return hashOf(integerKey(slot))
}

/** Bits of a slot, from the low end up. */
export function bitsOf(value: bigint, { from, size }: { from: bigint; size: bigint }): bigint {
  return (value >> from) & ((1n << size) - 1n)
}

/** A slot as it is asked for. */
export function slotKey(slot: bigint): Hex {
  return toHex(integerKey(slot))
}

function mapped(key: Uint8Array, base: bigint): bigint {
  return hashOf(key, integerKey(base))
}

function hashOf(...parts: Uint8Array[]): bigint {
  return BigInt(toHex(keccak(...parts)))
}

function integerKey(value: bigint): Uint8Array {
  return uintToBytes(value, 32)
}

function wordKey(word: Hex): Uint8Array {
  return fixedFromHex(word, 32, 'key')
}

function addressKey(address: Address): Uint8Array {
  const key = new Uint8Array(32)
  key.set(fixedFromHex(address, 20, 'address'), 12)
  return key
}
