// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {StateTreeVerifier} from "../statetree/StateTreeVerifier.sol";

/// @title IArtifactProofs
/// @notice Asks the committed tree about one artifact.
interface IArtifactProofs {
    /// @notice The operators never committed this root.
    error UnknownRoot(bytes32 root);
    /// @notice No root was committed yet.
    error NoRoot();

    /// @notice Whether an artifact is under a root that the operators committed.
    /// @param root One they committed, the latest or an earlier one.
    /// @param namespace 4 to 8.
    /// @param artifactHash keccak-256 of the artifact's bytes.
    /// @param proof Inclusion proof.
    function isCommitted(
        bytes32 root,
        uint8 namespace,
        bytes32 artifactHash,
        StateTreeVerifier.Proof calldata proof
    ) external view returns (bool);

    /// @notice Whether an artifact is absent now: always of the latest root.
    /// @param namespace 4 to 8.
    /// @param artifactHash keccak-256 of the artifact's bytes.
    /// @param proof Exclusion proof.
    function isAbsent(uint8 namespace, bytes32 artifactHash, StateTreeVerifier.Proof calldata proof)
        external
        view
        returns (bool);
}
