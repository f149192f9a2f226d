// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IChainContract} from "./IChainContract.sol";

/// @notice The times of a chain, in its blocks. All contracts of one deployment are made with the
/// same ones.
/// @param upgradeDelay Blocks an upgrade waits: more than the two windows together, so that nothing
/// that was accepted is decided by other code than it was accepted under.
/// @param challengeWindow Blocks a challenge is open after acceptance and after expiration.
/// @param maxExpireAfter Most blocks that an evaluation result stays valid, at most 2^32 - 1.
struct UpgradeTimes {
    uint64 upgradeDelay;
    uint64 challengeWindow;
    uint64 maxExpireAfter;
}

/// @title IDelayedUpgrade
/// @notice An ERC-1967 contract whose upgrades are announced a fixed number of blocks ahead, and
/// refused when they would change what must not change.
interface IDelayedUpgrade is IChainContract {
    /// @notice An announced upgrade.
    /// @param implementation The new implementation, zero where none is announced.
    /// @param readyAt First block in which it may be applied.
    /// @param dataHash Hash of the call made with it.
    struct PendingUpgrade {
        address implementation;
        uint64 readyAt;
        bytes32 dataHash;
    }

    /// @notice This upgrade was not announced, or with another call.
    /// @param implementation The implementation that was given.
    error UpgradeNotScheduled(address implementation);
    /// @notice There is other code at the implementation than when it was announced, none, or an
    /// account that delegates to code of its choice.
    /// @param implementation The implementation that was given.
    error ImplementationChanged(address implementation);
    /// @notice The announced upgrade has to wait.
    /// @param readyAt First block in which it may be applied.
    error UpgradeNotReady(uint64 readyAt);
    /// @notice The new implementation changes a write-once value, or lays storage out differently.
    /// @param expected Digest of the write-once values before.
    /// @param actual Digest after.
    error WriteOnceChanged(bytes32 expected, bytes32 actual);
    /// @notice The announced upgrade was not applied in time.
    /// @param lapsedAt Last block in which it could have been applied.
    error UpgradeLapsed(uint64 lapsedAt);
    /// @notice A window of zero blocks, or of more than 2^32 - 1.
    /// @param given The window that was given.
    error InvalidWindow(uint64 given);
    /// @notice What was accepted before an upgrade was announced could be decided after it.
    /// @param upgradeDelay The delay that was given, in blocks.
    /// @param needed The least that is enough.
    error UpgradeDelayWithinWindows(uint64 upgradeDelay, uint64 needed);
    /// @notice Upgrades would wait for ever.
    /// @param most The longest delay, in blocks.
    /// @param given The delay that was given.
    error UpgradeDelayTooLong(uint64 most, uint64 given);
    /// @notice A delay may grow, never shrink.
    /// @param current The delay in force, in blocks.
    /// @param given The delay that was given.
    error UpgradeDelayTooShort(uint64 current, uint64 given);

    /// @notice An upgrade was announced.
    /// @param implementation The new implementation.
    /// @param dataHash Hash of the call that will be made with it.
    /// @param readyAt First block in which it may be applied.
    event UpgradeScheduled(address indexed implementation, bytes32 dataHash, uint64 readyAt);
    /// @notice An announced upgrade was withdrawn.
    /// @param implementation The implementation that will not be applied.
    event UpgradeCancelled(address indexed implementation);
    /// @notice The delay of upgrades grew.
    /// @param blocks The delay in force now.
    event UpgradeDelayChanged(uint64 blocks);

    /// @notice Announces an upgrade. Owner only. Replaces an earlier announcement. It lapses when it
    /// was not applied for as long again as it had to wait.
    /// @param implementation The new implementation. Its code is there already: other code than it has
    /// now is not applied.
    /// @param data The call to make with it, or nothing.
    function scheduleUpgrade(address implementation, bytes calldata data) external;

    /// @notice Withdraws the announced upgrade. Owner only.
    function cancelUpgrade() external;

    /// @notice Makes upgrades wait longer. Owner only.
    /// @param blocks The new delay, at least the one in force and at most four times the two windows.
    function setUpgradeDelay(uint64 blocks) external;

    /// @notice The announced upgrade.
    function pendingUpgrade() external view returns (PendingUpgrade memory);

    /// @notice Last block in which the announced upgrade may be applied, zero where none is.
    function upgradeLapsesAt() external view returns (uint64);

    /// @notice Blocks between announcing an upgrade and applying it.
    function upgradeDelay() external view returns (uint64);

    /// @notice Blocks a challenge is open after acceptance and after expiration. Never changes.
    function challengeWindow() external view returns (uint64);

    /// @notice Most blocks that an evaluation result stays valid. Never changes.
    function maxExpireAfter() external view returns (uint64);

    /// @notice Digest of the values that no upgrade may change.
    function writeOnceDigest() external view returns (bytes32);
}
