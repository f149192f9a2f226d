// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title INewtonPolicyClient
/// @notice What a policy client answers, by the deployed protocol's interface. ERC-165 id
/// `0x52e18a74`.
interface INewtonPolicyClient {
    /// @notice Id of the client's policy.
    function getPolicyId() external view returns (bytes32);

    /// @notice Contract that holds the client's policy.
    function getPolicyAddress() external view returns (address);

    /// @notice Contract that takes the client's tasks.
    function getNewtonPolicyTaskManager() external view returns (address);

    /// @notice Who controls the client.
    function getOwner() external view returns (address);
}
