// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title StateTreeVerifier
/// @notice Checks compact proofs of the Jellyfish Merkle tree of artifacts, with keccak-256.
/// @dev Works out the key hash itself and takes the artifact hash as value hash, so that a caller
/// cannot have one leaf proved and mean another. Never reverts on what a proof holds: a malformed
/// one is simply not a proof. There is one encoding of each proof: bits past the depth, siblings
/// left over, and placeholders sent as siblings are refused.
library StateTreeVerifier {
    /// @notice A compact proof.
    /// @dev `depth` levels; bit i of `present` is the level i from the leaf, set where the sibling
    /// is no placeholder; `siblings` from bottom to root. The leaf fields are the other leaf of an
    /// exclusion and zero otherwise.
    struct Proof {
        uint16 depth;
        uint256 present;
        bytes32[] siblings;
        bytes32 leafKeyHash;
        bytes32 leafValueHash;
    }

    /// @dev Root of the empty tree and hash of every empty subtree: the 32 bytes
    /// "SPARSE_MERKLE_PLACEHOLDER_HASH__".
    bytes32 internal constant PLACEHOLDER = "SPARSE_MERKLE_PLACEHOLDER_HASH__";
    /// @dev First and last namespace with public artifacts.
    uint256 internal constant FIRST_NAMESPACE = 4;
    uint256 internal constant LAST_NAMESPACE = 8;

    /// @notice Whether the tree with this root has the artifact.
    /// @param root A root committed by the operators.
    /// @param namespace 4 to 8.
    /// @param artifactHash keccak-256 of the artifact's bytes.
    /// @param proof Inclusion proof.
    function verifyArtifact(
        bytes32 root,
        uint8 namespace,
        bytes32 artifactHash,
        Proof calldata proof
    ) internal pure returns (bool) {
        if (namespace < FIRST_NAMESPACE || namespace > LAST_NAMESPACE) {
            return false;
        }
        return _verifyKey(root, keyHash(namespace, artifactHash), artifactHash, proof);
    }

    /// @notice Whether the tree with this root has no leaf for the artifact.
    /// @dev Only ever meant for the latest root: what was absent may have been added since.
    /// @param root The latest root committed by the operators.
    /// @param namespace 4 to 8.
    /// @param artifactHash keccak-256 of the artifact's bytes.
    /// @param proof Exclusion proof: by an empty place, or by the other leaf at that place.
    function verifyAbsent(bytes32 root, uint8 namespace, bytes32 artifactHash, Proof calldata proof)
        internal
        pure
        returns (bool)
    {
        if (namespace < FIRST_NAMESPACE || namespace > LAST_NAMESPACE) return false;
        return _verifyAbsentKey(root, keyHash(namespace, artifactHash), proof);
    }

    /// @dev Hash of a leaf key: the namespace byte and the artifact hash.
    function keyHash(uint8 namespace, bytes32 artifactHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore8(0x00, namespace)
            mstore(0x01, artifactHash)
            result := keccak256(0x00, 0x21)
        }
    }

    /// @dev keccak256("JMT::LeafNode" ‖ key hash ‖ value hash).
    function leafHash(bytes32 key, bytes32 value) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, "JMT::LeafNode")
            mstore(add(p, 13), key)
            mstore(add(p, 45), value)
            result := keccak256(p, 77)
        }
    }

    /// @dev Inclusion of a leaf by its hashes. For callers that work these out themselves.
    function _verifyKey(bytes32 root, bytes32 key, bytes32 value, Proof calldata proof)
        internal
        pure
        returns (bool)
    {
        if (proof.leafKeyHash != 0 || proof.leafValueHash != 0) return false;
        (bool wellFormed, bytes32 folded) = _fold(key, leafHash(key, value), proof);
        return wellFormed && folded == root;
    }

    /// @dev Exclusion of a key by its hash. For callers that work it out themselves.
    function _verifyAbsentKey(bytes32 root, bytes32 key, Proof calldata proof)
        internal
        pure
        returns (bool)
    {
        bytes32 start = PLACEHOLDER;
        bytes32 otherKey = proof.leafKeyHash;
        if (otherKey != 0 || proof.leafValueHash != 0) {
            uint256 depth = proof.depth;
            if (otherKey == key || depth > 256) return false;
            // The other leaf sits where the key would be: they share the first `depth` bits. A
            // shift by 256 gives zero, so that at depth 0 any other leaf will do.
            if ((uint256(otherKey) ^ uint256(key)) >> (256 - depth) != 0) return false;
            start = leafHash(otherKey, proof.leafValueHash);
        }
        (bool wellFormed, bytes32 folded) = _fold(key, start, proof);
        return wellFormed && folded == root;
    }

    /// @dev Hashes from the bottom to the root along the first `depth` bits of the key.
    function _fold(bytes32 key, bytes32 start, Proof calldata proof)
        private
        pure
        returns (bool wellFormed, bytes32 folded)
    {
        uint256 depth = proof.depth;
        uint256 present = proof.present;
        bytes32[] calldata siblings = proof.siblings;
        if (depth > 256 || (depth < 256 && present >> depth != 0)) return (false, 0);
        // With as many siblings as levels every level has one: the usual proof of a tree that is
        // filled near its root. The path has to fit beside five low bits.
        if (siblings.length == depth && depth <= 248 && present == (1 << depth) - 1) {
            return _foldFull(key, start, siblings);
        }
        return _foldSparse(key, start, proof);
    }

    /// @dev A sibling on every level: no bit is looked at, and four levels are one turn.
    function _foldFull(bytes32 key, bytes32 start, bytes32[] calldata siblings)
        private
        pure
        returns (bool wellFormed, bytes32 folded)
    {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, "JMT::IntrnalNode")
            let left := add(p, 16)
            let right := add(p, 48)
            let next := siblings.offset
            let depth := siblings.length
            // Bit 5 is the side of the next level: the node goes to the right where it is 1.
            let path := shl(5, shr(sub(256, depth), key))
            let sent := 0
            folded := start
            for { let end := add(next, shl(5, and(depth, 3))) } lt(next, end) {} {
                let sibling := calldataload(next)
                sent := or(sent, eq(sibling, "SPARSE_MERKLE_PLACEHOLDER_HASH__"))
                let side := and(path, 0x20)
                mstore(add(left, side), folded)
                mstore(sub(right, side), sibling)
                folded := keccak256(p, 80)
                path := shr(1, path)
                next := add(next, 0x20)
            }
            for { let end := add(siblings.offset, shl(5, depth)) } lt(next, end) {} {
                let sibling := calldataload(next)
                sent := or(sent, eq(sibling, "SPARSE_MERKLE_PLACEHOLDER_HASH__"))
                let side := and(path, 0x20)
                mstore(add(left, side), folded)
                mstore(sub(right, side), sibling)
                folded := keccak256(p, 80)

                sibling := calldataload(add(next, 0x20))
                sent := or(sent, eq(sibling, "SPARSE_MERKLE_PLACEHOLDER_HASH__"))
                side := and(shr(1, path), 0x20)
                mstore(add(left, side), folded)
                mstore(sub(right, side), sibling)
                folded := keccak256(p, 80)

                sibling := calldataload(add(next, 0x40))
                sent := or(sent, eq(sibling, "SPARSE_MERKLE_PLACEHOLDER_HASH__"))
                side := and(shr(2, path), 0x20)
                mstore(add(left, side), folded)
                mstore(sub(right, side), sibling)
                folded := keccak256(p, 80)

                sibling := calldataload(add(next, 0x60))
                sent := or(sent, eq(sibling, "SPARSE_MERKLE_PLACEHOLDER_HASH__"))
                side := and(shr(3, path), 0x20)
                mstore(add(left, side), folded)
                mstore(sub(right, side), sibling)
                folded := keccak256(p, 80)

                path := shr(4, path)
                next := add(next, 0x80)
            }
            wellFormed := iszero(sent)
        }
    }

    /// @dev Placeholders on some levels.
    function _foldSparse(bytes32 key, bytes32 start, Proof calldata proof)
        private
        pure
        returns (bool wellFormed, bytes32 folded)
    {
        uint256 depth = proof.depth;
        uint256 present = proof.present;
        bytes32[] calldata siblings = proof.siblings;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, "JMT::IntrnalNode")
            let left := add(p, 16)
            let right := add(p, 48)
            let placeholder := "SPARSE_MERKLE_PLACEHOLDER_HASH__"
            let path := shr(sub(256, depth), key)
            let next := siblings.offset
            wellFormed := 1
            folded := start
            for {} depth { depth := sub(depth, 1) } {
                let sibling := placeholder
                if and(present, 1) {
                    // Reading past the list is harmless: then the count at the end is wrong.
                    sibling := calldataload(next)
                    next := add(next, 0x20)
                    if eq(sibling, placeholder) { wellFormed := 0 }
                }
                // The node goes to the right, and the sibling to the left, where the bit is 1.
                let side := shl(5, and(path, 1))
                mstore(add(left, side), folded)
                mstore(sub(right, side), sibling)
                folded := keccak256(p, 80)
                present := shr(1, present)
                path := shr(1, path)
            }
            let end := add(siblings.offset, shl(5, siblings.length))
            wellFormed := and(wellFormed, eq(next, end))
        }
    }
}
