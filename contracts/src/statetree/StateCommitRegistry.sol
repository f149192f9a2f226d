// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    BN254Certificate,
    ICertificateVerifier,
    OperatorSet
} from "../interfaces/IBN254CertificateVerifier.sol";
import {IStateCommitRegistry} from "../interfaces/IStateCommitRegistry.sol";
import {IStateRootCommittable} from "../interfaces/IStateRootCommittable.sol";
import {ArtifactIds} from "../libraries/ArtifactIds.sol";
import {BlockSource} from "../libraries/BlockSource.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {DelayedUpgrade} from "../upgrade/DelayedUpgrade.sol";

/// @title StateCommitRegistry
/// @notice The roots of one chain's state tree, each signed by the operators' quorum.
contract StateCommitRegistry is DelayedUpgrade, IStateCommitRegistry {
    /// @custom:storage-location erc7201:newton.storage.StateCommitRegistry
    struct CommitStorage {
        ICertificateVerifier verifier;
        uint64 sequenceNo;
        uint8 commitVersion;
        uint16 minQuorumBps;
        uint8 snapshotThreshold;
        address avs;
        uint64 lastTimestamp;
        uint32 lastReferenceTimestamp;
        bytes32 root;
        mapping(uint64 sequenceNo => bytes32) roots;
        mapping(uint64 sequenceNo => bytes32) daCertHashes;
        mapping(bytes32 root => bool) known;
        bytes32 snapshotRoot;
        uint64 snapshotSeq;
        uint64 snapshotTimestamp;
        address[] snapshotSigners;
        uint16 nextQuorumBps;
        uint64 nextQuorumFrom;
    }

    /// @notice The operator set that commits.
    uint32 public constant OPERATOR_SET_ID = 0;
    /// @notice Denominator of the quorum.
    uint16 public constant BPS_DENOMINATOR = 10_000;
    /// @notice The deployed contract's version.
    uint8 public constant STATE_COMMIT_V1 = 1;
    /// @notice The version whose digest binds chain, registry and operator set.
    uint8 public constant STATE_COMMIT_V2 = 2;
    /// @notice How far behind a commit's timestamp may be, in seconds.
    uint64 public constant MAX_TIMESTAMP_LAG = 3600;
    /// @notice Where an empty registry may start at most, by a snapshot.
    uint64 public constant MAX_FIRST_SEQUENCE = type(uint32).max;
    /// @notice The deployed contract's role of the owner.
    bytes32 public constant DEFAULT_ADMIN_ROLE = 0;
    /// @notice The deployed contract's role of the snapshot signers.
    bytes32 public constant SNAPSHOT_INJECTOR_ROLE = keccak256("SNAPSHOT_INJECTOR_ROLE");

    bytes32 private constant COMMIT_V2_TAG = keccak256("NewtonStateCommitV2");
    bytes32 private constant SNAPSHOT_TAG = keccak256("NewtonSealedSnapshotV1");
    uint256 private constant COMMIT_LENGTH = 224;
    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.StateCommitRegistry")) - 1)) & ~0xff
    bytes32 private constant COMMIT_SLOT =
        0xaa47e20024eaaacdd2feef2ebaf2047d9cd166d231af1ad248503b7394f5e200;

    // --- Setup ---

    /// @inheritdoc IStateCommitRegistry
    function initialize(Setup calldata setup) external initializer {
        __DelayedUpgrade_init(setup.owner, setup.times);
        BlockSource.initialize(setup.blockKind);
        require(
            setup.commitVersion == STATE_COMMIT_V1 || setup.commitVersion == STATE_COMMIT_V2,
            InvalidCommitVersion(setup.commitVersion)
        );
        CommitStorage storage $ = _commitStorage();
        $.commitVersion = setup.commitVersion;
        $.verifier = ICertificateVerifier(setup.certificateVerifier);
        $.avs = setup.avs;
        _requireQuorum(setup.minQuorumBps);
        $.minQuorumBps = setup.minQuorumBps;
        emit MinQuorumBpsUpdated(0, setup.minQuorumBps);
        _setSnapshotSigners(setup.snapshotSigners, setup.snapshotThreshold);
    }

    /// @inheritdoc IStateCommitRegistry
    function setMinQuorumBps(uint16 newMinQuorumBps) external onlyOwner {
        _requireQuorum(newMinQuorumBps);
        CommitStorage storage $ = _commitStorage();
        uint16 current = _settleQuorum($);
        if (newMinQuorumBps == current) {
            $.nextQuorumFrom = 0;
            $.nextQuorumBps = 0;
            emit MinQuorumBpsScheduled(current, uint64(BlockSource.number()));
            return;
        }
        uint64 fromBlock = uint64(BlockSource.number()) + upgradeDelay();
        $.nextQuorumFrom = fromBlock;
        $.nextQuorumBps = newMinQuorumBps;
        emit MinQuorumBpsScheduled(newMinQuorumBps, fromBlock);
    }

    /// @inheritdoc IStateCommitRegistry
    function setSnapshotSigners(address[] calldata signers, uint8 threshold) external onlyOwner {
        _setSnapshotSigners(signers, threshold);
    }

    // --- Commits ---

    /// @inheritdoc IStateRootCommittable
    function commitStateRoot(StateCommit calldata commit, bytes calldata blsCertificate) external {
        CommitStorage storage $ = _commitStorage();
        _requireWellFormed($, commit);
        uint64 next = $.sequenceNo + 1;
        require(commit.sequenceNo == next, SequenceGap(next, commit.sequenceNo));
        require(commit.prevStateRoot == $.root, StateRootMismatch($.root, commit.prevStateRoot));
        _requireTimestamp($, commit.timestamp);
        _requireRecent(commit.timestamp);
        _requireCertificate($, commitHash(commit), blsCertificate);

        $.root = commit.newStateRoot;
        $.sequenceNo = commit.sequenceNo;
        $.lastTimestamp = commit.timestamp;
        $.roots[commit.sequenceNo] = commit.newStateRoot;
        $.daCertHashes[commit.sequenceNo] = commit.daCertHash;
        $.known[commit.newStateRoot] = true;
        emit StateRootCommitted(
            commit.sequenceNo,
            commit.prevStateRoot,
            commit.newStateRoot,
            commit.timestamp,
            commit.daCertHash,
            commit.pcr0Commitment
        );
    }

    /// @inheritdoc IStateCommitRegistry
    function announceCommit(uint64 sequenceNo, bytes32 deltaHash, bytes[] calldata locators)
        external
    {
        CommitStorage storage $ = _commitStorage();
        require($.roots[sequenceNo] != 0, UnknownCommit(sequenceNo));
        bytes32[] memory words = new bytes32[](locators.length + 1);
        words[0] = deltaHash;
        for (uint256 i; i < locators.length; ++i) {
            _requireLocator(locators[i]);
            words[i + 1] = keccak256(locators[i]);
        }
        if ($.commitVersion == STATE_COMMIT_V2) {
            bytes32 expected = $.daCertHashes[sequenceNo];
            bytes32 actual = keccak256(abi.encodePacked(words));
            require(actual == expected, DeltaMismatch(expected, actual));
        }
        emit CommitAnnounced(sequenceNo, deltaHash, msg.sender, locators);
    }

    /// @inheritdoc IStateCommitRegistry
    function announceCommitCopy(uint64 sequenceNo, bytes calldata locator) external {
        require(_commitStorage().roots[sequenceNo] != 0, UnknownCommit(sequenceNo));
        _requireLocator(locator);
        emit CommitCopyAnnounced(sequenceNo, msg.sender, locator);
    }

    /// @inheritdoc IStateCommitRegistry
    function injectSealedSnapshot(bytes calldata snapshotRef, bytes calldata signature) external {
        CommitStorage storage $ = _commitStorage();
        require(snapshotRef.length == COMMIT_LENGTH, InvalidSealedSnapshot());
        _requireSnapshotSignatures($, snapshotDigest(snapshotRef), signature);
        StateCommit memory snapshot = abi.decode(snapshotRef, (StateCommit));
        _requireWellFormed($, snapshot);
        uint64 next = $.sequenceNo + 1;
        require(
            snapshot.sequenceNo == next
                || (next == 1 && snapshot.sequenceNo != 0
                    && snapshot.sequenceNo <= MAX_FIRST_SEQUENCE),
            SequenceGap(next, snapshot.sequenceNo)
        );
        _requireTimestamp($, snapshot.timestamp);

        $.root = snapshot.newStateRoot;
        $.sequenceNo = snapshot.sequenceNo;
        $.lastTimestamp = snapshot.timestamp;
        $.roots[snapshot.sequenceNo] = snapshot.newStateRoot;
        $.daCertHashes[snapshot.sequenceNo] = snapshot.daCertHash;
        $.snapshotRoot = snapshot.newStateRoot;
        $.snapshotSeq = snapshot.sequenceNo;
        $.snapshotTimestamp = snapshot.timestamp;
        emit SealedSnapshotInjected(keccak256(snapshotRef));
        emit SnapshotAnchored(snapshot.sequenceNo, snapshot.newStateRoot, snapshot.timestamp);
    }

    // --- Reads ---

    /// @inheritdoc IStateCommitRegistry
    function commitHash(StateCommit calldata commit) public view returns (bytes32) {
        if (_commitStorage().commitVersion == STATE_COMMIT_V1) {
            return keccak256(abi.encode(commit));
        }
        return
            keccak256(
                abi.encode(COMMIT_V2_TAG, block.chainid, address(this), OPERATOR_SET_ID, commit)
            );
    }

    /// @inheritdoc IStateCommitRegistry
    function snapshotDigest(bytes calldata snapshotRef) public view returns (bytes32) {
        return
            keccak256(
                abi.encode(SNAPSHOT_TAG, block.chainid, address(this), keccak256(snapshotRef))
            );
    }

    /// @inheritdoc IStateCommitRegistry
    function splitSnapshotSignature(bytes calldata signature)
        external
        pure
        returns (address[] memory signers, bytes[] memory signatures)
    {
        return abi.decode(signature, (address[], bytes[]));
    }

    /// @inheritdoc IStateRootCommittable
    function getStateRoot() external view returns (bytes32) {
        return _commitStorage().root;
    }

    /// @inheritdoc IStateRootCommittable
    function getSequenceNo() external view returns (uint64) {
        return _commitStorage().sequenceNo;
    }

    /// @inheritdoc IStateCommitRegistry
    function rootAt(uint64 sequenceNo) external view returns (bytes32) {
        return _commitStorage().roots[sequenceNo];
    }

    /// @inheritdoc IStateCommitRegistry
    function daCertHashAt(uint64 sequenceNo) external view returns (bytes32) {
        return _commitStorage().daCertHashes[sequenceNo];
    }

    /// @inheritdoc IStateCommitRegistry
    function isKnownRoot(bytes32 root) external view returns (bool) {
        return _commitStorage().known[root];
    }

    /// @inheritdoc IStateCommitRegistry
    function latest() external view returns (bytes32 root, uint64 sequenceNo, uint64 timestamp) {
        CommitStorage storage $ = _commitStorage();
        return ($.root, $.sequenceNo, $.lastTimestamp);
    }

    /// @inheritdoc IStateCommitRegistry
    function isFresh(uint64 maxAge) external view returns (bool) {
        CommitStorage storage $ = _commitStorage();
        return $.sequenceNo != 0 && block.timestamp - $.lastTimestamp <= maxAge;
    }

    /// @inheritdoc IStateCommitRegistry
    function commitVersion() external view returns (uint8) {
        return _commitStorage().commitVersion;
    }

    /// @inheritdoc IStateCommitRegistry
    function certificateVerifier() external view returns (address) {
        return address(_commitStorage().verifier);
    }

    /// @inheritdoc IStateCommitRegistry
    function avs() external view returns (address) {
        return _commitStorage().avs;
    }

    /// @inheritdoc IStateCommitRegistry
    function snapshotSigners() external view returns (address[] memory signers, uint8 threshold) {
        CommitStorage storage $ = _commitStorage();
        return ($.snapshotSigners, $.snapshotThreshold);
    }

    /// @inheritdoc IStateCommitRegistry
    function currentStateRoot() external view returns (bytes32) {
        return _commitStorage().root;
    }

    /// @inheritdoc IStateCommitRegistry
    function currentSequenceNo() external view returns (uint64) {
        return _commitStorage().sequenceNo;
    }

    /// @inheritdoc IStateCommitRegistry
    function lastCommitTimestamp() external view returns (uint64) {
        return _commitStorage().lastTimestamp;
    }

    /// @inheritdoc IStateCommitRegistry
    function stateCommitMinQuorumBps() external view returns (uint16) {
        CommitStorage storage $ = _commitStorage();
        return _quorumTookEffect($) ? $.nextQuorumBps : $.minQuorumBps;
    }

    /// @inheritdoc IStateCommitRegistry
    function pendingMinQuorumBps() external view returns (uint16 quorumBps, uint64 fromBlock) {
        CommitStorage storage $ = _commitStorage();
        return _quorumTookEffect($) ? (0, 0) : ($.nextQuorumBps, $.nextQuorumFrom);
    }

    /// @inheritdoc IStateCommitRegistry
    function hasRole(bytes32 role, address account) external view returns (bool) {
        if (role == DEFAULT_ADMIN_ROLE) return account == owner();
        if (role != SNAPSHOT_INJECTOR_ROLE) return false;
        address[] storage signers = _commitStorage().snapshotSigners;
        for (uint256 i; i < signers.length; ++i) {
            if (signers[i] == account) return true;
        }
        return false;
    }

    /// @inheritdoc IStateCommitRegistry
    function getRoleAdmin(bytes32) external pure returns (bytes32) {
        return DEFAULT_ADMIN_ROLE;
    }

    /// @inheritdoc IStateCommitRegistry
    function latestSnapshotRoot() external view returns (bytes32) {
        return _commitStorage().snapshotRoot;
    }

    /// @inheritdoc IStateCommitRegistry
    function latestSnapshotSeq() external view returns (uint64) {
        return _commitStorage().snapshotSeq;
    }

    /// @inheritdoc IStateCommitRegistry
    function latestSnapshotTimestamp() external view returns (uint64) {
        return _commitStorage().snapshotTimestamp;
    }

    /// @inheritdoc IStateCommitRegistry
    function gc_eligible_after(address) external pure returns (uint64) {
        return type(uint64).max;
    }

    // --- Checks ---

    function _requireWellFormed(CommitStorage storage $, StateCommit memory commit) private view {
        uint8 version = $.commitVersion;
        require(commit.version == version, UnsupportedStateCommitVersion(version, commit.version));
        require(commit.pcr0Commitment != 0, InvalidPcr0Commitment());
        require(commit.newStateRoot != 0, InvalidNewStateRoot());
    }

    function _requireTimestamp(CommitStorage storage $, uint64 timestamp) private view {
        require(timestamp > $.lastTimestamp, TimestampRegression($.lastTimestamp, timestamp));
        require(timestamp <= block.timestamp, TimestampInFuture(uint64(block.timestamp), timestamp));
    }

    /// @dev Nothing is too old on a chain whose clock is younger than the bound.
    function _requireRecent(uint64 timestamp) private view {
        uint64 current = uint64(block.timestamp);
        uint64 oldest = current > MAX_TIMESTAMP_LAG ? current - MAX_TIMESTAMP_LAG : 0;
        require(timestamp >= oldest, TimestampTooOld(oldest, timestamp));
    }

    function _requireCertificate(
        CommitStorage storage $,
        bytes32 messageHash,
        bytes calldata blsCertificate
    ) private {
        BN254Certificate memory cert = abi.decode(blsCertificate, (BN254Certificate));
        require(
            cert.messageHash == messageHash,
            CertificateMessageHashMismatch(messageHash, cert.messageHash)
        );
        // Cutoff blocks only move forward, and so do the tables in force at them: operators of a
        // table that a commit has left behind commit nothing more.
        require(
            cert.referenceTimestamp >= $.lastReferenceTimestamp,
            ReferenceTimestampRegression($.lastReferenceTimestamp, cert.referenceTimestamp)
        );
        $.lastReferenceTimestamp = cert.referenceTimestamp;

        OperatorSet memory set = OperatorSet($.avs, OPERATOR_SET_ID);
        uint256[] memory signed = $.verifier.verifyCertificate(set, cert);
        uint256[] memory total =
        $.verifier.getOperatorSetInfo(set, cert.referenceTimestamp).totalWeights;
        require(signed.length != 0, EmptySignedStakes());
        require(signed.length == total.length, ArrayLenMismatch());
        uint256 bps = _settleQuorum($);
        for (uint256 i; i < signed.length; ++i) {
            require(total[i] != 0, ZeroTotalWeight(i));
            require(
                signed[i] * BPS_DENOMINATOR >= total[i] * bps,
                InsufficientQuorum(i, signed[i] * BPS_DENOMINATOR, total[i] * bps)
            );
        }
    }

    function _requireSnapshotSignatures(
        CommitStorage storage $,
        bytes32 digest,
        bytes calldata signature
    ) private view {
        uint256 threshold = $.snapshotThreshold;
        address[] memory given;
        bytes[] memory signatures;
        // Bytes that do not decode are refused by name, as signatures that do not hold are.
        try this.splitSnapshotSignature(signature) returns (
            address[] memory who, bytes[] memory what
        ) {
            (given, signatures) = (who, what);
        } catch {
            revert InvalidSealedSnapshot();
        }
        require(
            threshold != 0 && given.length == threshold && signatures.length == threshold,
            InvalidSealedSnapshot()
        );
        address[] memory signers = $.snapshotSigners;
        uint256 next;
        for (uint256 i; i < threshold; ++i) {
            // Signers are ascending, so one pass over them finds each and none twice.
            while (next < signers.length && signers[next] != given[i]) ++next;
            require(next < signers.length, InvalidSealedSnapshot());
            ++next;
            require(
                Signatures.isSignedByDecoded(given[i], digest, signatures[i]),
                InvalidSealedSnapshot()
            );
        }
    }

    function _requireLocator(bytes calldata locator) private pure {
        require(locator.length <= ArtifactIds.MAX_LOCATOR, LocatorTooLarge(locator.length));
    }

    function _requireQuorum(uint16 quorumBps) private pure {
        require(quorumBps != 0 && quorumBps <= BPS_DENOMINATOR, InvalidQuorumBps(quorumBps));
    }

    function _quorumTookEffect(CommitStorage storage $) private view returns (bool) {
        uint64 fromBlock = $.nextQuorumFrom;
        return fromBlock != 0 && BlockSource.number() >= fromBlock;
    }

    /// @dev The quorum in force, written down where it was announced and its block has come.
    function _settleQuorum(CommitStorage storage $) private returns (uint16 current) {
        current = $.minQuorumBps;
        if (!_quorumTookEffect($)) return current;
        uint16 next = $.nextQuorumBps;
        emit MinQuorumBpsUpdated(current, next);
        $.minQuorumBps = next;
        $.nextQuorumFrom = 0;
        $.nextQuorumBps = 0;
        return next;
    }

    function _setSnapshotSigners(address[] calldata signers, uint8 threshold) private {
        require(
            threshold <= signers.length && (threshold != 0 || signers.length == 0),
            InvalidSnapshotSigners()
        );
        address last;
        for (uint256 i; i < signers.length; ++i) {
            require(signers[i] > last, InvalidSnapshotSigners());
            last = signers[i];
        }
        CommitStorage storage $ = _commitStorage();
        $.snapshotSigners = signers;
        $.snapshotThreshold = threshold;
        emit SnapshotSignersChanged(signers, threshold);
    }

    // --- Upgrades ---

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("StateCommitRegistry", type(IStateCommitRegistry).interfaceId);
    }

    /// @inheritdoc DelayedUpgrade
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return super.supportsInterface(interfaceId)
            || interfaceId == type(IStateRootCommittable).interfaceId;
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        CommitStorage storage $ = _commitStorage();
        return keccak256(abi.encode(BlockSource.kind(), $.commitVersion, $.verifier, $.avs));
    }

    function _commitStorage() private pure returns (CommitStorage storage $) {
        assembly ("memory-safe") {
            $.slot := COMMIT_SLOT
        }
    }
}
