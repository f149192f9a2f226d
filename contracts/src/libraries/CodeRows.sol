// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title CodeRows
/// @notice Rows kept as the code of small contracts: written once, at an address that follows from
/// the row's key alone, and out of reach of every later call and upgrade.
/// @dev A row is `0x00 ‖ data`; the leading STOP keeps it from ever running. It is created by
/// CREATE2 with a fixed creation code, which asks its creator for the row by {CALLBACK} and returns
/// what it gets. So the address depends on the key only, and no pointer has to be stored. The row
/// is handed over in transient storage.
library CodeRows {
    /// @dev `rowInCreation()`.
    bytes4 internal constant CALLBACK = 0x014f3636;

    /// @dev Fixed creation code:
    /// `mstore(0, CALLBACK); ok = staticcall(gas, caller, 28, 4, 0, 0);
    ///  returndatacopy(0, 0, returndatasize); if (!ok) revert(0, 0); return(0, returndatasize)`.
    uint256 private constant INIT_CODE =
        0x63014f36365f525f5f6004601c335afa3d5f5f3e601a575f5ffd5b3d5ff30000;
    uint256 private constant INIT_CODE_LENGTH = 30;

    /// @dev keccak256 of the creation code.
    bytes32 internal constant INIT_CODE_HASH =
        0x5f841d6b90a23c180e1a0481a42c92ed6dcc93572329d82364192fd7b655c52d;

    /// @dev First transient slot of the row in creation: its length, then its words.
    uint256 private constant TRANSIENT =
        0x6e6577746f6e2e7472616e7369656e742e436f6465526f777300000000000000;

    /// @dev Where the row of a key is, or will be.
    function addressOf(bytes32 key) internal view returns (address result) {
        bytes32 codeHash = INIT_CODE_HASH;
        assembly ("memory-safe") {
            let pointer := mload(0x40)
            mstore8(pointer, 0xff)
            mstore(add(pointer, 0x01), shl(96, address()))
            mstore(add(pointer, 0x15), key)
            mstore(add(pointer, 0x35), codeHash)
            result := and(keccak256(pointer, 0x55), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }

    /// @dev Whether a key has a row.
    function exists(bytes32 key) internal view returns (bool) {
        return addressOf(key).code.length != 0;
    }

    /// @dev Writes a row. False where the key has one already or it could not be written.
    function write(bytes32 key, bytes memory data) internal returns (bool ok) {
        uint256 initCode = INIT_CODE;
        uint256 initCodeLength = INIT_CODE_LENGTH;
        uint256 base = TRANSIENT;
        assembly ("memory-safe") {
            let length := mload(data)
            tstore(base, length)
            let source := add(data, 0x20)
            let slot := add(base, 1)
            for { let end := add(source, length) } lt(source, end) { source := add(source, 0x20) } {
                tstore(slot, mload(source))
                slot := add(slot, 1)
            }
            mstore(0x00, initCode)
            let row := create2(0, 0x00, initCodeLength, key)
            tstore(base, 0)
            if row { ok := eq(extcodesize(row), add(length, 1)) }
        }
    }

    /// @dev Answers the creation code's question and ends the call. Reverts when nothing is being
    /// written.
    function answer() internal view {
        uint256 base = TRANSIENT;
        assembly ("memory-safe") {
            let length := tload(base)
            if iszero(length) { revert(0, 0) }
            let pointer := mload(0x40)
            mstore8(pointer, 0x00)
            let target := add(pointer, 1)
            let slot := add(base, 1)
            for { let end := add(target, length) } lt(target, end) { target := add(target, 0x20) } {
                mstore(target, tload(slot))
                slot := add(slot, 1)
            }
            return(pointer, add(length, 1))
        }
    }

    /// @dev Reads a row from byte `from` on, empty where there is none.
    function read(bytes32 key, uint256 from) internal view returns (bytes memory data) {
        address row = addressOf(key);
        assembly ("memory-safe") {
            let size := extcodesize(row)
            data := mload(0x40)
            let start := add(from, 1)
            let length := mul(gt(size, start), sub(size, start))
            mstore(data, length)
            extcodecopy(row, add(data, 0x20), start, length)
            // Zero up to the word boundary, and leave the free memory pointer on one.
            mstore(add(add(data, 0x20), length), 0)
            mstore(0x40, and(add(add(data, 0x5f), length), not(0x1f)))
        }
    }

    /// @dev The word at byte `offset` of a row's data.
    function word(bytes memory data, uint256 offset) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            result := mload(add(add(data, 0x20), offset))
        }
    }
}
