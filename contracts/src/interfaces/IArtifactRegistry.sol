// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IChainContract} from "./IChainContract.sol";

/// @title IArtifactRegistry
/// @notice What the two policy registries share: rules, errors, params, and announcements of
/// where the bytes of artifacts can be found.
interface IArtifactRegistry is IChainContract {
    /// @notice This template is registered already.
    /// @param id The template.
    error TemplateAlreadyRegistered(bytes32 id);
    /// @notice An artifact hash is zero, or absent where it is required.
    /// @param index Its position among the artifacts of the template.
    error InvalidArtifact(uint256 index);
    /// @notice No such template is registered here.
    /// @param id The template.
    error TemplateNotRegistered(bytes32 id);
    /// @notice Results have to stay valid for one block or more.
    error ExpireAfterZero();
    /// @notice `expireAfter` is over what this chain allows.
    /// @param value The value given.
    error ExpireAfterTooLarge(uint64 value);
    /// @notice Params are over 8,192 bytes.
    /// @param length The length given.
    error ParamsTooLarge(uint256 length);
    /// @notice The template has no params schema, so params must be empty.
    error ParamsNotAllowed();
    /// @notice The client is not registered, or not active.
    /// @param client The client.
    error ClientNotRegistered(address client);
    /// @notice This instance is deployed already.
    /// @param id The instance.
    error InstanceAlreadyDeployed(bytes32 id);
    /// @notice Only a client's owner, or the client itself, moves its slots.
    /// @param client The client.
    /// @param caller The sender.
    error NotClientOwner(address client, address caller);
    /// @notice No such instance is deployed here.
    /// @param id The instance.
    error InstanceNotDeployed(bytes32 id);
    /// @notice The instance is another client's.
    /// @param id The instance.
    /// @param client The client whose slot should have moved.
    error InstanceClientMismatch(bytes32 id, address client);
    /// @notice The slot at the end of this block can still change.
    /// @param blockNumber The block asked for.
    /// @param current The current block.
    error BlockNotMined(uint256 blockNumber, uint256 current);
    /// @notice A locator is over 16,384 bytes.
    /// @param length The length given.
    error LocatorTooLarge(uint256 length);
    /// @notice The template is not registered here, or has no artifact in that namespace.
    /// @param templateId The template.
    /// @param namespace The namespace.
    error UnknownArtifact(bytes32 templateId, uint8 namespace);
    /// @notice A row could not be written.
    /// @param id The template or instance.
    error RowNotStored(bytes32 id);
    /// @notice Only the deployer that this registry names may say for whom it acts.
    /// @param caller The sender.
    error NotPolicyDeployer(address caller);
    /// @notice The deployer names other registries than those it is named by.
    /// @param deployer What was given.
    error ForeignDeployer(address deployer);
    /// @notice A slot holds something else than the deployment was written for.
    /// @param client The client.
    /// @param templateId The data template of the slot, zero for the policy slot.
    /// @param expected What it should have held, zero for empty.
    /// @param found What it holds.
    error SlotMoved(address client, bytes32 templateId, bytes32 expected, bytes32 found);

    /// @notice Says where the bytes of an artifact can be found. A hint: what the locator leads to
    /// is checked against the hash.
    /// @param hash The artifact.
    /// @param namespace Its namespace in the state tree.
    /// @param announcer Who said so.
    /// @param locator One kind byte, then its content.
    event ArtifactAnnounced(
        bytes32 indexed hash, uint8 indexed namespace, address indexed announcer, bytes locator
    );

    /// @notice Says where the bytes of a registered template's artifact can be found. Open to all.
    /// The hash is read from the template's row.
    /// @param templateId The template.
    /// @param namespace Which of its artifacts.
    /// @param locator At most 16,384 bytes; an empty one emits nothing.
    function announceArtifact(bytes32 templateId, uint8 namespace, bytes calldata locator) external;

    /// @notice Params of an instance, byte for byte as deployed.
    /// @param id The instance; reverts where it is not deployed.
    function getParams(bytes32 id) external view returns (bytes memory);

    /// @notice Whether a template is registered on this chain.
    /// @param id The template.
    function isTemplateRegistered(bytes32 id) external view returns (bool);

    /// @notice Whether an instance is deployed on this chain.
    /// @param id The instance.
    function isInstanceDeployed(bytes32 id) external view returns (bool);

    /// @notice The registry that knows clients and their owners.
    function clientRegistry() external view returns (address);

    /// @notice The one contract that may act for others here. Never changes.
    function policyDeployer() external view returns (address);

    /// @notice Number of the current block, as nodes of this chain call it.
    function currentBlock() external view returns (uint256);
}
