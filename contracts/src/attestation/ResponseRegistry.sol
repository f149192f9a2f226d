// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    BN254Certificate,
    IBN254CertificateVerifier
} from "../interfaces/IBN254CertificateVerifier.sol";
import {IDelayedUpgrade} from "../interfaces/IDelayedUpgrade.sol";
import {IPolicyClientRegistry} from "../interfaces/IPolicyClientRegistry.sol";
import {IPolicyRegistry} from "../interfaces/IPolicyRegistry.sol";
import {IResponseRegistry} from "../interfaces/IResponseRegistry.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";
import {Intent, PolicyMessages, PolicyTaskResponse, Task} from "../libraries/PolicyMessages.sol";
import {DelayedUpgrade} from "../upgrade/DelayedUpgrade.sol";

/// @title ResponseRegistry
/// @notice Accepts responses with a certificate of the table in force at their reference block, and
/// lets their clients use them once.
contract ResponseRegistry is DelayedUpgrade, IResponseRegistry {
    /// @dev What a client's owner decided, in one word. Single tasks are looked for only where one
    /// was ever revoked.
    struct ClientRules {
        bool acceptSuperseded;
        uint64 revokedBefore;
        bool revokesTasks;
    }

    /// @custom:storage-location erc7201:newton.storage.ResponseRegistry
    struct ResponseStorage {
        // One word: what acceptance and use have to know both.
        IPolicyRegistry policyRegistry;
        uint32 taskResponseWindow;
        uint32 maxExpireAfter;
        BlockKind blockKind;
        IPolicyClientRegistry clientRegistry;
        IBN254CertificateVerifier verifier;
        mapping(bytes32 taskId => AcceptedResponse) responses;
        mapping(address client => ClientRules) rules;
        mapping(address client => mapping(bytes32 taskId => bool)) revoked;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.ResponseRegistry")) - 1)) & ~0xff
    bytes32 private constant RESPONSE_SLOT =
        0xfe3413fa6857bb085ca7e00a1555d84d3e19e41c9a90f3d09921f943bb02e200;

    /// @inheritdoc IResponseRegistry
    function initialize(Setup calldata setup) external initializer {
        __DelayedUpgrade_init(setup.owner, setup.times);
        ResponseStorage storage $ = _responseStorage();
        IPolicyRegistry registry = IPolicyRegistry(setup.policyRegistry);
        BlockKind kind = BlockKind(registry.blockKind());
        BlockSource.check(kind);
        _requireWindow(setup.taskResponseWindow);
        // Shorter here, and instances that the registry takes would never have a response accepted;
        // longer, and the times of one chain would be two.
        uint64 longest = IDelayedUpgrade(setup.policyRegistry).maxExpireAfter();
        require(
            longest == setup.times.maxExpireAfter,
            MaxExpireAfterMismatch(longest, setup.times.maxExpireAfter)
        );
        $.blockKind = kind;
        $.policyRegistry = registry;
        $.clientRegistry = IPolicyClientRegistry(registry.clientRegistry());
        $.verifier = IBN254CertificateVerifier(setup.certificateVerifier);
        // Both at most 2^32 - 1 by the rule for windows.
        $.taskResponseWindow = uint32(setup.taskResponseWindow);
        $.maxExpireAfter = uint32(setup.times.maxExpireAfter);
    }

    // --- Acceptance ---

    /// @inheritdoc IResponseRegistry
    function accept(
        PolicyTaskResponse calldata response,
        BN254Certificate calldata certificate,
        Task calldata task
    ) external {
        ResponseStorage storage $ = _responseStorage();
        require($.responses[response.taskId].acceptedAt == 0, AlreadyAccepted(response.taskId));
        uint256 current = _blockNumber();

        _requireTask($, response, task);
        _requireReferenceBlock($, response, current);
        require(
            current < response.expirationBlock, ResponseExpired(response.expirationBlock, current)
        );
        // Rows of other registries, and older ones, may say more: here they obey all the same.
        uint256 lastExpiration = uint256(response.referenceBlock) + $.maxExpireAfter;
        require(
            response.expirationBlock <= lastExpiration,
            ExpirationTooFar(response.expirationBlock, lastExpiration)
        );
        ClientRules memory rules = $.rules[response.policyClient];
        _requireNotRevoked(
            $, rules, response.policyClient, response.taskId, response.referenceBlock
        );
        if (!rules.acceptSuperseded) _requireCurrentInstance($, response);
        bytes32 messageHash = PolicyMessages.messageHash(response);
        require(
            certificate.messageHash == messageHash,
            CertificateMessageHashMismatch(messageHash, certificate.messageHash)
        );
        require(
            certificate.referenceTimestamp == response.referenceTimestamp,
            ReferenceTimestampMismatch(response.referenceTimestamp, certificate.referenceTimestamp)
        );
        require(
            task.intent.chainId == block.chainid,
            IntentChainMismatch(block.chainid, task.intent.chainId)
        );
        require(
            $.verifier.isFresh(response.referenceTimestamp),
            CertificateStale(response.referenceTimestamp)
        );
        $.verifier.verifyCertificateAt(response.referenceBlock, certificate);

        bool allowed = PolicyMessages.isAllow(response.evaluationResult);
        $.responses[response.taskId] = AcceptedResponse({
            commitment: PolicyMessages.commitment(messageHash, keccak256(abi.encode(certificate))),
            messagePrefix: bytes19(messageHash),
            // A block that was mined, and the expiration at most 2^32 after it: far below 2^40.
            acceptedAt: uint40(current),
            expirationBlock: uint40(response.expirationBlock),
            allowed: allowed,
            consumed: false,
            blockHashChecked: true
        });
        emit ResponseAccepted(
            response.taskId, response.policyClient, messageHash, allowed, response, certificate
        );
    }

    function _requireTask(
        ResponseStorage storage $,
        PolicyTaskResponse calldata response,
        Task calldata task
    ) private view {
        require(response.chainId == block.chainid, WrongChain(block.chainid, response.chainId));
        address registry = address($.policyRegistry);
        require(
            response.policyRegistry == registry,
            WrongPolicyRegistry(registry, response.policyRegistry)
        );
        bytes32 taskId = PolicyMessages.taskId(task);
        require(taskId == response.taskId, TaskIdMismatch(taskId, response.taskId));
        require(task.chainId == response.chainId, TaskFieldMismatch(TaskField.ChainId));
        require(
            task.policyRegistry == response.policyRegistry,
            TaskFieldMismatch(TaskField.PolicyRegistry)
        );
        require(
            task.policyClient == response.policyClient, TaskFieldMismatch(TaskField.PolicyClient)
        );
        require(
            PolicyMessages.intentHash(task.intent) == response.intentHash,
            TaskFieldMismatch(TaskField.IntentHash)
        );
        require(
            task.referenceBlock == response.referenceBlock,
            TaskFieldMismatch(TaskField.ReferenceBlock)
        );
        require(
            task.referenceBlockHash == response.referenceBlockHash,
            TaskFieldMismatch(TaskField.ReferenceBlockHash)
        );
    }

    function _requireReferenceBlock(
        ResponseStorage storage $,
        PolicyTaskResponse calldata response,
        uint256 current
    ) private view {
        uint256 referenceBlock = response.referenceBlock;
        require(referenceBlock < current, ReferenceBlockNotMined(referenceBlock, current));
        bytes32 hash = BlockSource.hashOf($.blockKind, referenceBlock);
        require(hash != 0, ReferenceBlockHashUnavailable(referenceBlock));
        require(
            hash == response.referenceBlockHash,
            ReferenceBlockHashMismatch(hash, response.referenceBlockHash)
        );
        uint256 window = $.taskResponseWindow;
        // An error's arguments are computed even where the condition holds: nothing may underflow.
        uint256 oldest = current > window ? current - window : 0;
        require(referenceBlock >= oldest, ReferenceBlockTooOld(referenceBlock, oldest));
    }

    function _requireCurrentInstance(
        ResponseStorage storage $,
        PolicyTaskResponse calldata response
    ) private view {
        bytes32 instance = $.policyRegistry.currentInstance(response.policyClient);
        require(
            instance != 0 && instance == response.policyInstanceId,
            PolicyInstanceSuperseded(response.policyClient, instance, response.policyInstanceId)
        );
    }

    // --- Use ---

    /// @inheritdoc IResponseRegistry
    function consume(
        PolicyTaskResponse calldata response,
        bytes32 certificateHash,
        Intent calldata intent
    ) external {
        ResponseStorage storage $ = _responseStorage();
        bytes32 taskId = response.taskId;
        AcceptedResponse storage accepted = $.responses[taskId];
        require(accepted.acceptedAt != 0, ResponseNotAccepted(taskId));
        // From here on every field of the response is the accepted one's.
        bytes32 expected = accepted.commitment;
        bytes32 given =
            PolicyMessages.commitment(PolicyMessages.messageHash(response), certificateHash);
        require(given == expected, CommitmentMismatch(expected, given));
        address client = response.policyClient;
        require(msg.sender == client, NotPolicyClient(client, msg.sender));
        require(!accepted.consumed, AlreadyConsumed(taskId));
        uint256 current = _blockNumber();
        uint256 expiration = response.expirationBlock;
        require(current < expiration, ResponseExpired(expiration, current));
        bytes32 intentHash = PolicyMessages.intentHash(intent);
        require(intentHash == response.intentHash, IntentMismatch(response.intentHash, intentHash));
        require(accepted.allowed, EvaluationDenied(taskId));
        _requireStillWanted($, client, taskId, response.referenceBlock);
        accepted.consumed = true;
        emit ResponseConsumed(taskId, client);
    }

    /// @dev An allow is the client's own decision of a past block: it holds only while the client is
    /// in use and its owner has not decided otherwise since.
    function _requireStillWanted(
        ResponseStorage storage $,
        address client,
        bytes32 taskId,
        uint256 referenceBlock
    ) private view {
        require($.clientRegistry.isRegisteredClient(client), ClientNotActive(client));
        ClientRules memory rules = $.rules[client];
        _requireNotRevoked($, rules, client, taskId, referenceBlock);
        if (rules.acceptSuperseded) return;
        // By the move and not by the instance: a policy that is put back revives nothing.
        uint256 movedAt = $.policyRegistry.lastMovedAt(client);
        require(movedAt <= referenceBlock, PolicySlotMoved(client, movedAt, referenceBlock));
    }

    function _requireNotRevoked(
        ResponseStorage storage $,
        ClientRules memory rules,
        address client,
        bytes32 taskId,
        uint256 referenceBlock
    ) private view {
        if (rules.revokesTasks) require(!$.revoked[client][taskId], TaskRevoked(client, taskId));
        uint256 revokedUpTo = rules.revokedBefore;
        require(
            revokedUpTo == 0 || referenceBlock > revokedUpTo,
            ReferenceBlockRevoked(client, revokedUpTo, referenceBlock)
        );
    }

    // --- What a client's owner decides ---

    /// @inheritdoc IResponseRegistry
    function revoke(address client, bytes32 taskId) external {
        _requireOwnerOrClient(client);
        ResponseStorage storage $ = _responseStorage();
        $.rules[client].revokesTasks = true;
        $.revoked[client][taskId] = true;
        emit ResponseRevoked(client, taskId);
    }

    /// @inheritdoc IResponseRegistry
    function revokeBefore(address client, uint64 blockNumber) external {
        _requireOwnerOrClient(client);
        uint256 current = _blockNumber();
        require(blockNumber <= current, RevocationInFuture(blockNumber, current));
        ClientRules storage rules = _responseStorage().rules[client];
        uint64 revokedUpTo = rules.revokedBefore;
        require(blockNumber >= revokedUpTo, RevocationLowered(revokedUpTo, blockNumber));
        rules.revokedBefore = blockNumber;
        emit ResponsesRevokedBefore(client, blockNumber);
    }

    /// @inheritdoc IResponseRegistry
    function setAcceptSuperseded(address client, bool accepted) external {
        _requireOwner(client);
        _responseStorage().rules[client].acceptSuperseded = accepted;
        emit AcceptSupersededSet(client, accepted);
    }

    /// @dev A client that is deactivated has its owner still.
    function _requireOwnerOrClient(address client) private view {
        if (msg.sender != client) _requireOwner(client);
    }

    function _requireOwner(address client) private view {
        require(
            _responseStorage().clientRegistry.getClientRecord(client).owner == msg.sender,
            NotClientOwner(client, msg.sender)
        );
    }

    // --- Reads ---

    /// @inheritdoc IResponseRegistry
    function getResponse(bytes32 taskId) external view returns (AcceptedResponse memory) {
        return _responseStorage().responses[taskId];
    }

    /// @inheritdoc IResponseRegistry
    function acceptsSuperseded(address client) external view returns (bool) {
        return _responseStorage().rules[client].acceptSuperseded;
    }

    /// @inheritdoc IResponseRegistry
    function isRevoked(address client, bytes32 taskId) external view returns (bool) {
        return _responseStorage().revoked[client][taskId];
    }

    /// @inheritdoc IResponseRegistry
    function revokedBefore(address client) external view returns (uint64) {
        return _responseStorage().rules[client].revokedBefore;
    }

    /// @inheritdoc IResponseRegistry
    function policyRegistry() external view returns (address) {
        return address(_responseStorage().policyRegistry);
    }

    /// @inheritdoc IResponseRegistry
    function clientRegistry() external view returns (address) {
        return address(_responseStorage().clientRegistry);
    }

    /// @inheritdoc IResponseRegistry
    function certificateVerifier() external view returns (address) {
        return address(_responseStorage().verifier);
    }

    /// @inheritdoc IResponseRegistry
    function taskResponseWindow() external view returns (uint64) {
        return _responseStorage().taskResponseWindow;
    }

    // --- Upgrades ---

    function _blockKind() internal view override returns (BlockKind) {
        return _responseStorage().blockKind;
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("ResponseRegistry", type(IResponseRegistry).interfaceId);
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        ResponseStorage storage $ = _responseStorage();
        return keccak256(
            abi.encode(
                $.blockKind,
                $.policyRegistry,
                $.clientRegistry,
                $.verifier,
                $.taskResponseWindow,
                $.maxExpireAfter
            )
        );
    }

    function _responseStorage() private pure returns (ResponseStorage storage $) {
        assembly ("memory-safe") {
            $.slot := RESPONSE_SLOT
        }
    }
}
