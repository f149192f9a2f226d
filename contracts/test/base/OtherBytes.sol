// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @notice Call data that nobody's encoder makes: a word of it is another one.
library OtherBytes {
    /// @dev Puts a word somewhere: an offset into the data, one that leads out of it backwards, a
    /// copy of another word, or anything.
    function change(bytes memory data, uint256 at, uint256 value, uint256 form) internal pure {
        uint256 words = (data.length - 4) / 32;
        at %= words;
        form %= 4;
        if (form == 0) value %= data.length + 64;
        if (form == 1) value = type(uint256).max - value % (data.length + 64);
        if (form == 2) value = uint256(_at(data, value % words));
        assembly ("memory-safe") {
            mstore(add(add(data, 0x24), mul(at, 0x20)), value)
        }
    }

    function _at(bytes memory data, uint256 index) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x24), mul(index, 0x20)))
        }
    }
}
