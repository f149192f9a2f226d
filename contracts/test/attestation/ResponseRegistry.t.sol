// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    BN254Certificate,
    IBN254CertificateVerifier
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {IPolicyGuard} from "../../src/interfaces/IPolicyGuard.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {Intent, PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";
import {Messages} from "../base/Messages.sol";
import {OtherBytes} from "../base/OtherBytes.sol";

contract ResponseRegistryTest is AttestationDeployers {
    Task private task;
    PolicyTaskResponse private response;
    bytes32 private certificateHash;

    function setUp() public {
        setUpAttestation(2, false);
        task = taskFor(intentOf(1 ether), 1003);
        response = honestResponse(task, true, 0);
    }

    function _accept() private {
        BN254Certificate memory cert = certifyResponse(response, everyone());
        certificateHash = certificateHashOf(cert);
        responses.accept(response, cert, task);
    }

    function _refuses(bytes memory reason) private {
        BN254Certificate memory cert = certifyResponse(response, everyone());
        vm.expectRevert(reason);
        responses.accept(response, cert, task);
    }

    /// @dev The task changed: its id and whatever the response repeats of it follow.
    function _retask() private {
        response.taskId = Messages.taskId(task);
        response.intentHash = Messages.intentHash(task.intent);
    }

    // --- accept ---

    function test_accept() public {
        bytes32 messageHash = Messages.messageHash(response);
        BN254Certificate memory cert = certifyResponse(response, without(3));
        vm.expectEmit(address(responses));
        emit IResponseRegistry.ResponseAccepted(
            response.taskId, address(vault), messageHash, true, response, cert
        );
        responses.accept(response, cert, task);
        IResponseRegistry.AcceptedResponse memory stored = responses.getResponse(response.taskId);
        assertEq(
            stored.commitment, keccak256(abi.encodePacked(messageHash, keccak256(abi.encode(cert))))
        );
        assertEq(bytes32(stored.messagePrefix), messageHash >> 104 << 104);
        assertEq(stored.acceptedAt, 1005);
        assertEq(stored.expirationBlock, 1003 + DATA_EXPIRE);
        assertTrue(stored.allowed && stored.blockHashChecked && !stored.consumed);
    }

    function test_accept_keepsADeny() public {
        response.evaluationResult = abi.encode(uint256(0));
        _accept();
        assertFalse(responses.getResponse(response.taskId).allowed);
    }

    function test_accept_refusesASecondOne() public {
        _accept();
        _refuses(
            abi.encodeWithSelector(IResponseRegistry.AlreadyAccepted.selector, response.taskId)
        );
        // Nor another answer to the same task.
        response.evaluationResult = abi.encode(uint256(0));
        _refuses(
            abi.encodeWithSelector(IResponseRegistry.AlreadyAccepted.selector, response.taskId)
        );
    }

    function test_accept_refusesOtherChains() public {
        response.chainId = 1;
        _refuses(
            abi.encodeWithSelector(IResponseRegistry.WrongChain.selector, block.chainid, uint256(1))
        );
    }

    function test_accept_refusesOtherRegistries() public {
        response.policyRegistry = stranger;
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.WrongPolicyRegistry.selector, address(policies), stranger
            )
        );
    }

    function test_accept_refusesAnotherTask() public {
        bytes32 signedFor = response.taskId;
        task.nonce += 1;
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.TaskIdMismatch.selector, Messages.taskId(task), signedFor
            )
        );
    }

    function test_accept_refusesFieldsThatAreNotTheTasks() public {
        PolicyTaskResponse memory honest = response;
        for (uint256 i; i < 6; ++i) {
            response = honest;
            Task memory original = task;
            IResponseRegistry.TaskField field = IResponseRegistry.TaskField(i);
            if (field == IResponseRegistry.TaskField.ChainId) {
                task.chainId = 1;
            } else if (field == IResponseRegistry.TaskField.PolicyRegistry) {
                task.policyRegistry = stranger;
            } else if (field == IResponseRegistry.TaskField.PolicyClient) {
                response.policyClient = stranger;
            } else if (field == IResponseRegistry.TaskField.IntentHash) {
                response.intentHash = hashOf("x");
            } else if (field == IResponseRegistry.TaskField.ReferenceBlock) {
                response.referenceBlock = 1002;
            } else {
                response.referenceBlockHash = blockHashOf(1002);
            }
            response.taskId = Messages.taskId(task);
            _refuses(abi.encodeWithSelector(IResponseRegistry.TaskFieldMismatch.selector, field));
            task = original;
        }
    }

    function test_accept_refusesAReferenceBlockThatIsNotMined() public {
        task.referenceBlock = 1005;
        response.referenceBlock = 1005;
        _retask();
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.ReferenceBlockNotMined.selector, uint256(1005), uint256(1005)
            )
        );
    }

    /// A reorganization: the block of that number is another one now.
    function test_accept_refusesAnotherBranch() public {
        vm.setBlockhash(1003, hashOf("other branch"));
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.ReferenceBlockHashMismatch.selector,
                hashOf("other branch"),
                blockHashOf(1003)
            )
        );
    }

    function test_accept_refusesAHashOutOfReach() public {
        vm.roll(1003 + 257);
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.ReferenceBlockHashUnavailable.selector, uint256(1003)
            )
        );
    }

    function test_accept_windowBoundary() public {
        toBlock(1003 + RESPONSE_WINDOW + 1);
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.ReferenceBlockTooOld.selector, uint256(1003), uint256(1004)
            )
        );
        toBlock(1003 + RESPONSE_WINDOW);
        _accept();
    }

    /// A chain with fewer blocks than the window: nothing is too old on it.
    function test_accept_onAYoungChain() public {
        toBlock(2000);
        vm.mockCall(
            address(policies),
            abi.encodeCall(policies.currentInstance, (address(vault))),
            abi.encode(instanceId)
        );
        vm.mockCall(
            address(verifier),
            abi.encodeWithSelector(verifier.verifyCertificateAt.selector),
            abi.encode(new uint256[](0))
        );
        vm.roll(5);
        vm.setBlockhash(3, blockHashOf(3));
        task.referenceBlock = 3;
        task.referenceBlockHash = blockHashOf(3);
        response.referenceBlock = 3;
        response.referenceBlockHash = blockHashOf(3);
        response.expirationBlock = 3 + DATA_EXPIRE;
        _retask();
        _accept();
        assertEq(responses.getResponse(response.taskId).acceptedAt, 5);
    }

    function test_accept_expirationBoundary() public {
        response.expirationBlock = 1005;
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.ResponseExpired.selector, uint256(1005), uint256(1005)
            )
        );
        response.expirationBlock = 1006;
        _accept();
    }

    function _supersede() private returns (bytes32 next) {
        next = policies.deployInstance(templateId, address(vault), bytes('{"limit":6}'), 5);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(vault), next);
    }

    function test_accept_refusesASupersededInstance() public {
        bytes32 next = _supersede();
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.PolicyInstanceSuperseded.selector,
                address(vault),
                next,
                instanceId
            )
        );
    }

    function test_accept_takesASupersededInstanceOnRequest() public {
        _supersede();
        vm.expectEmit(address(responses));
        emit IResponseRegistry.AcceptSupersededSet(address(vault), true);
        vm.prank(clientOwner);
        responses.setAcceptSuperseded(address(vault), true);
        assertTrue(responses.acceptsSuperseded(address(vault)));
        _accept();
    }

    function test_accept_refusesAClientWithoutPolicy() public {
        address bare = address(registerClient(stranger));
        task.policyClient = bare;
        response.policyClient = bare;
        response.policyInstanceId = 0;
        _retask();
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.PolicyInstanceSuperseded.selector, bare, bytes32(0), bytes32(0)
            )
        );
    }

    function test_setAcceptSuperseded_isTheOwners() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.NotClientOwner.selector, address(vault), stranger
            )
        );
        vm.prank(stranger);
        responses.setAcceptSuperseded(address(vault), true);
    }

    function test_accept_refusesACertificateOfAnotherMessage() public {
        BN254Certificate memory cert = certify(hashOf("another"));
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.CertificateMessageHashMismatch.selector,
                Messages.messageHash(response),
                hashOf("another")
            )
        );
        responses.accept(response, cert, task);
    }

    function test_accept_refusesAnotherTable() public {
        BN254Certificate memory cert =
            certify(Messages.messageHash(response), TABLE + 1, everyone());
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.ReferenceTimestampMismatch.selector, TABLE, TABLE + 1
            )
        );
        responses.accept(response, cert, task);
        // Named by both, but not the one in force at the reference block.
        response.referenceTimestamp = TABLE + 1;
        _refuses(
            abi.encodeWithSelector(IBN254CertificateVerifier.WrongTable.selector, TABLE, TABLE + 1)
        );
    }

    function test_accept_refusesIntentsForOtherChains() public {
        task.intent.chainId = 1;
        _retask();
        _refuses(
            abi.encodeWithSelector(
                IResponseRegistry.IntentChainMismatch.selector, block.chainid, uint256(1)
            )
        );
    }

    function test_accept_refusesAStaleTable() public {
        vm.prank(verifierOwner);
        verifier.setMaxStaleness(999);
        _refuses(abi.encodeWithSelector(IResponseRegistry.CertificateStale.selector, TABLE));
        vm.prank(verifierOwner);
        verifier.setMaxStaleness(1000);
        _accept();
    }

    function test_accept_refusesBelowQuorum() public {
        // 500 of 1,000, where 6,700 basis points are wanted.
        BN254Certificate memory cert = certifyResponse(response, without(1, 2));
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.QuorumNotReached.selector, 0, 500, 1000, QUORUM_BPS
            )
        );
        responses.accept(response, cert, task);
    }

    /// The quorum is the reference block's: raised, it counts for blocks of a later time.
    function test_accept_quorumOfTheReferenceBlock() public {
        vm.prank(verifierOwner);
        verifier.setQuorumBps(10_000);
        uint64 from = 1005 + UPGRADE_DELAY;
        toBlock(from + 1);
        task = taskFor(intentOf(1 ether), from - 1);
        response = honestResponse(task, true, 0);
        BN254Certificate memory cert = certifyResponse(response, without(3));
        responses.accept(response, cert, task);

        task = taskFor(intentOf(1 ether), from);
        response = honestResponse(task, true, 0);
        cert = certifyResponse(response, without(3));
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.QuorumNotReached.selector, 0, 850, 1000, 10_000
            )
        );
        responses.accept(response, cert, task);
    }

    /// Whatever bit of a response is changed after signing, the certificate is not over it.
    function test_fuzz_accept_bindsEveryField(uint256 field, bytes32 noise) public {
        BN254Certificate memory cert = certifyResponse(response, everyone());
        noise = keccak256(abi.encode(noise));
        field = bound(field, 0, 12);
        if (field == 0) response.chainId ^= uint256(noise);
        else if (field == 1) response.policyRegistry = address(uint160(uint256(noise)));
        else if (field == 2) response.taskId ^= noise;
        else if (field == 3) response.policyClient = address(uint160(uint256(noise)));
        else if (field == 4) response.intentHash ^= noise;
        else if (field == 5) response.policyInstanceId ^= noise;
        else if (field == 6) response.artifactDigest ^= noise;
        else if (field == 7) response.inputsHash ^= noise;
        else if (field == 8) response.pcr0Commitment ^= noise;
        else if (field == 9) response.evaluationResult = abi.encode(noise);
        else if (field == 10) response.referenceBlock ^= uint64(uint256(noise));
        else if (field == 11) response.referenceTimestamp ^= uint32(uint256(noise) | 1);
        else response.expirationBlock = uint64(uint256(noise) % 500 + 1310);
        vm.expectRevert();
        responses.accept(response, cert, task);
    }

    // --- consume ---

    function _consumeAs(address caller, Intent memory intent) private {
        vm.prank(caller);
        responses.consume(response, certificateHash, intent);
    }

    function test_consume_once() public {
        _accept();
        vm.expectEmit(address(responses));
        emit IResponseRegistry.ResponseConsumed(response.taskId, address(vault));
        _consumeAs(address(vault), task.intent);
        assertTrue(responses.getResponse(response.taskId).consumed);
        vm.expectRevert(
            abi.encodeWithSelector(IResponseRegistry.AlreadyConsumed.selector, response.taskId)
        );
        _consumeAs(address(vault), task.intent);
    }

    function test_consume_refusesUnknownTasks() public {
        vm.expectRevert(
            abi.encodeWithSelector(IResponseRegistry.ResponseNotAccepted.selector, response.taskId)
        );
        _consumeAs(address(vault), task.intent);
    }

    /// What was accepted is one response with one certificate: nothing of either can be exchanged.
    function test_consume_onlyTheAcceptedResponse() public {
        _accept();
        bytes32 messageHash = Messages.messageHash(response);
        bytes32 commitment = responses.getResponse(response.taskId).commitment;
        bytes32 another = keccak256(abi.encode(certifyResponse(response, without(3))));
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.CommitmentMismatch.selector,
                commitment,
                keccak256(abi.encodePacked(messageHash, another))
            )
        );
        vm.prank(address(vault));
        responses.consume(response, another, task.intent);
    }

    /// Whatever of the response is changed, the client cannot use it: not for another intent, not for
    /// longer, not for another client.
    function test_fuzz_consume_bindsEveryField(uint256 field, bytes32 noise) public {
        _accept();
        noise = keccak256(abi.encode(noise));
        field = bound(field, 0, 12);
        address caller = address(vault);
        if (field == 0) response.chainId ^= uint256(noise);
        else if (field == 1) response.policyRegistry = address(uint160(uint256(noise)));
        else if (field == 2) response.inputsHash ^= noise;
        else if (field == 3) response.policyClient = caller = address(uint160(uint256(noise)));
        else if (field == 4) response.intentHash ^= noise;
        else if (field == 5) response.policyInstanceId ^= noise;
        else if (field == 6) response.artifactDigest ^= noise;
        else if (field == 7) response.referenceBlockHash ^= noise;
        else if (field == 8) response.pcr0Commitment ^= noise;
        else if (field == 9) response.evaluationResult = abi.encode(noise);
        else if (field == 10) response.referenceBlock ^= uint64(uint256(noise) | 1);
        else if (field == 11) response.referenceTimestamp ^= uint32(uint256(noise) | 1);
        else response.expirationBlock ^= uint64(uint256(noise) | 1);
        vm.expectPartialRevert(IResponseRegistry.CommitmentMismatch.selector);
        _consumeAs(caller, task.intent);
        assertFalse(responses.getResponse(response.taskId).consumed);
    }

    function test_consume_isTheClients() public {
        _accept();
        vm.expectRevert(
            abi.encodeWithSelector(IResponseRegistry.NotPolicyClient.selector, address(vault), user)
        );
        _consumeAs(user, task.intent);
    }

    function test_consume_expirationBoundary() public {
        _accept();
        vm.roll(response.expirationBlock);
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.ResponseExpired.selector,
                uint256(response.expirationBlock),
                uint256(response.expirationBlock)
            )
        );
        _consumeAs(address(vault), task.intent);
        vm.roll(response.expirationBlock - 1);
        _consumeAs(address(vault), task.intent);
    }

    function test_consume_refusesOtherIntents() public {
        _accept();
        for (uint256 i; i < 6; ++i) {
            Intent memory intent = intentOf(1 ether);
            if (i == 0) intent.from = stranger;
            else if (i == 1) intent.to = stranger;
            else if (i == 2) intent.value = 2 ether;
            else if (i == 3) intent.data = hex"00";
            else if (i == 4) intent.chainId = 1;
            else intent.functionSignature = hex"00";
            vm.expectRevert(
                abi.encodeWithSelector(
                    IResponseRegistry.IntentMismatch.selector,
                    response.intentHash,
                    Messages.intentHash(intent)
                )
            );
            _consumeAs(address(vault), intent);
        }
    }

    function test_consume_refusesADeny() public {
        response.evaluationResult = abi.encode(uint256(0));
        _accept();
        vm.expectRevert(
            abi.encodeWithSelector(IResponseRegistry.EvaluationDenied.selector, response.taskId)
        );
        _consumeAs(address(vault), task.intent);
    }

    /// No response stays valid for longer than the chain allows, whatever a row says.
    function test_accept_failsBeyondTheLongestExpiration() public {
        uint256 latest = 1003 + MAX_EXPIRE;
        uint64[2] memory beyond = [uint64(latest + 1), type(uint64).max];
        for (uint256 i; i < 2; ++i) {
            response.expirationBlock = beyond[i];
            _refuses(
                abi.encodeWithSelector(
                    IResponseRegistry.ExpirationTooFar.selector, uint256(beyond[i]), latest
                )
            );
        }
        response.expirationBlock = uint64(latest);
        _accept();
        assertEq(responses.getResponse(response.taskId).expirationBlock, latest);
    }

    // --- PolicyGuard and the example on it ---

    function test_execute_transfers() public {
        _accept();
        vm.expectEmit(address(vault));
        emit IPolicyGuard.IntentExecuted(response.taskId, user, recipient, 1 ether);
        vm.prank(user);
        vault.execute(response, certificateHash, task.intent);
        assertEq(recipient.balance, 1 ether);
        assertEq(vault.balanceOf(user), 9 ether);
        vm.expectRevert(
            abi.encodeWithSelector(IResponseRegistry.AlreadyConsumed.selector, response.taskId)
        );
        vm.prank(user);
        vault.execute(response, certificateHash, task.intent);
        assertEq(recipient.balance, 1 ether);
    }

    function test_execute_refusesADeny() public {
        response.evaluationResult = abi.encode(uint256(0));
        _accept();
        vm.expectRevert(
            abi.encodeWithSelector(IResponseRegistry.EvaluationDenied.selector, response.taskId)
        );
        vm.prank(user);
        vault.execute(response, certificateHash, task.intent);
        assertEq(recipient.balance, 0);
        assertEq(vault.balanceOf(user), 10 ether);
    }

    /// Whatever words a user changes of a call: what was evaluated is done, or nothing is.
    function test_fuzz_execute_noOtherBytes(
        uint256[2] memory at,
        uint256[2] memory value,
        uint256[2] memory form
    ) public {
        _accept();
        bytes memory data =
            abi.encodeCall(vault.execute, (response, certificateHash, task.intent));
        for (uint256 i; i < 2; ++i) {
            OtherBytes.change(data, at[i], value[i], form[i]);
        }
        uint256 before = address(vault).balance;
        vm.prank(user);
        (bool ok,) = address(vault).call(data);
        assertEq(recipient.balance, ok ? 1 ether : 0);
        assertEq(address(vault).balance, before - recipient.balance);
        assertEq(responses.getResponse(response.taskId).consumed, ok);
    }

    function test_execute_isTheSendersIntent() public {
        _accept();
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyGuard.NotIntentSender.selector, user, stranger)
        );
        vm.prank(stranger);
        vault.execute(response, certificateHash, task.intent);
    }

    /// forge-config: default.isolate = true
    function test_gas() public {
        BN254Certificate memory cert = certifyResponse(response, everyone());
        certificateHash = certificateHashOf(cert);
        responses.accept(response, cert, task);
        vm.snapshotGasLastCall("ResponseRegistry", "accept: all signed");
        snapshotTries("ResponseRegistry", "accept: all signed", cert);
        vm.prank(user);
        vault.execute(response, certificateHash, task.intent);
        vm.snapshotGasLastCall("ResponseRegistry", "execute: plain transfer");
        task = taskFor(intentOf(1 ether), 1003);
        response = honestResponse(task, true, 0);
        cert = certifyResponse(response, without(0, 3));
        vm.expectRevert();
        responses.accept(response, cert, task);
        cert = certifyResponse(response, without(3));
        responses.accept(response, cert, task);
        vm.snapshotGasLastCall("ResponseRegistry", "accept: 1 of 5 absent");
        snapshotTries("ResponseRegistry", "accept: 1 of 5 absent", cert);
        // The transfer before this one created the recipient's account, which costs 25,000.
        certificateHash = certificateHashOf(cert);
        vm.prank(user);
        vault.execute(response, certificateHash, task.intent);
        vm.snapshotGasLastCall("ResponseRegistry", "execute: transfer to an account that is there");
    }
}
