// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Intent, PolicyTaskResponse, Task} from "../libraries/PolicyMessages.sol";
import {BN254Certificate} from "./IBN254CertificateVerifier.sol";
import {UpgradeTimes} from "./IDelayedUpgrade.sol";

/// @title IResponseRegistry
/// @notice Where a signed evaluation lands and is used, once.
interface IResponseRegistry {
    /// @notice What a registry is made with. Block numbers and the client registry are the policy
    /// registry's.
    /// @param owner Owner.
    /// @param times The times of the chain; `maxExpireAfter` is the policy registry's.
    /// @param policyRegistry The registry that responses must name.
    /// @param certificateVerifier Ours.
    /// @param taskResponseWindow Most blocks between the reference block and acceptance, at most
    /// 2^32 - 1.
    struct Setup {
        address owner;
        UpgradeTimes times;
        address policyRegistry;
        address certificateVerifier;
        uint64 taskResponseWindow;
    }

    /// @notice What is kept of an accepted response: a commitment and one word.
    /// @param commitment `keccak256(messageHash ‖ keccak256(abi.encode(certificate)))`.
    /// @param messagePrefix First 19 bytes of the message hash: enough to know the message by, where
    /// another certificate over it is shown. Nobody is slashed on it without a signature over all 32.
    /// @param acceptedAt Block of acceptance, 0 where there is none.
    /// @param expirationBlock First block at which it is no longer valid.
    /// @param allowed The decision.
    /// @param consumed Whether it was used.
    /// @param blockHashChecked Whether the reference block's hash was compared with the chain's.
    struct AcceptedResponse {
        bytes32 commitment;
        bytes19 messagePrefix;
        uint40 acceptedAt;
        uint40 expirationBlock;
        bool allowed;
        bool consumed;
        bool blockHashChecked;
    }

    /// @notice What of a response is not the task's.
    enum TaskField {
        ChainId,
        PolicyRegistry,
        PolicyClient,
        IntentHash,
        ReferenceBlock,
        ReferenceBlockHash
    }

    /// @notice The policy registry lets instances stay valid for another number of blocks.
    error MaxExpireAfterMismatch(uint64 expected, uint64 given);
    /// @notice A response of this task was accepted already.
    error AlreadyAccepted(bytes32 taskId);
    /// @notice The response is for another chain.
    error WrongChain(uint256 expected, uint256 given);
    /// @notice The response is for another policy registry.
    error WrongPolicyRegistry(address expected, address given);
    /// @notice The task does not hash to the response's task id.
    error TaskIdMismatch(bytes32 expected, bytes32 given);
    /// @notice The task hashes right but the response says something else of it.
    error TaskFieldMismatch(TaskField field);
    /// @notice The reference block is the current one or a later one.
    error ReferenceBlockNotMined(uint256 referenceBlock, uint256 current);
    /// @notice The chain no longer knows the hash of the reference block.
    error ReferenceBlockHashUnavailable(uint256 referenceBlock);
    /// @notice The block of that number has another hash: the response is of another branch.
    error ReferenceBlockHashMismatch(bytes32 expected, bytes32 given);
    /// @notice The reference block is too far back.
    error ReferenceBlockTooOld(uint256 referenceBlock, uint256 oldest);
    /// @notice The response would stay valid for longer than this chain allows.
    error ExpirationTooFar(uint256 expirationBlock, uint256 most);
    /// @notice The response is no longer valid.
    error ResponseExpired(uint256 expirationBlock, uint256 current);
    /// @notice The client has moved to another policy instance and does not accept older ones.
    error PolicyInstanceSuperseded(address client, bytes32 current, bytes32 given);
    /// @notice The certificate is over another message.
    error CertificateMessageHashMismatch(bytes32 expected, bytes32 actual);
    /// @notice The certificate names another table than the response.
    error ReferenceTimestampMismatch(uint32 expected, uint32 actual);
    /// @notice The table is too old for new work.
    error CertificateStale(uint32 referenceTimestamp);
    /// @notice The intent is for another chain.
    error IntentChainMismatch(uint256 expected, uint256 given);
    /// @notice No response of this task was accepted.
    error ResponseNotAccepted(bytes32 taskId);
    /// @notice Of this task another response was accepted, or this one with another certificate.
    error CommitmentMismatch(bytes32 expected, bytes32 given);
    /// @notice The sender is not the client of the response.
    error NotPolicyClient(address expected, address caller);
    /// @notice The response was used already.
    error AlreadyConsumed(bytes32 taskId);
    /// @notice The intent is not the one that was evaluated.
    error IntentMismatch(bytes32 expected, bytes32 given);
    /// @notice The decision is deny.
    error EvaluationDenied(bytes32 taskId);
    /// @notice The sender does not own the client.
    error NotClientOwner(address client, address caller);
    /// @notice The client is not registered, or was deactivated: nothing is done for it.
    error ClientNotActive(address client);
    /// @notice The client's policy slot moved after the response's reference block.
    error PolicySlotMoved(address client, uint256 movedAt, uint256 referenceBlock);
    /// @notice The client revoked whatever this task was or will be answered.
    error TaskRevoked(address client, bytes32 taskId);
    /// @notice The client revoked all responses of reference blocks up to this one.
    error ReferenceBlockRevoked(address client, uint256 revokedUpTo, uint256 referenceBlock);
    /// @notice A revocation reaches past the current block.
    error RevocationInFuture(uint256 given, uint256 current);
    /// @notice A revocation never reaches less far than the one before.
    error RevocationLowered(uint256 revokedUpTo, uint256 given);

    /// @notice A response was accepted; all of it and its certificate, for challengers.
    event ResponseAccepted(
        bytes32 indexed taskId,
        address indexed policyClient,
        bytes32 indexed messageHash,
        bool allowed,
        PolicyTaskResponse response,
        BN254Certificate certificate
    );
    /// @notice A response was used.
    event ResponseConsumed(bytes32 indexed taskId, address indexed policyClient);
    /// @notice A client's owner decided whether responses of an instance it has left count.
    event AcceptSupersededSet(address indexed client, bool accepted);

    /// @notice The responses of one task are revoked.
    event ResponseRevoked(address indexed client, bytes32 indexed taskId);
    /// @notice All responses of reference blocks up to this one are revoked.
    event ResponsesRevokedBefore(address indexed client, uint64 blockNumber);

    /// @notice Sets the contract up, once.
    function initialize(Setup calldata setup) external;

    /// @notice Accepts the first response of a task that the quorum signed.
    /// @param response What was signed.
    /// @param certificate The signature.
    /// @param task The task it answers.
    function accept(
        PolicyTaskResponse calldata response,
        BN254Certificate calldata certificate,
        Task calldata task
    ) external;

    /// @notice Uses an accepted response: by its client, once, before it expires, for the intent
    /// that was evaluated, and only if the decision is allow. The client is registered and active,
    /// it revoked neither the task nor the reference block, and its policy slot has not moved since
    /// that block, unless it accepts superseded instances.
    /// @param response The accepted response.
    /// @param certificateHash `keccak256(abi.encode(certificate))` of the accepted certificate.
    /// @param intent The intent that was evaluated.
    function consume(
        PolicyTaskResponse calldata response,
        bytes32 certificateHash,
        Intent calldata intent
    ) external;

    /// @notice Whether responses of a policy instance that the client has left since the reference
    /// block are still accepted and used. The client's owner only.
    function setAcceptSuperseded(address client, bool accepted) external;

    /// @notice Revokes whatever a task was answered, or will be: it is neither accepted nor used any
    /// more. The client's owner or the client itself; for good.
    function revoke(address client, bytes32 taskId) external;

    /// @notice Revokes all responses whose reference block is this one or an earlier one. The
    /// client's owner or the client itself.
    /// @param client The client.
    /// @param blockNumber At most the current block, and never below what was revoked before.
    function revokeBefore(address client, uint64 blockNumber) external;

    /// @notice What is kept of a task's accepted response, empty where there is none.
    function getResponse(bytes32 taskId) external view returns (AcceptedResponse memory);

    /// @notice Whether a client takes responses of an instance it has left.
    function acceptsSuperseded(address client) external view returns (bool);

    /// @notice Whether a client revoked a task.
    function isRevoked(address client, bytes32 taskId) external view returns (bool);

    /// @notice Last reference block whose responses a client revoked, 0 where it revoked none.
    function revokedBefore(address client) external view returns (uint64);

    /// @notice The policy registry.
    function policyRegistry() external view returns (address);

    /// @notice The client registry.
    function clientRegistry() external view returns (address);

    /// @notice The certificate verifier.
    function certificateVerifier() external view returns (address);

    /// @notice Most blocks between the reference block and acceptance.
    function taskResponseWindow() external view returns (uint64);
}
