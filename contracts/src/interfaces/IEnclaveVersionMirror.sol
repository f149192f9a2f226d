// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IChainContract} from "./IChainContract.sol";
import {IEnclaveVersionRegistry} from "./IEnclaveVersionRegistry.sol";

/// @title IEnclaveVersionMirror
/// @notice A registry of builds that counts in another unit than its chain's nodes, told again in
/// blocks of the chain. The reads are those of a registry; every write belongs to the source.
interface IEnclaveVersionMirror is IEnclaveVersionRegistry, IChainContract {
    /// @notice Builds are written at the source, never here.
    error WriteAtSource(address source);
    /// @notice The mirror already says of the build what the source says.
    error NothingToSync(bytes32 pcr0Hash);
    /// @notice There is no contract to mirror.
    error InvalidSource(address source);

    /// @notice Records what the source newly says of a build, at the current block. Open to all:
    /// nothing is taken from the caller.
    /// @param pcr0Hash keccak256 of its PCR0.
    function sync(bytes32 pcr0Hash) external;

    /// @notice The registry that is mirrored.
    function source() external view returns (address);
}
