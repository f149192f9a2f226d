// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Test} from "../base/Test.sol";

/// @notice Trees of RFC 6962 by its recursive definition, which is another way to them than the
/// algorithms under test. All leaves of a tree are alike where `uniform`, so that large ones are quick.
abstract contract LogTrees is Test {
    bool internal uniform;
    /// @dev Written out: the hash would be a call of its own wherever it is named.
    bytes32 internal constant ORIGIN =
        0x5fca816f09d021c9f59996ea470320624e8fb14dac5ecc64779b7e407c4a1065;

    function entryAt(uint256 index) internal view returns (bytes memory) {
        return uniform ? bytes("entry") : abi.encodePacked("entry ", index);
    }

    function leafAt(uint256 index) internal view returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0), entryAt(index)));
    }

    /// @dev Root of the leaves from `from` to `to`, without `to`.
    function rootOf(uint256 from, uint256 to) internal view returns (bytes32) {
        uint256 size = to - from;
        if (size == 0) return sha256("");
        if (size == 1) return leafAt(from);
        uint256 split = splitOf(size);
        bytes32 left = rootOf(from, from + split);
        bytes32 right = uniform && size == 2 * split ? left : rootOf(from + split, to);
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @dev RFC 6962 section 2.1.1, `PATH(index, D[from:to])`.
    function inclusionOf(uint256 index, uint256 from, uint256 to)
        internal
        view
        returns (bytes32[] memory)
    {
        if (to - from == 1) return new bytes32[](0);
        uint256 middle = from + splitOf(to - from);
        return index < middle
            ? append(inclusionOf(index, from, middle), rootOf(middle, to))
            : append(inclusionOf(index, middle, to), rootOf(from, middle));
    }

    /// @dev RFC 6962 section 2.1.2, `PROOF(older, D[0:size])`.
    function consistencyOf(uint256 older, uint256 size) internal view returns (bytes32[] memory) {
        return _subProof(older, 0, size, true);
    }

    function _subProof(uint256 older, uint256 from, uint256 to, bool whole)
        private
        view
        returns (bytes32[] memory)
    {
        if (older == to - from) {
            return whole ? new bytes32[](0) : append(new bytes32[](0), rootOf(from, to));
        }
        uint256 split = splitOf(to - from);
        return older <= split
            ? append(_subProof(older, from, from + split, whole), rootOf(from + split, to))
            : append(_subProof(older - split, from + split, to, false), rootOf(from, from + split));
    }

    function splitOf(uint256 size) internal pure returns (uint256 split) {
        split = 1;
        while (split * 2 < size) split *= 2;
    }

    function append(bytes32[] memory list, bytes32 value)
        internal
        pure
        returns (bytes32[] memory longer)
    {
        longer = new bytes32[](list.length + 1);
        for (uint256 i; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = value;
    }
}
