// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @notice Where a contract reads block numbers from. `Unset` is never valid after initialization.
enum BlockKind {
    Unset,
    Native,
    ArbSys
}

/// @notice The precompile by which Arbitrum chains report their own block numbers and hashes.
interface IArbSys {
    /// @notice Number of the current block of this chain.
    function arbBlockNumber() external view returns (uint256);
    /// @notice Hash of one of the last 256 blocks of this chain; reverts outside of them.
    function arbBlockHash(uint256 blockNumber) external view returns (bytes32);
}

/// @title BlockSource
/// @notice The one way in which contracts here read block numbers and hashes, so that a block on
/// chain is what an RPC node of the same chain calls it.
/// @dev Two forms: with the kind given by the caller (who packs it beside other storage), and with
/// the kind in this library's own ERC-7201 slot, written once by {initialize}.
library BlockSource {
    /// @custom:storage-location erc7201:newton.storage.BlockSource
    struct Layout {
        BlockKind kind;
    }

    /// @notice The block source was chosen already.
    error BlockSourceAlreadySet();
    /// @notice No valid block source was chosen.
    error InvalidBlockSource();

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.BlockSource")) - 1)) & ~0xff
    bytes32 internal constant SLOT =
        0xad4bd877d655b9c07294c855ad3c38e211d325e678f6453eb76b5956c713e100;
    /// @dev Arbitrum's system precompile.
    IArbSys internal constant ARB_SYS = IArbSys(address(0x64));
    /// @dev EIP-2935's contract with the hashes of the last 8,191 blocks. On Arbitrum chains, from
    /// ArbOS 40 on, with those of the last 393,168, by the numbers of ArbSys.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @dev Chooses the source for this contract. Once.
    function initialize(BlockKind newKind) internal {
        check(newKind);
        Layout storage $ = _layout();
        require($.kind == BlockKind.Unset, BlockSourceAlreadySet());
        $.kind = newKind;
    }

    /// @dev The stored choice.
    function kind() internal view returns (BlockKind) {
        return _layout().kind;
    }

    /// @dev Number of the current block by the stored choice.
    function number() internal view returns (uint256) {
        return numberOf(_layout().kind);
    }

    /// @dev Hash of a past block by the stored choice, zero where it is not known any more.
    function hashAt(uint256 blockNumber) internal view returns (bytes32) {
        return hashOf(_layout().kind, blockNumber);
    }

    /// @dev Reverts unless `given` is a source.
    function check(BlockKind given) internal pure {
        require(given == BlockKind.Native || given == BlockKind.ArbSys, InvalidBlockSource());
    }

    /// @dev Number of the current block.
    function numberOf(BlockKind given) internal view returns (uint256) {
        if (given == BlockKind.Native) return block.number;
        require(given == BlockKind.ArbSys, InvalidBlockSource());
        return ARB_SYS.arbBlockNumber();
    }

    /// @dev Hash of a past block. Native: the last 256, then what EIP-2935's contract has. ArbSys:
    /// what EIP-2935's contract has, which reaches further, then the last 256. Zero for the current block, for later ones and for those out of reach.
    function hashOf(BlockKind given, uint256 blockNumber) internal view returns (bytes32 result) {
        if (given == BlockKind.ArbSys) {
            result = _historyOf(blockNumber);
            if (result != bytes32(0)) return result;
            try ARB_SYS.arbBlockHash(blockNumber) returns (bytes32 found) {
                return found;
            } catch {
                return bytes32(0);
            }
        }
        require(given == BlockKind.Native, InvalidBlockSource());
        if (blockNumber >= block.number) return bytes32(0);
        result = blockhash(blockNumber);
        if (result == bytes32(0)) result = _historyOf(blockNumber);
    }

    /// @dev Zero where there is no such contract, or it does not have the hash.
    function _historyOf(uint256 blockNumber) private view returns (bytes32 result) {
        (bool ok, bytes memory returned) = HISTORY.staticcall(abi.encode(blockNumber));
        if (ok && returned.length == 32) result = abi.decode(returned, (bytes32));
    }

    function _layout() private pure returns (Layout storage $) {
        bytes32 slot = SLOT;
        assembly ("memory-safe") {
            $.slot := slot
        }
    }
}
