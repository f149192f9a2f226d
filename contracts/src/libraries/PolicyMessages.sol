// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @notice The transaction a client asks to have evaluated.
/// @param from Who asks for it.
/// @param to What is called.
/// @param value Wei sent along.
/// @param data The call.
/// @param chainId Chain on which it is made.
/// @param functionSignature The function's signature as UTF-8 text, or nothing.
struct Intent {
    address from;
    address to;
    uint256 value;
    bytes data;
    uint256 chainId;
    bytes functionSignature;
}

/// @notice One request for an evaluation; its id is a hash of all of it.
/// @param chainId Chain of the policy registry.
/// @param policyRegistry The policy registry.
/// @param policyClient The client whose policy is evaluated.
/// @param intent The transaction.
/// @param wasmArgs UTF-8 JSON object for the plugins, or nothing.
/// @param referenceBlock All on-chain reads are of this block's end.
/// @param referenceBlockHash Its hash: on another branch this is another task.
/// @param nonce Tells equal requests apart.
struct Task {
    uint256 chainId;
    address policyRegistry;
    address policyClient;
    Intent intent;
    bytes wasmArgs;
    uint64 referenceBlock;
    bytes32 referenceBlockHash;
    uint64 nonce;
}

/// @notice What operators sign about one task.
/// @param chainId The task's.
/// @param policyRegistry The task's.
/// @param taskId Hash of the task.
/// @param policyClient The task's.
/// @param intentHash EIP-712 struct hash of the task's intent.
/// @param policyInstanceId The client's slot at the end of the reference block.
/// @param artifactDigest Hash over every artifact and every row behind the evaluation.
/// @param inputsHash Hash of the plugins' outputs and of the sealed secrets.
/// @param pcr0Commitment keccak-256 of the enclave build's PCR0, zero where none is named.
/// @param evaluationResult One word, 1 for allow.
/// @param referenceBlock The task's.
/// @param referenceBlockHash The task's.
/// @param referenceTimestamp Name of the operator table in force at the reference block.
/// @param expirationBlock First block at which the response is no longer valid.
struct PolicyTaskResponse {
    uint256 chainId;
    address policyRegistry;
    bytes32 taskId;
    address policyClient;
    bytes32 intentHash;
    bytes32 policyInstanceId;
    bytes32 artifactDigest;
    bytes32 inputsHash;
    bytes32 pcr0Commitment;
    bytes evaluationResult;
    uint64 referenceBlock;
    bytes32 referenceBlockHash;
    uint32 referenceTimestamp;
    uint64 expirationBlock;
}

/// @notice The words of one data instance in an artifact digest.
struct DataInstanceWords {
    bytes32 policyDataInstanceId;
    bytes32 policyDataTemplateId;
    bytes32 wasmHash;
    bytes32 paramsSchemaHash;
    bytes32 secretsSchemaHash;
    bytes32 paramsHash;
}

/// @title PolicyMessages
/// @notice Hashes of tasks, intents, responses and of the artifacts behind a response.
library PolicyMessages {
    /// @dev keccak256("NewtonPolicyTaskV1")
    bytes32 internal constant TASK_TAG = keccak256("NewtonPolicyTaskV1");
    /// @dev keccak256("NewtonPolicyTaskResponseV1")
    bytes32 internal constant RESPONSE_TAG = keccak256("NewtonPolicyTaskResponseV1");
    /// @dev keccak256("NewtonTeeDocumentV1")
    bytes32 internal constant TEE_DOCUMENT_TAG = keccak256("NewtonTeeDocumentV1");
    /// @dev EIP-712 type hash of {Intent}.
    bytes32 internal constant INTENT_TYPEHASH = keccak256(
        "Intent(address from,address to,uint256 value,bytes data,uint256 chainId,bytes functionSignature)"
    );
    /// @dev EigenLayer's type hash of what a certificate's signature is over.
    bytes32 internal constant CERTIFICATE_TYPEHASH =
        keccak256("BN254Certificate(uint32 referenceTimestamp,bytes32 messageHash)");
    /// @dev The ABI string "true", left-aligned.
    bytes32 private constant TRUE_STRING = bytes32("true");

    /// @dev Id of a task: a hash of every field of it. It is encoded without being copied first.
    function taskId(Task calldata task) internal pure returns (bytes32) {
        return keccak256(abi.encode(TASK_TAG, task));
    }

    /// @dev EIP-712 `hashStruct` of an intent, without a domain.
    function intentHash(Intent calldata intent) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                INTENT_TYPEHASH,
                intent.from,
                intent.to,
                intent.value,
                keccak256(intent.data),
                intent.chainId,
                keccak256(intent.functionSignature)
            )
        );
    }

    /// @dev The message hash of a response, which goes into a certificate.
    function messageHash(PolicyTaskResponse calldata response) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESPONSE_TAG, response));
    }

    /// @dev What is kept of an accepted response: its message and the hash of the certificate's ABI
    /// encoding.
    function commitment(bytes32 hash, bytes32 certificateHash)
        internal
        pure
        returns (bytes32 result)
    {
        assembly ("memory-safe") {
            mstore(0x00, hash)
            mstore(0x20, certificateHash)
            result := keccak256(0x00, 0x40)
        }
    }

    /// @dev What is hashed to the curve and signed: EigenLayer's certificate digest.
    function signable(uint32 referenceTimestamp, bytes32 hash) internal pure returns (bytes32) {
        return keccak256(abi.encode(CERTIFICATE_TYPEHASH, referenceTimestamp, hash));
    }

    /// @dev What an operator signs to stand for an attestation document.
    function teeDocumentHash(bytes32 hash, bytes32 documentHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(TEE_DOCUMENT_TAG, hash, documentHash));
    }

    /// @dev Whether a result means allow: one word equal to 1, or the ABI string "true" (whose
    /// first word is not looked at). Everything else is deny.
    function isAllow(bytes memory result) internal pure returns (bool) {
        uint256 length = result.length;
        if (length == 32) return _word(result, 0) == bytes32(uint256(1));
        if (length < 96) return false;
        return uint256(_word(result, 1)) == 4 && _word(result, 2) == TRUE_STRING;
    }

    function _word(bytes memory data, uint256 index) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), shl(5, index)))
        }
    }

    // --- Artifact digest: words collected in one buffer, hashed once ---

    /// @dev Room for a digest with `dataInstances` data instances and an enclave word.
    function digestBuffer(uint256 dataInstances) internal pure returns (bytes32[] memory words) {
        words = new bytes32[](9 + 6 * dataInstances);
        assembly ("memory-safe") {
            mstore(words, 8)
        }
    }

    /// @dev Appends one word to a buffer that has the room.
    function append(bytes32[] memory words, bytes32 word) internal pure {
        assembly ("memory-safe") {
            let length := add(mload(words), 1)
            mstore(words, length)
            mstore(add(words, shl(5, length)), word)
        }
    }

    /// @dev Appends the six words of a data instance.
    function appendData(bytes32[] memory words, DataInstanceWords memory data) internal pure {
        append(words, data.policyDataInstanceId);
        append(words, data.policyDataTemplateId);
        append(words, data.wasmHash);
        append(words, data.paramsSchemaHash);
        append(words, data.secretsSchemaHash);
        append(words, data.paramsHash);
    }

    /// @dev Hash of the words collected so far.
    function digest(bytes32[] memory words) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            result := keccak256(add(words, 0x20), shl(5, mload(words)))
        }
    }
}
