// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    Ownable2StepUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IChainContract} from "../interfaces/IChainContract.sol";
import {IDelayedUpgrade, UpgradeTimes} from "../interfaces/IDelayedUpgrade.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";

/// @title DelayedUpgrade
/// @notice Base of every upgradeable contract here: two-step ownership, and upgrades that wait and
/// that leave write-once values alone.
/// @dev A contract says which values these are by `_writeOnceDigest`, what a block is by
/// `_blockKind`, and what it is by `_identity`. The digest is taken three times: before the upgrade, after it by the code that
/// runs (so that the call made with the upgrade cannot change storage under it), and by the new
/// implementation (so that a moved layout or a changed constant is noticed).
abstract contract DelayedUpgrade is Ownable2StepUpgradeable, UUPSUpgradeable, IDelayedUpgrade {
    /// @custom:storage-location erc7201:newton.storage.DelayedUpgrade
    struct DelayedUpgradeStorage {
        uint64 delay;
        PendingUpgrade pending;
        uint64 challengeWindow;
        uint64 maxExpireAfter;
        uint64 lapsesAt;
        bytes32 codeHash;
    }

    /// @dev The longest window. Bounds keep every sum here far below 2^64.
    uint64 private constant MAX_WINDOW = type(uint32).max;
    /// @dev How many times the two windows an upgrade may wait at most.
    uint64 private constant MAX_DELAY_FACTOR = 4;

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.DelayedUpgrade")) - 1)) & ~0xff
    bytes32 private constant DELAYED_UPGRADE_SLOT =
        0x4159b148720e79a6a0eec9867630a24937b3f1ba2b4c1d6761b1b550a8d63400;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @dev Sets the owner and the times.
    function __DelayedUpgrade_init(address owner_, UpgradeTimes memory times)
        internal
        onlyInitializing
    {
        __Ownable_init(owner_);
        __Ownable2Step_init();
        _requireWindow(times.challengeWindow);
        _requireWindow(times.maxExpireAfter);
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        $.challengeWindow = times.challengeWindow;
        $.maxExpireAfter = times.maxExpireAfter;
        _setUpgradeDelay(times.upgradeDelay);
    }

    /// @inheritdoc IDelayedUpgrade
    function scheduleUpgrade(address implementation, bytes calldata data) external onlyOwner {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        uint64 readyAt = uint64(_blockNumber()) + $.delay;
        $.lapsesAt = readyAt + $.delay;
        bytes32 dataHash = keccak256(data);
        $.pending = PendingUpgrade(implementation, readyAt, dataHash);
        $.codeHash = implementation.codehash;
        emit UpgradeScheduled(implementation, dataHash, readyAt);
    }

    /// @inheritdoc IDelayedUpgrade
    function cancelUpgrade() external onlyOwner {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        emit UpgradeCancelled($.pending.implementation);
        delete $.pending;
        delete $.lapsesAt;
        delete $.codeHash;
    }

    /// @inheritdoc IDelayedUpgrade
    function setUpgradeDelay(uint64 blocks) external onlyOwner {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        require(blocks >= $.delay, UpgradeDelayTooShort($.delay, blocks));
        _setUpgradeDelay(blocks);
    }

    /// @inheritdoc IDelayedUpgrade
    function pendingUpgrade() external view returns (PendingUpgrade memory) {
        return _upgradeStorage().pending;
    }

    /// @inheritdoc IDelayedUpgrade
    function upgradeLapsesAt() external view returns (uint64) {
        return _upgradeStorage().lapsesAt;
    }

    /// @inheritdoc IDelayedUpgrade
    function upgradeDelay() public view returns (uint64) {
        return _upgradeStorage().delay;
    }

    /// @inheritdoc IDelayedUpgrade
    function challengeWindow() public view returns (uint64) {
        return _upgradeStorage().challengeWindow;
    }

    /// @inheritdoc IDelayedUpgrade
    function maxExpireAfter() external view returns (uint64) {
        return _upgradeStorage().maxExpireAfter;
    }

    /// @inheritdoc IDelayedUpgrade
    function writeOnceDigest() external view returns (bytes32) {
        return _fullDigest();
    }

    /// @inheritdoc IChainContract
    function contractKind() external pure returns (string memory kind) {
        (kind,) = _identity();
    }

    /// @inheritdoc IChainContract
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IChainContract
    function blockKind() external view returns (uint8) {
        return uint8(_blockKind());
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view virtual returns (bool) {
        (, bytes4 own) = _identity();
        return interfaceId == own || interfaceId == type(IERC165).interfaceId
            || interfaceId == type(IChainContract).interfaceId
            || interfaceId == type(IDelayedUpgrade).interfaceId;
    }

    /// @notice Applies the announced upgrade. Owner only.
    /// @param implementation The announced implementation.
    /// @param data The announced call.
    function upgradeToAndCall(address implementation, bytes memory data) public payable override {
        bytes32 expected = _fullDigest();
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        PendingUpgrade memory pending = $.pending;
        require(
            implementation != address(0) && pending.implementation == implementation
                && pending.dataHash == keccak256(data),
            UpgradeNotScheduled(implementation)
        );
        uint64 readyAt = pending.readyAt + _extraUpgradeDelay();
        uint64 lapsesAt = $.lapsesAt + _extraUpgradeDelay();
        require(_blockNumber() >= readyAt, UpgradeNotReady(readyAt));
        require(_blockNumber() <= lapsesAt, UpgradeLapsed(lapsesAt));
        // What nobody could read while it waited was not announced.
        require(
            implementation.codehash == $.codeHash && _hasOwnCode(implementation),
            ImplementationChanged(implementation)
        );
        delete $.pending;
        delete $.lapsesAt;
        delete $.codeHash;
        super.upgradeToAndCall(implementation, data);
        bytes32 stored = _fullDigest();
        require(stored == expected, WriteOnceChanged(expected, stored));
        bytes32 claimed = IDelayedUpgrade(address(this)).writeOnceDigest();
        require(claimed == expected, WriteOnceChanged(expected, claimed));
    }

    /// @dev Only the owner applies upgrades; the wait is checked by `upgradeToAndCall`.
    function _authorizeUpgrade(address) internal view override onlyOwner {}

    /// @dev Digest of the values that no upgrade may change.
    function _writeOnceDigest() internal view virtual returns (bytes32);

    /// @dev The contract's name and the id of its own interface.
    function _identity() internal pure virtual returns (string memory kind, bytes4 interfaceId);

    /// @dev Where the contract reads block numbers.
    function _blockKind() internal view virtual returns (BlockKind) {
        return BlockSource.kind();
    }

    /// @dev Blocks that an announced upgrade waits beyond the delay.
    function _extraUpgradeDelay() internal view virtual returns (uint64) {
        return 0;
    }

    /// @dev Number of the current block by the contract's block source.
    function _blockNumber() internal view returns (uint256) {
        return BlockSource.numberOf(_blockKind());
    }

    function _fullDigest() private view returns (bytes32) {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        return keccak256(abi.encode(_writeOnceDigest(), $.challengeWindow, $.maxExpireAfter));
    }

    /// @dev Whether there is code at an address which stays what it is. An account that delegates to a
    /// contract (EIP-7702) has three bytes and that one's address in the place of code, and its key
    /// names another one whenever it likes; no contract begins like that (EIP-3541).
    function _hasOwnCode(address account) internal view returns (bool) {
        uint256 first;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            extcodecopy(account, 0x00, 0x00, 0x01)
            first := byte(0, mload(0x00))
        }
        return account.code.length != 0 && first != 0xef;
    }

    /// @dev Refuses windows of no blocks, and such as do not fit the words they are kept in.
    function _requireWindow(uint64 blocks) internal pure {
        require(blocks != 0 && blocks <= MAX_WINDOW, InvalidWindow(blocks));
    }

    function _setUpgradeDelay(uint64 blocks) private {
        DelayedUpgradeStorage storage $ = _upgradeStorage();
        uint64 windows = $.challengeWindow + $.maxExpireAfter;
        require(blocks > windows, UpgradeDelayWithinWindows(blocks, windows + 1));
        uint64 most = MAX_DELAY_FACTOR * windows;
        require(blocks <= most, UpgradeDelayTooLong(most, blocks));
        $.delay = blocks;
        emit UpgradeDelayChanged(blocks);
    }

    function _upgradeStorage() private pure returns (DelayedUpgradeStorage storage $) {
        assembly ("memory-safe") {
            $.slot := DELAYED_UPGRADE_SLOT
        }
    }
}
