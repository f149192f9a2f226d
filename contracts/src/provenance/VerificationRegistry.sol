// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IVerificationRegistry} from "../interfaces/IVerificationRegistry.sol";
import {FixedContract} from "../upgrade/FixedContract.sol";

/// @title VerificationRegistry
/// @notice Claims of verifiers about plugins.
/// @dev No owner and no upgrade: nobody may speak for a verifier, and none is left out.
contract VerificationRegistry is FixedContract, IVerificationRegistry {
    /// @notice Most bytes of an evidence URI.
    uint256 public constant MAX_URI_BYTES = 1024;

    mapping(
        bytes32 wasmHash
            => mapping(bytes32 buildInfoHash => mapping(address verifier => Claim))
    ) private _claims;

    /// @inheritdoc IVerificationRegistry
    function submitClaim(
        bytes32 wasmHash,
        bytes32 buildInfoHash,
        Result result,
        string calldata evidenceUri
    ) external {
        require(wasmHash != 0 && buildInfoHash != 0, InvalidHash());
        require(result != Result.NONE, ResultRequired());
        uint256 length = bytes(evidenceUri).length;
        require(length <= MAX_URI_BYTES, EvidenceUriTooLong(length));
        _claims[wasmHash][buildInfoHash][msg.sender] = Claim(result, uint64(block.timestamp));
        emit ClaimSubmitted(wasmHash, msg.sender, result, buildInfoHash, evidenceUri);
    }

    /// @inheritdoc IVerificationRegistry
    function getClaim(bytes32 wasmHash, bytes32 buildInfoHash, address verifier)
        external
        view
        returns (Claim memory)
    {
        return _claims[wasmHash][buildInfoHash][verifier];
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("VerificationRegistry", type(IVerificationRegistry).interfaceId);
    }
}
