// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IArtifactProofs} from "../interfaces/IArtifactProofs.sol";
import {IChainContract} from "../interfaces/IChainContract.sol";
import {IStateCommitRegistry} from "../interfaces/IStateCommitRegistry.sol";
import {StateTreeVerifier} from "./StateTreeVerifier.sol";

/// @title ArtifactProofs
/// @notice Inclusion under any root the operators committed; exclusion only under the latest.
contract ArtifactProofs is IArtifactProofs, IChainContract {
    /// @notice Where roots are committed.
    IStateCommitRegistry public immutable stateCommits;

    constructor(address stateCommitRegistry) {
        stateCommits = IStateCommitRegistry(stateCommitRegistry);
    }

    /// @inheritdoc IChainContract
    function contractKind() external pure returns (string memory) {
        return "ArtifactProofs";
    }

    /// @inheritdoc IChainContract
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @notice The blocks of the registry it reads.
    /// @inheritdoc IChainContract
    function blockKind() external view returns (uint8) {
        return IChainContract(address(stateCommits)).blockKind();
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC165).interfaceId
            || interfaceId == type(IChainContract).interfaceId
            || interfaceId == type(IArtifactProofs).interfaceId;
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
