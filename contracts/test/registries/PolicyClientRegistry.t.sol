// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {INewtonPolicyClient} from "../../src/interfaces/INewtonPolicyClient.sol";
import {IPolicyClientRegistry} from "../../src/interfaces/IPolicyClientRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {MockPolicyClient, RegistryDeployers} from "../base/RegistryDeployers.sol";

contract NoInterface {
    function getOwner() external view returns (address) {
        return msg.sender;
    }
}

contract PolicyClientRegistryTest is RegistryDeployers {
    function setUp() public {
        vm.warp(1_750_000_000);
        deployRegistries(BlockKind.Native, true);
        client = new MockPolicyClient(clientOwner);
    }

    /// @dev The deployed protocol's ids and selectors.
    function test_deployedInterface() public pure {
        assertEq(bytes32(type(INewtonPolicyClient).interfaceId), bytes32(bytes4(0x52e18a74)));
        _same(IPolicyClientRegistry.NotPolicyClient.selector, 0x24979bad);
        _same(IPolicyClientRegistry.ClientAlreadyRegistered.selector, 0x09d3d1ee);
        _same(IPolicyClientRegistry.ClientNotRegistered.selector, 0x90fe746d);
        _same(IPolicyClientRegistry.NotClientOwner.selector, 0x1301dc92);
        _same(IPolicyClientRegistry.InvalidOwnerAddress.selector, 0xd924e5f4);
        assertEq(
            IPolicyClientRegistry.ClientRegistered.selector >> 224, bytes32(uint256(0x1cb6babe))
        );
        assertEq(
            IPolicyClientRegistry.ClientDeactivated.selector >> 224, bytes32(uint256(0xa0c67ad1))
        );
        assertEq(
            IPolicyClientRegistry.ClientActivated.selector >> 224, bytes32(uint256(0x85ed36a3))
        );
        assertEq(
            IPolicyClientRegistry.ClientOwnerChanged.selector >> 224, bytes32(uint256(0xbdba044e))
        );
    }

    function test_registerClient() public {
        vm.expectEmit(address(clients));
        emit IPolicyClientRegistry.ClientRegistered(address(client), clientOwner);
        vm.prank(clientOwner);
        clients.registerClient(address(client));
        IPolicyClientRegistry.ClientRecord memory record = clients.getClientRecord(address(client));
        assertEq(record.owner, clientOwner);
        assertTrue(record.active);
        assertEq(record.registeredAt, 1_750_000_000);
        assertTrue(clients.isRegisteredClient(address(client)));
        assertEq(clients.getClientCount(clientOwner), 1);
        assertEq(clients.getClientsByOwner(clientOwner)[0], address(client));
    }

    function test_registerClient_failsByRule() public {
        _expect(IPolicyClientRegistry.NotPolicyClient.selector, stranger);
        vm.prank(clientOwner);
        clients.registerClient(stranger);
        address other = address(new NoInterface());
        _expect(IPolicyClientRegistry.NotPolicyClient.selector, other);
        clients.registerClient(other);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPolicyClientRegistry.NotClientOwner.selector, address(client), stranger
            )
        );
        vm.prank(stranger);
        clients.registerClient(address(client));
        vm.startPrank(clientOwner);
        clients.registerClient(address(client));
        _expect(IPolicyClientRegistry.ClientAlreadyRegistered.selector, address(client));
        clients.registerClient(address(client));
    }

    function test_activation() public {
        vm.startPrank(clientOwner);
        _expect(IPolicyClientRegistry.ClientNotRegistered.selector, address(client));
        clients.deactivateClient(address(client));
        clients.registerClient(address(client));
        _expect(IPolicyClientRegistry.ClientAlreadyRegistered.selector, address(client));
        clients.activateClient(address(client));
        vm.expectEmit(address(clients));
        emit IPolicyClientRegistry.ClientDeactivated(address(client), clientOwner);
        clients.deactivateClient(address(client));
        assertFalse(clients.isRegisteredClient(address(client)));
        assertFalse(clients.getClientRecord(address(client)).active);
        _expect(IPolicyClientRegistry.ClientNotRegistered.selector, address(client));
        clients.deactivateClient(address(client));
        vm.expectEmit(address(clients));
        emit IPolicyClientRegistry.ClientActivated(address(client), clientOwner);
        clients.activateClient(address(client));
        vm.stopPrank();
        vm.startPrank(stranger);
        _expectNotOwner();
        clients.deactivateClient(address(client));
        _expectNotOwner();
        clients.activateClient(address(client));
        _expectNotOwner();
        clients.setClientOwner(address(client), stranger);
    }

    function test_setClientOwner_keepsLists() public {
        MockPolicyClient second = new MockPolicyClient(clientOwner);
        MockPolicyClient third = new MockPolicyClient(clientOwner);
        vm.startPrank(clientOwner);
        clients.registerClient(address(client));
        clients.registerClient(address(second));
        clients.registerClient(address(third));
        vm.expectRevert(IPolicyClientRegistry.InvalidOwnerAddress.selector);
        clients.setClientOwner(address(client), address(0));
        vm.expectEmit(address(clients));
        emit IPolicyClientRegistry.ClientOwnerChanged(address(client), clientOwner, stranger);
        clients.setClientOwner(address(client), stranger);
        // The last took the place of the one that left; it can leave as well.
        clients.setClientOwner(address(third), stranger);
        vm.stopPrank();
        address[] memory left = clients.getClientsByOwner(clientOwner);
        assertEq(left.length, 1);
        assertEq(left[0], address(second));
        address[] memory gained = clients.getClientsByOwner(stranger);
        assertEq(gained.length, 2);
        assertEq(gained[0], address(client));
        assertEq(gained[1], address(third));
        assertEq(clients.getClientCount(clientOwner), 1);
        assertEq(clients.getClientCount(stranger), 2);
        assertEq(clients.getClientRecord(address(client)).owner, stranger);
    }

    function test_getClientRecord_failsForUnknown() public {
        _expect(IPolicyClientRegistry.ClientNotRegistered.selector, stranger);
        clients.getClientRecord(stranger);
        assertFalse(clients.isRegisteredClient(stranger));
    }

    function _expect(bytes4 selector, address account) private {
        vm.expectRevert(abi.encodeWithSelector(selector, account));
    }

    function _expectNotOwner() private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IPolicyClientRegistry.NotClientOwner.selector, address(client), stranger
            )
        );
    }

    function _same(bytes4 actual, bytes4 expected) private pure {
        assertEq(bytes32(actual), bytes32(expected));
    }
}
