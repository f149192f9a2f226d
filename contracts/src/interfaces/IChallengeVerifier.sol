// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BN254} from "../libraries/BN254.sol";
import {PolicyTaskResponse} from "../libraries/PolicyMessages.sol";
import {BN254Certificate, BN254OperatorInfoWitness} from "./IBN254CertificateVerifier.sol";
import {UpgradeTimes} from "./IDelayedUpgrade.sol";
import {IInjectedVerifiers} from "./IInjectedVerifiers.sol";

/// @notice What a proof of a re-run is about.
struct ResultPublicValues {
    bytes32 messageHash;
    bytes32 taskId;
    bytes32 intentHash;
    bytes32 policyTemplateId;
    bytes32 policyInstanceId;
    bytes32 artifactDigest;
    bytes32 paramsHash;
    bytes32 inputsHash;
    bytes32 referenceBlockHash;
    bytes result;
}

/// @notice What a proof about an attestation document is about.
struct DocumentPublicValues {
    bytes32 messageHash;
    bytes32 artifactDigest;
    bytes32 pcr0Commitment;
    bytes32 documentHash;
}

/// @notice A proof that an evaluation of the attested inputs has another result, and who signed.
struct ResultChallenge {
    ResultPublicValues values;
    bytes proof;
    BN254Certificate certificate;
    BN254OperatorInfoWitness[] signers;
}

/// @notice A proof that a document is invalid, and the accused operator's signature over it.
struct DocumentChallenge {
    DocumentPublicValues values;
    bytes proof;
    BN254OperatorInfoWitness operator;
    BN254.G2Point pubkeyG2;
    BN254.G1Point signature;
}

/// @notice The outcome of a challenge on another chain.
struct Verdict {
    uint256 sourceChainId;
    address challengeVerifier;
    bytes32 messageHash;
    address[] operators;
}

/// @notice Checks proofs of re-runs.
interface IPolicyResultVerifier {
    /// @notice Whether the proof shows that these values belong together.
    function verifyResult(ResultPublicValues calldata values, bytes calldata proof)
        external
        view
        returns (bool);
}

/// @notice Checks proofs about attestation documents.
interface IDocumentVerifier {
    /// @notice Whether the proof shows that the document of this hash does not attest this message
    /// from this build.
    function verifyInvalidDocument(DocumentPublicValues calldata values, bytes calldata proof)
        external
        view
        returns (bool);
}

/// @notice Carries verdicts from another chain: a bridge or a storage proof, never the accused.
interface IVerdictRelay {
    /// @notice Whether this verdict was reached there.
    function verifyVerdict(Verdict calldata verdict, bytes calldata proof)
        external
        view
        returns (bool);
}

/// @title IChallengeVerifier
/// @notice Slashes the signers of a response that the chain shows to be false.
interface IChallengeVerifier {
    /// @notice What a challenge verifier is made with. The policy registries, the certificate
    /// verifier and the block source are the response registry's.
    /// @param owner Announces verifiers, the relay and its sources.
    /// @param times The times of the chain.
    /// @param responseRegistry Where responses were accepted.
    /// @param enclaveVersionRegistry Where enclave builds are whitelisted.
    /// @param slasher Takes the stake.
    struct Setup {
        address owner;
        UpgradeTimes times;
        address responseRegistry;
        address enclaveVersionRegistry;
        address slasher;
    }

    /// @notice What is false about a response.
    enum Mismatch {
        None,
        PolicyInstance,
        MissingRow,
        Expiration,
        Digest,
        Enclave
    }

    /// @notice A contract that challenges depend on could be upgraded before they are over.
    error UpgradesTooQuick(address target, uint64 upgradeDelay, uint64 needed);
    /// @notice Responses stay valid for longer there than this contract counts with.
    error ExpirationsTooLong(address target, uint64 maxExpireAfter, uint64 most);
    /// @notice A contract counts blocks in another unit, or does not say in which.
    error BlockKindMismatch(address target, uint8 expected, uint8 found);
    /// @notice The response is for another chain.
    error WrongChain(uint256 expected, uint256 given);
    /// @notice The response is for another policy registry.
    error WrongPolicyRegistry(address expected, address given);
    /// @notice This response was not accepted.
    error ResponseNotAccepted(bytes32 taskId);
    /// @notice The reference block's hash was not checked when the response was accepted.
    error ReferenceBlockHashUnchecked(bytes32 taskId);
    /// @notice The challenge window is over.
    error ChallengeWindowClosed(uint256 openUntil, uint256 current);
    /// @notice Nothing is false about the response.
    error ChallengeFailed();
    /// @notice The certificate is over another message.
    error CertificateMessageHashMismatch(bytes32 expected, bytes32 actual);
    /// @notice The response does not name the table in force at its reference block.
    error ReferenceTimestampMismatch(uint32 expected, uint32 actual);
    /// @notice Signers are not in strictly ascending order of their indices.
    error SignersNotSorted(uint256 position);
    /// @notice An operator is named both as signer and as non-signer.
    error SignerIsNonSigner(uint32 operatorIndex);
    /// @notice Every operator named was slashed for this message already.
    error NothingToSlash(bytes32 messageHash);
    /// @notice A public value of a proof is not the response's.
    /// @param index Its position in the struct.
    error PublicValueMismatch(uint256 index);
    /// @notice The verifier refused the proof.
    error ProofRejected();
    /// @notice The document does not carry the accused operator's signature.
    error DocumentSignatureInvalid();
    /// @notice The verdict is of this chain.
    error VerdictNotForeign();
    /// @notice The slasher did not take this operator's stake, nor say why not: it has no code, or had
    /// too little gas. That is no refusal: send more, or name the others.
    error SlasherFailed(address operator);
    /// @notice A part of a verdict has one of its operators or more.
    error InvalidPart(uint256 from, uint256 to, uint256 operators);

    /// @notice A response was shown to be false, and these operators slashed for it.
    event ChallengeSucceeded(
        bytes32 indexed messageHash,
        bytes32 indexed taskId,
        address indexed challenger,
        Mismatch mismatch,
        address[] operators
    );
    /// @notice A result was shown to be false, and these operators slashed for it.
    event ResultChallengeSucceeded(
        bytes32 indexed messageHash,
        bytes32 indexed taskId,
        address indexed challenger,
        address[] operators
    );
    /// @notice An operator's document was shown to be invalid, and it was slashed.
    event DocumentChallengeSucceeded(
        bytes32 indexed messageHash,
        bytes32 indexed taskId,
        address indexed challenger,
        address operator,
        bytes32 documentHash
    );
    /// @notice Operators were slashed on another chain's verdict.
    event VerdictRelayed(
        bytes32 indexed messageHash, uint256 indexed sourceChainId, address[] operators
    );

    /// @notice Sets the contract up, once.
    function initialize(Setup calldata setup) external;

    /// @notice Shows that an accepted response is not what the registries say at its reference
    /// block, and slashes signers of it. Anyone may call.
    /// @param response The accepted response.
    /// @param certificate A certificate over it at quorum; not necessarily the accepted one, which
    /// is not verified a second time.
    /// @param signers Operators who signed it, ascending, each proven to be in the table.
    function challengeAttestationDigest(
        PolicyTaskResponse calldata response,
        BN254Certificate calldata certificate,
        BN254OperatorInfoWitness[] calldata signers
    ) external;

    /// @notice Shows by proof that the attested inputs have another result.
    function challengePolicyResult(
        PolicyTaskResponse calldata response,
        ResultChallenge calldata proof
    ) external;

    /// @notice Shows by proof that the document an operator put its name to is invalid. Only that
    /// operator is slashed.
    function challengeInvalidTeeAttestation(
        PolicyTaskResponse calldata response,
        DocumentChallenge calldata proof
    ) external;

    /// @notice Slashes on the verdict of another chain, as the relay in force vouches for it: of a
    /// listed contract on a listed chain, each operator once for a message, and at most once in a
    /// challenge window for all messages. Whoever is spared by that can be named again later, and so
    /// can one whom the slasher refuses: it is left out, and shields none of the others. A slasher that
    /// fails without a word, or for want of gas, refuses nobody: `SlasherFailed`.
    function slashForRelayedVerdict(Verdict calldata verdict, bytes calldata proof) external;

    /// @notice Like {slashForRelayedVerdict}, for the operators from position `from` on and before `to`:
    /// a verdict of many does not fit into one transaction here only because it did where it was
    /// reached.
    function slashPartOfRelayedVerdict(
        Verdict calldata verdict,
        bytes calldata proof,
        uint256 from,
        uint256 to
    ) external;

    /// @notice What is false about a response, as rebuilt from the registries.
    function findMismatch(PolicyTaskResponse calldata response) external view returns (Mismatch);

    /// @notice Last block at which a response may be challenged by what the registries say.
    function openUntil(bytes32 taskId, uint64 expirationBlock) external view returns (uint256);

    /// @notice Last block at which a response may be challenged by a verifier's word: later by the
    /// blocks in which the one in force at its acceptance rested.
    function openUntilFor(
        IInjectedVerifiers.VerifierKind kind,
        bytes32 taskId,
        uint64 expirationBlock
    ) external view returns (uint256);

    /// @notice Whether an operator was slashed for a message.
    /// @param messageHash The message.
    /// @param operatorIndex Its index in the table that the message names.
    function isSlashed(bytes32 messageHash, uint32 operatorIndex) external view returns (bool);

    /// @notice Whether an operator was slashed for a message of another chain.
    function isSlashedForVerdict(
        uint256 sourceChainId,
        address challengeVerifier,
        bytes32 messageHash,
        address operator
    ) external view returns (bool);

    /// @notice First block in which an operator may be slashed by a relayed verdict, zero for any.
    function relayedSlashFrom(address operator) external view returns (uint256);

    /// @notice The response registry.
    function responseRegistry() external view returns (address);

    /// @notice The registry of enclave builds.
    function enclaveVersionRegistry() external view returns (address);

    /// @notice The slasher.
    function slasher() external view returns (address);
}
