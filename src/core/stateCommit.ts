/**
 * State commits: the root that the quorum signs every window.
 *
 * ```
 * version 1: messageHash = H(abi.encode(commit))
 * version 2: messageHash = H(abi.encode(H("NewtonStateCommitV2"), chainId, registry, operatorSetId, commit))
 * signable = H(abi.encode(BN254_CERTIFICATE_TYPEHASH, uint32 referenceTimestamp, messageHash))
 * ```
 * Version 1 is that of the deployed contract; version 2 binds chain, registry and operator set.
 */
import { type Address, encodeAbiParameters, type Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { concat, fixedFromHex, fromHex, toHex, uintToBytes, utf8 } from '../internal/bytes.js'
import { keccak, keccakHex } from '../internal/keccak.js'
import { assertObject } from '../internal/options.js'
import { ZERO_HASH } from './artifact.js'
import { assertUint } from './intent.js'
import { type DaLocator, encodeLocator } from './locator.js'

/** A commit of one state root, as the deployed contract declares it. */
export type StateCommit = {
  version: 1 | 2
  /** 1 for the first commit. Also the version of the tree. */
  sequenceNo: bigint
  /** Zero for the first commit. */
  prevStateRoot: Hex
  newStateRoot: Hex
  /** Unix seconds, a multiple of the window. */
  timestamp: bigint
  daCertHash: Hex
  /** `keccak256(PCR0)`, never zero. */
  pcr0Commitment: Hex
}

/** Where a version 2 commit is valid. */
export type StateCommitDomain = { chainId: bigint; registry: Address; operatorSetId: number }

/** ABI parameter of {@link StateCommit}. */
export const stateCommitAbi = {
  name: 'commit',
  type: 'tuple',
  components: [
    { name: 'version', type: 'uint8' },
    { name: 'sequenceNo', type: 'uint64' },
    { name: 'prevStateRoot', type: 'bytes32' },
    { name: 'newStateRoot', type: 'bytes32' },
    { name: 'timestamp', type: 'uint64' },
    { name: 'daCertHash', type: 'bytes32' },
    { name: 'pcr0Commitment', type: 'bytes32' },
  ],
} as const

/** `keccak256("NewtonStateCommitV2")`. */
export const STATE_COMMIT_V2_TYPEHASH: Hex = toHex(keccak(utf8('NewtonStateCommitV2')))

/**
 * Computes the message hash of a state commit.
 *
 * @param domain - Required for version 2, refused for version 1, which does not bind it.
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computeStateCommitHash(commit: StateCommit, domain?: StateCommitDomain): Hex {
  assertStateCommit(commit)
  if (commit.version === 1) {
    if (domain !== undefined) {
      throw new InvalidInputError({
        field: 'domain',
        reason: 'version 1 binds no chain or registry',
      })
    }
    return keccakHex(fromHex(encodeAbiParameters([stateCommitAbi], [commit])))
  }
  if (domain === undefined) {
    throw new InvalidInputError({
      field: 'domain',
      reason: 'version 2 needs chain, registry and operator set',
    })
  }
  assertUint(domain.chainId, 32, 'domain.chainId')
  fixedFromHex(domain.registry, 20, 'domain.registry')
  uintToBytes(domain.operatorSetId, 4, 'domain.operatorSetId')
  const encoded = encodeAbiParameters(
    [
      { type: 'bytes32' },
      { type: 'uint256' },
      { type: 'address' },
      { type: 'uint32' },
      stateCommitAbi,
    ],
    [STATE_COMMIT_V2_TYPEHASH, domain.chainId, domain.registry, domain.operatorSetId, commit],
  )
  return keccakHex(fromHex(encoded))
}

/**
 * Computes the version 2 `daCertHash`: `H(deltaHash ‖ H(locator_0) ‖ H(locator_1) ‖ …)`.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computeDaCertHash(deltaHash: Hex, locators: readonly DaLocator[]): Hex {
  const hashes = locators.map((locator) => keccak(fromHex(encodeLocator(locator))))
  return keccakHex(concat(fixedFromHex(deltaHash, 32, 'deltaHash'), ...hashes))
}

/** Checks the shape of a commit. Throws `InvalidInputError` naming the malformed member. */
export function assertStateCommit(commit: StateCommit): void {
  assertObject('commit', commit)
  if (commit.version !== 1 && commit.version !== 2) {
    throw new InvalidInputError({
      field: 'commit.version',
      reason: `expected 1 or 2, got ${String(commit.version)}`,
    })
  }
  assertUint(commit.sequenceNo, 8, 'commit.sequenceNo')
  assertUint(commit.timestamp, 8, 'commit.timestamp')
  fixedFromHex(commit.prevStateRoot, 32, 'commit.prevStateRoot')
  fixedFromHex(commit.daCertHash, 32, 'commit.daCertHash')
  for (const member of ['newStateRoot', 'pcr0Commitment'] as const) {
    if (toHex(fixedFromHex(commit[member], 32, `commit.${member}`)) === ZERO_HASH) {
      throw new InvalidInputError({ field: `commit.${member}`, reason: 'zero is never valid here' })
    }
  }
  if (commit.sequenceNo === 0n) {
    throw new InvalidInputError({
      field: 'commit.sequenceNo',
      reason: 'the first commit has number 1',
    })
  }
}
