// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title TransparencyProofs
/// @notice Proofs of RFC 6962 Merkle trees over SHA-256: `leaf = SHA-256(0x00 ‖ entry)`,
/// `node = SHA-256(0x01 ‖ left ‖ right)`. What RFC 9162 sections 2.1.3.2 and 2.1.4.2 verify, in two
/// loops: up to the node where the way of the entry and that of the last entry meet, each bit of the
/// index says on which side the sibling is; above it, siblings are on the left, one for each bit set.
/// @dev The loops follow the sizes, not the proof: whether it has the length that they imply is checked
/// at the end. The precompile fails only where its 96 gas are not there; of 64 parts of the gas one is
/// left then, less than the next step takes: there is no answer, and none is made up.
library TransparencyProofs {
    /// @notice Whether the leaf hash has this index in the tree of this size and root.
    function isIncluded(
        bytes32 leaf,
        uint64 index,
        uint64 size,
        bytes32 root,
        bytes32[] calldata proof
    ) internal view returns (bool included) {
        if (index >= size) return false;
        assembly ("memory-safe") {
            let node := mload(0x40)
            let left := add(node, 1)
            let right := add(node, 33)
            mstore8(node, 1)
            mstore(right, leaf)
            let at := proof.offset
            let position := index
            for { let last := sub(size, 1) } xor(position, last) {} {
                switch and(position, 1)
                case 0 {
                    mstore(left, mload(right))
                    mstore(right, calldataload(at))
                }
                default { mstore(left, calldataload(at)) }
                pop(staticcall(gas(), 2, node, 65, right, 32))
                at := add(at, 32)
                position := shr(1, position)
                last := shr(1, last)
            }
            for {} position { position := and(position, sub(position, 1)) } {
                mstore(left, calldataload(at))
                pop(staticcall(gas(), 2, node, 65, right, 32))
                at := add(at, 32)
            }
            included := and(
                eq(at, add(proof.offset, shl(5, proof.length))), eq(mload(right), root)
            )
        }
    }

    /// @notice Whether the larger tree starts with all leaves of the older one, which is not empty.
    function isConsistent(
        uint64 olderSize,
        bytes32 olderRoot,
        uint64 size,
        bytes32 root,
        bytes32[] calldata proof
    ) internal view returns (bool consistent) {
        if (olderSize == 0 || olderSize >= size) return false;
        assembly ("memory-safe") {
            // One node on the way of the older tree, one on that of the newer.
            let older := mload(0x40)
            let newer := add(older, 96)
            mstore8(older, 1)
            mstore8(newer, 1)
            let at := proof.offset
            let position := sub(olderSize, 1)
            let last := sub(size, 1)
            for {} and(position, 1) {} {
                position := shr(1, position)
                last := shr(1, last)
            }
            // A power of two is one node of the larger tree: its root is not repeated in the proof.
            let seed := olderRoot
            if and(olderSize, sub(olderSize, 1)) {
                seed := calldataload(at)
                at := add(at, 32)
            }
            mstore(add(older, 33), seed)
            mstore(add(newer, 33), seed)
            for {} xor(position, last) {} {
                switch and(position, 1)
                case 0 {
                    mstore(add(newer, 1), mload(add(newer, 33)))
                    mstore(add(newer, 33), calldataload(at))
                }
                default {
                    let sibling := calldataload(at)
                    mstore(add(older, 1), sibling)
                    mstore(add(newer, 1), sibling)
                    pop(staticcall(gas(), 2, older, 65, add(older, 33), 32))
                }
                pop(staticcall(gas(), 2, newer, 65, add(newer, 33), 32))
                at := add(at, 32)
                position := shr(1, position)
                last := shr(1, last)
            }
            for {} position { position := and(position, sub(position, 1)) } {
                let sibling := calldataload(at)
                mstore(add(older, 1), sibling)
                mstore(add(newer, 1), sibling)
                pop(staticcall(gas(), 2, older, 65, add(older, 33), 32))
                pop(staticcall(gas(), 2, newer, 65, add(newer, 33), 32))
                at := add(at, 32)
            }
            consistent := and(
                eq(at, add(proof.offset, shl(5, proof.length))),
                and(eq(mload(add(older, 33)), olderRoot), eq(mload(add(newer, 33)), root))
            )
        }
    }
}
