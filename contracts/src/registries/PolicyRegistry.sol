// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDelayedUpgrade} from "../interfaces/IDelayedUpgrade.sol";
import {IPolicyDataRegistry} from "../interfaces/IPolicyDataRegistry.sol";
import {
    IPolicyDeployer,
    InstanceSpec,
    PolicyDeployment,
    PolicyTemplateSpec
} from "../interfaces/IPolicyDeployer.sol";
import {IPolicyRegistry} from "../interfaces/IPolicyRegistry.sol";
import {ArtifactIds} from "../libraries/ArtifactIds.sol";
import {CodeRows} from "../libraries/CodeRows.sol";
import {SlotHistory} from "../libraries/SlotHistory.sol";
import {RegistryBase, RegistryConfig} from "./RegistryBase.sol";

/// @title PolicyRegistry
/// @notice Policy templates, clients' instances of them, and the slot that names each client's
/// current one.
/// @dev A template's row is
/// `regoHash(32) ‖ paramsSchemaHash(32) ‖ author(20) ‖ registeredAt(8) ‖ ref_0(32) ‖ ref_1 ‖ …`.
contract PolicyRegistry is RegistryBase, IPolicyRegistry {
    using SlotHistory for SlotHistory.History;

    /// @custom:storage-location erc7201:newton.storage.PolicyRegistry
    struct PolicyRegistryStorage {
        address dataRegistry;
        mapping(address client => SlotHistory.History) slots;
        SlotHistory.History enclaveRequired;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.PolicyRegistry")) - 1)) & ~0xff
    bytes32 private constant STORAGE_SLOT =
        0xfe20de54ae11991ddbdda12a789f361c628e7c075113cf97f52b295f1da81c00;

    uint256 private constant OFFSET_REFS = 92;

    /// @notice Sets the registry up, once, behind its proxy.
    /// @param config Owner, delay, block source, client registry and first gates.
    /// @param dataRegistry_ The registry of data templates and slots. Never changes.
    function initialize(RegistryConfig calldata config, address dataRegistry_)
        external
        initializer
    {
        __RegistryBase_init(config);
        require(dataRegistry_.code.length != 0, NoContractCode(dataRegistry_));
        IPolicyDeployer deployer = IPolicyDeployer(config.policyDeployer);
        require(
            deployer.policyRegistry() == address(this)
                && deployer.policyDataRegistry() == dataRegistry_,
            ForeignDeployer(config.policyDeployer)
        );
        IPolicyDataRegistry data = IPolicyDataRegistry(dataRegistry_);
        require(
            data.blockKind() == uint8(config.blockKind)
                && data.clientRegistry() == config.clientRegistry
                && IDelayedUpgrade(dataRegistry_).maxExpireAfter() <= config.times.maxExpireAfter,
            DataRegistryMismatch(dataRegistry_)
        );
        _storage().dataRegistry = dataRegistry_;
    }

    /// @inheritdoc IPolicyRegistry
    function registerTemplate(
        bytes32 regoHash,
        bytes32 paramsSchemaHash,
        bytes32[] calldata refs,
        bytes[2] calldata locators
    ) external returns (bytes32 id) {
        id = ArtifactIds.policyTemplateId(regoHash, paramsSchemaHash, refs);
        require(!CodeRows.exists(_templateKey(id)), TemplateAlreadyRegistered(id));
        _register(msg.sender, id, regoHash, paramsSchemaHash, refs, locators);
    }

    /// @inheritdoc IPolicyRegistry
    function ensureTemplate(
        bytes32 regoHash,
        bytes32 paramsSchemaHash,
        bytes32[] calldata refs,
        bytes[2] calldata locators
    ) external returns (bytes32 id, bool created) {
        return _ensureTemplate(msg.sender, regoHash, paramsSchemaHash, refs, locators);
    }

    /// @inheritdoc IPolicyRegistry
    function deployInstance(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external returns (bytes32 id) {
        bytes32 paramsHash;
        (id, paramsHash) = _instanceId(templateId, client, params, expireAfter);
        require(!CodeRows.exists(_instanceKey(id)), InstanceAlreadyDeployed(id));
        _deployChecked(id, paramsHash, templateId, client, params, expireAfter);
    }

    /// @inheritdoc IPolicyRegistry
    function ensureInstance(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external returns (bytes32 id, bool created) {
        bytes32 paramsHash;
        (id, paramsHash) = _instanceId(templateId, client, params, expireAfter);
        if (CodeRows.exists(_instanceKey(id))) return (id, false);
        _deployChecked(id, paramsHash, templateId, client, params, expireAfter);
        return (id, true);
    }

    /// @inheritdoc IPolicyRegistry
    function setCurrentInstance(address client, bytes32 instanceId) external {
        _checkSlotMover(clientRegistry(), msg.sender, client);
        (bytes32 templateId, address instanceClient) = _instanceHead(instanceId);
        require(instanceClient == client, InstanceClientMismatch(instanceId, client));
        SlotHistory.History storage slot = _storage().slots[client];
        _checkDataSlots(client, templateId, slot.latest());
        bytes32 previous = slot.push(_blockNumber(), instanceId);
        emit CurrentPolicyInstanceSet(client, previous, instanceId);
    }

    /// @inheritdoc IPolicyRegistry
    function deployAs(
        address account,
        address clients,
        PolicyDeployment calldata deployment
    ) external returns (bytes32 id) {
        _checkDeployer();
        address client = deployment.client;
        _checkSlotMover(clients, account, client);
        for (uint256 i = 0; i < deployment.policyTemplates.length; ++i) {
            PolicyTemplateSpec calldata spec = deployment.policyTemplates[i];
            _ensureTemplate(
                account, spec.regoHash, spec.paramsSchemaHash, spec.refs, spec.locators
            );
        }
        SlotHistory.History storage slot = _storage().slots[client];
        bytes32 previous = slot.latest();
        InstanceSpec calldata instance = deployment.policyInstance;
        require(
            previous == instance.replaces,
            SlotMoved(client, bytes32(0), instance.replaces, previous)
        );
        bytes32 templateId = instance.templateId;
        bytes32 paramsHash;
        (id, paramsHash) = _instanceId(templateId, client, instance.params, instance.expireAfter);
        bytes memory template = CodeRows.read(_templateKey(templateId), 0);
        uint256 current = _blockNumber();
        if (!CodeRows.exists(_instanceKey(id))) {
            _deploy(
                account,
                id,
                paramsHash,
                templateId,
                template,
                client,
                instance.params,
                instance.expireAfter,
                current
            );
        }
        // A data slot is filled only by an instance of a registered template, so that whether the
        // data templates are registered need not be asked besides.
        if (
            deployment.dataInstances.length == 0
                || !_fills(deployment.dataInstances, template)
        ) {
            _checkDataSlots(client, templateId, previous);
        }
        slot.push(current, id);
        emit CurrentPolicyInstanceSet(client, previous, id);
    }

    /// @inheritdoc IPolicyRegistry
    function setEnclaveRequired(bool required) external onlyOwner {
        _storage().enclaveRequired.push(_blockNumber(), bytes32(uint256(required ? 1 : 0)));
        emit EnclaveRequirementChanged(required);
    }

    /// @inheritdoc IPolicyRegistry
    function currentInstance(address client) external view returns (bytes32) {
        return _storage().slots[client].latest();
    }

    /// @inheritdoc IPolicyRegistry
    function currentInstanceAt(address client, uint256 blockNumber)
        external
        view
        returns (bytes32)
    {
        _checkMined(blockNumber);
        return _storage().slots[client].at(blockNumber);
    }

    /// @inheritdoc IPolicyRegistry
    function slotAt(address client, uint256 index)
        external
        view
        returns (uint64 blockNumber, bytes32 instanceId)
    {
        return _storage().slots[client].move(index);
    }

    /// @inheritdoc IPolicyRegistry
    function lastMove(address client)
        external
        view
        returns (uint64 blockNumber, bytes32 instanceId)
    {
        return _storage().slots[client].last();
    }

    /// @inheritdoc IPolicyRegistry
    function lastMovedAt(address client) external view returns (uint64 blockNumber) {
        return _storage().slots[client].lastBlock();
    }

    /// @inheritdoc IPolicyRegistry
    function slotLength(address client) external view returns (uint256) {
        return _storage().slots[client].length();
    }

    /// @inheritdoc IPolicyRegistry
    function enclaveRequired() external view returns (bool) {
        return _storage().enclaveRequired.latest() != bytes32(0);
    }

    /// @inheritdoc IPolicyRegistry
    function enclaveRequiredAt(uint256 blockNumber) external view returns (bool) {
        _checkMined(blockNumber);
        return _storage().enclaveRequired.at(blockNumber) != bytes32(0);
    }

    /// @inheritdoc IPolicyRegistry
    function dataRegistry() external view returns (address) {
        return _storage().dataRegistry;
    }

    /// @inheritdoc IPolicyRegistry
    function getTemplate(bytes32 id) external view returns (PolicyTemplate memory row) {
        bytes memory data = CodeRows.read(_templateKey(id), 0);
        require(data.length != 0, TemplateNotRegistered(id));
        row.regoHash = CodeRows.word(data, 0);
        row.paramsSchemaHash = CodeRows.word(data, 32);
        row.author = address(bytes20(CodeRows.word(data, 64)));
        row.registeredAt = uint64(bytes8(CodeRows.word(data, 84)));
        row.policyDataTemplateRefs = _refs(id);
    }

    /// @inheritdoc IPolicyRegistry
    function getInstance(bytes32 id) external view returns (PolicyInstance memory row) {
        bytes memory params;
        (row.templateId, row.client, row.expireAfter, row.deployedAt, params) = _instanceRow(id);
        row.paramsHash = ArtifactIds.paramsHash(row.expireAfter, params);
    }

    /// @inheritdoc IPolicyRegistry
    function computeTemplateId(bytes32 regoHash, bytes32 paramsSchemaHash, bytes32[] calldata refs)
        external
        pure
        returns (bytes32)
    {
        return ArtifactIds.policyTemplateId(regoHash, paramsSchemaHash, refs);
    }

    /// @inheritdoc IPolicyRegistry
    function computeInstanceId(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external view returns (bytes32 id) {
        (id,) = _instanceId(templateId, client, params, expireAfter);
    }

    function _ensureTemplate(
        address account,
        bytes32 regoHash,
        bytes32 paramsSchemaHash,
        bytes32[] calldata refs,
        bytes[2] calldata locators
    ) private returns (bytes32 id, bool created) {
        id = ArtifactIds.policyTemplateId(regoHash, paramsSchemaHash, refs);
        if (CodeRows.exists(_templateKey(id))) return (id, false);
        _register(account, id, regoHash, paramsSchemaHash, refs, locators);
        return (id, true);
    }

    function _register(
        address account,
        bytes32 id,
        bytes32 regoHash,
        bytes32 paramsSchemaHash,
        bytes32[] calldata refs,
        bytes[2] calldata locators
    ) private {
        _checkTemplateAuthor(account);
        _checkArtifact(regoHash, 0, false);
        _checkArtifact(paramsSchemaHash, 1, true);
        require(refs.length <= ArtifactIds.MAX_REFS, TooManyRefs(refs.length));
        for (uint256 i = 1; i < refs.length; ++i) {
            require(refs[i] > refs[i - 1], RefsNotSorted(i));
        }
        _store(
            id,
            _templateKey(id),
            abi.encodePacked(regoHash, paramsSchemaHash, account, uint64(_blockNumber()), refs)
        );
        emit PolicyTemplateRegistered(id, account, regoHash, paramsSchemaHash, refs);
        _announce(account, id, regoHash, ArtifactIds.NAMESPACE_REGO, locators[0]);
        _announce(
            account,
            id,
            paramsSchemaHash,
            ArtifactIds.NAMESPACE_POLICY_PARAMS_SCHEMA,
            locators[1]
        );
    }

    /// @dev Deploys for the sender: whether client and data templates are there is asked here.
    function _deployChecked(
        bytes32 id,
        bytes32 paramsHash,
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) private {
        _ownerOf(clientRegistry(), client);
        bytes32[] memory refs = _refs(templateId);
        if (refs.length != 0) {
            bytes32 missing = IPolicyDataRegistry(_storage().dataRegistry).firstUnregistered(refs);
            require(missing == bytes32(0), PolicyDataTemplateNotRegistered(missing));
        }
        bytes memory template = CodeRows.read(_templateKey(templateId), 0);
        _deploy(
            msg.sender,
            id,
            paramsHash,
            templateId,
            template,
            client,
            params,
            expireAfter,
            _blockNumber()
        );
    }

    function _deploy(
        address account,
        bytes32 id,
        bytes32 paramsHash,
        bytes32 templateId,
        bytes memory template,
        address client,
        bytes calldata params,
        uint64 expireAfter,
        uint256 current
    ) private {
        require(template.length != 0, TemplateNotRegistered(templateId));
        _checkInstance(account, params, expireAfter, CodeRows.word(template, 32));
        _storeInstance(id, templateId, client, params, expireAfter, current);
        emit PolicyInstanceDeployed(id, client, templateId, paramsHash, expireAfter, params);
    }

    /// @dev Every data slot that a template needs has to be filled. Slots are never emptied, so a
    /// move between instances of one template has nothing to ask.
    function _checkDataSlots(address client, bytes32 templateId, bytes32 currentId) private view {
        if (currentId != bytes32(0)) {
            (bytes32 currentTemplate,) = _instanceHead(currentId);
            if (currentTemplate == templateId) return;
        }
        bytes32[] memory refs = _refs(templateId);
        if (refs.length == 0) return;
        bytes32 missing = IPolicyDataRegistry(_storage().dataRegistry).firstEmptySlot(client, refs);
        require(missing == bytes32(0), PolicyDataInstanceMissing(missing));
    }

    /// @dev Whether the deployment itself filled every data slot that the template needs, which the
    /// data registry did before, given the same bytes: its instances come in the order of the refs, or
    /// the slots are asked for.
    function _fills(InstanceSpec[] calldata dataInstances, bytes memory template)
        private
        pure
        returns (bool)
    {
        uint256 next = OFFSET_REFS;
        for (uint256 i = 0; i < dataInstances.length && next < template.length; ++i) {
            if (dataInstances[i].templateId == CodeRows.word(template, next)) next += 32;
        }
        return next == template.length;
    }

    function _instanceId(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) private view returns (bytes32 id, bytes32 paramsHash) {
        paramsHash = ArtifactIds.paramsHash(expireAfter, params);
        id = ArtifactIds.policyInstanceId(block.chainid, client, templateId, paramsHash);
    }

    /// @dev The refs of a registered template. Memory of `bytes` and `bytes32[]` differs only in
    /// what the length counts.
    function _refs(bytes32 templateId) private view returns (bytes32[] memory refs) {
        bytes memory raw = CodeRows.read(_templateKey(templateId), OFFSET_REFS);
        assembly ("memory-safe") {
            mstore(raw, shr(5, mload(raw)))
            refs := raw
        }
    }

    function _artifactIn(bytes32 templateId, uint8 namespace)
        internal
        view
        override
        returns (bytes32)
    {
        if (
            namespace != ArtifactIds.NAMESPACE_REGO
                && namespace != ArtifactIds.NAMESPACE_POLICY_PARAMS_SCHEMA
        ) return bytes32(0);
        bytes memory row = CodeRows.read(_templateKey(templateId), 0);
        if (row.length == 0) return bytes32(0);
        return CodeRows.word(row, 32 * uint256(namespace - ArtifactIds.NAMESPACE_REGO));
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("PolicyRegistry", type(IPolicyRegistry).interfaceId);
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        return keccak256(abi.encode(_baseDigest(), _storage().dataRegistry));
    }

    function _storage() private pure returns (PolicyRegistryStorage storage $) {
        assembly ("memory-safe") {
            $.slot := STORAGE_SLOT
        }
    }
}
