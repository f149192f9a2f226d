// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BN254OperatorInfo} from "../interfaces/IBN254CertificateVerifier.sol";

/// @title OperatorTables
/// @notice The Merkle tree over a table of operators, as EigenLayer builds it: leaves in table
/// order, padded with zero words to a power of two, keccak-256 of pairs.
library OperatorTables {
    /// @dev First byte of a leaf's preimage: no inner node can be read as a leaf.
    bytes1 internal constant LEAF_SALT = 0x75;

    /// @dev keccak256(0x75 ‖ abi.encode(operatorInfo)).
    function leaf(BN254OperatorInfo memory info) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(LEAF_SALT, abi.encode(info)));
    }

    /// @dev Levels of the tree above the leaves.
    function depth(uint256 operators) internal pure returns (uint256 levels) {
        while ((uint256(1) << levels) < operators) ++levels;
    }

    /// @dev Root of the tree over `layer`, which is overwritten.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 width = uint256(1) << depth(leaves.length);
        bytes32[] memory layer = new bytes32[](width);
        for (uint256 i; i < leaves.length; ++i) {
            layer[i] = leaves[i];
        }
        for (width >>= 1; width != 0; width >>= 1) {
            for (uint256 i; i < width; ++i) {
                layer[i] = _pair(layer[2 * i], layer[2 * i + 1]);
            }
        }
        return layer[0];
    }

    /// @dev Root that a leaf at `index` and its siblings, bottom first, add up to. The proof is a
    /// whole number of words.
    function fold(bytes32 node, uint256 index, bytes memory proof) internal pure returns (bytes32) {
        for (uint256 i = 32; i <= proof.length; i += 32) {
            bytes32 sibling;
            assembly ("memory-safe") {
                sibling := mload(add(proof, i))
            }
            node = index & 1 == 0 ? _pair(node, sibling) : _pair(sibling, node);
            index >>= 1;
        }
        return node;
    }

    function _pair(bytes32 left, bytes32 right) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            result := keccak256(0x00, 0x40)
        }
    }
}
