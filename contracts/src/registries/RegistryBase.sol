// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IAllowlistGuard} from "../interfaces/IAllowlistGuard.sol";
import {IArtifactRegistry} from "../interfaces/IArtifactRegistry.sol";
import {IDelayedUpgrade, UpgradeTimes} from "../interfaces/IDelayedUpgrade.sol";
import {IPolicyClientRegistry} from "../interfaces/IPolicyClientRegistry.sol";
import {IPolicyDeployer} from "../interfaces/IPolicyDeployer.sol";
import {ArtifactIds} from "../libraries/ArtifactIds.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";
import {CodeRows} from "../libraries/CodeRows.sol";
import {DelayedUpgrade} from "../upgrade/DelayedUpgrade.sol";

/// @notice What a policy registry is initialized with.
/// @param owner A Safe on mainnets, the deployer elsewhere.
/// @param times The times of the chain.
/// @param blockKind Where block numbers are read.
/// @param clientRegistry The registry that knows clients and their owners.
/// @param templateRegistrationPermissionless Whether anyone may register templates at first.
/// @param instanceDeploymentPermissionless Whether anyone may deploy instances at first.
/// @param policyDeployer The one contract that may act for others. Never changes.
struct RegistryConfig {
    address owner;
    UpgradeTimes times;
    BlockKind blockKind;
    address clientRegistry;
    bool templateRegistrationPermissionless;
    bool instanceDeploymentPermissionless;
    address policyDeployer;
}

/// @title RegistryBase
/// @notice The gates, the rules and the rows that both policy registries share.
/// @dev An instance's row is
/// `templateId(32) ‖ client(20) ‖ expireAfter(4) ‖ deployedAt(5) ‖ params`.
abstract contract RegistryBase is DelayedUpgrade, IAllowlistGuard, IArtifactRegistry {
    /// @custom:storage-location erc7201:newton.storage.RegistryBase
    struct RegistryBaseStorage {
        // One word: everything that {deployAs} has to know.
        address policyDeployer;
        BlockKind blockKind;
        bool templatesOpen;
        bool instancesOpen;
        uint32 maxExpireAfter;
        mapping(address author => bool) authors;
        mapping(address deployer => bool) deployers;
        address clientRegistry;
    }

    /// @notice The client registry has no code.
    /// @param account What was given.
    error NoContractCode(address account);

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.RegistryBase")) - 1)) & ~0xff
    bytes32 private constant REGISTRY_BASE_SLOT =
        0x1c80d528806184b9786dde76be265ed7f929466100f75f579032079f75ec2900;

    uint256 private constant OFFSET_CLIENT = 32;
    uint256 private constant OFFSET_EXPIRE = 52;
    uint256 private constant OFFSET_DEPLOYED = 56;
    uint256 private constant OFFSET_PARAMS = 61;

    /// @dev Kinds of row, hashed into its key.
    uint256 private constant KIND_TEMPLATE = 1;
    uint256 private constant KIND_INSTANCE = 2;

    function __RegistryBase_init(RegistryConfig calldata config) internal onlyInitializing {
        __DelayedUpgrade_init(config.owner, config.times);
        BlockSource.check(config.blockKind);
        require(config.clientRegistry.code.length != 0, NoContractCode(config.clientRegistry));
        RegistryBaseStorage storage $ = _base();
        $.clientRegistry = config.clientRegistry;
        $.blockKind = config.blockKind;
        // At most 2^32 - 1 by the times' own rule.
        $.maxExpireAfter = uint32(config.times.maxExpireAfter);
        $.templatesOpen = config.templateRegistrationPermissionless;
        $.instancesOpen = config.instanceDeploymentPermissionless;
        require(config.policyDeployer.code.length != 0, NoContractCode(config.policyDeployer));
        require(
            IPolicyDeployer(config.policyDeployer).clientRegistry() == config.clientRegistry,
            ForeignDeployer(config.policyDeployer)
        );
        $.policyDeployer = config.policyDeployer;
        emit TemplateRegistrationPermissionChanged(config.templateRegistrationPermissionless);
        emit InstanceDeploymentPermissionChanged(config.instanceDeploymentPermissionless);
    }

    // ---------------------------------------------------------------------------------- gates

    /// @inheritdoc IAllowlistGuard
    function setTemplateRegistrationPermissionless(bool permissionless) external onlyOwner {
        _base().templatesOpen = permissionless;
        emit TemplateRegistrationPermissionChanged(permissionless);
    }

    /// @inheritdoc IAllowlistGuard
    function setInstanceDeploymentPermissionless(bool permissionless) external onlyOwner {
        _base().instancesOpen = permissionless;
        emit InstanceDeploymentPermissionChanged(permissionless);
    }

    /// @inheritdoc IAllowlistGuard
    function setTemplateAuthor(address author, bool allowed) external onlyOwner {
        _base().authors[author] = allowed;
        emit TemplateAuthorSet(author, allowed);
    }

    /// @inheritdoc IAllowlistGuard
    function setInstanceDeployer(address deployer, bool allowed) external onlyOwner {
        _base().deployers[deployer] = allowed;
        emit InstanceDeployerSet(deployer, allowed);
    }

    /// @inheritdoc IAllowlistGuard
    function templateRegistrationPermissionless() external view returns (bool) {
        return _base().templatesOpen;
    }

    /// @inheritdoc IAllowlistGuard
    function instanceDeploymentPermissionless() external view returns (bool) {
        return _base().instancesOpen;
    }

    /// @inheritdoc IAllowlistGuard
    function templateAuthors(address author) external view returns (bool) {
        return _base().authors[author];
    }

    /// @inheritdoc IAllowlistGuard
    function instanceDeployers(address deployer) external view returns (bool) {
        return _base().deployers[deployer];
    }

    /// @dev Refuses accounts that may not register templates.
    function _checkTemplateAuthor(address account) internal view {
        RegistryBaseStorage storage $ = _base();
        if (!$.templatesOpen) require($.authors[account], UnauthorizedTemplateAuthor(account));
    }

    /// @dev Refuses callers other than the one contract that tells for whom it acts.
    function _checkDeployer() internal view {
        require(msg.sender == _base().policyDeployer, NotPolicyDeployer(msg.sender));
    }

    // --------------------------------------------------------------------------------- shared

    /// @inheritdoc IArtifactRegistry
    function announceArtifact(bytes32 templateId, uint8 namespace, bytes calldata locator)
        external
    {
        bytes32 hash = _artifactIn(templateId, namespace);
        require(
            hash != bytes32(0) && hash != ArtifactIds.ARTIFACT_ABSENT,
            UnknownArtifact(templateId, namespace)
        );
        _announce(msg.sender, templateId, hash, namespace, locator);
    }

    /// @inheritdoc IArtifactRegistry
    function getParams(bytes32 id) external view returns (bytes memory params) {
        require(CodeRows.exists(_instanceKey(id)), InstanceNotDeployed(id));
        return CodeRows.read(_instanceKey(id), OFFSET_PARAMS);
    }

    /// @inheritdoc IArtifactRegistry
    function isTemplateRegistered(bytes32 id) external view returns (bool) {
        return CodeRows.exists(_templateKey(id));
    }

    /// @inheritdoc IArtifactRegistry
    function isInstanceDeployed(bytes32 id) external view returns (bool) {
        return CodeRows.exists(_instanceKey(id));
    }

    /// @inheritdoc IArtifactRegistry
    function clientRegistry() public view returns (address) {
        return _base().clientRegistry;
    }

    /// @inheritdoc IArtifactRegistry
    function policyDeployer() external view returns (address) {
        return _base().policyDeployer;
    }

    /// @inheritdoc IArtifactRegistry
    function currentBlock() external view returns (uint256) {
        return _blockNumber();
    }

    /// @notice The row being written, asked for by its own creation code. Reverts otherwise.
    function rowInCreation() external view {
        CodeRows.answer();
    }

    // ------------------------------------------------------------------------------- internal

    /// @dev Hash of a registered template's artifact in a namespace, zero where there is none.
    function _artifactIn(bytes32 templateId, uint8 namespace)
        internal
        view
        virtual
        returns (bytes32);

    /// @dev Emits a locator, unless it is empty.
    function _announce(
        address account,
        bytes32 templateId,
        bytes32 hash,
        uint8 namespace,
        bytes calldata locator
    ) internal {
        if (locator.length == 0) return;
        require(locator.length <= ArtifactIds.MAX_LOCATOR, LocatorTooLarge(locator.length));
        require(hash != ArtifactIds.ARTIFACT_ABSENT, UnknownArtifact(templateId, namespace));
        emit ArtifactAnnounced(hash, namespace, account, locator);
    }

    /// @dev Checks one artifact hash of a template.
    function _checkArtifact(bytes32 hash, uint256 index, bool optional) internal pure {
        require(
            hash != bytes32(0) && (optional || hash != ArtifactIds.ARTIFACT_ABSENT),
            InvalidArtifact(index)
        );
    }

    /// @dev Writes a row.
    function _store(bytes32 id, bytes32 key, bytes memory data) internal {
        require(CodeRows.write(key, data), RowNotStored(id));
    }

    /// @dev Writes an instance's row. A block number below 2^40, and a byte of a row is 200 gas.
    function _storeInstance(
        bytes32 id,
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter,
        uint256 current
    ) internal {
        _store(
            id,
            _instanceKey(id),
            abi.encodePacked(templateId, client, uint32(expireAfter), uint40(current), params)
        );
    }

    /// @dev An account's permission and the limits of an instance's own values.
    function _checkInstance(
        address account,
        bytes calldata params,
        uint64 expireAfter,
        bytes32 paramsSchemaHash
    ) internal view {
        RegistryBaseStorage storage $ = _base();
        if (!$.instancesOpen) {
            require($.deployers[account], UnauthorizedInstanceDeployer(account));
        }
        require(expireAfter != 0, ExpireAfterZero());
        require(expireAfter <= $.maxExpireAfter, ExpireAfterTooLarge(expireAfter));
        require(params.length <= ArtifactIds.MAX_PARAMS, ParamsTooLarge(params.length));
        require(
            params.length == 0 || paramsSchemaHash != ArtifactIds.ARTIFACT_ABSENT,
            ParamsNotAllowed()
        );
    }

    /// @dev Refuses accounts other than an active client's owner and the client itself.
    function _checkSlotMover(address clients, address account, address client) internal view {
        address owner_ = _ownerOf(clients, client);
        require(account == owner_ || account == client, NotClientOwner(client, account));
    }

    /// @dev The owner of a registered, active client.
    function _ownerOf(address clients, address client) internal view returns (address) {
        IPolicyClientRegistry.ClientRecord memory record =
            IPolicyClientRegistry(clients).getClientRecord(client);
        require(record.active, ClientNotRegistered(client));
        return record.owner;
    }

    /// @dev The row of an instance.
    function _instanceRow(bytes32 id)
        internal
        view
        returns (
            bytes32 templateId,
            address client,
            uint64 expireAfter,
            uint64 deployedAt,
            bytes memory params
        )
    {
        bytes32 key = _instanceKey(id);
        bytes memory row = CodeRows.read(key, 0);
        require(row.length != 0, InstanceNotDeployed(id));
        templateId = CodeRows.word(row, 0);
        client = address(bytes20(CodeRows.word(row, OFFSET_CLIENT)));
        expireAfter = uint32(bytes4(CodeRows.word(row, OFFSET_EXPIRE)));
        deployedAt = uint40(bytes5(CodeRows.word(row, OFFSET_DEPLOYED)));
        params = CodeRows.read(key, OFFSET_PARAMS);
    }

    /// @dev What a slot move has to know of an instance, without its params.
    function _instanceHead(bytes32 id) internal view returns (bytes32 templateId, address client) {
        address row = CodeRows.addressOf(_instanceKey(id));
        require(row.code.length != 0, InstanceNotDeployed(id));
        assembly ("memory-safe") {
            extcodecopy(row, 0x00, 0x01, 0x34)
            templateId := mload(0x00)
            client := shr(96, mload(0x20))
        }
    }

    /// @dev Templates and instances live side by side. Every key is a hash over the kind of its row
    /// and the id, so that no id of one kind, however chosen, leads to a row of the other.
    function _templateKey(bytes32 id) internal pure returns (bytes32) {
        return _rowKey(KIND_TEMPLATE, id);
    }

    function _instanceKey(bytes32 id) internal pure returns (bytes32) {
        return _rowKey(KIND_INSTANCE, id);
    }

    /// @dev keccak256 of the kind's word and the id's.
    function _rowKey(uint256 kind, bytes32 id) private pure returns (bytes32 key) {
        assembly ("memory-safe") {
            mstore(0x00, kind)
            mstore(0x20, id)
            key := keccak256(0x00, 0x40)
        }
    }

    /// @dev Refuses blocks whose end is not there yet.
    function _checkMined(uint256 blockNumber) internal view {
        uint256 current = _blockNumber();
        require(blockNumber < current, BlockNotMined(blockNumber, current));
    }

    function _blockKind() internal view override returns (BlockKind) {
        return _base().blockKind;
    }

    /// @inheritdoc DelayedUpgrade
    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(DelayedUpgrade, IERC165)
        returns (bool)
    {
        return super.supportsInterface(interfaceId)
            || interfaceId == type(IArtifactRegistry).interfaceId
            || interfaceId == type(IAllowlistGuard).interfaceId;
    }

    function _baseDigest() internal view returns (bytes32) {
        RegistryBaseStorage storage $ = _base();
        return keccak256(
            abi.encode(
                $.clientRegistry,
                $.blockKind,
                $.policyDeployer,
                $.maxExpireAfter,
                CodeRows.INIT_CODE_HASH
            )
        );
    }

    function _base() internal pure returns (RegistryBaseStorage storage $) {
        assembly ("memory-safe") {
            $.slot := REGISTRY_BASE_SLOT
        }
    }
}
