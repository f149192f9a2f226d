// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IArtifactProofs} from "../interfaces/IArtifactProofs.sol";
import {IStateCommitRegistry} from "../interfaces/IStateCommitRegistry.sol";
import {StateTreeVerifier} from "./StateTreeVerifier.sol";

/// @title ArtifactProofs
/// @notice Inclusion under any root the operators committed; exclusion only under the latest.
contract ArtifactProofs is IArtifactProofs {
    /// @notice Where roots are committed.
    IStateCommitRegistry public immutable stateCommits;

    constructor(address stateCommitRegistry) {
        stateCommits = IStateCommitRegistry(stateCommitRegistry);
    }

    /// @inheritdoc IArtifactProofs
    function isCommitted(
        bytes32 root,
        uint8 namespace,
        bytes32 artifactHash,
        StateTreeVerifier.Proof calldata proof
    ) external view returns (bool) {
        require(stateCommits.isKnownRoot(root), UnknownRoot(root));
        return StateTreeVerifier.verifyArtifact(root, namespace, artifactHash, proof);
    }

    /// @inheritdoc IArtifactProofs
    function isAbsent(uint8 namespace, bytes32 artifactHash, StateTreeVerifier.Proof calldata proof)
        external
        view
        returns (bool)
    {
        (bytes32 root,,) = stateCommits.latest();
        require(root != 0, NoRoot());
        return StateTreeVerifier.verifyAbsent(root, namespace, artifactHash, proof);
    }
}
