// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    Ownable2StepUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IDelayedUpgrade} from "../interfaces/IDelayedUpgrade.sol";

/// @title DelayedUpgrade
/// @notice Base of every upgradeable contract here: two-step ownership, and upgrades that wait and
/// that leave write-once values alone.
/// @dev A contract says which values these are by `_writeOnceDigest`, and what a block is by
/// `_blockNumber`. The digest is taken three times: before the upgrade, after it by the code that
/// runs (so that the call made with the upgrade cannot change storage under it), and by the new
/// implementation (so that a moved layout or a changed constant is noticed).
abstract contract DelayedUpgrade is Ownable2StepUpgradeable, UUPSUpgradeable, IDelayedUpgrade {
    /// @custom:storage-location erc7201:newton.storage.DelayedUpgrade
    struct DelayedUpgradeStorage {
        uint64 delay;
        PendingUpgrade pending;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.DelayedUpgrade")) - 1)) & ~0xff
    bytes32 private constant DELAYED_UPGRADE_SLOT =
        0x4159b148720e79a6a0eec9867630a24937b3f1ba2b4c1d6761b1b550a8d63400;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @dev Sets the owner and the delay in blocks; longer than the challenge window.
    function __DelayedUpgrade_init(address owner_, uint64 delay) internal onlyInitializing {
        __Ownable_init(owner_);
        __Ownable2Step_init();
        _upgradeStorage().delay = delay;
        emit UpgradeDelayChanged(delay);
    }

    /// @inheritdoc IDelayedUpgrade
    function scheduleUpgrade(address implementation, bytes calldata data) external onlyOwner {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        uint64 readyAt = uint64(_blockNumber()) + $.delay;
        bytes32 dataHash = keccak256(data);
        $.pending = PendingUpgrade(implementation, readyAt, dataHash);
        emit UpgradeScheduled(implementation, dataHash, readyAt);
    }

    /// @inheritdoc IDelayedUpgrade
    function cancelUpgrade() external onlyOwner {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        emit UpgradeCancelled($.pending.implementation);
        delete $.pending;
    }

    /// @inheritdoc IDelayedUpgrade
    function setUpgradeDelay(uint64 blocks) external onlyOwner {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        require(blocks >= $.delay, UpgradeDelayTooShort($.delay, blocks));
        $.delay = blocks;
        emit UpgradeDelayChanged(blocks);
    }

    /// @inheritdoc IDelayedUpgrade
    function pendingUpgrade() external view returns (PendingUpgrade memory) {
        return _upgradeStorage().pending;
    }

    /// @inheritdoc IDelayedUpgrade
    function upgradeDelay() external view returns (uint64) {
        return _upgradeStorage().delay;
    }

    /// @inheritdoc IDelayedUpgrade
    function writeOnceDigest() external view returns (bytes32) {
        return _writeOnceDigest();
    }

    /// @notice Applies the announced upgrade. Owner only.
    /// @param implementation The announced implementation.
    /// @param data The announced call.
    function upgradeToAndCall(address implementation, bytes memory data) public payable override {
        bytes32 expected = _writeOnceDigest();
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        PendingUpgrade memory pending = $.pending;
        require(
            implementation != address(0) && pending.implementation == implementation
                && pending.dataHash == keccak256(data),
            UpgradeNotScheduled(implementation)
        );
        require(_blockNumber() >= pending.readyAt, UpgradeNotReady(pending.readyAt));
        delete $.pending;
        super.upgradeToAndCall(implementation, data);
        bytes32 stored = _writeOnceDigest();
        require(stored == expected, WriteOnceChanged(expected, stored));
        bytes32 claimed = IDelayedUpgrade(address(this)).writeOnceDigest();
        require(claimed == expected, WriteOnceChanged(expected, claimed));
    }

    /// @dev Only the owner applies upgrades; the wait is checked by `upgradeToAndCall`.
    function _authorizeUpgrade(address) internal view override onlyOwner {}

    /// @dev Digest of the values that no upgrade may change.
    function _writeOnceDigest() internal view virtual returns (bytes32);

    /// @dev Number of the current block by the contract's block source.
    function _blockNumber() internal view virtual returns (uint256);

    function _upgradeStorage() private pure returns (DelayedUpgradeStorage storage $) {
        assembly ("memory-safe") {
            $.slot := DELAYED_UPGRADE_SLOT
        }
    }
}
