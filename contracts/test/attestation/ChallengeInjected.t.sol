// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {DevnetSlasher} from "../../src/attestation/DevnetSlasher.sol";
import {
    BN254OperatorInfoWitness,
    IBN254CertificateVerifier
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {
    DocumentChallenge,
    DocumentPublicValues,
    IChallengeVerifier,
    IDocumentVerifier,
    IPolicyResultVerifier,
    IVerdictRelay,
    ResultChallenge,
    ResultPublicValues,
    Verdict
} from "../../src/interfaces/IChallengeVerifier.sol";
import {IDelayedUpgrade} from "../../src/interfaces/IDelayedUpgrade.sol";
import {IInjectedVerifiers} from "../../src/interfaces/IInjectedVerifiers.sol";
import {ISlasher} from "../../src/interfaces/ISlasher.sol";
import {PolicyMessages, PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";
import {Messages} from "../base/Messages.sol";

/// @notice Stands for the injected verifiers: a proof is right when it is the hash of the values.
contract ProofsByHash is IPolicyResultVerifier, IDocumentVerifier, IVerdictRelay {
    function verifyResult(ResultPublicValues calldata values, bytes calldata proof)
        external
        pure
        returns (bool)
    {
        return keccak256(abi.encode(values)) == bytes32(proof);
    }

    function verifyInvalidDocument(DocumentPublicValues calldata values, bytes calldata proof)
        external
        pure
        returns (bool)
    {
        return keccak256(abi.encode(values)) == bytes32(proof);
    }

    function verifyVerdict(Verdict calldata verdict, bytes calldata proof)
        external
        pure
        returns (bool)
    {
        return keccak256(abi.encode(verdict)) == bytes32(proof);
    }
}

/// @notice A verifier that believes everything.
contract AlwaysYes is IPolicyResultVerifier, IDocumentVerifier, IVerdictRelay {
    function verifyResult(ResultPublicValues calldata, bytes calldata)
        external
        pure
        returns (bool)
    {
        return true;
    }

    function verifyInvalidDocument(DocumentPublicValues calldata, bytes calldata)
        external
        pure
        returns (bool)
    {
        return true;
    }

    function verifyVerdict(Verdict calldata, bytes calldata) external pure returns (bool) {
        return true;
    }
}

contract ChallengeInjectedTest is AttestationDeployers {
    Task private task;
    PolicyTaskResponse private response;
    ProofsByHash private proofs;

    function setUp() public {
        setUpAttestation(1, false);
        proofs = new ProofsByHash();
        injectVerifiers(address(proofs));
        vm.prank(owner);
        challenges.scheduleVerdictSource(10, stranger, true);
        toBlock(currentBlock + UPGRADE_DELAY);
        (task, response) = acceptHonest(true, PCR0);
    }

    function test_injected() public view {
        (address result, address document, address relay) = challenges.injected();
        assertEq(result, address(proofs));
        assertEq(document, address(proofs));
        assertEq(relay, address(proofs));
        assertEq(challenges.responseRegistry(), address(responses));
        assertEq(challenges.enclaveVersionRegistry(), address(enclaves));
        assertEq(challenges.slasher(), address(slasher));
        assertEq(challenges.challengeWindow(), CHALLENGE_WINDOW);
    }

    function test_announcementsAreTheOwners() public {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind.Result;
        bytes[5] memory calls = [
            abi.encodeCall(challenges.scheduleVerifier, (kind, address(proofs))),
            abi.encodeCall(challenges.cancelVerifier, (kind)),
            abi.encodeCall(challenges.suspendVerifier, (kind, 1)),
            abi.encodeCall(challenges.suspendVerifierAt, (kind, 1, 1)),
            abi.encodeCall(challenges.scheduleVerdictSource, (10, stranger, false))
        ];
        for (uint256 i; i < calls.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger)
            );
            vm.prank(stranger);
            (bool ok,) = address(challenges).call(calls[i]);
            ok;
        }
    }

    // --- Results ---

    function _resultValues() private view returns (ResultPublicValues memory) {
        return ResultPublicValues({
            messageHash: Messages.messageHash(response),
            taskId: response.taskId,
            intentHash: response.intentHash,
            policyTemplateId: templateId,
            policyInstanceId: instanceId,
            artifactDigest: response.artifactDigest,
            paramsHash: policies.getInstance(instanceId).paramsHash,
            inputsHash: response.inputsHash,
            referenceBlockHash: response.referenceBlockHash,
            result: abi.encode(uint256(0))
        });
    }

    function _resultChallenge(ResultPublicValues memory values)
        private
        view
        returns (ResultChallenge memory)
    {
        return ResultChallenge({
            values: values,
            proof: abi.encode(keccak256(abi.encode(values))),
            certificate: certifyResponse(response, without(3)),
            signers: signersBut(without(3))
        });
    }

    function test_result_slashesTheSigners() public {
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        challenges.challengePolicyResult(response, proof);
        for (uint256 i; i < OPERATORS; ++i) {
            assertEq(slasher.stakeOf(operatorNames[i]), i == 3 ? STAKE : STAKE / 10 * 9);
        }
        vm.expectPartialRevert(IChallengeVerifier.NothingToSlash.selector);
        challenges.challengePolicyResult(response, proof);
    }

    function test_result_sameDecisionIsNoLie() public {
        ResultPublicValues memory values = _resultValues();
        // Another encoding of the same decision.
        values.result = abi.encode("true");
        ResultChallenge memory proof = _resultChallenge(values);
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.ChallengeFailed.selector));
        challenges.challengePolicyResult(response, proof);
    }

    function test_result_eachValueIsTheResponses() public {
        for (uint256 i; i < 9; ++i) {
            ResultPublicValues memory values = _resultValues();
            bytes32 other = hashOf("other");
            if (i == 0) values.messageHash = other;
            else if (i == 1) values.taskId = other;
            else if (i == 2) values.intentHash = other;
            else if (i == 3) values.policyTemplateId = other;
            else if (i == 4) values.policyInstanceId = other;
            else if (i == 5) values.artifactDigest = other;
            else if (i == 6) values.paramsHash = other;
            else if (i == 7) values.inputsHash = other;
            else values.referenceBlockHash = other;
            ResultChallenge memory proof = _resultChallenge(values);
            vm.expectRevert(
                abi.encodeWithSelector(IChallengeVerifier.PublicValueMismatch.selector, i)
            );
            challenges.challengePolicyResult(response, proof);
        }
    }

    function test_result_withoutARow() public {
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        vm.mockCall(
            address(policies),
            abi.encodeWithSelector(policies.isInstanceDeployed.selector),
            abi.encode(false)
        );
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.PublicValueMismatch.selector, 4));
        challenges.challengePolicyResult(response, proof);
    }

    function test_result_proofMustHold() public {
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        proof.proof = abi.encode(hashOf("no proof"));
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.ProofRejected.selector));
        challenges.challengePolicyResult(response, proof);
    }

    function test_result_certificateMustHold() public {
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        proof.certificate.signature = operatorKeys[0];
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.VerificationFailed.selector)
        );
        challenges.challengePolicyResult(response, proof);
        proof = _resultChallenge(_resultValues());
        proof.signers = signersBut(everyone());
        vm.expectRevert(
            abi.encodeWithSelector(IChallengeVerifier.SignerIsNonSigner.selector, uint32(3))
        );
        challenges.challengePolicyResult(response, proof);
    }

    function test_result_windowAndVerifier() public {
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        toBlock(response.expirationBlock + CHALLENGE_WINDOW + 1);
        vm.expectPartialRevert(IChallengeVerifier.ChallengeWindowClosed.selector);
        challenges.challengePolicyResult(response, proof);
    }

    // --- Documents ---

    function _document(uint256 operator) private view returns (DocumentChallenge memory proof) {
        bytes32 messageHash = Messages.messageHash(response);
        proof.values = DocumentPublicValues({
            messageHash: messageHash,
            artifactDigest: response.artifactDigest,
            pcr0Commitment: PCR0,
            documentHash: hashOf("document")
        });
        proof.proof = abi.encode(keccak256(abi.encode(proof.values)));
        proof.operator = witnessOf(operator);
        proof.pubkeyG2 = operatorKeysG2[operator];
        proof.signature = signWith(
            operatorSecrets[operator],
            keccak256(abi.encode(keccak256("NewtonTeeDocumentV1"), messageHash, hashOf("document")))
        );
    }

    function test_document_slashesThatOperatorOnly() public {
        DocumentChallenge memory proof = _document(2);
        vm.expectEmit(address(challenges));
        emit IChallengeVerifier.DocumentChallengeSucceeded(
            proof.values.messageHash,
            response.taskId,
            challenger,
            operatorNames[2],
            hashOf("document")
        );
        vm.prank(challenger);
        challenges.challengeInvalidTeeAttestation(response, proof);
        for (uint256 i; i < OPERATORS; ++i) {
            assertEq(slasher.stakeOf(operatorNames[i]), i == 2 ? STAKE / 10 * 9 : STAKE);
        }
        vm.expectPartialRevert(IChallengeVerifier.NothingToSlash.selector);
        challenges.challengeInvalidTeeAttestation(response, proof);
    }

    /// A document somebody else brings, without the operator's name to it, proves nothing.
    function test_document_needsTheOperatorsSignature() public {
        DocumentChallenge memory proof = _document(2);
        proof.operator = witnessOf(3);
        proof.pubkeyG2 = operatorKeysG2[3];
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.DocumentSignatureInvalid.selector)
        );
        proof = _document(2);
        proof.pubkeyG2 = operatorKeysG2[3];
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.DocumentSignatureInvalid.selector)
        );
        proof = _document(2);
        proof.values.documentHash = hashOf("another document");
        proof.proof = abi.encode(keccak256(abi.encode(proof.values)));
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.DocumentSignatureInvalid.selector)
        );
        proof = _document(2);
        delete proof.signature;
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.DocumentSignatureInvalid.selector)
        );
        // The signature over the response itself is not one over a document.
        proof = _document(2);
        proof.signature =
            signWith(operatorSecrets[2], PolicyMessages.signable(TABLE, proof.values.messageHash));
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.DocumentSignatureInvalid.selector)
        );
    }

    function test_document_values() public {
        DocumentChallenge memory proof = _document(2);
        proof.values.messageHash = hashOf("x");
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.PublicValueMismatch.selector, 0)
        );
        proof = _document(2);
        proof.values.artifactDigest = hashOf("x");
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.PublicValueMismatch.selector, 1)
        );
        proof = _document(2);
        proof.values.pcr0Commitment = hashOf("x");
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.PublicValueMismatch.selector, 2)
        );
        proof = _document(2);
        proof.proof = "";
        _documentReverts(proof, abi.encodeWithSelector(IChallengeVerifier.ProofRejected.selector));
        proof = _document(2);
        proof.operator.operatorInfo.weights[0] += 1;
        _documentReverts(
            proof,
            abi.encodeWithSelector(IBN254CertificateVerifier.OperatorNotInTable.selector, uint32(2))
        );
    }

    /// The index of an operator is one in the table that the response names: that has to be the one in
    /// force at its reference block.
    function test_document_underAnotherTable() public {
        DocumentChallenge memory proof = _document(2);
        vm.mockCall(
            address(verifier),
            abi.encodeCall(verifier.tableAt, (response.referenceBlock)),
            abi.encode(TABLE + 1, QUORUM_BPS)
        );
        _documentReverts(
            proof,
            abi.encodeWithSelector(
                IChallengeVerifier.ReferenceTimestampMismatch.selector, TABLE + 1, TABLE
            )
        );
    }

    function test_document_ofAResponseWithoutEnclave() public {
        (task, response) = acceptHonest(true, 0);
        DocumentChallenge memory proof = _document(2);
        proof.values.pcr0Commitment = 0;
        proof.proof = abi.encode(keccak256(abi.encode(proof.values)));
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.PublicValueMismatch.selector, 2)
        );
    }

    function _documentReverts(DocumentChallenge memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        challenges.challengeInvalidTeeAttestation(response, proof);
    }

    // --- Verdicts of other chains ---

    function _verdict() private view returns (Verdict memory verdict) {
        verdict.sourceChainId = 10;
        verdict.challengeVerifier = stranger;
        verdict.messageHash = hashOf("a message of chain 10");
        verdict.operators = new address[](2);
        (verdict.operators[0], verdict.operators[1]) = (operatorNames[1], operatorNames[4]);
    }

    function test_verdict() public {
        Verdict memory verdict = _verdict();
        bytes memory proof = abi.encode(keccak256(abi.encode(verdict)));
        vm.expectEmit(address(challenges));
        emit IChallengeVerifier.VerdictRelayed(verdict.messageHash, 10, verdict.operators);
        challenges.slashForRelayedVerdict(verdict, proof);
        assertEq(slasher.stakeOf(operatorNames[1]), STAKE / 10 * 9);
        assertEq(slasher.stakeOf(operatorNames[4]), STAKE / 10 * 9);
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE);
        vm.expectRevert(
            abi.encodeWithSelector(IChallengeVerifier.NothingToSlash.selector, verdict.messageHash)
        );
        challenges.slashForRelayedVerdict(verdict, proof);
    }

    /// A relay that lies takes one share of a stake in a window, whatever it makes up.
    function test_verdict_slashesAnOperatorOnceInAWindow() public {
        Verdict memory verdict = _verdict();
        for (uint256 i; i < 60; ++i) {
            verdict.messageHash = keccak256(abi.encode(i));
            (bool ok,) = address(challenges)
                .call(
                    abi.encodeCall(
                        challenges.slashForRelayedVerdict,
                        (verdict, abi.encode(keccak256(abi.encode(verdict))))
                    )
                );
            assertEq(ok, i == 0);
        }
        assertEq(slasher.stakeOf(operatorNames[1]), STAKE / 10 * 9);
        // Whoever was spared is named again later: nothing was noted for the messages in between.
        uint256 from = challenges.relayedSlashFrom(operatorNames[1]);
        assertEq(from, currentBlock + CHALLENGE_WINDOW);
        assertFalse(
            challenges.isSlashedForVerdict(10, stranger, verdict.messageHash, operatorNames[1])
        );
        bytes memory proof = abi.encode(keccak256(abi.encode(verdict)));
        toBlock(from - 1);
        vm.expectPartialRevert(IChallengeVerifier.NothingToSlash.selector);
        challenges.slashForRelayedVerdict(verdict, proof);
        toBlock(from);
        challenges.slashForRelayedVerdict(verdict, proof);
        assertEq(slasher.stakeOf(operatorNames[1]), STAKE / 10 * 9 / 10 * 9);
        assertTrue(
            challenges.isSlashedForVerdict(10, stranger, verdict.messageHash, operatorNames[1])
        );
    }

    /// What a relay says of one contract is not what another decided.
    function test_verdict_namesAListedSource() public {
        Verdict memory verdict = _verdict();
        verdict.sourceChainId = 11;
        _sourceRefused(verdict);
        verdict.sourceChainId = 10;
        verdict.challengeVerifier = makeAddr("another");
        _sourceRefused(verdict);
        // Listing waits, and so does the end of it.
        address another = verdict.challengeVerifier;
        vm.startPrank(owner);
        vm.expectEmit(address(challenges));
        emit IInjectedVerifiers.VerdictSourceScheduled(
            10, another, true, uint64(currentBlock) + UPGRADE_DELAY
        );
        challenges.scheduleVerdictSource(10, another, true);
        challenges.scheduleVerdictSource(10, stranger, false);
        vm.stopPrank();
        toBlock(currentBlock + UPGRADE_DELAY - 1);
        _sourceRefused(verdict);
        assertTrue(challenges.isVerdictSource(10, stranger));
        toBlock(currentBlock + 1);
        assertFalse(challenges.isVerdictSource(10, stranger));
        challenges.slashForRelayedVerdict(verdict, abi.encode(keccak256(abi.encode(verdict))));
        assertEq(slasher.stakeOf(operatorNames[1]), STAKE / 10 * 9);
    }

    /// Saying what is so already withdraws what was announced.
    function test_verdict_sourcesAreWithdrawn() public {
        vm.startPrank(owner);
        challenges.scheduleVerdictSource(10, stranger, false);
        challenges.scheduleVerdictSource(10, stranger, true);
        challenges.scheduleVerdictSource(11, stranger, true);
        challenges.scheduleVerdictSource(11, stranger, false);
        vm.stopPrank();
        toBlock(currentBlock + UPGRADE_DELAY);
        assertTrue(challenges.isVerdictSource(10, stranger));
        assertFalse(challenges.isVerdictSource(11, stranger));
    }

    function _sourceRefused(Verdict memory verdict) private {
        bytes memory proof = abi.encode(keccak256(abi.encode(verdict)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IInjectedVerifiers.SourceNotListed.selector,
                verdict.sourceChainId,
                verdict.challengeVerifier
            )
        );
        challenges.slashForRelayedVerdict(verdict, proof);
    }

    function test_verdict_namesAnOperatorTwice() public {
        Verdict memory verdict = _verdict();
        verdict.operators[1] = verdict.operators[0];
        challenges.slashForRelayedVerdict(verdict, abi.encode(keccak256(abi.encode(verdict))));
        assertEq(slasher.stakeOf(operatorNames[1]), STAKE / 10 * 9);
    }

    /// An operator whose stake is gone is left out, and shields none of those named with it.
    function test_verdict_oneThatCannotPayShieldsNobody() public {
        Verdict memory verdict = _verdict();
        bytes memory proof = abi.encode(keccak256(abi.encode(verdict)));
        address[] memory paid = new address[](1);
        for (uint256 i; i < 2; ++i) {
            vm.mockCallRevert(
                address(slasher),
                abi.encodeWithSelector(ISlasher.slash.selector, verdict.operators[i]),
                "no stake"
            );
            paid[0] = verdict.operators[1 - i];
            vm.expectEmit(address(challenges));
            emit IChallengeVerifier.VerdictRelayed(verdict.messageHash, 10, paid);
            challenges.slashForRelayedVerdict(verdict, proof);
            assertEq(slasher.stakeOf(paid[0]), STAKE / 10 * 9);
            // Nothing was noted for the other one: it is named again when it can pay.
            assertFalse(
                challenges.isSlashedForVerdict(
                    10, stranger, verdict.messageHash, verdict.operators[i]
                )
            );
            assertEq(challenges.relayedSlashFrom(verdict.operators[i]), 0);
            vm.clearMockedCalls();
            challenges.slashForRelayedVerdict(verdict, proof);
            assertEq(slasher.stakeOf(verdict.operators[i]), STAKE / 10 * 9);
            // The other way round, with two that were not named yet.
            verdict.messageHash = hashOf("another message");
            (verdict.operators[0], verdict.operators[1]) = (operatorNames[0], operatorNames[3]);
            proof = abi.encode(keccak256(abi.encode(verdict)));
        }
    }

    /// Where the slasher takes nothing from anybody, it says why.
    function test_verdict_nobodyCanPay() public {
        Verdict memory verdict = _verdict();
        bytes memory proof = abi.encode(keccak256(abi.encode(verdict)));
        vm.prank(owner);
        slasher.setSlasher(address(challenges), false);
        vm.expectRevert(
            abi.encodeWithSelector(DevnetSlasher.NotSlasher.selector, address(challenges))
        );
        challenges.slashForRelayedVerdict(verdict, proof);
        // Nor is silence taken for an answer.
        vm.mockCallRevert(
            address(slasher), abi.encodeWithSelector(ISlasher.slash.selector), ""
        );
        vm.expectRevert(
            abi.encodeWithSelector(
                IChallengeVerifier.SlasherFailed.selector, verdict.operators[0]
            )
        );
        challenges.slashForRelayedVerdict(verdict, proof);
    }

    function test_verdict_refusals() public {
        Verdict memory verdict = _verdict();
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.ProofRejected.selector));
        challenges.slashForRelayedVerdict(verdict, abi.encode(hashOf("x")));
        verdict.sourceChainId = block.chainid;
        bytes memory proof = abi.encode(keccak256(abi.encode(verdict)));
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.VerdictNotForeign.selector));
        challenges.slashForRelayedVerdict(verdict, proof);
        vm.prank(owner);
        challenges.scheduleVerifier(IInjectedVerifiers.VerifierKind.Relay, address(0));
        toBlock(currentBlock + UPGRADE_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IInjectedVerifiers.VerifierNotSet.selector));
        challenges.slashForRelayedVerdict(verdict, proof);
    }

    // --- Which verifier judges ---

    /// An honest response is not judged by a verifier that its signers never knew of.
    function test_verifier_ofAcceptanceJudges() public {
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        DocumentChallenge memory document = _document(2);
        address yes = address(new AlwaysYes());
        injectVerifiers(yes);
        assertEq(
            challenges.verifierAt(IInjectedVerifiers.VerifierKind.Result, currentBlock),
            address(proofs)
        );
        toBlock(response.expirationBlock + CHALLENGE_WINDOW);
        proof.proof = "";
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.ProofRejected.selector));
        challenges.challengePolicyResult(response, proof);
        document.proof = "";
        _documentReverts(
            document, abi.encodeWithSelector(IChallengeVerifier.ProofRejected.selector)
        );
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE);
        // And one that has gone since still does.
        toBlock(response.expirationBlock + CHALLENGE_WINDOW);
        challenges.challengePolicyResult(response, _resultChallenge(_resultValues()));
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE / 10 * 9);
    }

    /// No verifier at acceptance: none ever.
    function test_verifier_setLaterJudgesNothingBefore() public {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind.Result;
        vm.prank(owner);
        challenges.scheduleVerifier(kind, address(0));
        toBlock(currentBlock + UPGRADE_DELAY);
        (task, response) = acceptHonest(true, PCR0);
        assertEq(challenges.verifierAt(kind, currentBlock), address(0));
        vm.prank(owner);
        challenges.scheduleVerifier(kind, address(proofs));
        toBlock(response.expirationBlock + CHALLENGE_WINDOW);
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        vm.expectRevert(abi.encodeWithSelector(IInjectedVerifiers.VerifierNotSet.selector));
        challenges.challengePolicyResult(response, proof);
    }

    function test_verifier_announcements() public {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind.Result;
        address yes = address(new AlwaysYes());
        uint64 from = uint64(currentBlock) + UPGRADE_DELAY;
        vm.startPrank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IInjectedVerifiers.NothingAnnounced.selector, kind)
        );
        challenges.cancelVerifier(kind);
        vm.expectRevert(
            abi.encodeWithSelector(IInjectedVerifiers.VerifierWithoutCode.selector, stranger)
        );
        challenges.scheduleVerifier(kind, stranger);
        // Nor is an account one that delegates to a contract, as long as it likes.
        vm.etch(stranger, abi.encodePacked(hex"ef0100", yes));
        vm.expectRevert(
            abi.encodeWithSelector(IInjectedVerifiers.VerifierWithoutCode.selector, stranger)
        );
        challenges.scheduleVerifier(kind, stranger);
        vm.expectEmit(address(challenges));
        emit IInjectedVerifiers.VerifierScheduled(kind, yes, from);
        challenges.scheduleVerifier(kind, yes);
        (address verifier, uint64 fromBlock, bool announced) = challenges.pendingVerifier(kind);
        assertEq(verifier, yes);
        assertEq(fromBlock, from);
        assertTrue(announced);
        // Another announcement replaces it and waits anew.
        toBlock(currentBlock + 10);
        challenges.scheduleVerifier(kind, address(0));
        (verifier, fromBlock, announced) = challenges.pendingVerifier(kind);
        assertEq(verifier, address(0));
        assertEq(fromBlock, from + 10);
        assertTrue(announced);
        vm.expectEmit(address(challenges));
        emit IInjectedVerifiers.VerifierCancelled(kind, address(0));
        challenges.cancelVerifier(kind);
        (,, announced) = challenges.pendingVerifier(kind);
        assertFalse(announced);
        toBlock(from + 20);
        (address result,,) = challenges.injected();
        assertEq(result, address(proofs));
        vm.stopPrank();
    }

    // --- Suspensions ---

    /// A broken verifier rests at once; what waits for it is not lost.
    function test_suspension_keepsChallengesOpen() public {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind.Result;
        uint256 last = challenges.openUntil(response.taskId, response.expirationBlock);
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        toBlock(last - 5);
        uint64 until = uint64(currentBlock) + CHALLENGE_WINDOW;
        vm.prank(owner);
        vm.expectEmit(address(challenges));
        emit IInjectedVerifiers.VerifierSuspended(kind, address(proofs), until);
        challenges.suspendVerifier(kind, CHALLENGE_WINDOW);
        _resting(proof, until);
        toBlock(until - 1);
        _resting(proof, until);
        // What the registries say needs no verifier, and is as open as before.
        assertEq(challenges.openUntil(response.taskId, response.expirationBlock), last);
        uint256 longer = last + CHALLENGE_WINDOW;
        assertEq(challenges.openUntilFor(kind, response.taskId, response.expirationBlock), longer);
        toBlock(longer + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChallengeVerifier.ChallengeWindowClosed.selector, longer, longer + 1
            )
        );
        challenges.challengePolicyResult(response, proof);
        toBlock(longer);
        challenges.challengePolicyResult(response, proof);
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE / 10 * 9);
    }

    function _resting(ResultChallenge memory proof, uint64 until) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IInjectedVerifiers.VerifierResting.selector, address(proofs), until
            )
        );
        challenges.challengePolicyResult(response, proof);
    }

    /// What was over before stays over; what was accepted in it gets the rest of it.
    function test_suspension_reopensNothing() public {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind.Result;
        bytes32 first = response.taskId;
        uint64 expiration = response.expirationBlock;
        uint256 last = challenges.openUntil(first, expiration);
        toBlock(last + 1);
        vm.prank(owner);
        challenges.suspendVerifier(kind, 40);
        assertEq(challenges.openUntilFor(kind, first, expiration), last);
        toBlock(last + 11);
        (task, response) = acceptHonest(true, PCR0);
        assertEq(
            challenges.openUntilFor(kind, response.taskId, response.expirationBlock),
            response.expirationBlock + CHALLENGE_WINDOW + 30
        );
        toBlock(last + 41);
        (task, response) = acceptHonest(true, PCR0);
        assertEq(
            challenges.openUntilFor(kind, response.taskId, response.expirationBlock),
            response.expirationBlock + CHALLENGE_WINDOW
        );
    }

    function test_suspension_hasBounds() public {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind.Document;
        vm.startPrank(owner);
        uint64[2] memory wrong = [uint64(0), CHALLENGE_WINDOW + 1];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IInjectedVerifiers.InvalidSuspension.selector, wrong[i], CHALLENGE_WINDOW
                )
            );
            challenges.suspendVerifier(kind, wrong[i]);
        }
        challenges.suspendVerifier(kind, 1);
        IInjectedVerifiers.Suspension memory found =
            challenges.suspensionOf(kind, address(proofs));
        assertEq(found.fromBlock, currentBlock);
        assertEq(found.untilBlock, currentBlock + 1);
        bytes memory again =
            abi.encodeWithSelector(IInjectedVerifiers.SuspendedBefore.selector, address(proofs));
        vm.expectRevert(again);
        challenges.suspendVerifier(kind, 1);
        // Nor by being announced anew.
        challenges.scheduleVerifier(kind, address(proofs));
        toBlock(currentBlock + UPGRADE_DELAY);
        vm.expectRevert(again);
        challenges.suspendVerifier(kind, 1);
        challenges.scheduleVerifier(kind, address(0));
        toBlock(currentBlock + UPGRADE_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IInjectedVerifiers.VerifierNotSet.selector));
        challenges.suspendVerifier(kind, 1);
        vm.stopPrank();
    }

    /// One that was replaced judges still what was accepted under it: it can rest as well.
    function test_suspension_ofOneThatWasReplaced() public {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind.Result;
        uint256 last = challenges.openUntil(response.taskId, response.expirationBlock);
        uint64 acceptedAt = uint64(currentBlock);
        address yes = address(new AlwaysYes());
        vm.prank(owner);
        challenges.scheduleVerifier(kind, yes);
        // Announced only, it has slashed nobody.
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IInjectedVerifiers.VerifierNotSet.selector));
        challenges.suspendVerifierAt(kind, acceptedAt + UPGRADE_DELAY, 10);
        toBlock(acceptedAt + UPGRADE_DELAY - 3);
        (task, response) = acceptHonest(true, PCR0);
        acceptedAt = uint64(currentBlock);
        last = challenges.openUntil(response.taskId, response.expirationBlock);
        ResultChallenge memory proof = _resultChallenge(_resultValues());
        toBlock(currentBlock + 10);
        assertEq(challenges.verifierAt(kind, currentBlock), yes);
        vm.startPrank(owner);
        challenges.suspendVerifier(kind, 5);
        uint64 until = uint64(currentBlock) + 40;
        vm.expectEmit(address(challenges));
        emit IInjectedVerifiers.VerifierSuspended(kind, address(proofs), until);
        challenges.suspendVerifierAt(kind, acceptedAt, 40);
        vm.expectRevert(
            abi.encodeWithSelector(IInjectedVerifiers.SuspendedBefore.selector, address(proofs))
        );
        challenges.suspendVerifierAt(kind, acceptedAt - 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IInjectedVerifiers.VerifierNotSet.selector));
        challenges.suspendVerifierAt(kind, 1, 1);
        vm.stopPrank();
        assertEq(challenges.suspensionOf(kind, yes).untilBlock, currentBlock + 5);
        _resting(proof, until);
        assertEq(
            challenges.openUntilFor(kind, response.taskId, response.expirationBlock), last + 40
        );
        toBlock(last + 40);
        challenges.challengePolicyResult(response, proof);
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE / 10 * 9);
    }

    /// What a suspension keeps open, no other code decides.
    function test_suspension_delaysUpgrades() public {
        address next = deployCode("ChallengeVerifier", "");
        vm.startPrank(owner);
        challenges.scheduleUpgrade(next, "");
        challenges.suspendVerifier(IInjectedVerifiers.VerifierKind.Result, 50);
        uint64 ready = uint64(currentBlock) + UPGRADE_DELAY;
        toBlock(ready + 49);
        vm.expectRevert(
            abi.encodeWithSelector(IDelayedUpgrade.UpgradeNotReady.selector, ready + 50)
        );
        challenges.upgradeToAndCall(next, "");
        toBlock(ready + 50);
        challenges.upgradeToAndCall(next, "");
        vm.stopPrank();
    }
}
