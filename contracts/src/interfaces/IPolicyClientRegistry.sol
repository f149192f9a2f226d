// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IPolicyClientRegistry
/// @notice Clients and their owners, by the deployed protocol's interface.
interface IPolicyClientRegistry {
    /// @notice One client.
    /// @param owner Who controls the client here.
    /// @param active Whether it may be used.
    /// @param registeredAt Time of registration, in Unix seconds.
    struct ClientRecord {
        address owner;
        bool active;
        uint64 registeredAt;
    }

    /// @notice The contract does not report the interface of a policy client.
    error NotPolicyClient(address client);
    /// @notice The client is registered already; on activation, it is active already.
    error ClientAlreadyRegistered(address client);
    /// @notice The client is not registered; on deactivation, it is inactive already.
    error ClientNotRegistered(address client);
    /// @notice The sender does not own the client.
    error NotClientOwner(address client, address caller);
    /// @notice Zero owns nothing.
    error InvalidOwnerAddress();

    /// @notice A client was registered.
    event ClientRegistered(address indexed client, address indexed owner);
    /// @notice A client was deactivated.
    event ClientDeactivated(address indexed client, address indexed owner);
    /// @notice A client was activated again.
    event ClientActivated(address indexed client, address indexed owner);
    /// @notice A client has another owner here.
    event ClientOwnerChanged(
        address indexed client, address indexed previousOwner, address indexed newOwner
    );

    /// @notice Registers a client. The sender has to be what the client's `getOwner` says.
    /// @param client A contract that reports `INewtonPolicyClient` by ERC-165.
    function registerClient(address client) external;

    /// @notice Deactivates a client. Its owner only.
    /// @param client The client.
    function deactivateClient(address client) external;

    /// @notice Activates a client again. Its owner only.
    /// @param client The client.
    function activateClient(address client) external;

    /// @notice Gives a client to another owner. Its owner only.
    /// @param client The client.
    /// @param newOwner The new owner.
    function setClientOwner(address client, address newOwner) external;

    /// @notice A client's record; reverts where it is not registered.
    /// @param client The client.
    function getClientRecord(address client) external view returns (ClientRecord memory);

    /// @notice All clients that an account owns. Unpaginated, as deployed.
    /// @param owner The account.
    function getClientsByOwner(address owner) external view returns (address[] memory);

    /// @notice Whether a client is registered and active.
    /// @param client The client.
    function isRegisteredClient(address client) external view returns (bool);

    /// @notice How many clients an account owns.
    /// @param owner The account.
    function getClientCount(address owner) external view returns (uint256);
}
