// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title SlotHistory
/// @notice The moves of one slot: pairs (block, value), blocks strictly ascending, the last move
/// in a block wins, readable at any past block.
/// @dev The header packs the number of moves and the blocks of the first three, so that a first
/// move costs two new words; later blocks are packed four to a word.
library SlotHistory {
    struct History {
        /// count(64) | block of move 0(64) | move 1(64) | move 2(64), from the low bits up
        uint256 header;
        mapping(uint256 index => bytes32) values;
        mapping(uint256 word => uint256) blocks;
    }

    uint256 private constant INLINE = 3;

    /// @dev How many moves there are.
    function length(History storage self) internal view returns (uint256) {
        return uint64(self.header);
    }

    /// @dev The value after the last move, zero before the first.
    function latest(History storage self) internal view returns (bytes32) {
        uint256 count = uint64(self.header);
        return count == 0 ? bytes32(0) : self.values[count - 1];
    }

    /// @dev Records a move. A move to the value that is there already is none.
    function push(History storage self, uint256 blockNumber, bytes32 value)
        internal
        returns (bytes32 previous)
    {
        uint256 header = self.header;
        uint256 count = uint64(header);
        if (count != 0) {
            previous = self.values[count - 1];
            if (previous == value) return previous;
            if (_blockAt(self, header, count - 1) == blockNumber) {
                self.values[count - 1] = value;
                return previous;
            }
        }
        self.values[count] = value;
        uint256 packed = uint256(uint64(blockNumber));
        if (count < INLINE) {
            header |= packed << (64 * (count + 1));
        } else {
            uint256 beyond = count - INLINE;
            self.blocks[beyond / 4] |= packed << (64 * (beyond % 4));
        }
        self.header = header + 1;
    }

    /// @dev The value at the end of a block, zero before the first move.
    function at(History storage self, uint256 blockNumber) internal view returns (bytes32) {
        uint256 header = self.header;
        uint256 low = 0;
        uint256 high = uint64(header);
        // The last move is what is asked for most.
        if (high != 0 && _blockAt(self, header, high - 1) <= blockNumber) {
            return self.values[high - 1];
        }
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_blockAt(self, header, middle) <= blockNumber) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? bytes32(0) : self.values[low - 1];
    }

    /// @dev One move, oldest first; zeros beyond the last.
    function move(History storage self, uint256 index)
        internal
        view
        returns (uint64 blockNumber, bytes32 value)
    {
        uint256 header = self.header;
        if (index >= uint64(header)) return (0, bytes32(0));
        return (uint64(_blockAt(self, header, index)), self.values[index]);
    }

    /// @dev The last move; zeros before the first.
    function last(History storage self) internal view returns (uint64 blockNumber, bytes32 value) {
        uint256 count = uint64(self.header);
        return count == 0 ? (0, bytes32(0)) : move(self, count - 1);
    }

    /// @dev Block of the last move, 0 before the first.
    function lastBlock(History storage self) internal view returns (uint64) {
        uint256 header = self.header;
        uint256 count = uint64(header);
        return count == 0 ? 0 : uint64(_blockAt(self, header, count - 1));
    }

    function _blockAt(History storage self, uint256 header, uint256 index)
        private
        view
        returns (uint256)
    {
        if (index < INLINE) return uint64(header >> (64 * (index + 1)));
        uint256 beyond = index - INLINE;
        return uint64(self.blocks[beyond / 4] >> (64 * (beyond % 4)));
    }
}
