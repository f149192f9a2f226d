// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title ArtifactIds
/// @notice Ids of templates and instances and the hash of params, as computed off chain.
/// @dev Every number in a preimage is big-endian and of fixed width. The leading `0x01` keeps a
/// data id from ever equalling a policy id.
library ArtifactIds {
    /// @notice Stands for an optional schema that is not there; no artifact may hash to it.
    /// @dev keccak256("NEWTON_POLICY_ARTIFACT_ABSENT_V1")
    bytes32 internal constant ARTIFACT_ABSENT =
        0x385ae9fc2190731ea0b29b2ad75e99f8f0807e267007eac2363c400f7ac7902f;

    /// @notice Most data templates that one policy template names.
    uint256 internal constant MAX_REFS = 32;
    /// @notice Most bytes of params of one instance.
    uint256 internal constant MAX_PARAMS = 8192;
    /// @notice Most bytes of one locator.
    uint256 internal constant MAX_LOCATOR = 16_384;

    /// @notice Namespaces of the state tree that hold public artifacts.
    uint8 internal constant NAMESPACE_REGO = 4;
    uint8 internal constant NAMESPACE_POLICY_PARAMS_SCHEMA = 5;
    uint8 internal constant NAMESPACE_WASM = 6;
    uint8 internal constant NAMESPACE_POLICY_DATA_PARAMS_SCHEMA = 7;
    uint8 internal constant NAMESPACE_SECRETS_SCHEMA = 8;

    /// @dev `keccak256(ref_0 ‖ ref_1 ‖ …)`, of none `keccak256("")`.
    function refsHash(bytes32[] memory refs) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            result := keccak256(add(refs, 0x20), shl(5, mload(refs)))
        }
    }

    /// @dev Id of a policy template.
    function policyTemplateId(bytes32 regoHash, bytes32 paramsSchemaHash, bytes32[] memory refs)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(regoHash, paramsSchemaHash, refsHash(refs)));
    }

    /// @dev Id of a policy-data template.
    function policyDataTemplateId(
        bytes32 wasmHash,
        bytes32 paramsSchemaHash,
        bytes32 secretsSchemaHash
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(bytes1(0x01), wasmHash, paramsSchemaHash, secretsSchemaHash)
        );
    }

    /// @dev Hash of an instance's params.
    function paramsHash(uint64 expireAfter, bytes memory params) internal pure returns (bytes32) {
        return keccak256(abi.encode(expireAfter, params));
    }

    /// @dev Id of a policy instance.
    function policyInstanceId(
        uint256 chainId,
        address client,
        bytes32 templateId,
        bytes32 hashOfParams
    ) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(chainId, client, templateId, hashOfParams));
    }

    /// @dev Id of a policy-data instance.
    function policyDataInstanceId(
        uint256 chainId,
        address client,
        bytes32 templateId,
        bytes32 hashOfParams
    ) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x01), chainId, client, templateId, hashOfParams));
    }
}
