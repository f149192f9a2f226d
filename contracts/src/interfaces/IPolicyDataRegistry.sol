// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IArtifactRegistry} from "./IArtifactRegistry.sol";
import {PolicyDeployment} from "./IPolicyDeployer.sol";

/// @title IPolicyDataRegistry
/// @notice Templates of data plugins, clients' instances of them, and for every client and
/// template the slot that names the current instance.
interface IPolicyDataRegistry is IArtifactRegistry {
    /// @notice An immutable set of artifacts.
    /// @param wasmHash The plugin.
    /// @param paramsSchemaHash Schema of its params, or `ARTIFACT_ABSENT`.
    /// @param secretsSchemaHash Schema of its secrets, or `ARTIFACT_ABSENT`.
    /// @param author First sender. No powers, no proof of authorship.
    /// @param registeredAt Block of registration.
    struct PolicyDataTemplate {
        bytes32 wasmHash;
        bytes32 paramsSchemaHash;
        bytes32 secretsSchemaHash;
        address author;
        uint64 registeredAt;
    }

    /// @notice One client's use of a template. Its params are read by `getParams`.
    /// @param templateId The template.
    /// @param client The client.
    /// @param expireAfter Blocks a result stays valid.
    /// @param deployedAt Block of deployment.
    /// @param paramsHash `keccak256(abi.encode(expireAfter, params))`.
    struct PolicyDataInstance {
        bytes32 templateId;
        address client;
        uint64 expireAfter;
        uint64 deployedAt;
        bytes32 paramsHash;
    }

    /// @notice The instance is of another template.
    /// @param id The instance.
    /// @param templateId The template whose slot should have moved.
    error InstanceTemplateMismatch(bytes32 id, bytes32 templateId);

    /// @notice A template was registered.
    event PolicyDataTemplateRegistered(
        bytes32 indexed id,
        address indexed author,
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash
    );
    /// @notice An instance was deployed.
    event PolicyDataInstanceDeployed(
        bytes32 indexed id,
        address indexed client,
        bytes32 indexed templateId,
        bytes32 paramsHash,
        uint64 expireAfter,
        bytes params
    );
    /// @notice A slot moved.
    event CurrentPolicyDataInstanceSet(
        address indexed client,
        bytes32 indexed templateId,
        bytes32 previous,
        bytes32 indexed current
    );

    /// @notice Registers a template. Reverts where it is registered already.
    /// @param wasmHash The plugin.
    /// @param paramsSchemaHash Schema of its params, or `ARTIFACT_ABSENT`.
    /// @param secretsSchemaHash Schema of its secrets, or `ARTIFACT_ABSENT`.
    /// @param locators Where the three can be found, in that order; empty ones are left out.
    /// @return id The template's id, the same on every chain.
    function registerTemplate(
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash,
        bytes[3] calldata locators
    ) external returns (bytes32 id);

    /// @notice Like `registerTemplate`, and does nothing where it is registered already.
    /// @return id The template's id.
    /// @return created Whether this call registered it.
    function ensureTemplate(
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash,
        bytes[3] calldata locators
    ) external returns (bytes32 id, bool created);

    /// @notice Deploys an instance. Reverts where it is deployed already.
    /// @param templateId A template registered here.
    /// @param client A registered, active client; not necessarily the sender's.
    /// @param params Canonical JSON bytes, or none; at most 8,192.
    /// @param expireAfter Blocks a result stays valid, 1 to 2^32 - 1.
    /// @return id The instance's id.
    function deployInstance(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external returns (bytes32 id);

    /// @notice Like `deployInstance`, and does nothing where it is deployed already.
    /// @return id The instance's id.
    /// @return created Whether this call deployed it.
    function ensureInstance(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external returns (bytes32 id, bool created);

    /// @notice Moves a client's slot for one template. The client's owner or the client itself.
    /// @param client The client.
    /// @param templateId The template.
    /// @param instanceId An instance of that client and that template.
    function setCurrentInstance(address client, bytes32 templateId, bytes32 instanceId) external;

    /// @notice The data plugins' part of a deployment: registers missing templates, deploys missing
    /// instances, moves their slots. Only the deployer that {policyDeployer} names.
    /// @param account For whom: judged by the gates, recorded as author and announcer, and the
    /// client's owner or the client itself.
    /// @param clients The registry of clients, as the deployer names it: {clientRegistry}, since both
    /// never change and were compared when this contract was set up.
    /// @param deployment The client's policy, whole.
    /// @return ids What the slots hold now.
    function deployAs(
        address account,
        address clients,
        PolicyDeployment calldata deployment
    ) external returns (bytes32[] memory ids);

    /// @notice The current instance, or zero.
    /// @param client The client.
    /// @param templateId The template.
    function currentInstance(address client, bytes32 templateId) external view returns (bytes32);

    /// @notice The instance at the end of a past block, or zero.
    /// @param client The client.
    /// @param templateId The template.
    /// @param blockNumber A block before the current one.
    function currentInstanceAt(address client, bytes32 templateId, uint256 blockNumber)
        external
        view
        returns (bytes32);

    /// @notice Moves of a slot, oldest first.
    /// @param client The client.
    /// @param templateId The template.
    /// @param index From 0 to `slotLength` - 1.
    function slotAt(address client, bytes32 templateId, uint256 index)
        external
        view
        returns (uint64 blockNumber, bytes32 instanceId);

    /// @notice How many moves a slot's history holds.
    /// @param client The client.
    /// @param templateId The template.
    function slotLength(address client, bytes32 templateId) external view returns (uint256);

    /// @notice The first of some templates that is not registered here, or zero.
    /// @param refs The templates.
    function firstUnregistered(bytes32[] calldata refs) external view returns (bytes32);

    /// @notice The first of some templates for which a client's slot is empty, or zero.
    /// @param client The client.
    /// @param refs The templates.
    function firstEmptySlot(address client, bytes32[] calldata refs) external view returns (bytes32);

    /// @notice A template's row; reverts where it is not registered.
    /// @param id The template.
    function getTemplate(bytes32 id) external view returns (PolicyDataTemplate memory);

    /// @notice An instance's row; reverts where it is not deployed.
    /// @param id The instance.
    function getInstance(bytes32 id) external view returns (PolicyDataInstance memory);

    /// @notice The id that a template would have.
    function computeTemplateId(
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash
    ) external pure returns (bytes32);

    /// @notice The id that an instance would have on this chain.
    function computeInstanceId(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external view returns (bytes32);
}
