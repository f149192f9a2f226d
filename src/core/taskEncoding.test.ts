import fc from 'fast-check'
import { bytesToHex, encodeAbiParameters, type Hex, hashStruct, keccak256 } from 'viem'
import { describe, expect, test } from 'vitest'
import { computeIntentHash, type Intent, intentTypes } from './intent.js'
import { computeTaskId, decodeTask, encodeTask, POLICY_TASK_TYPEHASH, taskAbi } from './task.js'

const hex = (minLength: number, maxLength = minLength): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => bytesToHex(bytes))
const uint = (bits: number): fc.Arbitrary<bigint> =>
  fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n })
const intent: fc.Arbitrary<Intent> = fc.record({
  from: hex(20),
  to: hex(20),
  value: uint(256),
  data: hex(0, 100),
  chainId: uint(256),
  functionSignature: hex(0, 70),
})
const task = fc.record({
  chainId: uint(256),
  policyRegistry: hex(20),
  policyClient: hex(20),
  intent,
  wasmArgs: hex(0, 70),
  referenceBlock: uint(64),
  referenceBlockHash: hex(32),
  nonce: uint(64),
})

describe('tasks and intents, beside viem', () => {
  test('behavior: the intent hash is the EIP-712 hashStruct', () => {
    fc.assert(
      fc.property(intent, (data) => {
        expect(computeIntentHash(data)).toBe(
          hashStruct({ primaryType: 'Intent', types: intentTypes, data }),
        )
      }),
    )
  })

  test('behavior: the encoding is abi.encode, and the id its hash', () => {
    fc.assert(
      fc.property(task, (value) => {
        expect(encodeTask(value)).toBe(encodeAbiParameters([taskAbi], [value]))
        expect(computeTaskId(value)).toBe(
          keccak256(
            encodeAbiParameters([{ type: 'bytes32' }, taskAbi], [POLICY_TASK_TYPEHASH, value]),
          ),
        )
        expect(encodeTask(decodeTask(encodeTask(value)))).toBe(encodeTask(value))
      }),
    )
  })
})
