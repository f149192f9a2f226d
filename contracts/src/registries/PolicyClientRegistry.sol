// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {INewtonPolicyClient} from "../interfaces/INewtonPolicyClient.sol";
import {IPolicyClientRegistry} from "../interfaces/IPolicyClientRegistry.sol";
import {UpgradeTimes} from "../interfaces/IDelayedUpgrade.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";
import {DelayedUpgrade} from "../upgrade/DelayedUpgrade.sol";

/// @title PolicyClientRegistry
/// @notice Clients and their owners, with the deployed protocol's interface and behaviour.
contract PolicyClientRegistry is DelayedUpgrade, IPolicyClientRegistry {
    /// @custom:storage-location erc7201:newton.storage.PolicyClientRegistry
    struct PolicyClientRegistryStorage {
        mapping(address client => ClientRecord) records;
        mapping(address owner => address[]) clients;
        mapping(address client => uint256) positions;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.PolicyClientRegistry")) - 1)) & ~0xff
    bytes32 private constant STORAGE_SLOT =
        0xf6d537b3aa7fe2751676424c9cc3a88871f93e230e2e5e3704c05b40a73d6a00;

    /// @notice Sets the registry up, once, behind its proxy.
    /// @param owner_ Who may upgrade it.
    /// @param times The times of the chain.
    /// @param kind Where block numbers are read.
    function initialize(address owner_, UpgradeTimes calldata times, BlockKind kind)
        external
        initializer
    {
        __DelayedUpgrade_init(owner_, times);
        BlockSource.initialize(kind);
    }

    /// @inheritdoc IPolicyClientRegistry
    function registerClient(address client) external {
        PolicyClientRegistryStorage storage $ = _storage();
        require($.records[client].registeredAt == 0, ClientAlreadyRegistered(client));
        require(
            ERC165Checker.supportsInterface(client, type(INewtonPolicyClient).interfaceId),
            NotPolicyClient(client)
        );
        require(
            INewtonPolicyClient(client).getOwner() == msg.sender, NotClientOwner(client, msg.sender)
        );
        $.records[client] =
            ClientRecord({owner: msg.sender, active: true, registeredAt: uint64(block.timestamp)});
        _add($, msg.sender, client);
        emit ClientRegistered(client, msg.sender);
    }

    /// @inheritdoc IPolicyClientRegistry
    function deactivateClient(address client) external {
        ClientRecord storage record = _owned(client);
        require(record.active, ClientNotRegistered(client));
        record.active = false;
        emit ClientDeactivated(client, msg.sender);
    }

    /// @inheritdoc IPolicyClientRegistry
    function activateClient(address client) external {
        ClientRecord storage record = _owned(client);
        require(!record.active, ClientAlreadyRegistered(client));
        record.active = true;
        emit ClientActivated(client, msg.sender);
    }

    /// @inheritdoc IPolicyClientRegistry
    function setClientOwner(address client, address newOwner) external {
        ClientRecord storage record = _owned(client);
        require(newOwner != address(0), InvalidOwnerAddress());
        PolicyClientRegistryStorage storage $ = _storage();
        address[] storage list = $.clients[msg.sender];
        uint256 position = $.positions[client];
        address last = list[list.length - 1];
        list[position] = last;
        $.positions[last] = position;
        list.pop();
        _add($, newOwner, client);
        record.owner = newOwner;
        emit ClientOwnerChanged(client, msg.sender, newOwner);
    }

    /// @inheritdoc IPolicyClientRegistry
    function getClientRecord(address client) external view returns (ClientRecord memory record) {
        record = _storage().records[client];
        require(record.registeredAt != 0, ClientNotRegistered(client));
    }

    /// @inheritdoc IPolicyClientRegistry
    function getClientsByOwner(address owner_) external view returns (address[] memory) {
        return _storage().clients[owner_];
    }

    /// @inheritdoc IPolicyClientRegistry
    function isRegisteredClient(address client) external view returns (bool) {
        return _storage().records[client].active;
    }

    /// @inheritdoc IPolicyClientRegistry
    function getClientCount(address owner_) external view returns (uint256) {
        return _storage().clients[owner_].length;
    }

    function _owned(address client) private view returns (ClientRecord storage record) {
        record = _storage().records[client];
        require(record.registeredAt != 0, ClientNotRegistered(client));
        require(record.owner == msg.sender, NotClientOwner(client, msg.sender));
    }

    function _add(PolicyClientRegistryStorage storage $, address owner_, address client) private {
        $.positions[client] = $.clients[owner_].length;
        $.clients[owner_].push(client);
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("PolicyClientRegistry", type(IPolicyClientRegistry).interfaceId);
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        return keccak256(abi.encode(BlockSource.kind()));
    }

    function _storage() private pure returns (PolicyClientRegistryStorage storage $) {
        assembly ("memory-safe") {
            $.slot := STORAGE_SLOT
        }
    }
}
