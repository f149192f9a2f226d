// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IPolicyClientRegistry} from "../../src/interfaces/IPolicyClientRegistry.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";

/// @notice What ends an allow before it expires: its client is deactivated, its policy moves, or its
/// owner revokes it.
contract RevocationTest is AttestationDeployers {
    Task private task;
    PolicyTaskResponse private response;

    function setUp() public {
        setUpAttestation(2, false);
        task = taskFor(intentOf(1 ether), 1003);
        response = honestResponse(task, true, 0);
    }

    function _use() private {
        vm.prank(user);
        vault.execute(response, certificateHashes[response.taskId], task.intent);
    }

    function _useFails(bytes memory reason) private {
        uint256 before = recipient.balance;
        vm.expectRevert(reason);
        _use();
        assertEq(recipient.balance, before);
        assertFalse(responses.getResponse(response.taskId).consumed);
    }

    function _deploy(bytes memory params) private returns (bytes32) {
        return policies.deployInstance(templateId, address(vault), params, POLICY_EXPIRE);
    }

    function _move(bytes32 id) private {
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(vault), id);
    }

    function _moved(uint256 movedAt) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IResponseRegistry.PolicySlotMoved.selector, address(vault), movedAt, uint256(1003)
        );
    }

    function _acceptAndSupersede() private {
        accept(response, task);
        vm.prank(clientOwner);
        responses.setAcceptSuperseded(address(vault), true);
    }

    // --- The policy slot ---

    function test_lastMove() public {
        (uint64 movedAt, bytes32 id) = policies.lastMove(address(vault));
        assertEq(movedAt, 1000);
        assertEq(id, instanceId);
        assertEq(policies.lastMovedAt(address(vault)), 1000);
        assertEq(policies.lastMovedAt(stranger), 0);
        (movedAt, id) = policies.lastMove(stranger);
        assertEq(movedAt, 0);
        assertEq(id, bytes32(0));
        // Beyond the moves whose blocks the header holds.
        for (uint64 i = 1; i < 9; ++i) {
            bytes32 next = _deploy(abi.encodePacked('{"limit":', vm.toString(uint256(i)), "0}"));
            toBlock(1005 + i);
            _move(next);
            (movedAt, id) = policies.lastMove(address(vault));
            assertEq(movedAt, 1005 + i);
            assertEq(policies.lastMovedAt(address(vault)), movedAt);
            assertEq(id, next);
        }
    }

    function test_moveEndsWhatWasAllowed() public {
        accept(response, task);
        _move(_deploy('{"limit":0}'));
        _useFails(_moved(1005));
        toBlock(1100);
        _useFails(_moved(1005));
    }

    /// The slot names the old instance again: what was allowed before stays ended.
    function test_policyPutBackRevivesNothing() public {
        accept(response, task);
        _move(_deploy('{"limit":0}'));
        toBlock(1006);
        _move(instanceId);
        _useFails(_moved(1006));
    }

    /// Away and back within one block.
    function test_policyPutBackInOneBlockRevivesNothing() public {
        accept(response, task);
        bytes32 stricter = _deploy('{"limit":0}');
        _move(stricter);
        _move(instanceId);
        _useFails(_moved(1005));
    }

    /// A move in the reference block itself is what the response was judged by; to the value that is
    /// there already is no move.
    function test_moveUpToTheReferenceBlockEndsNothing() public {
        _move(instanceId);
        bytes32 next = _deploy('{"limit":7}');
        _move(next);
        toBlock(1007);
        instanceId = next;
        task = taskFor(intentOf(1 ether), 1005);
        response = honestResponse(task, true, 0);
        accept(response, task);
        _move(next);
        _use();
        assertEq(recipient.balance, 1 ether);
    }

    function test_acceptSupersededUsesWhatWasAllowed() public {
        _acceptAndSupersede();
        _move(_deploy('{"limit":0}'));
        _use();
        assertEq(recipient.balance, 1 ether);
    }

    /// The owner takes the exception back.
    function test_acceptSupersededIsAskedAtUse() public {
        _acceptAndSupersede();
        _move(_deploy('{"limit":0}'));
        vm.prank(clientOwner);
        responses.setAcceptSuperseded(address(vault), false);
        _useFails(_moved(1005));
    }

    // --- The client ---

    function test_deactivatedClientUsesNothing() public {
        _acceptAndSupersede();
        vm.prank(clientOwner);
        clients.deactivateClient(address(vault));
        _useFails(
            abi.encodeWithSelector(IResponseRegistry.ClientNotActive.selector, address(vault))
        );
        vm.prank(clientOwner);
        clients.activateClient(address(vault));
        _use();
    }

    // --- Revocation ---

    function _revoked() private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IResponseRegistry.TaskRevoked.selector, address(vault), response.taskId
        );
    }

    function _refusesAcceptance(bytes memory reason) private {
        (bool ok, bytes memory returned) = address(responses)
            .call(
                abi.encodeCall(
                    responses.accept, (response, certifyResponse(response, everyone()), task)
                )
            );
        assertFalse(ok);
        assertEq(keccak256(returned), keccak256(reason));
    }

    function test_revoke() public {
        _acceptAndSupersede();
        vm.expectEmit(address(responses));
        emit IResponseRegistry.ResponseRevoked(address(vault), response.taskId);
        vm.prank(clientOwner);
        responses.revoke(address(vault), response.taskId);
        assertTrue(responses.isRevoked(address(vault), response.taskId));
        _useFails(_revoked());
        // Other tasks of the same client stay.
        task = taskFor(intentOf(1 ether), 1003);
        response = honestResponse(task, true, 0);
        accept(response, task);
        _use();
    }

    function test_revoke_beforeAcceptance() public {
        vm.prank(clientOwner);
        responses.revoke(address(vault), response.taskId);
        _refusesAcceptance(_revoked());
    }

    function test_revoke_byTheClientItself() public {
        accept(response, task);
        vm.prank(address(vault));
        responses.revoke(address(vault), response.taskId);
        _useFails(_revoked());
    }

    /// Nobody revokes for another client, and what one client revokes is none of another's.
    function test_revoke_isTheClients() public {
        bytes memory notOwner = abi.encodeWithSelector(
            IResponseRegistry.NotClientOwner.selector, address(vault), stranger
        );
        vm.startPrank(stranger);
        vm.expectRevert(notOwner);
        responses.revoke(address(vault), response.taskId);
        vm.expectRevert(notOwner);
        responses.revokeBefore(address(vault), 1000);
        responses.revoke(stranger, response.taskId);
        responses.revokeBefore(stranger, 1005);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyClientRegistry.ClientNotRegistered.selector, recipient)
        );
        responses.revoke(recipient, response.taskId);
        vm.stopPrank();
        accept(response, task);
        _use();
    }

    function test_revoke_ofADeactivatedClient() public {
        vm.startPrank(clientOwner);
        clients.deactivateClient(address(vault));
        responses.revokeBefore(address(vault), 1005);
        responses.revoke(address(vault), response.taskId);
        vm.stopPrank();
        assertEq(responses.revokedBefore(address(vault)), 1005);
    }

    function test_revokeBefore_boundary() public {
        _acceptAndSupersede();
        vm.prank(clientOwner);
        responses.revokeBefore(address(vault), 1002);
        uint256 snapshot = vm.snapshotState();
        _use();
        vm.revertToState(snapshot);

        vm.expectEmit(address(responses));
        emit IResponseRegistry.ResponsesRevokedBefore(address(vault), 1003);
        vm.prank(clientOwner);
        responses.revokeBefore(address(vault), 1003);
        bytes memory reason = abi.encodeWithSelector(
            IResponseRegistry.ReferenceBlockRevoked.selector,
            address(vault),
            uint256(1003),
            uint256(1003)
        );
        _useFails(reason);
        // Nor is another response of that block accepted; one of the next block is.
        task = taskFor(intentOf(1 ether), 1003);
        response = honestResponse(task, true, 0);
        _refusesAcceptance(reason);
        task = taskFor(intentOf(1 ether), 1004);
        response = honestResponse(task, true, 0);
        accept(response, task);
        _use();
    }

    function test_revokeBefore_bounds() public {
        vm.startPrank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.RevocationInFuture.selector, uint256(1006), uint256(1005)
            )
        );
        responses.revokeBefore(address(vault), 1006);
        responses.revokeBefore(address(vault), 1005);
        responses.revokeBefore(address(vault), 1005);
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.RevocationLowered.selector, uint256(1005), uint256(1004)
            )
        );
        responses.revokeBefore(address(vault), 1004);
        vm.stopPrank();
        assertEq(responses.revokedBefore(address(vault)), 1005);
        assertFalse(responses.acceptsSuperseded(address(vault)));
    }

    /// Whatever the owner did in between, an allow is used only if nothing ended it.
    function test_fuzz_use(uint256 acts, uint256 revokedUpTo) public {
        accept(response, task);
        bool ended;
        bool superseded;
        vm.startPrank(clientOwner);
        if (acts & 1 != 0) {
            policies.setCurrentInstance(address(vault), _deploy('{"limit":0}'));
            if (acts & 2 != 0) policies.setCurrentInstance(address(vault), instanceId);
        }
        if (acts & 4 != 0) {
            responses.setAcceptSuperseded(address(vault), true);
            superseded = true;
        }
        ended = acts & 1 != 0 && !superseded;
        if (acts & 8 != 0) {
            clients.deactivateClient(address(vault));
            ended = true;
        }
        if (acts & 16 != 0) {
            revokedUpTo = bound(revokedUpTo, 0, 1005);
            responses.revokeBefore(address(vault), uint64(revokedUpTo));
            ended = ended || revokedUpTo >= 1003;
        }
        if (acts & 32 != 0) {
            responses.revoke(address(vault), response.taskId);
            ended = true;
        }
        vm.stopPrank();
        vm.prank(user);
        (bool ok,) = address(vault)
            .call(
                abi.encodeCall(
                    vault.execute,
                    (response, certificateHashes[response.taskId], task.intent)
                )
            );
        assertTrue(ok != ended);
        assertEq(recipient.balance, ended ? 0 : 1 ether);
    }
}
