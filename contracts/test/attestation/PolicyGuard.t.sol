// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {GuardedTransfer} from "../../src/examples/GuardedTransfer.sol";
import {IArtifactRegistry} from "../../src/interfaces/IArtifactRegistry.sol";
import {INewtonPolicyClient} from "../../src/interfaces/INewtonPolicyClient.sol";
import {IPolicyGuard} from "../../src/interfaces/IPolicyGuard.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {
    Intent,
    PolicyMessages,
    PolicyTaskResponse,
    Task
} from "../../src/libraries/PolicyMessages.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";
import {OpenGuard} from "../base/OpenGuard.sol";

/// @notice What an intent may call.
contract Target {
    error Refused(uint256 number);

    uint256 public last;
    address public caller;
    PolicyTaskResponse private response;
    bytes32 private certificateHash;
    Intent private again;

    function set(uint256 number) external payable returns (uint256) {
        last = number;
        caller = msg.sender;
        return number + 1;
    }

    function refuse(uint256 number) external pure {
        revert Refused(number);
    }

    function refuseSilently() external pure {
        revert();
    }

    function prepare(
        PolicyTaskResponse calldata accepted,
        bytes32 hash,
        Intent calldata intent
    ) external {
        response = accepted;
        certificateHash = hash;
        again = intent;
    }

    function reenter() external {
        IPolicyGuard(msg.sender).execute(response, certificateHash, again);
    }
}

contract PolicyGuardTest is AttestationDeployers {
    OpenGuard private guard;
    Target private target;

    function setUp() public {
        setUpAttestation(0, false);
        // The vault's place is taken by a guard that makes any call.
        guard = _newGuard();
        vm.prank(clientOwner);
        clients.registerClient(address(guard));
        vault = GuardedTransfer(payable(address(guard)));
        instanceId = policies.deployInstance(templateId, address(guard), "{}", POLICY_EXPIRE);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(guard), instanceId);
        target = new Target();
        vm.deal(address(guard), 5 ether);
        toBlock(1010);
    }

    function _newGuard() private returns (OpenGuard) {
        return OpenGuard(
            payable(deployCode("OpenGuard", abi.encode(clientOwner, address(responses))))
        );
    }

    function _allowed(Intent memory intent)
        private
        returns (PolicyTaskResponse memory response)
    {
        Task memory task = taskFor(intent, 1008);
        response = honestResponse(task, true, 0);
        accept(response, task);
    }

    function _certificateHash(PolicyTaskResponse memory it) private view returns (bytes32) {
        return certificateHashes[it.taskId];
    }

    function _intent(address to, uint256 value, bytes memory data)
        private
        view
        returns (Intent memory)
    {
        return Intent(user, to, value, data, block.chainid, "");
    }

    function test_execute_makesTheCall() public {
        Intent memory intent = _intent(address(target), 1 ether, abi.encodeCall(Target.set, (41)));
        PolicyTaskResponse memory it = _allowed(intent);
        vm.prank(user);
        bytes memory result = guard.execute(it, _certificateHash(it), intent);
        assertEq(abi.decode(result, (uint256)), 42);
        assertEq(target.last(), 41);
        assertEq(target.caller(), address(guard));
        assertEq(address(target).balance, 1 ether);
    }

    /// Whatever of the call is changed after the evaluation, it is not made.
    function test_execute_onlyTheEvaluatedCall() public {
        Intent memory intent = _intent(address(target), 0, abi.encodeCall(Target.set, (41)));
        PolicyTaskResponse memory it = _allowed(intent);
        intent.data = abi.encodeCall(Target.set, (42));
        vm.expectPartialRevert(IResponseRegistry.IntentMismatch.selector);
        vm.prank(user);
        guard.execute(it, _certificateHash(it), intent);
        assertEq(target.last(), 0);
    }

    function test_execute_bubblesReverts() public {
        Intent memory intent = _intent(address(target), 0, abi.encodeCall(Target.refuse, (7)));
        PolicyTaskResponse memory it = _allowed(intent);
        vm.expectRevert(abi.encodeWithSelector(Target.Refused.selector, 7));
        vm.prank(user);
        guard.execute(it, _certificateHash(it), intent);
        // Nothing was used up.
        assertFalse(responses.getResponse(it.taskId).consumed);

        intent = _intent(address(target), 0, abi.encodeCall(Target.refuseSilently, ()));
        it = _allowed(intent);
        vm.expectRevert(abi.encodeWithSelector(IPolicyGuard.CallFailed.selector));
        vm.prank(user);
        guard.execute(it, _certificateHash(it), intent);
    }

    function test_execute_isNotReentered() public {
        Intent memory intent = _intent(address(target), 0, abi.encodeCall(Target.reenter, ()));
        PolicyTaskResponse memory it = _allowed(intent);
        target.prepare(it, _certificateHash(it), intent);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyGuard.NotIntentSender.selector, user, address(target))
        );
        vm.prank(user);
        guard.execute(it, _certificateHash(it), intent);
    }

    /// As the client, a user could move the policy that judges it.
    function test_execute_notIntoTheProtocol() public {
        address[7] memory targets = [
            address(policies),
            address(dataRegistry),
            address(clients),
            address(responses),
            address(guard),
            address(policyDeployer),
            address(0)
        ];
        for (uint256 i; i < targets.length; ++i) {
            Intent memory intent = _intent(
                targets[i],
                0,
                abi.encodeCall(policies.setCurrentInstance, (address(guard), instanceId))
            );
            PolicyTaskResponse memory it = _allowed(intent);
            vm.expectRevert(
                abi.encodeWithSelector(IPolicyGuard.ForbiddenTarget.selector, targets[i])
            );
            vm.prank(user);
            guard.execute(it, _certificateHash(it), intent);
        }
    }

    /// A call with data to nobody is no call.
    function test_execute_notToAnAddressWithoutCode() public {
        address nobody = makeAddr("nobody");
        Intent memory intent = _intent(nobody, 0, abi.encodeCall(Target.set, (41)));
        PolicyTaskResponse memory it = _allowed(intent);
        vm.expectRevert(abi.encodeWithSelector(IPolicyGuard.NoCode.selector, nobody));
        vm.prank(user);
        guard.execute(it, _certificateHash(it), intent);
        assertFalse(responses.getResponse(it.taskId).consumed);
        // Ether alone may go anywhere.
        intent = _intent(nobody, 1 ether, "");
        it = _allowed(intent);
        vm.prank(user);
        guard.execute(it, _certificateHash(it), intent);
        assertEq(nobody.balance, 1 ether);
    }

    /// Ether that nobody books would be the guard's for good.
    function test_execute_refusesValueWithoutBooks() public {
        Intent memory intent = _intent(address(target), 1 ether, abi.encodeCall(Target.set, (41)));
        PolicyTaskResponse memory it = _allowed(intent);
        vm.expectRevert(abi.encodeWithSelector(IPolicyGuard.ValueNotBooked.selector, 1 ether));
        vm.prank(user);
        guard.execute{value: 1 ether}(it, _certificateHash(it), intent);
        vm.prank(user);
        guard.execute(it, _certificateHash(it), intent);
        assertEq(address(target).balance, 1 ether);
    }

    // --- Ownership ---

    /// A guard does not change hands while its policy stays with the seller.
    function test_ownership_followsTheRecord() public {
        address buyer = makeAddr("buyer");
        vm.prank(clientOwner);
        guard.transferOwnership(buyer);
        vm.prank(buyer);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyGuard.RecordNotMoved.selector, clientOwner, buyer)
        );
        guard.acceptOwnership();
        assertEq(guard.getOwner(), clientOwner);
        // The seller moves the record first; then the buyer has both, and the seller neither.
        vm.prank(clientOwner);
        clients.setClientOwner(address(guard), buyer);
        vm.prank(buyer);
        guard.acceptOwnership();
        assertEq(guard.getOwner(), buyer);
        vm.expectRevert(
            abi.encodeWithSelector(
                IArtifactRegistry.NotClientOwner.selector, address(guard), clientOwner
            )
        );
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(guard), instanceId);
        vm.prank(buyer);
        policies.setCurrentInstance(address(guard), instanceId);
    }

    function test_ownership_ofOthersIsRefusedAsEver() public {
        vm.expectRevert(
            abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger)
        );
        vm.prank(stranger);
        guard.acceptOwnership();
        // A record moved to somebody who was not offered the guard changes nothing either.
        vm.prank(clientOwner);
        clients.setClientOwner(address(guard), stranger);
        vm.expectRevert(
            abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger)
        );
        vm.prank(stranger);
        guard.acceptOwnership();
    }

    function test_ownership_isNotRenouncedWhileRegistered() public {
        vm.prank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyGuard.RecordNotMoved.selector, clientOwner, address(0))
        );
        guard.renounceOwnership();
    }

    /// Without a record there is one owner only.
    function test_ownership_ofAGuardWithoutRecord() public {
        address buyer = makeAddr("buyer");
        OpenGuard fresh = _newGuard();
        vm.prank(clientOwner);
        fresh.transferOwnership(buyer);
        vm.startPrank(buyer);
        fresh.acceptOwnership();
        clients.registerClient(address(fresh));
        vm.stopPrank();
        assertEq(clients.getClientRecord(address(fresh)).owner, buyer);
        fresh = _newGuard();
        vm.prank(clientOwner);
        fresh.renounceOwnership();
        assertEq(fresh.owner(), address(0));
    }

    /// Another failure than "there is no record" is not taken for that.
    function test_ownership_failsWhereTheRegistryDoes() public {
        address buyer = makeAddr("buyer");
        vm.prank(clientOwner);
        guard.transferOwnership(buyer);
        vm.mockCallRevert(
            address(clients),
            abi.encodeCall(clients.getClientRecord, (address(guard))),
            abi.encodeWithSignature("Panic(uint256)", 17)
        );
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 17));
        vm.prank(buyer);
        guard.acceptOwnership();
        vm.mockCallRevert(
            address(clients), abi.encodeCall(clients.getClientRecord, (address(guard))), ""
        );
        vm.expectRevert(abi.encodeWithSelector(IPolicyGuard.CallFailed.selector));
        vm.prank(buyer);
        guard.acceptOwnership();
    }

    function test_clientInterface() public view {
        assertEq(bytes32(type(INewtonPolicyClient).interfaceId), bytes32(bytes4(0x52e18a74)));
        assertTrue(guard.supportsInterface(0x52e18a74));
        assertTrue(guard.supportsInterface(0x01ffc9a7));
        assertTrue(guard.supportsInterface(type(IPolicyGuard).interfaceId));
        assertFalse(guard.supportsInterface(0xffffffff));
        assertEq(guard.getOwner(), clientOwner);
        assertEq(guard.getPolicyId(), instanceId);
        assertEq(guard.getPolicyAddress(), address(policies));
        assertEq(guard.getNewtonPolicyTaskManager(), address(responses));
        assertEq(address(guard.responses()), address(responses));
    }
}

contract GuardedTransferTest is AttestationDeployers {
    function setUp() public {
        setUpAttestation(0, false);
    }

    function _allowed(Intent memory intent)
        private
        returns (PolicyTaskResponse memory response)
    {
        Task memory task = taskFor(intent, 1003);
        response = honestResponse(task, true, 0);
        accept(response, task);
    }

    function _certificateHash(PolicyTaskResponse memory it) private view returns (bytes32) {
        return certificateHashes[it.taskId];
    }

    function test_moreThanTheBalance() public {
        Intent memory intent = intentOf(11 ether);
        PolicyTaskResponse memory it = _allowed(intent);
        vm.deal(address(vault), 100 ether);
        vm.expectRevert(
            abi.encodeWithSelector(GuardedTransfer.InsufficientBalance.selector, 10 ether, 11 ether)
        );
        vm.prank(user);
        vault.execute(it, _certificateHash(it), intent);
        // What comes with the call counts.
        vm.prank(user);
        vault.execute{value: 1 ether}(it, _certificateHash(it), intent);
        assertEq(recipient.balance, 11 ether);
        assertEq(vault.balanceOf(user), 0);
    }

    function test_onlyPlainTransfers() public {
        Intent memory intent = intentOf(1 ether);
        intent.data = hex"00";
        vm.etch(recipient, hex"00");
        PolicyTaskResponse memory it = _allowed(intent);
        vm.expectRevert(abi.encodeWithSelector(GuardedTransfer.CallDataNotAllowed.selector));
        vm.prank(user);
        vault.execute(it, _certificateHash(it), intent);
    }

    function test_deposits() public {
        vm.expectEmit(address(vault));
        emit GuardedTransfer.Deposited(user, 2 ether);
        vm.prank(user);
        (bool ok,) = address(vault).call{value: 2 ether}("");
        assertTrue(ok);
        assertEq(vault.balanceOf(user), 12 ether);
    }
}
