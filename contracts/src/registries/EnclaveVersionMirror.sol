// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IChainContract} from "../interfaces/IChainContract.sol";
import {IEnclaveVersionMirror} from "../interfaces/IEnclaveVersionMirror.sol";
import {IEnclaveVersionRegistry} from "../interfaces/IEnclaveVersionRegistry.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";

/// @title EnclaveVersionMirror
/// @notice Wraps a registry of builds whose block numbers are another chain's.
/// @dev Numbers of the source cannot be converted: nothing on chain says which blocks two chains
/// made at the same time. So the mirror takes over only whether a build is active, and notes itself
/// in which of its own blocks it saw that. A build counts from the block of the first {sync} on and
/// until the block of the one that saw its deprecation: what was true of a past block stays true,
/// so that nobody is challenged for a later change. Whoever signs reads the mirror too.
/// No owner and no upgrade: there is nothing to decide.
contract EnclaveVersionMirror is IEnclaveVersionMirror {
    IEnclaveVersionRegistry private immutable SOURCE;
    BlockKind private immutable BLOCK_KIND;

    mapping(bytes32 pcr0Hash => EnclaveVersion) private _versions;
    uint256 private _activeCount;

    /// @param source_ The registry to mirror.
    /// @param kind Where this chain's block numbers are read.
    constructor(address source_, BlockKind kind) {
        BlockSource.check(kind);
        require(source_.code.length != 0, InvalidSource(source_));
        SOURCE = IEnclaveVersionRegistry(source_);
        BLOCK_KIND = kind;
    }

    /// @inheritdoc IEnclaveVersionMirror
    function sync(bytes32 pcr0Hash) external {
        EnclaveVersion memory given = SOURCE.getVersion(pcr0Hash);
        EnclaveVersion storage build = _versions[pcr0Hash];
        uint64 current = uint64(BlockSource.numberOf(BLOCK_KIND));
        if (build.activatedAt == 0) {
            // The deployed registry answers an empty version for a build it does not know.
            require(given.activatedAt != 0, VersionNotRegistered(pcr0Hash));
            // Never seen active: it is not known to have been so in any block of this chain.
            require(
                given.deprecatedAt == 0 && SOURCE.isActiveVersion(pcr0Hash),
                VersionAlreadyDeprecated(pcr0Hash)
            );
            build.activatedAt = current;
            build.label = given.label;
            _activeCount += 1;
            emit EnclaveVersionActivated(pcr0Hash, given.label);
            return;
        }
        require(given.deprecatedAt != 0 && build.deprecatedAt == 0, NothingToSync(pcr0Hash));
        build.deprecatedAt = current;
        _activeCount -= 1;
        emit EnclaveVersionDeprecated(pcr0Hash);
    }

    // --- Reads ---

    /// @notice Whether a build is active now, here and at the source.
    /// @inheritdoc IEnclaveVersionRegistry
    function isActiveVersion(bytes32 pcr0Hash) external view returns (bool) {
        EnclaveVersion storage build = _versions[pcr0Hash];
        return
            build.activatedAt != 0 && build.deprecatedAt == 0
                && SOURCE.isActiveVersion(pcr0Hash);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function getVersion(bytes32 pcr0Hash) external view returns (EnclaveVersion memory build) {
        build = _versions[pcr0Hash];
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function activeVersionCount() external view returns (uint256) {
        return _activeCount;
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function wasPcr0WhitelistedAt(bytes32 pcr0Hash, uint256 blockNumber)
        external
        view
        returns (bool)
    {
        EnclaveVersion storage build = _versions[pcr0Hash];
        return build.activatedAt != 0 && build.activatedAt <= blockNumber
            && (build.deprecatedAt == 0 || build.deprecatedAt > blockNumber);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function getEnclaveKey(address operator) external view returns (bytes32) {
        return SOURCE.getEnclaveKey(operator);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function rootCertHash() external view returns (bytes32) {
        return SOURCE.rootCertHash();
    }

    /// @inheritdoc IEnclaveVersionMirror
    function source() external view returns (address) {
        return address(SOURCE);
    }

    /// @inheritdoc IChainContract
    function blockKind() external view returns (uint8) {
        return uint8(BLOCK_KIND);
    }

    /// @inheritdoc IChainContract
    function contractKind() external pure returns (string memory) {
        return "EnclaveVersionMirror";
    }

    /// @inheritdoc IChainContract
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC165).interfaceId
            || interfaceId == type(IChainContract).interfaceId
            || interfaceId == type(IEnclaveVersionRegistry).interfaceId
            || interfaceId == type(IEnclaveVersionMirror).interfaceId;
    }

    // --- Writes, which are the source's ---

    /// @inheritdoc IEnclaveVersionRegistry
    function activateVersion(bytes32, string calldata) external view {
        revert WriteAtSource(address(SOURCE));
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function deprecateVersion(bytes32) external view {
        revert WriteAtSource(address(SOURCE));
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function registerEnclaveKey(address, bytes32) external view {
        revert WriteAtSource(address(SOURCE));
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function setRootCertHash(bytes32) external view {
        revert WriteAtSource(address(SOURCE));
    }
}
