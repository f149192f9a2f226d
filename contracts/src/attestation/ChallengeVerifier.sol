// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    BN254Certificate,
    BN254OperatorInfoWitness,
    IBN254CertificateVerifier
} from "../interfaces/IBN254CertificateVerifier.sol";
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
} from "../interfaces/IChallengeVerifier.sol";
import {IChainContract} from "../interfaces/IChainContract.sol";
import {IDelayedUpgrade, UpgradeTimes} from "../interfaces/IDelayedUpgrade.sol";
import {IEnclaveVersionRegistry} from "../interfaces/IEnclaveVersionRegistry.sol";
import {IPolicyDataRegistry} from "../interfaces/IPolicyDataRegistry.sol";
import {IPolicyRegistry} from "../interfaces/IPolicyRegistry.sol";
import {IResponseRegistry} from "../interfaces/IResponseRegistry.sol";
import {ISlasher} from "../interfaces/ISlasher.sol";
import {ArtifactIds} from "../libraries/ArtifactIds.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";
import {
    DataInstanceWords,
    PolicyMessages,
    PolicyTaskResponse
} from "../libraries/PolicyMessages.sol";
import {InjectedVerifiers} from "./InjectedVerifiers.sol";

/// @title ChallengeVerifier
/// @notice Rebuilds what operators signed from the registries at the reference block and slashes
/// the signers of what differs.
/// @dev Nothing that happens after the reference block (a slot moved, a build deprecated, a quorum
/// raised) changes what is rebuilt: every read is of that block's end.
contract ChallengeVerifier is InjectedVerifiers, IChallengeVerifier {
    /// @custom:storage-location erc7201:newton.storage.ChallengeVerifier
    struct ChallengeStorage {
        // One word: what every challenge has to know.
        IResponseRegistry responses;
        uint64 challengeWindow;
        BlockKind blockKind;
        IPolicyRegistry policyRegistry;
        IPolicyDataRegistry dataRegistry;
        IBN254CertificateVerifier verifier;
        IEnclaveVersionRegistry enclaveVersions;
        ISlasher slasher;
        mapping(bytes32 messageHash => mapping(uint256 word => uint256 bits)) slashed;
        mapping(bytes32 verdictKey => mapping(address operator => bool)) relayed;
        mapping(address operator => uint64) lastRelayed;
    }

    /// @notice Share of an operator's stake that a false statement costs: 10 %.
    uint256 public constant WADS_TO_SLASH = 1e17;
    /// @dev Most bytes of a slasher's refusal that are handed on.
    uint256 private constant MAX_REFUSAL = 1024;

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.ChallengeVerifier")) - 1)) & ~0xff
    bytes32 private constant CHALLENGE_SLOT =
        0xdf0deba0c78f1727f5c71e6fc5bd20ec7b317fa1627fad2921a141d4963e8300;

    // --- Setup ---

    /// @inheritdoc IChallengeVerifier
    function initialize(Setup calldata setup) external initializer {
        __DelayedUpgrade_init(setup.owner, setup.times);
        ChallengeStorage storage $ = _challengeStorage();
        $.responses = IResponseRegistry(setup.responseRegistry);
        $.policyRegistry = IPolicyRegistry($.responses.policyRegistry());
        $.dataRegistry = IPolicyDataRegistry($.policyRegistry.dataRegistry());
        $.verifier = IBN254CertificateVerifier($.responses.certificateVerifier());
        $.enclaveVersions = IEnclaveVersionRegistry(setup.enclaveVersionRegistry);
        $.slasher = ISlasher(setup.slasher);
        // In the word that challenges read anyway.
        $.challengeWindow = setup.times.challengeWindow;
        $.blockKind = BlockKind($.policyRegistry.blockKind());
        BlockSource.check($.blockKind);
        _requireTimes(setup.times, address($.responses));
        _requireTimes(setup.times, address($.policyRegistry));
        _requireTimes(setup.times, address($.dataRegistry));
        _requireTimes(setup.times, address($.verifier));
        _requireSameBlocks(setup.enclaveVersionRegistry);
        if (_hasTimes(setup.enclaveVersionRegistry)) {
            _requireTimes(setup.times, setup.enclaveVersionRegistry);
        }
    }

    /// @dev A registry of builds that upgrades by the rules here obeys their times; the deployed one and
    /// a mirror know none.
    function _hasTimes(address target) private view returns (bool) {
        (bool ok, bytes memory answer) = target.staticcall(
            abi.encodeCall(IDelayedUpgrade.upgradeDelay, ())
        );
        return ok && answer.length == 32;
    }

    /// @dev What a challenge reads must not be upgraded, nor count other blocks, before it is over.
    function _requireTimes(UpgradeTimes calldata times, address target) private view {
        uint64 needed = times.challengeWindow + times.maxExpireAfter + 1;
        uint64 delay = IDelayedUpgrade(target).upgradeDelay();
        require(delay >= needed, UpgradesTooQuick(target, delay, needed));
        uint64 longest = IDelayedUpgrade(target).maxExpireAfter();
        require(
            longest <= times.maxExpireAfter,
            ExpirationsTooLong(target, longest, times.maxExpireAfter)
        );
        _requireSameBlocks(target);
    }

    /// @dev The deployed registry of builds does not say which blocks it counts: `block.number`,
    /// which are this chain's only where blocks are native. Elsewhere it has to be wrapped.
    function _requireSameBlocks(address target) private view {
        uint8 expected = uint8(_blockKind());
        (bool ok, bytes memory answer) = target.staticcall(
            abi.encodeCall(IChainContract.blockKind, ())
        );
        uint8 found = uint8(BlockKind.Native);
        if (ok && answer.length == 32) {
            uint256 told = abi.decode(answer, (uint256));
            found = told > type(uint8).max ? type(uint8).max : uint8(told);
        }
        require(found == expected, BlockKindMismatch(target, expected, found));
    }

    // --- Challenges ---

    /// @inheritdoc IChallengeVerifier
    function challengeAttestationDigest(
        PolicyTaskResponse calldata response,
        BN254Certificate calldata certificate,
        BN254OperatorInfoWitness[] calldata signers
    ) external {
        ChallengeStorage storage $ = _challengeStorage();
        (bytes32 messageHash, IResponseRegistry.AcceptedResponse memory accepted) =
            _requireAccepted($, response);
        _requireOpen(_openUntil($, accepted.acceptedAt, response.expirationBlock));
        Mismatch mismatch = _rebuild($, response);
        require(mismatch != Mismatch.None, ChallengeFailed());
        _requireCertificate($, response, certificate, messageHash, accepted.commitment);
        address[] memory operators = _slashSigners($, messageHash, certificate, signers);
        emit ChallengeSucceeded(messageHash, response.taskId, msg.sender, mismatch, operators);
    }

    /// @inheritdoc IChallengeVerifier
    function challengePolicyResult(
        PolicyTaskResponse calldata response,
        ResultChallenge calldata proof
    ) external {
        ChallengeStorage storage $ = _challengeStorage();
        (bytes32 messageHash, bytes32 commitment, address verifier) =
            _requireJudgedBy($, response, VerifierKind.Result);
        _requireResultValues($, response, proof.values, messageHash);
        require(
            PolicyMessages.isAllow(proof.values.result)
                != PolicyMessages.isAllow(response.evaluationResult),
            ChallengeFailed()
        );
        require(
            IPolicyResultVerifier(verifier).verifyResult(proof.values, proof.proof),
            ProofRejected()
        );
        _requireCertificate($, response, proof.certificate, messageHash, commitment);
        address[] memory operators = _slashSigners($, messageHash, proof.certificate, proof.signers);
        emit ResultChallengeSucceeded(messageHash, response.taskId, msg.sender, operators);
    }

    /// @inheritdoc IChallengeVerifier
    function challengeInvalidTeeAttestation(
        PolicyTaskResponse calldata response,
        DocumentChallenge calldata proof
    ) external {
        ChallengeStorage storage $ = _challengeStorage();
        (bytes32 messageHash,, address verifier) =
            _requireJudgedBy($, response, VerifierKind.Document);
        DocumentPublicValues calldata values = proof.values;
        require(values.messageHash == messageHash, PublicValueMismatch(0));
        require(values.artifactDigest == response.artifactDigest, PublicValueMismatch(1));
        require(
            values.pcr0Commitment == response.pcr0Commitment && values.pcr0Commitment != 0,
            PublicValueMismatch(2)
        );
        _requireTable($, response);
        address operator = $.verifier.proveOperator(response.referenceTimestamp, proof.operator);
        (bool completed, bool signed) = $.verifier
            .trySignatureVerification(
                PolicyMessages.teeDocumentHash(messageHash, values.documentHash),
                proof.operator.operatorInfo.pubkey,
                proof.pubkeyG2,
                proof.signature
            );
        require(completed && signed, DocumentSignatureInvalid());
        require(
            IDocumentVerifier(verifier).verifyInvalidDocument(values, proof.proof),
            ProofRejected()
        );
        require(
            _slash($, messageHash, proof.operator.operatorIndex, operator),
            NothingToSlash(messageHash)
        );
        emit DocumentChallengeSucceeded(
            messageHash, response.taskId, msg.sender, operator, values.documentHash
        );
    }

    /// @inheritdoc IChallengeVerifier
    function slashForRelayedVerdict(Verdict calldata verdict, bytes calldata proof) external {
        _requireVerdict(verdict, proof);
        _slashNamed(verdict, verdict.operators);
    }

    /// @inheritdoc IChallengeVerifier
    function slashPartOfRelayedVerdict(
        Verdict calldata verdict,
        bytes calldata proof,
        uint256 from,
        uint256 to
    ) external {
        require(
            from < to && to <= verdict.operators.length,
            InvalidPart(from, to, verdict.operators.length)
        );
        _requireVerdict(verdict, proof);
        _slashNamed(verdict, verdict.operators[from:to]);
    }

    function _requireVerdict(Verdict calldata verdict, bytes calldata proof) private view {
        address relay = _requireVerifier(VerifierKind.Relay, _blockNumber());
        require(verdict.sourceChainId != block.chainid, VerdictNotForeign());
        require(
            isVerdictSource(verdict.sourceChainId, verdict.challengeVerifier),
            SourceNotListed(verdict.sourceChainId, verdict.challengeVerifier)
        );
        require(IVerdictRelay(relay).verifyVerdict(verdict, proof), ProofRejected());
    }

    /// @dev A verdict names all of its operators at once: one whose stake is gone shields no other.
    function _slashNamed(Verdict calldata verdict, address[] calldata named) private {
        bytes32 key = _verdictKey(
            verdict.sourceChainId, verdict.challengeVerifier, verdict.messageHash
        );
        address[] memory operators = new address[](named.length);
        uint256 count;
        bytes memory refusal;
        for (uint256 i; i < named.length; ++i) {
            (bool slashed, bytes memory reason) =
                _slashRelayed(key, named[i], verdict.messageHash);
            if (slashed) operators[count++] = named[i];
            else if (reason.length != 0) refusal = reason;
        }
        if (count == 0 && refusal.length != 0) _revertWith(refusal);
        require(count != 0, NothingToSlash(verdict.messageHash));
        _shorten(operators, count);
        emit VerdictRelayed(verdict.messageHash, verdict.sourceChainId, operators);
    }

    /// @dev Neither slashed nor refused is who paid for the message, or in this window. Nothing is noted
    /// for whom the slasher refuses.
    function _slashRelayed(bytes32 key, address operator, bytes32 messageHash)
        private
        returns (bool slashed, bytes memory refusal)
    {
        ChallengeStorage storage $ = _challengeStorage();
        uint256 current = _blockNumber();
        uint64 last = $.lastRelayed[operator];
        if ($.relayed[key][operator] || current < _relayedSlashFrom($, operator)) {
            return (slashed, refusal);
        }
        $.relayed[key][operator] = true;
        $.lastRelayed[operator] = uint64(current);
        (slashed, refusal) = _trySlash($, operator, messageHash);
        if (!slashed) {
            $.relayed[key][operator] = false;
            $.lastRelayed[operator] = last;
        }
    }

    /// @dev Whether the slasher took an operator's stake, and else why it would not. Only its own word
    /// is a refusal, and only where nobody could have wanted it by sending little gas: a call that ends
    /// for want of gas, however deep, leaves a 64th of it in each of the calls around it, which is less
    /// than a quarter for fifteen of them. Of the word no more is copied than anybody has to say.
    function _trySlash(ChallengeStorage storage $, address operator, bytes32 messageHash)
        private
        returns (bool slashed, bytes memory refusal)
    {
        address target = address($.slasher);
        require(target.code.length != 0, SlasherFailed(operator));
        bytes memory data = abi.encodeCall(ISlasher.slash, (operator, WADS_TO_SLASH, messageHash));
        uint256 most = MAX_REFUSAL;
        uint256 given = gasleft();
        assembly ("memory-safe") {
            slashed := call(gas(), target, 0, add(data, 0x20), mload(data), 0, 0)
            if iszero(slashed) {
                let size := returndatasize()
                if gt(size, most) { size := most }
                refusal := mload(0x40)
                mstore(refusal, size)
                returndatacopy(add(refusal, 0x20), 0, size)
                mstore(0x40, and(add(add(refusal, 0x3f), size), not(0x1f)))
            }
        }
        require(
            slashed || (refusal.length != 0 && gasleft() >= given / 4), SlasherFailed(operator)
        );
    }

    // --- What must hold before anything is rebuilt ---

    function _requireAccepted(ChallengeStorage storage $, PolicyTaskResponse calldata response)
        private
        view
        returns (bytes32 messageHash, IResponseRegistry.AcceptedResponse memory accepted)
    {
        require(response.chainId == block.chainid, WrongChain(block.chainid, response.chainId));
        require(
            response.policyRegistry == address($.policyRegistry),
            WrongPolicyRegistry(address($.policyRegistry), response.policyRegistry)
        );
        messageHash = PolicyMessages.messageHash(response);
        accepted = $.responses.getResponse(response.taskId);
        require(
            accepted.acceptedAt != 0 && accepted.messagePrefix == bytes19(messageHash),
            ResponseNotAccepted(response.taskId)
        );
        require(accepted.blockHashChecked, ReferenceBlockHashUnchecked(response.taskId));
    }

    function _requireOpen(uint256 last) private view {
        uint256 current = _blockNumber();
        require(current <= last, ChallengeWindowClosed(last, current));
    }

    /// @dev An accepted response that is open still, and the verifier in force at its acceptance.
    function _requireJudgedBy(
        ChallengeStorage storage $,
        PolicyTaskResponse calldata response,
        VerifierKind kind
    ) private view returns (bytes32 messageHash, bytes32 commitment, address verifier) {
        IResponseRegistry.AcceptedResponse memory accepted;
        (messageHash, accepted) = _requireAccepted($, response);
        commitment = accepted.commitment;
        uint256 acceptedAt = accepted.acceptedAt;
        verifier = _requireVerifier(kind, acceptedAt);
        uint256 last = _openUntil($, acceptedAt, response.expirationBlock);
        _requireOpen(last + _suspendedBlocks(kind, acceptedAt, last));
    }

    function _verdictKey(uint256 sourceChainId, address challengeVerifier, bytes32 messageHash)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(sourceChainId, challengeVerifier, messageHash));
    }

    /// @dev A relay that lies takes one share of a stake in a window, and never all of it at once.
    function _relayedSlashFrom(ChallengeStorage storage $, address operator)
        private
        view
        returns (uint256)
    {
        uint256 last = $.lastRelayed[operator];
        return last == 0 ? 0 : last + $.challengeWindow;
    }

    function _openUntil(ChallengeStorage storage $, uint256 acceptedAt, uint256 expirationBlock)
        private
        view
        returns (uint256)
    {
        return (acceptedAt > expirationBlock ? acceptedAt : expirationBlock) + $.challengeWindow;
    }

    // --- Rebuilding ---

    /// @dev Reads the registries at the end of the reference block. Never reverts for what is not
    /// there: whoever signed for an absent slot or row signed for something that is not so.
    function _rebuild(ChallengeStorage storage $, PolicyTaskResponse calldata response)
        private
        view
        returns (Mismatch)
    {
        IPolicyRegistry registry = $.policyRegistry;
        uint256 referenceBlock = response.referenceBlock;
        bytes32 id = registry.currentInstanceAt(response.policyClient, referenceBlock);
        if (id == 0 || id != response.policyInstanceId) return Mismatch.PolicyInstance;
        if (!registry.isInstanceDeployed(id)) return Mismatch.MissingRow;
        IPolicyRegistry.PolicyInstance memory instance = registry.getInstance(id);
        if (!registry.isTemplateRegistered(instance.templateId)) return Mismatch.MissingRow;
        IPolicyRegistry.PolicyTemplate memory template = registry.getTemplate(instance.templateId);

        bytes32[] memory words = PolicyMessages.digestBuffer(template.policyDataTemplateRefs.length);
        words[0] = bytes32(block.chainid);
        words[1] = id;
        words[2] = instance.templateId;
        words[3] = template.regoHash;
        words[4] = template.paramsSchemaHash;
        words[5] = instance.paramsHash;
        words[6] = bytes32(referenceBlock);
        (bool complete, uint256 expireAfter, bool hasSecrets) = _appendDataInstances(
            $, response, template.policyDataTemplateRefs, words, instance.expireAfter
        );
        if (!complete) return Mismatch.MissingRow;

        uint256 expiration = referenceBlock + expireAfter;
        if (expiration != response.expirationBlock) return Mismatch.Expiration;
        words[7] = bytes32(expiration);
        if (response.pcr0Commitment != 0) PolicyMessages.append(words, response.pcr0Commitment);
        if (PolicyMessages.digest(words) != response.artifactDigest) return Mismatch.Digest;
        return _enclaveHolds($, response, hasSecrets) ? Mismatch.None : Mismatch.Enclave;
    }

    function _appendDataInstances(
        ChallengeStorage storage $,
        PolicyTaskResponse calldata response,
        bytes32[] memory refs,
        bytes32[] memory words,
        uint256 instanceExpireAfter
    ) private view returns (bool complete, uint256 expireAfter, bool hasSecrets) {
        IPolicyDataRegistry registry = $.dataRegistry;
        expireAfter = instanceExpireAfter;
        for (uint256 i; i < refs.length; ++i) {
            bytes32 id =
                registry.currentInstanceAt(response.policyClient, refs[i], response.referenceBlock);
            if (id == 0 || !registry.isInstanceDeployed(id)) return (false, 0, false);
            if (!registry.isTemplateRegistered(refs[i])) return (false, 0, false);
            IPolicyDataRegistry.PolicyDataInstance memory instance = registry.getInstance(id);
            IPolicyDataRegistry.PolicyDataTemplate memory template = registry.getTemplate(refs[i]);
            if (instance.expireAfter < expireAfter) expireAfter = instance.expireAfter;
            if (template.secretsSchemaHash != ArtifactIds.ARTIFACT_ABSENT) hasSecrets = true;
            PolicyMessages.appendData(
                words,
                DataInstanceWords({
                    policyDataInstanceId: id,
                    policyDataTemplateId: refs[i],
                    wasmHash: template.wasmHash,
                    paramsSchemaHash: template.paramsSchemaHash,
                    secretsSchemaHash: template.secretsSchemaHash,
                    paramsHash: instance.paramsHash
                })
            );
        }
        complete = true;
    }

    /// @dev A named build must have been whitelisted, required or not; none may be named only where
    /// none was required.
    function _enclaveHolds(
        ChallengeStorage storage $,
        PolicyTaskResponse calldata response,
        bool hasSecrets
    ) private view returns (bool) {
        if (response.pcr0Commitment != 0) {
            return $.enclaveVersions
                .wasPcr0WhitelistedAt(response.pcr0Commitment, response.referenceBlock);
        }
        return !hasSecrets && !$.policyRegistry.enclaveRequiredAt(response.referenceBlock);
    }

    function _requireResultValues(
        ChallengeStorage storage $,
        PolicyTaskResponse calldata response,
        ResultPublicValues calldata values,
        bytes32 messageHash
    ) private view {
        require(values.messageHash == messageHash, PublicValueMismatch(0));
        require(values.taskId == response.taskId, PublicValueMismatch(1));
        require(values.intentHash == response.intentHash, PublicValueMismatch(2));
        require(values.policyInstanceId == response.policyInstanceId, PublicValueMismatch(4));
        // Without a row there is nothing to compare with; that is what the digest challenge is for.
        require(
            $.policyRegistry.isInstanceDeployed(response.policyInstanceId), PublicValueMismatch(4)
        );
        IPolicyRegistry.PolicyInstance memory instance =
            $.policyRegistry.getInstance(response.policyInstanceId);
        require(values.policyTemplateId == instance.templateId, PublicValueMismatch(3));
        require(values.artifactDigest == response.artifactDigest, PublicValueMismatch(5));
        require(values.paramsHash == instance.paramsHash, PublicValueMismatch(6));
        require(values.inputsHash == response.inputsHash, PublicValueMismatch(7));
        require(values.referenceBlockHash == response.referenceBlockHash, PublicValueMismatch(8));
    }

    // --- Signers ---

    function _requireTable(ChallengeStorage storage $, PolicyTaskResponse calldata response)
        private
        view
    {
        (uint32 referenceTimestamp,) = $.verifier.tableAt(response.referenceBlock);
        require(
            response.referenceTimestamp == referenceTimestamp,
            ReferenceTimestampMismatch(referenceTimestamp, response.referenceTimestamp)
        );
    }

    /// @dev The accepted certificate was verified under the same table and quorum: shown again, its
    /// hash is enough.
    function _requireCertificate(
        ChallengeStorage storage $,
        PolicyTaskResponse calldata response,
        BN254Certificate calldata certificate,
        bytes32 messageHash,
        bytes32 commitment
    ) private view {
        require(
            certificate.messageHash == messageHash,
            CertificateMessageHashMismatch(messageHash, certificate.messageHash)
        );
        bytes32 certificateHash = keccak256(abi.encode(certificate));
        if (PolicyMessages.commitment(messageHash, certificateHash) == commitment) return;
        $.verifier.verifyCertificateAt(response.referenceBlock, certificate);
    }

    /// @dev Everyone in the table who is not a non-signer of the certificate signed.
    function _slashSigners(
        ChallengeStorage storage $,
        bytes32 messageHash,
        BN254Certificate calldata certificate,
        BN254OperatorInfoWitness[] calldata signers
    ) private returns (address[] memory operators) {
        BN254OperatorInfoWitness[] calldata absent = certificate.nonSignerWitnesses;
        operators = new address[](signers.length);
        uint256 count;
        uint256 nextAbsent;
        for (uint256 i; i < signers.length; ++i) {
            uint32 index = signers[i].operatorIndex;
            require(i == 0 || index > signers[i - 1].operatorIndex, SignersNotSorted(i));
            while (nextAbsent < absent.length && absent[nextAbsent].operatorIndex < index) {
                ++nextAbsent;
            }
            require(
                nextAbsent == absent.length || absent[nextAbsent].operatorIndex != index,
                SignerIsNonSigner(index)
            );
            address operator = $.verifier.proveOperator(certificate.referenceTimestamp, signers[i]);
            if (_slash($, messageHash, index, operator)) operators[count++] = operator;
        }
        require(count != 0, NothingToSlash(messageHash));
        _shorten(operators, count);
    }

    /// @dev A message names one table, so that an index in it is one operator.
    function _slash(
        ChallengeStorage storage $,
        bytes32 messageHash,
        uint256 index,
        address operator
    ) private returns (bool) {
        uint256 bit = 1 << (index & 0xff);
        uint256 bits = $.slashed[messageHash][index >> 8];
        if (bits & bit != 0) return false;
        $.slashed[messageHash][index >> 8] = bits | bit;
        $.slasher.slash(operator, WADS_TO_SLASH, messageHash);
        return true;
    }

    function _revertWith(bytes memory reason) private pure {
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    function _shorten(address[] memory list, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(list, length)
        }
    }

    // --- Reads ---

    /// @inheritdoc IChallengeVerifier
    function findMismatch(PolicyTaskResponse calldata response) external view returns (Mismatch) {
        ChallengeStorage storage $ = _challengeStorage();
        (, IResponseRegistry.AcceptedResponse memory accepted) = _requireAccepted($, response);
        _requireOpen(_openUntil($, accepted.acceptedAt, response.expirationBlock));
        return _rebuild($, response);
    }

    /// @inheritdoc IChallengeVerifier
    function openUntil(bytes32 taskId, uint64 expirationBlock) external view returns (uint256) {
        ChallengeStorage storage $ = _challengeStorage();
        return _openUntil($, _acceptedAt($, taskId), expirationBlock);
    }

    /// @inheritdoc IChallengeVerifier
    function openUntilFor(VerifierKind kind, bytes32 taskId, uint64 expirationBlock)
        external
        view
        returns (uint256)
    {
        ChallengeStorage storage $ = _challengeStorage();
        uint256 acceptedAt = _acceptedAt($, taskId);
        uint256 last = _openUntil($, acceptedAt, expirationBlock);
        return last + _suspendedBlocks(kind, acceptedAt, last);
    }

    function _acceptedAt(ChallengeStorage storage $, bytes32 taskId)
        private
        view
        returns (uint256 acceptedAt)
    {
        acceptedAt = $.responses.getResponse(taskId).acceptedAt;
        require(acceptedAt != 0, ResponseNotAccepted(taskId));
    }

    /// @inheritdoc IChallengeVerifier
    function isSlashed(bytes32 messageHash, uint32 operatorIndex) external view returns (bool) {
        uint256 bits = _challengeStorage().slashed[messageHash][operatorIndex >> 8];
        return bits & (1 << (operatorIndex & 0xff)) != 0;
    }

    /// @inheritdoc IChallengeVerifier
    function isSlashedForVerdict(
        uint256 sourceChainId,
        address challengeVerifier,
        bytes32 messageHash,
        address operator
    ) external view returns (bool) {
        bytes32 key = _verdictKey(sourceChainId, challengeVerifier, messageHash);
        return _challengeStorage().relayed[key][operator];
    }

    /// @inheritdoc IChallengeVerifier
    function relayedSlashFrom(address operator) external view returns (uint256) {
        return _relayedSlashFrom(_challengeStorage(), operator);
    }

    /// @inheritdoc IChallengeVerifier
    function responseRegistry() external view returns (address) {
        return address(_challengeStorage().responses);
    }

    /// @inheritdoc IChallengeVerifier
    function enclaveVersionRegistry() external view returns (address) {
        return address(_challengeStorage().enclaveVersions);
    }

    /// @inheritdoc IChallengeVerifier
    function slasher() external view returns (address) {
        return address(_challengeStorage().slasher);
    }

    // --- Upgrades ---

    function _blockKind() internal view override returns (BlockKind) {
        return _challengeStorage().blockKind;
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("ChallengeVerifier", type(IChallengeVerifier).interfaceId);
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        ChallengeStorage storage $ = _challengeStorage();
        return keccak256(
            abi.encode(
                $.blockKind,
                $.responses,
                $.policyRegistry,
                $.dataRegistry,
                $.verifier,
                $.challengeWindow
            )
        );
    }

    function _challengeStorage() private pure returns (ChallengeStorage storage $) {
        assembly ("memory-safe") {
            $.slot := CHALLENGE_SLOT
        }
    }
}
