// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IArtifactRegistry} from "../interfaces/IArtifactRegistry.sol";
import {IPolicyDataRegistry} from "../interfaces/IPolicyDataRegistry.sol";
import {
    DataTemplateSpec,
    IPolicyDeployer,
    InstanceSpec,
    PolicyDeployment
} from "../interfaces/IPolicyDeployer.sol";
import {ArtifactIds} from "../libraries/ArtifactIds.sol";
import {CodeRows} from "../libraries/CodeRows.sol";
import {SlotHistory} from "../libraries/SlotHistory.sol";
import {RegistryBase, RegistryConfig} from "./RegistryBase.sol";

/// @title PolicyDataRegistry
/// @notice Data-plugin templates, clients' instances of them, and the slots that name the current
/// one per client and template.
/// @dev A template's row is
/// `wasmHash(32) ‖ paramsSchemaHash(32) ‖ secretsSchemaHash(32) ‖ author(20) ‖ registeredAt(8)`.
contract PolicyDataRegistry is RegistryBase, IPolicyDataRegistry {
    using SlotHistory for SlotHistory.History;

    /// @custom:storage-location erc7201:newton.storage.PolicyDataRegistry
    struct PolicyDataRegistryStorage {
        mapping(address client => mapping(bytes32 templateId => SlotHistory.History)) slots;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.PolicyDataRegistry")) - 1)) & ~0xff
    bytes32 private constant STORAGE_SLOT =
        0xcfd0ac061d0d5bbe75db2bc7239e457fcb4192659737e38a62ed400118014300;

    /// @notice Sets the registry up, once, behind its proxy.
    /// @param config Owner, delay, block source, client registry and first gates.
    function initialize(RegistryConfig calldata config) external initializer {
        __RegistryBase_init(config);
        require(
            IPolicyDeployer(config.policyDeployer).policyDataRegistry() == address(this),
            ForeignDeployer(config.policyDeployer)
        );
    }

    /// @inheritdoc IPolicyDataRegistry
    function registerTemplate(
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash,
        bytes[3] calldata locators
    ) external returns (bytes32 id) {
        id = ArtifactIds.policyDataTemplateId(wasmHash, paramsSchemaHash, secretsSchemaHash);
        require(!CodeRows.exists(_templateKey(id)), TemplateAlreadyRegistered(id));
        _register(msg.sender, id, wasmHash, paramsSchemaHash, secretsSchemaHash, locators);
    }

    /// @inheritdoc IPolicyDataRegistry
    function ensureTemplate(
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash,
        bytes[3] calldata locators
    ) external returns (bytes32 id, bool created) {
        return
            _ensureTemplate(msg.sender, wasmHash, paramsSchemaHash, secretsSchemaHash, locators);
    }

    /// @inheritdoc IPolicyDataRegistry
    function deployInstance(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external returns (bytes32 id) {
        bytes32 paramsHash;
        (id, paramsHash) = _instanceId(templateId, client, params, expireAfter);
        require(!CodeRows.exists(_instanceKey(id)), InstanceAlreadyDeployed(id));
        _ownerOf(clientRegistry(), client);
        _deploy(
            msg.sender, id, paramsHash, templateId, client, params, expireAfter, _blockNumber()
        );
    }

    /// @inheritdoc IPolicyDataRegistry
    function ensureInstance(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external returns (bytes32 id, bool created) {
        bytes32 paramsHash;
        (id, paramsHash) = _instanceId(templateId, client, params, expireAfter);
        if (CodeRows.exists(_instanceKey(id))) return (id, false);
        _ownerOf(clientRegistry(), client);
        _deploy(
            msg.sender, id, paramsHash, templateId, client, params, expireAfter, _blockNumber()
        );
        return (id, true);
    }

    /// @inheritdoc IPolicyDataRegistry
    function setCurrentInstance(address client, bytes32 templateId, bytes32 instanceId) external {
        _checkSlotMover(clientRegistry(), msg.sender, client);
        (bytes32 instanceTemplate, address instanceClient) = _instanceHead(instanceId);
        require(instanceClient == client, InstanceClientMismatch(instanceId, client));
        require(instanceTemplate == templateId, InstanceTemplateMismatch(instanceId, templateId));
        bytes32 previous = _storage().slots[client][templateId].push(_blockNumber(), instanceId);
        emit CurrentPolicyDataInstanceSet(client, templateId, previous, instanceId);
    }

    /// @inheritdoc IPolicyDataRegistry
    function deployAs(
        address account,
        address clients,
        PolicyDeployment calldata deployment
    ) external returns (bytes32[] memory ids) {
        _checkDeployer();
        address client = deployment.client;
        _checkSlotMover(clients, account, client);
        for (uint256 i = 0; i < deployment.dataTemplates.length; ++i) {
            DataTemplateSpec calldata spec = deployment.dataTemplates[i];
            _ensureTemplate(
                account,
                spec.wasmHash,
                spec.paramsSchemaHash,
                spec.secretsSchemaHash,
                spec.locators
            );
        }
        InstanceSpec[] calldata instances = deployment.dataInstances;
        ids = new bytes32[](instances.length);
        uint256 current = _blockNumber();
        for (uint256 i = 0; i < instances.length; ++i) {
            ids[i] = _deployAndMove(account, client, instances[i], current);
        }
    }

    /// @inheritdoc IPolicyDataRegistry
    function currentInstance(address client, bytes32 templateId) external view returns (bytes32) {
        return _storage().slots[client][templateId].latest();
    }

    /// @inheritdoc IPolicyDataRegistry
    function currentInstanceAt(address client, bytes32 templateId, uint256 blockNumber)
        external
        view
        returns (bytes32)
    {
        _checkMined(blockNumber);
        return _storage().slots[client][templateId].at(blockNumber);
    }

    /// @inheritdoc IPolicyDataRegistry
    function slotAt(address client, bytes32 templateId, uint256 index)
        external
        view
        returns (uint64 blockNumber, bytes32 instanceId)
    {
        return _storage().slots[client][templateId].move(index);
    }

    /// @inheritdoc IPolicyDataRegistry
    function slotLength(address client, bytes32 templateId) external view returns (uint256) {
        return _storage().slots[client][templateId].length();
    }

    /// @inheritdoc IPolicyDataRegistry
    function firstUnregistered(bytes32[] calldata refs) external view returns (bytes32) {
        for (uint256 i = 0; i < refs.length; ++i) {
            if (!CodeRows.exists(_templateKey(refs[i]))) return refs[i];
        }
        return bytes32(0);
    }

    /// @inheritdoc IPolicyDataRegistry
    function firstEmptySlot(address client, bytes32[] calldata refs)
        external
        view
        returns (bytes32)
    {
        mapping(bytes32 => SlotHistory.History) storage slots = _storage().slots[client];
        for (uint256 i = 0; i < refs.length; ++i) {
            if (slots[refs[i]].length() == 0) return refs[i];
        }
        return bytes32(0);
    }

    /// @inheritdoc IPolicyDataRegistry
    function getTemplate(bytes32 id) external view returns (PolicyDataTemplate memory row) {
        bytes memory data = CodeRows.read(_templateKey(id), 0);
        require(data.length != 0, TemplateNotRegistered(id));
        row.wasmHash = CodeRows.word(data, 0);
        row.paramsSchemaHash = CodeRows.word(data, 32);
        row.secretsSchemaHash = CodeRows.word(data, 64);
        row.author = address(bytes20(CodeRows.word(data, 96)));
        row.registeredAt = uint64(bytes8(CodeRows.word(data, 116)));
    }

    /// @inheritdoc IPolicyDataRegistry
    function getInstance(bytes32 id) external view returns (PolicyDataInstance memory row) {
        bytes memory params;
        (row.templateId, row.client, row.expireAfter, row.deployedAt, params) = _instanceRow(id);
        row.paramsHash = ArtifactIds.paramsHash(row.expireAfter, params);
    }

    /// @inheritdoc IPolicyDataRegistry
    function computeTemplateId(
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash
    ) external pure returns (bytes32) {
        return ArtifactIds.policyDataTemplateId(wasmHash, paramsSchemaHash, secretsSchemaHash);
    }

    /// @inheritdoc IPolicyDataRegistry
    function computeInstanceId(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external view returns (bytes32 id) {
        (id,) = _instanceId(templateId, client, params, expireAfter);
    }

    /// @dev Client and account were checked.
    function _deployAndMove(
        address account,
        address client,
        InstanceSpec calldata instance,
        uint256 current
    ) private returns (bytes32 id) {
        bytes32 templateId = instance.templateId;
        SlotHistory.History storage slot = _storage().slots[client][templateId];
        bytes32 previous = slot.latest();
        require(
            previous == instance.replaces,
            SlotMoved(client, templateId, instance.replaces, previous)
        );
        bytes32 paramsHash;
        (id, paramsHash) = _instanceId(templateId, client, instance.params, instance.expireAfter);
        if (!CodeRows.exists(_instanceKey(id))) {
            _deploy(
                account,
                id,
                paramsHash,
                templateId,
                client,
                instance.params,
                instance.expireAfter,
                current
            );
        }
        slot.push(current, id);
        emit CurrentPolicyDataInstanceSet(client, templateId, previous, id);
    }

    function _ensureTemplate(
        address account,
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash,
        bytes[3] calldata locators
    ) private returns (bytes32 id, bool created) {
        id = ArtifactIds.policyDataTemplateId(wasmHash, paramsSchemaHash, secretsSchemaHash);
        if (CodeRows.exists(_templateKey(id))) return (id, false);
        _register(account, id, wasmHash, paramsSchemaHash, secretsSchemaHash, locators);
        return (id, true);
    }

    function _register(
        address account,
        bytes32 id,
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash,
        bytes[3] calldata locators
    ) private {
        _checkTemplateAuthor(account);
        _checkArtifact(wasmHash, 0, false);
        _checkArtifact(paramsSchemaHash, 1, true);
        _checkArtifact(secretsSchemaHash, 2, true);
        _store(
            id,
            _templateKey(id),
            abi.encodePacked(
                wasmHash, paramsSchemaHash, secretsSchemaHash, account, uint64(_blockNumber())
            )
        );
        emit PolicyDataTemplateRegistered(
            id, account, wasmHash, paramsSchemaHash, secretsSchemaHash
        );
        _announce(account, id, wasmHash, ArtifactIds.NAMESPACE_WASM, locators[0]);
        _announce(
            account,
            id,
            paramsSchemaHash,
            ArtifactIds.NAMESPACE_POLICY_DATA_PARAMS_SCHEMA,
            locators[1]
        );
        _announce(
            account, id, secretsSchemaHash, ArtifactIds.NAMESPACE_SECRETS_SCHEMA, locators[2]
        );
    }

    function _deploy(
        address account,
        bytes32 id,
        bytes32 paramsHash,
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter,
        uint256 current
    ) private {
        bytes memory template = CodeRows.read(_templateKey(templateId), 0);
        require(template.length != 0, TemplateNotRegistered(templateId));
        _checkInstance(account, params, expireAfter, CodeRows.word(template, 32));
        _storeInstance(id, templateId, client, params, expireAfter, current);
        emit PolicyDataInstanceDeployed(id, client, templateId, paramsHash, expireAfter, params);
    }

    function _instanceId(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) private view returns (bytes32 id, bytes32 paramsHash) {
        paramsHash = ArtifactIds.paramsHash(expireAfter, params);
        id = ArtifactIds.policyDataInstanceId(block.chainid, client, templateId, paramsHash);
    }

    function _artifactIn(bytes32 templateId, uint8 namespace)
        internal
        view
        override
        returns (bytes32)
    {
        if (
            namespace < ArtifactIds.NAMESPACE_WASM
                || namespace > ArtifactIds.NAMESPACE_SECRETS_SCHEMA
        ) return bytes32(0);
        bytes memory row = CodeRows.read(_templateKey(templateId), 0);
        if (row.length == 0) return bytes32(0);
        return CodeRows.word(row, 32 * uint256(namespace - ArtifactIds.NAMESPACE_WASM));
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("PolicyDataRegistry", type(IPolicyDataRegistry).interfaceId);
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        return _baseDigest();
    }

    function _storage() private pure returns (PolicyDataRegistryStorage storage $) {
        assembly ("memory-safe") {
            $.slot := STORAGE_SLOT
        }
    }
}
