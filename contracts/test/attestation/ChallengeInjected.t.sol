// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

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
import {PolicyMessages, PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";

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

contract ChallengeInjectedTest is AttestationDeployers {
    Task private task;
    PolicyTaskResponse private response;
    ProofsByHash private proofs;

    function setUp() public {
        setUpAttestation(1, false);
        proofs = new ProofsByHash();
        vm.startPrank(owner);
        vm.expectEmit(address(challenges));
        emit IChallengeVerifier.ResultVerifierSet(address(proofs));
        challenges.setResultVerifier(address(proofs));
        challenges.setDocumentVerifier(address(proofs));
        challenges.setVerdictRelay(address(proofs));
        vm.stopPrank();
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

    function test_settersAreTheOwners() public {
        bytes[3] memory calls = [
            abi.encodeCall(challenges.setResultVerifier, (stranger)),
            abi.encodeCall(challenges.setDocumentVerifier, (stranger)),
            abi.encodeCall(challenges.setVerdictRelay, (stranger))
        ];
        for (uint256 i; i < 3; ++i) {
            vm.prank(stranger);
            (bool ok,) = address(challenges).call(calls[i]);
            assertFalse(ok);
        }
    }

    // --- Results ---

    function _resultValues() private view returns (ResultPublicValues memory) {
        return ResultPublicValues({
            messageHash: PolicyMessages.messageHash(response),
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
        vm.prank(owner);
        challenges.setResultVerifier(address(0));
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.VerifierNotSet.selector));
        challenges.challengePolicyResult(response, proof);
    }

    // --- Documents ---

    function _document(uint256 operator) private view returns (DocumentChallenge memory proof) {
        bytes32 messageHash = PolicyMessages.messageHash(response);
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

    function test_document_ofAResponseWithoutEnclave() public {
        (task, response) = acceptHonest(true, 0);
        DocumentChallenge memory proof = _document(2);
        proof.values.pcr0Commitment = 0;
        proof.proof = abi.encode(keccak256(abi.encode(proof.values)));
        _documentReverts(
            proof, abi.encodeWithSelector(IChallengeVerifier.PublicValueMismatch.selector, 2)
        );
    }

    function test_document_verifierNotSet() public {
        vm.prank(owner);
        challenges.setDocumentVerifier(address(0));
        _documentReverts(
            _document(2), abi.encodeWithSelector(IChallengeVerifier.VerifierNotSet.selector)
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

    function test_verdict_namesAnOperatorTwice() public {
        Verdict memory verdict = _verdict();
        verdict.operators[1] = verdict.operators[0];
        challenges.slashForRelayedVerdict(verdict, abi.encode(keccak256(abi.encode(verdict))));
        assertEq(slasher.stakeOf(operatorNames[1]), STAKE / 10 * 9);
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
        challenges.setVerdictRelay(address(0));
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.VerifierNotSet.selector));
        challenges.slashForRelayedVerdict(verdict, proof);
    }
}
