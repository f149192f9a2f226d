// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IEnclaveVersionRegistry} from "../interfaces/IEnclaveVersionRegistry.sol";
import {UpgradeTimes} from "../interfaces/IDelayedUpgrade.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";
import {DelayedUpgrade} from "../upgrade/DelayedUpgrade.sol";

/// @title EnclaveVersionRegistry
/// @notice Builds that enclaves may run, with the deployed protocol's interface and behaviour.
contract EnclaveVersionRegistry is DelayedUpgrade, IEnclaveVersionRegistry {
    /// @custom:storage-location erc7201:newton.storage.EnclaveVersionRegistry
    struct EnclaveVersionRegistryStorage {
        mapping(bytes32 pcr0Hash => EnclaveVersion) versions;
        mapping(address operator => bytes32) keys;
        mapping(address account => bool) taskGenerators;
        bytes32 rootCertHash;
        uint256 activeCount;
    }

    /// @notice An account became a task generator or stopped being one.
    /// @param account The account.
    /// @param allowed Whether it is one now.
    event TaskGeneratorSet(address indexed account, bool allowed);

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.EnclaveVersionRegistry")) - 1)) & ~0xff
    bytes32 private constant STORAGE_SLOT =
        0x035ea0f8a1ef9df0eb7f5e7260ef71faff218a2480558d77a6bc5479808f9400;

    modifier onlyTaskGenerator() {
        require(_storage().taskGenerators[msg.sender], NotTaskGenerator());
        _;
    }

    /// @notice Sets the registry up, once, behind its proxy.
    /// @param owner_ Who may upgrade it, name task generators and set the root certificate.
    /// @param times The times of the chain.
    /// @param kind Where block numbers are read.
    function initialize(address owner_, UpgradeTimes calldata times, BlockKind kind)
        external
        initializer
    {
        __DelayedUpgrade_init(owner_, times);
        BlockSource.initialize(kind);
        _setTaskGenerator(owner_, true);
    }

    /// @notice Names a task generator, or stops an account being one. Owner only.
    /// @param account The account.
    /// @param allowed Whether it shall be one.
    function setTaskGenerator(address account, bool allowed) external onlyOwner {
        _setTaskGenerator(account, allowed);
    }

    /// @notice Whether an account is a task generator.
    /// @param account The account.
    function isTaskGenerator(address account) external view returns (bool) {
        return _storage().taskGenerators[account];
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function activateVersion(bytes32 pcr0Hash, string calldata label) external onlyTaskGenerator {
        require(pcr0Hash != bytes32(0), InvalidPcr0Hash());
        EnclaveVersionRegistryStorage storage $ = _storage();
        EnclaveVersion storage version = $.versions[pcr0Hash];
        require(version.activatedAt == 0, VersionAlreadyRegistered(pcr0Hash));
        version.activatedAt = uint64(BlockSource.number());
        version.label = label;
        $.activeCount += 1;
        emit EnclaveVersionActivated(pcr0Hash, label);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function deprecateVersion(bytes32 pcr0Hash) external onlyTaskGenerator {
        EnclaveVersionRegistryStorage storage $ = _storage();
        EnclaveVersion storage version = $.versions[pcr0Hash];
        require(version.activatedAt != 0, VersionNotRegistered(pcr0Hash));
        require(version.deprecatedAt == 0, VersionAlreadyDeprecated(pcr0Hash));
        version.deprecatedAt = uint64(BlockSource.number());
        $.activeCount -= 1;
        emit EnclaveVersionDeprecated(pcr0Hash);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function isActiveVersion(bytes32 pcr0Hash) external view returns (bool) {
        EnclaveVersion storage version = _storage().versions[pcr0Hash];
        return version.activatedAt != 0 && version.deprecatedAt == 0;
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function getVersion(bytes32 pcr0Hash) external view returns (EnclaveVersion memory version) {
        version = _storage().versions[pcr0Hash];
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function activeVersionCount() external view returns (uint256) {
        return _storage().activeCount;
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function wasPcr0WhitelistedAt(bytes32 pcr0Hash, uint256 blockNumber)
        external
        view
        returns (bool)
    {
        EnclaveVersion storage version = _storage().versions[pcr0Hash];
        return version.activatedAt != 0 && version.activatedAt <= blockNumber
            && (version.deprecatedAt == 0 || version.deprecatedAt > blockNumber);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function registerEnclaveKey(address operator, bytes32 x25519Pubkey) external onlyTaskGenerator {
        require(operator != address(0), InvalidOperator());
        require(x25519Pubkey != bytes32(0), InvalidPubkey());
        _storage().keys[operator] = x25519Pubkey;
        emit EnclaveKeyRegistered(operator, x25519Pubkey);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function getEnclaveKey(address operator) external view returns (bytes32) {
        return _storage().keys[operator];
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function setRootCertHash(bytes32 newRootCertHash) external onlyOwner {
        _storage().rootCertHash = newRootCertHash;
        emit RootCertHashUpdated(newRootCertHash);
    }

    /// @inheritdoc IEnclaveVersionRegistry
    function rootCertHash() external view returns (bytes32) {
        return _storage().rootCertHash;
    }

    function _setTaskGenerator(address account, bool allowed) private {
        _storage().taskGenerators[account] = allowed;
        emit TaskGeneratorSet(account, allowed);
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("EnclaveVersionRegistry", type(IEnclaveVersionRegistry).interfaceId);
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        return keccak256(abi.encode(BlockSource.kind()));
    }

    function _storage() private pure returns (EnclaveVersionRegistryStorage storage $) {
        assembly ("memory-safe") {
            $.slot := STORAGE_SLOT
        }
    }
}
