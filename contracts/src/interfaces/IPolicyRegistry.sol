// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IArtifactRegistry} from "./IArtifactRegistry.sol";
import {PolicyDeployment} from "./IPolicyDeployer.sol";

/// @title IPolicyRegistry
/// @notice Policy templates, clients' instances of them, and for every client the slot that names
/// its current policy instance.
interface IPolicyRegistry is IArtifactRegistry {
    /// @notice An immutable set of artifacts, and the data templates the policy needs.
    /// @param regoHash The Rego module.
    /// @param paramsSchemaHash Schema of the policy's params, or `ARTIFACT_ABSENT`.
    /// @param policyDataTemplateRefs Ids of data templates, strictly ascending.
    /// @param author First sender. No powers, no proof of authorship.
    /// @param registeredAt Block of registration.
    struct PolicyTemplate {
        bytes32 regoHash;
        bytes32 paramsSchemaHash;
        bytes32[] policyDataTemplateRefs;
        address author;
        uint64 registeredAt;
    }

    /// @notice One client's use of a template. Its params are read by `getParams`.
    /// @param templateId The template.
    /// @param client The client.
    /// @param expireAfter Blocks a result stays valid.
    /// @param deployedAt Block of deployment.
    /// @param paramsHash `keccak256(abi.encode(expireAfter, params))`.
    struct PolicyInstance {
        bytes32 templateId;
        address client;
        uint64 expireAfter;
        uint64 deployedAt;
        bytes32 paramsHash;
    }

    /// @notice Refs are not strictly ascending.
    /// @param index First ref that is not above the one before it.
    error RefsNotSorted(uint256 index);
    /// @notice Over 32 refs.
    /// @param count The number given.
    error TooManyRefs(uint256 count);
    /// @notice A data template that the policy needs is not registered on this chain.
    /// @param ref The data template.
    error PolicyDataTemplateNotRegistered(bytes32 ref);
    /// @notice The client's slot for a data template that the policy needs is empty.
    /// @param ref The data template.
    error PolicyDataInstanceMissing(bytes32 ref);
    /// @notice The data registry counts other blocks, knows other clients or has other times.
    /// @param dataRegistry The data registry.
    error DataRegistryMismatch(address dataRegistry);

    /// @notice A template was registered.
    event PolicyTemplateRegistered(
        bytes32 indexed id,
        address indexed author,
        bytes32 regoHash,
        bytes32 paramsSchemaHash,
        bytes32[] refs
    );
    /// @notice An instance was deployed.
    event PolicyInstanceDeployed(
        bytes32 indexed id,
        address indexed client,
        bytes32 indexed templateId,
        bytes32 paramsHash,
        uint64 expireAfter,
        bytes params
    );
    /// @notice A slot moved.
    event CurrentPolicyInstanceSet(
        address indexed client, bytes32 indexed previous, bytes32 indexed current
    );
    /// @notice Whether every task needs an enclave changed.
    /// @param required The rule from this block's end on.
    event EnclaveRequirementChanged(bool required);

    /// @notice Registers a template. Reverts where it is registered already.
    /// @param regoHash The Rego module.
    /// @param paramsSchemaHash Schema of the policy's params, or `ARTIFACT_ABSENT`.
    /// @param refs Ids of data templates, strictly ascending, at most 32; they may register later.
    /// @param locators Where the two artifacts can be found; empty ones are left out.
    /// @return id The template's id, the same on every chain.
    function registerTemplate(
        bytes32 regoHash,
        bytes32 paramsSchemaHash,
        bytes32[] calldata refs,
        bytes[2] calldata locators
    ) external returns (bytes32 id);

    /// @notice Like `registerTemplate`, and does nothing where it is registered already.
    /// @return id The template's id.
    /// @return created Whether this call registered it.
    function ensureTemplate(
        bytes32 regoHash,
        bytes32 paramsSchemaHash,
        bytes32[] calldata refs,
        bytes[2] calldata locators
    ) external returns (bytes32 id, bool created);

    /// @notice Deploys an instance. Reverts where it is deployed already.
    /// @param templateId A template registered here, with all its data templates.
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

    /// @notice Moves a client's slot. The client's owner or the client itself. Every data slot that
    /// the template needs has to be filled.
    /// @param client The client.
    /// @param instanceId An instance of that client.
    function setCurrentInstance(address client, bytes32 instanceId) external;

    /// @notice The policy's part of a deployment: registers missing templates, deploys the instance
    /// where it is missing, moves the slot. Only the deployer that {policyDeployer} names.
    /// Its data plugins' part came before, in the same transaction.
    /// @param account For whom: judged by the gates, recorded as author and announcer, and the
    /// client's owner or the client itself.
    /// @param clients The registry of clients, as the deployer names it: {clientRegistry}, since both
    /// never change and were compared when this contract was set up.
    /// @param deployment The client's policy, whole.
    /// @return id What the slot holds now.
    function deployAs(
        address account,
        address clients,
        PolicyDeployment calldata deployment
    ) external returns (bytes32 id);

    /// @notice Requires an enclave for every task, or not. Owner only.
    /// @param required The rule from this block's end on.
    function setEnclaveRequired(bool required) external;

    /// @notice The current instance, or zero.
    /// @param client The client.
    function currentInstance(address client) external view returns (bytes32);

    /// @notice The instance at the end of a past block, or zero.
    /// @param client The client.
    /// @param blockNumber A block before the current one.
    function currentInstanceAt(address client, uint256 blockNumber) external view returns (bytes32);

    /// @notice Moves of a slot, oldest first.
    /// @param client The client.
    /// @param index From 0 to `slotLength` - 1.
    function slotAt(address client, uint256 index)
        external
        view
        returns (uint64 blockNumber, bytes32 instanceId);

    /// @notice The last move of a slot: what a response of an earlier reference block was judged
    /// by is no longer what the client's owner wants from that block on. Zeros before the first.
    /// @param client The client.
    function lastMove(address client) external view returns (uint64 blockNumber, bytes32 instanceId);

    /// @notice Block of the last move of a slot, 0 before the first: {lastMove} for whoever does not
    /// need to know where to.
    /// @param client The client.
    function lastMovedAt(address client) external view returns (uint64 blockNumber);

    /// @notice How many moves a slot's history holds.
    /// @param client The client.
    function slotLength(address client) external view returns (uint256);

    /// @notice Whether every task needs an enclave now.
    function enclaveRequired() external view returns (bool);

    /// @notice Whether every task needed an enclave at the end of a past block.
    /// @param blockNumber A block before the current one.
    function enclaveRequiredAt(uint256 blockNumber) external view returns (bool);

    /// @notice The registry of data templates and data slots. Never changes.
    function dataRegistry() external view returns (address);

    /// @notice A template's row; reverts where it is not registered.
    /// @param id The template.
    function getTemplate(bytes32 id) external view returns (PolicyTemplate memory);

    /// @notice An instance's row; reverts where it is not deployed.
    /// @param id The instance.
    function getInstance(bytes32 id) external view returns (PolicyInstance memory);

    /// @notice The id that a template would have.
    function computeTemplateId(bytes32 regoHash, bytes32 paramsSchemaHash, bytes32[] calldata refs)
        external
        pure
        returns (bytes32);

    /// @notice The id that an instance would have on this chain.
    function computeInstanceId(
        bytes32 templateId,
        address client,
        bytes calldata params,
        uint64 expireAfter
    ) external view returns (bytes32);
}
