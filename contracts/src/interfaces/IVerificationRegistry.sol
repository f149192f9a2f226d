// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IVerificationRegistry
/// @notice Who rebuilt which plugin from which build information, and what came out. Anyone may
/// claim; readers choose whom they believe.
interface IVerificationRegistry {
    /// @notice What a rebuild gave. An unset slot is `NONE`, and is no result.
    enum Result {
        NONE,
        MATCH,
        NO_MATCH,
        DID_NOT_RUN
    }

    /// @notice The newest claim of a verifier about one build of one plugin.
    /// @param result `NONE` where there is none.
    /// @param timestamp Seconds of the block that it came in.
    struct Claim {
        Result result;
        uint64 timestamp;
    }

    /// @notice A verifier made a claim, or replaced its own.
    /// @param wasmHash keccak-256 of the plugin.
    /// @param verifier Who claims.
    /// @param result What the rebuild gave.
    /// @param buildInfoHash SHA-256 of the build information that was followed.
    /// @param evidenceUri Where the evidence is.
    event ClaimSubmitted(
        bytes32 indexed wasmHash,
        address indexed verifier,
        Result result,
        bytes32 buildInfoHash,
        string evidenceUri
    );

    /// @notice `NONE` is no claim.
    error ResultRequired();
    /// @notice A plugin and its build information have hashes.
    error InvalidHash();
    /// @notice An evidence URI has at most `MAX_URI_BYTES`.
    error EvidenceUriTooLong(uint256 length);

    /// @notice Records what the sender found, over what the sender said before of the same build.
    /// @param wasmHash keccak-256 of the plugin.
    /// @param buildInfoHash SHA-256 of the build information that was followed.
    /// @param result What the rebuild gave: `MATCH` is equality of every byte.
    /// @param evidenceUri Where content-addressed evidence is; may be empty.
    function submitClaim(
        bytes32 wasmHash,
        bytes32 buildInfoHash,
        Result result,
        string calldata evidenceUri
    ) external;

    /// @notice The newest claim of one verifier about one build of one plugin.
    function getClaim(bytes32 wasmHash, bytes32 buildInfoHash, address verifier)
        external
        view
        returns (Claim memory);
}
