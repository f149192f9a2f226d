// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    BN254Certificate,
    BN254OperatorInfoWitness,
    IBN254CertificateVerifier
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {IChallengeVerifier} from "../../src/interfaces/IChallengeVerifier.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {ISlasher} from "../../src/interfaces/ISlasher.sol";
import {PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";
import {Messages} from "../base/Messages.sol";
import {OtherBytes} from "../base/OtherBytes.sol";

contract ChallengeVerifierTest is AttestationDeployers {
    Task private task;
    PolicyTaskResponse private response;

    function setUp() public {
        setUpAttestation(2, false);
        task = taskFor(intentOf(1 ether), 1003);
        response = honestResponse(task, true, 0);
    }

    function _acceptWith(uint256[] memory absent) private {
        BN254Certificate memory cert = certifyResponse(response, absent);
        responses.accept(response, cert, task);
    }

    function _acceptAll() private {
        _acceptWith(everyone());
    }

    function _challengeReverts(bytes memory reason) private {
        BN254Certificate memory cert = certifyResponse(response, everyone());
        BN254OperatorInfoWitness[] memory signers = signersBut(everyone());
        vm.expectRevert(reason);
        challenges.challengeAttestationDigest(response, cert, signers);
    }

    function _expectHonest() private {
        assertTrue(challenges.findMismatch(response) == IChallengeVerifier.Mismatch.None);
        _challengeReverts(abi.encodeWithSelector(IChallengeVerifier.ChallengeFailed.selector));
        _expectStakes(STAKE);
    }

    function _expectSlashed(IChallengeVerifier.Mismatch mismatch) private {
        assertTrue(challenges.findMismatch(response) == mismatch, "mismatch");
        bytes32 messageHash = Messages.messageHash(response);
        vm.expectEmit(address(challenges));
        emit IChallengeVerifier.ChallengeSucceeded(
            messageHash, response.taskId, challenger, mismatch, operatorNames
        );
        challenge(response, everyone());
        _expectStakes(STAKE / 10 * 9);
        for (uint256 i; i < OPERATORS; ++i) {
            assertTrue(challenges.isSlashed(messageHash, uint32(i)));
        }
    }

    function _expectStakes(uint256 stake) private view {
        for (uint256 i; i < OPERATORS; ++i) {
            assertEq(slasher.stakeOf(operatorNames[i]), stake);
        }
    }

    // --- Dishonest ones do not get away ---

    function test_wrongDigest() public {
        response.artifactDigest = hashOf("forged plugin");
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.Digest);
    }

    function test_fuzz_wrongDigest(bytes32 digest) public {
        vm.assume(digest != response.artifactDigest);
        response.artifactDigest = digest;
        _acceptAll();
        assertTrue(challenges.findMismatch(response) == IChallengeVerifier.Mismatch.Digest);
    }

    function test_wrongExpiration_later() public {
        response.expirationBlock += 1;
        response.artifactDigest = digestOf(1003, response.expirationBlock, 0);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.Expiration);
    }

    function test_wrongExpiration_earlier() public {
        response.expirationBlock = 1006;
        response.artifactDigest = digestOf(1003, 1006, 0);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.Expiration);
    }

    /// The latest expiration that is accepted keeps the window open, and no longer than code stays.
    function test_wrongExpiration_extreme() public {
        uint64 latest = 1003 + MAX_EXPIRE;
        response.expirationBlock = latest;
        response.artifactDigest = digestOf(1003, latest, 0);
        _acceptAll();
        uint256 last = latest + CHALLENGE_WINDOW;
        assertEq(challenges.openUntil(response.taskId, latest), last);
        assertLt(last, currentBlock + UPGRADE_DELAY);
        toBlock(last);
        _expectSlashed(IChallengeVerifier.Mismatch.Expiration);
    }

    /// An instance whose `expireAfter` is the largest there is bounds the expiration all the same.
    function test_extremeExpireAfter_isHonest() public {
        deployPolicyWith(0, MAX_EXPIRE);
        response = honestResponse(task, true, 0);
        response.expirationBlock = task.referenceBlock + MAX_EXPIRE;
        response.artifactDigest = digestOf(task.referenceBlock, response.expirationBlock, 0);
        _acceptAll();
        _expectHonest();
    }

    function deployPolicyWith(uint256 dataInstances, uint64 expireAfter) private {
        assertEq(dataInstances, 0);
        delete refs;
        delete dataInstanceIds;
        templateId = policies.registerTemplate(
            hashOf("rego 2"), hashOf("params schema"), new bytes32[](0), noLocators
        );
        instanceId =
            policies.deployInstance(templateId, address(vault), bytes('{"limit":5}'), expireAfter);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(vault), instanceId);
        toBlock(1010);
        task = taskFor(intentOf(1 ether), 1008);
    }

    function test_wrongInstance_anotherOfTheClient() public {
        bytes32 other = policies.deployInstance(templateId, address(vault), bytes('{"x":1}'), 600);
        vm.prank(clientOwner);
        responses.setAcceptSuperseded(address(vault), true);
        instanceId = other;
        response = honestResponse(task, true, 0);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.PolicyInstance);
    }

    /// Accepted, because it is current now; but at the reference block it was not deployed yet.
    function test_wrongInstance_notYetDeployed() public {
        instanceId = policies.deployInstance(templateId, address(vault), bytes('{"x":1}'), 600);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(vault), instanceId);
        response = honestResponse(task, true, 0);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.PolicyInstance);
    }

    function test_wrongInstance_madeUp() public {
        vm.prank(clientOwner);
        responses.setAcceptSuperseded(address(vault), true);
        response.policyInstanceId = hashOf("made up");
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.PolicyInstance);
    }

    function test_wrongInstance_absentSlot() public {
        address bare = address(registerClient(clientOwner));
        vm.prank(clientOwner);
        responses.setAcceptSuperseded(bare, true);
        task.policyClient = bare;
        response.policyClient = bare;
        response.taskId = Messages.taskId(task);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.PolicyInstance);
    }

    /// No slot and an instance id of zero, so that the two are equal.
    function test_wrongInstance_absentSlotAndZero() public {
        address bare = address(registerClient(clientOwner));
        vm.prank(clientOwner);
        responses.setAcceptSuperseded(bare, true);
        task.policyClient = bare;
        response.policyClient = bare;
        response.policyInstanceId = 0;
        response.taskId = Messages.taskId(task);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.PolicyInstance);
    }

    /// Rows that are not there are a mismatch, not a revert.
    function test_missingRows() public {
        _acceptAll();
        uint256 before = vm.snapshotState();
        bytes4 deployed = policies.isInstanceDeployed.selector;
        bytes4 registered = policies.isTemplateRegistered.selector;
        for (uint256 i; i < 5; ++i) {
            if (i == 0) {
                vm.mockCall(
                    address(policies),
                    abi.encodeWithSelector(deployed, instanceId),
                    abi.encode(false)
                );
            } else if (i == 1) {
                vm.mockCall(
                    address(policies),
                    abi.encodeWithSelector(registered, templateId),
                    abi.encode(false)
                );
            } else if (i == 2) {
                vm.mockCall(
                    address(dataRegistry),
                    abi.encodeWithSelector(deployed, dataInstanceIds[1]),
                    abi.encode(false)
                );
            } else if (i == 3) {
                vm.mockCall(
                    address(dataRegistry),
                    abi.encodeWithSelector(registered, refs[0]),
                    abi.encode(false)
                );
            } else {
                vm.mockCall(
                    address(dataRegistry),
                    abi.encodeCall(dataRegistry.currentInstanceAt, (address(vault), refs[1], 1003)),
                    abi.encode(bytes32(0))
                );
            }
            _expectSlashed(IChallengeVerifier.Mismatch.MissingRow);
            vm.clearMockedCalls();
            vm.revertToState(before);
        }
        _expectHonest();
    }

    // --- The enclave rule ---

    function _withSecrets() private {
        deployPolicySecrets();
        toBlock(1010);
        task = taskFor(intentOf(1 ether), 1008);
    }

    function deployPolicySecrets() private {
        delete refs;
        delete dataInstanceIds;
        refs.push(
            dataRegistry.registerTemplate(
                hashOf("wasm s"), ABSENT, hashOf("secrets schema"), noDataLocators
            )
        );
        templateId = policies.registerTemplate(hashOf("rego s"), ABSENT, refs, noLocators);
        vm.startPrank(clientOwner);
        dataInstanceIds.push(dataRegistry.deployInstance(refs[0], address(vault), "", DATA_EXPIRE));
        dataRegistry.setCurrentInstance(address(vault), refs[0], dataInstanceIds[0]);
        instanceId = policies.deployInstance(templateId, address(vault), "", POLICY_EXPIRE);
        policies.setCurrentInstance(address(vault), instanceId);
        vm.stopPrank();
    }

    function test_enclave_requiredBySecrets() public {
        _withSecrets();
        response = honestResponse(task, true, 0);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.Enclave);
    }

    function test_enclave_namedIsHonest() public {
        _withSecrets();
        response = honestResponse(task, true, PCR0);
        _acceptAll();
        _expectHonest();
    }

    function test_enclave_notWhitelisted() public {
        response = honestResponse(task, true, hashOf("rogue build"));
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.Enclave);
    }

    function test_enclave_whitelistedLater() public {
        response = honestResponse(task, true, hashOf("build 2"));
        _acceptAll();
        vm.prank(owner);
        enclaves.activateVersion(hashOf("build 2"), "build 2");
        toBlock(1006);
        _expectSlashed(IChallengeVerifier.Mismatch.Enclave);
    }

    function test_enclave_requiredByTheRegistry() public {
        vm.prank(owner);
        policies.setEnclaveRequired(true);
        toBlock(1010);
        task = taskFor(intentOf(1 ether), 1008);
        response = honestResponse(task, true, 0);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.Enclave);
    }

    /// The word of the enclave is in the digest only where one is named.
    function test_enclave_wordLeftOut() public {
        response = honestResponse(task, true, PCR0);
        response.artifactDigest = digestOf(1003, response.expirationBlock, 0);
        _acceptAll();
        _expectSlashed(IChallengeVerifier.Mismatch.Digest);
    }

    // --- Honest ones are never slashed ---

    function test_honest() public {
        _acceptAll();
        _expectHonest();
    }

    function test_honest_withoutData() public {
        deployPolicyWith(0, POLICY_EXPIRE);
        response = honestResponse(task, true, 0);
        _acceptAll();
        _expectHonest();
    }

    function test_honest_policySlotMovedAfterwards() public {
        _acceptAll();
        bytes32 other = policies.deployInstance(templateId, address(vault), bytes('{"x":1}'), 1);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(vault), other);
        toBlock(1020);
        _expectHonest();
    }

    /// Moved in the block after the reference block, before acceptance.
    function test_honest_dataSlotMovedBetween() public {
        bytes32 other = dataRegistry.deployInstance(refs[0], address(vault), bytes('{"z":1}'), 1);
        vm.roll(1004);
        vm.prank(clientOwner);
        dataRegistry.setCurrentInstance(address(vault), refs[0], other);
        toBlock(1005);
        _acceptAll();
        _expectHonest();
    }

    function test_honest_enclaveDeprecatedAfterwards() public {
        response = honestResponse(task, true, PCR0);
        _acceptAll();
        vm.prank(owner);
        enclaves.deprecateVersion(PCR0);
        toBlock(1006);
        _expectHonest();
    }

    function test_honest_enclaveRequiredAfterwards() public {
        _acceptAll();
        vm.prank(owner);
        policies.setEnclaveRequired(true);
        toBlock(1006);
        _expectHonest();
    }

    function test_honest_quorumRaisedAndTableReplacedAfterwards() public {
        _acceptWith(without(3));
        vm.prank(verifierOwner);
        verifier.setQuorumBps(10_000);
        vm.warp(TABLE + 5000);
        publishTable(TABLE + 4000);
        toBlock(response.expirationBlock + CHALLENGE_WINDOW);
        _expectHonest();
    }

    /// The lie is still punished under the table and the quorum it was told under.
    function test_dishonest_quorumRaisedAndTableReplacedAfterwards() public {
        response.artifactDigest = hashOf("forged");
        _acceptWith(without(3));
        vm.startPrank(verifierOwner);
        verifier.setQuorumBps(10_000);
        verifier.setMaxStaleness(1);
        vm.stopPrank();
        vm.warp(TABLE + 5000);
        publishTable(TABLE + 4000);
        toBlock(1020);
        challenge(response, without(3));
        for (uint256 i; i < OPERATORS; ++i) {
            assertEq(slasher.stakeOf(operatorNames[i]), i == 3 ? STAKE : STAKE / 10 * 9);
        }
    }

    function test_honest_clientGoneAfterwards() public {
        _acceptAll();
        vm.startPrank(clientOwner);
        clients.setClientOwner(address(vault), stranger);
        vm.stopPrank();
        vm.prank(stranger);
        clients.deactivateClient(address(vault));
        toBlock(1006);
        _expectHonest();
    }

    function test_otherChain() public {
        response.artifactDigest = hashOf("forged");
        _acceptAll();
        uint256 here = response.chainId;
        vm.chainId(here + 1);
        _challengeReverts(
            abi.encodeWithSelector(IChallengeVerifier.WrongChain.selector, here + 1, here)
        );
    }

    function test_otherRegistry() public {
        response.policyRegistry = stranger;
        _challengeReverts(
            abi.encodeWithSelector(
                IChallengeVerifier.WrongPolicyRegistry.selector, address(policies), stranger
            )
        );
    }

    /// Signed by everyone, but never accepted here: nothing was relied on.
    function test_notAccepted() public {
        response.artifactDigest = hashOf("forged");
        _challengeReverts(
            abi.encodeWithSelector(IChallengeVerifier.ResponseNotAccepted.selector, response.taskId)
        );
    }

    /// A reorganization across the reference block: the response of the other branch is not
    /// accepted on this one, so nobody is slashed for it here.
    function test_reorganization() public {
        response.artifactDigest = hashOf("what was right on the other branch");
        vm.setBlockhash(1003, hashOf("this branch"));
        BN254Certificate memory cert = certifyResponse(response, everyone());
        vm.expectPartialRevert(IResponseRegistry.ReferenceBlockHashMismatch.selector);
        responses.accept(response, cert, task);
        _challengeReverts(
            abi.encodeWithSelector(IChallengeVerifier.ResponseNotAccepted.selector, response.taskId)
        );
        _expectStakes(STAKE);
    }

    function test_anotherMessageOfAnAcceptedTask() public {
        _acceptAll();
        response.artifactDigest = hashOf("forged");
        _challengeReverts(
            abi.encodeWithSelector(IChallengeVerifier.ResponseNotAccepted.selector, response.taskId)
        );
    }

    function test_uncheckedBlockHash() public {
        response.artifactDigest = hashOf("forged");
        _acceptAll();
        IResponseRegistry.AcceptedResponse memory stored = responses.getResponse(response.taskId);
        stored.blockHashChecked = false;
        vm.mockCall(
            address(responses),
            abi.encodeCall(responses.getResponse, (response.taskId)),
            abi.encode(stored)
        );
        _challengeReverts(
            abi.encodeWithSelector(
                IChallengeVerifier.ReferenceBlockHashUnchecked.selector, response.taskId
            )
        );
    }

    // --- The window ---

    function test_windowBoundary() public {
        response.artifactDigest = hashOf("forged");
        _acceptAll();
        uint256 last = response.expirationBlock + CHALLENGE_WINDOW;
        assertEq(challenges.openUntil(response.taskId, response.expirationBlock), last);
        toBlock(last + 1);
        _challengeReverts(
            abi.encodeWithSelector(
                IChallengeVerifier.ChallengeWindowClosed.selector, last, last + 1
            )
        );
        toBlock(last);
        _expectSlashed(IChallengeVerifier.Mismatch.Digest);
    }

    function test_openUntil_unknown() public {
        vm.expectRevert(
            abi.encodeWithSelector(IChallengeVerifier.ResponseNotAccepted.selector, bytes32(0))
        );
        challenges.openUntil(0, 5);
    }

    // --- Signers ---

    function _forge() private {
        response.artifactDigest = hashOf("forged");
        _acceptAll();
    }

    function _challengeWith(
        BN254Certificate memory cert,
        BN254OperatorInfoWitness[] memory signers,
        bytes memory reason
    ) private {
        if (reason.length != 0) vm.expectRevert(reason);
        challenges.challengeAttestationDigest(response, cert, signers);
    }

    function _list(uint256 a) private view returns (BN254OperatorInfoWitness[] memory list) {
        list = new BN254OperatorInfoWitness[](1);
        list[0] = witnessOf(a);
    }

    function _list(uint256 a, uint256 b)
        private
        view
        returns (BN254OperatorInfoWitness[] memory list)
    {
        list = new BN254OperatorInfoWitness[](2);
        list[0] = witnessOf(a);
        list[1] = witnessOf(b);
    }

    function test_nonSignerIsNotSlashed() public {
        _forge();
        _challengeWith(
            certifyResponse(response, without(3)),
            _list(2, 3),
            abi.encodeWithSelector(IChallengeVerifier.SignerIsNonSigner.selector, uint32(3))
        );
        _expectStakes(STAKE);
    }

    function test_signersSortedWithoutRepeats() public {
        _forge();
        BN254Certificate memory cert = certifyResponse(response, everyone());
        bytes memory reason =
            abi.encodeWithSelector(IChallengeVerifier.SignersNotSorted.selector, uint256(1));
        _challengeWith(cert, _list(1, 1), reason);
        _challengeWith(cert, _list(2, 1), reason);
        _expectStakes(STAKE);
    }

    function test_signersMustBeInTheTable() public {
        _forge();
        BN254Certificate memory cert = certifyResponse(response, everyone());
        BN254OperatorInfoWitness[] memory signers = _list(1);
        signers[0].operatorInfo.weights[0] += 1;
        _challengeWith(
            cert,
            signers,
            abi.encodeWithSelector(IBN254CertificateVerifier.OperatorNotInTable.selector, uint32(1))
        );
        signers = _list(1);
        signers[0].operatorInfo.pubkey = operatorKeys[2];
        _challengeWith(
            cert,
            signers,
            abi.encodeWithSelector(IBN254CertificateVerifier.OperatorNotInTable.selector, uint32(1))
        );
        signers = _list(1);
        signers[0].operatorIndex = 5;
        _challengeWith(
            cert,
            signers,
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidOperatorIndex.selector)
        );
    }

    function test_eachOncePerMessage_laterCertificatesAddSigners() public {
        _forge();
        bytes32 messageHash = Messages.messageHash(response);
        BN254Certificate memory first = certifyResponse(response, without(3));
        _challengeWith(first, _list(0, 1), "");
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE / 10 * 9);
        assertEq(slasher.stakeOf(operatorNames[2]), STAKE);
        _challengeWith(
            first,
            _list(0, 1),
            abi.encodeWithSelector(IChallengeVerifier.NothingToSlash.selector, messageHash)
        );
        // Operator 3 shows up in another certificate over the same message.
        _challengeWith(certifyResponse(response, everyone()), _list(1, 3), "");
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE / 10 * 9);
        assertEq(slasher.stakeOf(operatorNames[1]), STAKE / 10 * 9);
        assertEq(slasher.stakeOf(operatorNames[3]), STAKE / 10 * 9);
        assertFalse(challenges.isSlashed(messageHash, 4));
    }

    /// Another false response is another message.
    function test_slashedAgainForAnotherMessage() public {
        _forge();
        challenge(response, everyone());
        task = taskFor(intentOf(2 ether), 1003);
        response = honestResponse(task, true, 0);
        _forge();
        challenge(response, everyone());
        _expectStakes(STAKE / 100 * 81);
    }

    function test_noSigners() public {
        _forge();
        _challengeWith(
            certifyResponse(response, everyone()),
            new BN254OperatorInfoWitness[](0),
            abi.encodeWithSelector(
                IChallengeVerifier.NothingToSlash.selector, Messages.messageHash(response)
            )
        );
    }

    function test_certificateMustBeOverTheResponse() public {
        _forge();
        _challengeWith(
            certify(hashOf("another")),
            _list(0),
            abi.encodeWithSelector(
                IChallengeVerifier.CertificateMessageHashMismatch.selector,
                Messages.messageHash(response),
                hashOf("another")
            )
        );
    }

    function test_certificateMustVerify() public {
        _forge();
        BN254Certificate memory cert = certifyResponse(response, everyone());
        cert.signature = operatorKeys[0];
        _challengeWith(
            cert,
            _list(0),
            abi.encodeWithSelector(IBN254CertificateVerifier.VerificationFailed.selector)
        );
        cert = certifyResponse(response, without(1, 2));
        _challengeWith(
            cert,
            _list(0),
            abi.encodeWithSelector(
                IBN254CertificateVerifier.QuorumNotReached.selector, 0, 500, 1000, QUORUM_BPS
            )
        );
        cert = certifyResponse(response, everyone());
        cert.referenceTimestamp += 1;
        _challengeWith(
            cert,
            _list(0),
            abi.encodeWithSelector(IBN254CertificateVerifier.WrongTable.selector, TABLE, TABLE + 1)
        );
        _expectStakes(STAKE);
    }

    /// Whatever words of a challenge are changed: what is so stays so.
    function test_fuzz_honest_noOtherBytes(
        uint256[2] memory at,
        uint256[2] memory value,
        uint256[2] memory form
    ) public {
        (, PolicyTaskResponse memory response) = acceptHonest(true, 0);
        bytes memory data = abi.encodeCall(
            challenges.challengeAttestationDigest,
            (response, certifyResponse(response, without(1)), signersBut(without(1)))
        );
        for (uint256 i; i < 2; ++i) {
            OtherBytes.change(data, at[i], value[i], form[i]);
        }
        vm.prank(challenger);
        (bool ok,) = address(challenges).call(data);
        assertFalse(ok);
        for (uint256 i; i < OPERATORS; ++i) {
            assertEq(slasher.stakeOf(operatorNames[i]), STAKE);
        }
    }

    function test_slasherIsCalledWithATenth() public {
        _forge();
        vm.expectCall(
            address(slasher),
            abi.encodeCall(
                ISlasher.slash, (operatorNames[4], 1e17, Messages.messageHash(response))
            )
        );
        challenge(response, everyone());
    }

    // --- The accepted certificate ---

    /// Verified at acceptance, it is known by its hash; any other one is verified.
    function test_acceptedCertificate_isNotVerifiedAgain() public {
        _forge();
        bytes memory verification = abi.encodePacked(verifier.verifyCertificateAt.selector);
        vm.expectCall(address(verifier), verification, 0);
        _challengeWith(certifyResponse(response, everyone()), _list(0), "");
    }

    function test_laterCertificate_isVerified() public {
        _forge();
        bytes memory verification = abi.encodePacked(verifier.verifyCertificateAt.selector);
        BN254Certificate memory later = certifyResponse(response, without(3));
        vm.expectCall(address(verifier), verification, 1);
        _challengeWith(later, _list(0), "");
    }

    /// The accepted certificate with whatever of it changed is not the accepted one.
    function test_fuzz_acceptedCertificate_isBoundWhole(uint256 field, uint256 noise) public {
        _acceptForged(without(3));
        BN254Certificate memory cert = certifyResponse(response, without(3));
        noise = uint256(keccak256(abi.encode(noise)));
        field = bound(field, 0, 5);
        if (field == 0) cert.signature.X = noise;
        else if (field == 1) cert.apk.X[0] = noise;
        else if (field == 2) cert.referenceTimestamp ^= uint32(noise | 1);
        else if (field == 3) cert.nonSignerWitnesses[0].operatorIndex = uint32(noise);
        else if (field == 4) cert.nonSignerWitnesses[0].operatorInfo.weights[0] = noise >> 128;
        else cert.nonSignerWitnesses = new BN254OperatorInfoWitness[](0);
        BN254OperatorInfoWitness[] memory signers = _list(0);
        vm.expectRevert();
        challenges.challengeAttestationDigest(response, cert, signers);
        _expectStakes(STAKE);
    }

    function _acceptForged(uint256[] memory absent) private {
        response.artifactDigest = hashOf("forged");
        _acceptWith(absent);
    }

    /// Operators of the largest table: each has its bit, in its word.
    function test_slashedSigners_ofALargeTable() public {
        _forge();
        bytes32 messageHash = Messages.messageHash(response);
        BN254Certificate memory cert = certifyResponse(response, everyone());
        uint32[5] memory indices = [uint32(0), 255, 256, 300, 511];
        BN254OperatorInfoWitness[] memory signers = new BN254OperatorInfoWitness[](5);
        for (uint256 i; i < 5; ++i) {
            signers[i] = witnessOf(i);
            signers[i].operatorIndex = indices[i];
            vm.mockCall(
                address(verifier),
                abi.encodeCall(verifier.proveOperator, (TABLE, signers[i])),
                abi.encode(operatorNames[i])
            );
        }
        challenges.challengeAttestationDigest(response, cert, signers);
        _expectStakes(STAKE / 10 * 9);
        for (uint32 index; index < 512; ++index) {
            bool named;
            for (uint256 i; i < 5; ++i) {
                named = named || indices[i] == index;
            }
            assertTrue(challenges.isSlashed(messageHash, index) == named);
        }
        vm.expectRevert(
            abi.encodeWithSelector(IChallengeVerifier.NothingToSlash.selector, messageHash)
        );
        challenges.challengeAttestationDigest(response, cert, signers);
    }
}

/// @notice Gas of challenges. What the slasher does with a stake is its own: it does nothing here.
contract ChallengeVerifierGasTest is AttestationDeployers {
    /// forge-config: default.isolate = true
    function test_gas_falseChallenge() public {
        setUpAttestation(2, false);
        (, PolicyTaskResponse memory honest) = acceptHonest(true, 0);
        BN254Certificate memory cert = certifyResponse(honest, everyone());
        BN254OperatorInfoWitness[] memory signers = signersBut(without(1));
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.ChallengeFailed.selector));
        challenges.challengeAttestationDigest(honest, cert, signers);
        uint256 used =
            vm.snapshotGasLastCall("ChallengeVerifier", "false challenge: 2 data instances");
        assertLt(used, 150_000);
    }

    /// forge-config: default.isolate = true
    function test_gas_challenge() public {
        _challenge(1, everyone(), "challenge: 2 data instances, 1 signer");
    }

    /// forge-config: default.isolate = true
    function test_gas_challenge_fourSigners() public {
        _challenge(4, everyone(), "challenge: 2 data instances, 4 signers");
    }

    /// forge-config: default.isolate = true
    function test_gas_challenge_laterCertificate() public {
        _challenge(1, without(3), "challenge: 2 data instances, 1 signer, another certificate");
    }

    function _challenge(uint256 count, uint256[] memory absent, string memory name) private {
        setUpAttestation(2, false);
        vm.etch(address(slasher), hex"00");
        Task memory task = taskFor(intentOf(1 ether), 1003);
        PolicyTaskResponse memory forged = honestResponse(task, true, 0);
        forged.artifactDigest = hashOf("forged");
        accept(forged, task);
        BN254Certificate memory cert = certifyResponse(forged, absent);
        BN254OperatorInfoWitness[] memory signers = new BN254OperatorInfoWitness[](count);
        for (uint256 i; i < count; ++i) {
            signers[i] = witnessOf(i);
        }
        challenges.challengeAttestationDigest(forged, cert, signers);
        vm.snapshotGasLastCall("ChallengeVerifier", name);
        if (absent.length != 0) snapshotTries("ChallengeVerifier", name, cert);
    }

    /// The dearest policy there is, accepted with a lie: it can be challenged in one transaction.
    /// forge-config: default.isolate = true
    function test_gas_challenge_largest() public {
        setUpAttestation(32, false);
        vm.etch(address(slasher), hex"00");
        vm.startPrank(clientOwner);
        for (uint256 i; i < 32; ++i) {
            dataInstanceIds[i] = dataRegistry.deployInstance(
                refs[i], address(vault), filler(8192), DATA_EXPIRE + uint64(i)
            );
            dataRegistry.setCurrentInstance(address(vault), refs[i], dataInstanceIds[i]);
        }
        instanceId =
            policies.deployInstance(templateId, address(vault), filler(8192), POLICY_EXPIRE);
        policies.setCurrentInstance(address(vault), instanceId);
        vm.stopPrank();
        toBlock(currentBlock + 5);
        Task memory task = taskFor(intentOf(1 ether), uint64(currentBlock - 2));
        PolicyTaskResponse memory forged = honestResponse(task, true, 0);
        forged.artifactDigest = hashOf("forged");
        accept(forged, task);
        BN254OperatorInfoWitness[] memory signers = new BN254OperatorInfoWitness[](1);
        signers[0] = witnessOf(0);
        challenges.challengeAttestationDigest(forged, certifyResponse(forged, everyone()), signers);
        uint256 used = vm.snapshotGasLastCall(
            "ChallengeVerifier", "challenge: 32 data instances of 8192 bytes, 1 signer"
        );
        // EIP-7825.
        assertLt(used, 16_777_216);
    }

    /// forge-config: default.isolate = true
    function test_gas_byDataInstances() public {
        uint256[6] memory counts = [uint256(0), 1, 2, 4, 8, 32];
        for (uint256 i; i < counts.length; ++i) {
            uint256 start = vm.snapshotState();
            setUpAttestation(counts[i], false);
            (, PolicyTaskResponse memory honest) = acceptHonest(true, 0);
            BN254Certificate memory cert = certifyResponse(honest, everyone());
            BN254OperatorInfoWitness[] memory signers = new BN254OperatorInfoWitness[](1);
            signers[0] = witnessOf(0);
            vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.ChallengeFailed.selector));
            challenges.challengeAttestationDigest(honest, cert, signers);
            vm.snapshotGasLastCall(
                "ChallengeVerifier",
                string.concat("false challenge by data instances: ", vm.toString(counts[i]))
            );
            vm.revertToState(start);
            delete operatorNames;
            delete operatorSecrets;
            delete operatorWeights;
            delete operatorKeys;
            delete operatorKeysG2;
        }
    }
}
