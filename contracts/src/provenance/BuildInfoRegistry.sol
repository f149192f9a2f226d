// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IBuildInfoRegistry} from "../interfaces/IBuildInfoRegistry.sol";
import {BuildInfoXdr} from "../libraries/BuildInfoXdr.sol";
import {FixedContract} from "../upgrade/FixedContract.sol";

/// @title BuildInfoRegistry
/// @notice Build information of plugins that carry none, written by managers.
/// @dev No upgrade: entries are for good, and whoever wants other rules deploys a registry of its
/// own, which readers list or do not.
contract BuildInfoRegistry is FixedContract, IBuildInfoRegistry, Ownable2Step {
    /// @notice Most bytes of one entry.
    uint256 public constant MAX_XDR_BYTES = 8192;

    mapping(address account => bool) private _managers;
    mapping(bytes32 wasmHash => mapping(bytes32 buildInfoHash => bool)) private _submitted;

    modifier onlyManager() {
        require(_managers[msg.sender], NotManager(msg.sender));
        _;
    }

    /// @param owner_ Who names managers; the first of them.
    constructor(address owner_) Ownable(owner_) {
        _setManager(owner_, true);
    }

    /// @inheritdoc IBuildInfoRegistry
    function submitBuildInfo(bytes32 wasmHash, bytes calldata xdr)
        external
        onlyManager
        returns (bytes32 buildInfoHash)
    {
        require(wasmHash != 0, InvalidWasmHash());
        require(xdr.length <= MAX_XDR_BYTES, BuildInfoTooLarge(xdr.length));
        BuildInfoXdr.check(xdr);
        buildInfoHash = sha256(xdr);
        require(
            !_submitted[wasmHash][buildInfoHash], AlreadySubmitted(wasmHash, buildInfoHash)
        );
        _submitted[wasmHash][buildInfoHash] = true;
        emit BuildInfoSubmitted(wasmHash, buildInfoHash, msg.sender, xdr);
    }

    /// @inheritdoc IBuildInfoRegistry
    function setManager(address account, bool allowed) external onlyOwner {
        _setManager(account, allowed);
    }

    /// @inheritdoc IBuildInfoRegistry
    function hasBuildInfo(bytes32 wasmHash, bytes32 buildInfoHash) external view returns (bool) {
        return _submitted[wasmHash][buildInfoHash];
    }

    /// @inheritdoc IBuildInfoRegistry
    function isManager(address account) external view returns (bool) {
        return _managers[account];
    }

    function _setManager(address account, bool allowed) private {
        require(account != address(0), InvalidManager());
        _managers[account] = allowed;
        emit ManagerSet(account, allowed);
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("BuildInfoRegistry", type(IBuildInfoRegistry).interfaceId);
    }
}
