// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BlockKind} from "../libraries/BlockSource.sol";
import {UpgradeTimes} from "./IDelayedUpgrade.sol";
import {IStateRootCommittable} from "./IStateRootCommittable.sol";

/// @title IStateCommitRegistry
/// @notice State commits of one chain: the deployed interface, and the history of roots, freshness,
/// announcements of deltas and recovery snapshots.
interface IStateCommitRegistry is IStateRootCommittable {
    /// @notice What a registry is made with.
    /// @param owner Sets quorum and snapshot signers.
    /// @param times The times of the chain.
    /// @param blockKind Where block numbers come from.
    /// @param certificateVerifier Ours or the deployed one.
    /// @param avs AVS of the operator set whose id is {OPERATOR_SET_ID}.
    /// @param commitVersion 1 or 2, for ever.
    /// @param minQuorumBps Share of every strategy's weight, 1 to 10,000.
    /// @param snapshotSigners Strictly ascending; may be empty, then there are no snapshots.
    /// @param snapshotThreshold How many of them sign a snapshot.
    struct Setup {
        address owner;
        UpgradeTimes times;
        BlockKind blockKind;
        address certificateVerifier;
        address avs;
        uint8 commitVersion;
        uint16 minQuorumBps;
        address[] snapshotSigners;
        uint8 snapshotThreshold;
    }

    /// @notice A quorum outside 1 to 10,000 basis points.
    error InvalidQuorumBps(uint16 provided);
    /// @notice The verifier named no strategy.
    error EmptySignedStakes();
    /// @notice Signed and total weights differ in number.
    error ArrayLenMismatch();
    /// @notice A strategy's signed weight, times 10,000, is below what is required.
    error InsufficientQuorum(uint256 strategyIndex, uint256 signedStake, uint256 requiredStake);
    /// @notice Nobody has weight in a strategy.
    error ZeroTotalWeight(uint256 strategyIndex);
    /// @notice A snapshot that does not decode, or whose signatures are not M of the N signers'.
    error InvalidSealedSnapshot();
    /// @notice The certificate is over another message.
    error CertificateMessageHashMismatch(bytes32 expected, bytes32 actual);
    /// @notice A commit version other than 1 and 2.
    error InvalidCommitVersion(uint8 given);
    /// @notice The timestamp is in the future.
    error TimestampInFuture(uint64 current, uint64 got);
    /// @notice The timestamp is more than an hour behind.
    error TimestampTooOld(uint64 oldest, uint64 got);
    /// @notice The certificate names an older operator table than the last commit's did.
    error ReferenceTimestampRegression(uint32 last, uint32 got);
    /// @notice There is no commit of this number.
    error UnknownCommit(uint64 sequenceNo);
    /// @notice The delta and its locators are not what was committed to.
    error DeltaMismatch(bytes32 expected, bytes32 actual);
    /// @notice A locator of more than 16,384 bytes.
    error LocatorTooLarge(uint256 length);
    /// @notice Signers not strictly ascending, zero, or a threshold that they cannot meet.
    error InvalidSnapshotSigners();

    /// @notice A snapshot was injected: the root is the signers' word, not the operators'.
    event SealedSnapshotInjected(bytes32 indexed snapshotRefDigest);
    /// @notice What a snapshot set.
    event SnapshotAnchored(uint64 indexed sequenceNo, bytes32 indexed root, uint64 timestamp);
    /// @notice The quorum changed. Emitted with the first commit or change after it took effect.
    event MinQuorumBpsUpdated(uint16 oldBps, uint16 newBps);
    /// @notice Another quorum was announced; the one in force withdraws an announcement.
    /// @param newBps The quorum.
    /// @param fromBlock First block of the commits it is asked of.
    event MinQuorumBpsScheduled(uint16 newBps, uint64 fromBlock);
    /// @notice The signers of snapshots changed.
    event SnapshotSignersChanged(address[] signers, uint8 threshold);
    /// @notice Where the delta of a commit is found; under version 2 checked against the commit.
    event CommitAnnounced(
        uint64 indexed sequenceNo,
        bytes32 indexed deltaHash,
        address indexed announcer,
        bytes[] locators
    );
    /// @notice Where a copy of a delta may be found: a hint.
    event CommitCopyAnnounced(uint64 indexed sequenceNo, address indexed announcer, bytes locator);

    /// @notice Sets the contract up, once.
    function initialize(Setup calldata setup) external;

    /// @notice Announces the delta of a commit. Under version 2 `keccak256(deltaHash ‖
    /// keccak256(locator_0) ‖ …)` is the commit's `daCertHash`.
    function announceCommit(uint64 sequenceNo, bytes32 deltaHash, bytes[] calldata locators)
        external;

    /// @notice Announces another copy of a commit's delta: a hint, checked by whoever follows it.
    function announceCommitCopy(uint64 sequenceNo, bytes calldata locator) external;

    /// @notice Anchors the tree anew after a disaster, under the next sequence number; in a registry
    /// without commits under any up to 2^32 - 1.
    /// @param snapshotRef `abi.encode(StateCommit)`.
    /// @param signature `abi.encode(address[] signers, bytes[] signatures)`: M of the signers,
    /// ascending, each with its signature over {snapshotDigest}, by a key or by EIP-1271.
    function injectSealedSnapshot(bytes calldata snapshotRef, bytes calldata signature) external;

    /// @notice Announces another quorum, which is asked of commits after the upgrade delay. Owner
    /// only. The one in force withdraws an announcement.
    function setMinQuorumBps(uint16 newMinQuorumBps) external;

    /// @notice Changes who signs snapshots. Owner only.
    function setSnapshotSigners(address[] calldata signers, uint8 threshold) external;

    /// @notice What the operators sign for a commit, before the certificate's digest. Version 1:
    /// `keccak256(abi.encode(commit))`; version 2 binds chain, registry and operator set.
    function commitHash(StateCommit calldata commit) external view returns (bytes32);

    /// @notice What the snapshot signers sign: `keccak256(abi.encode(
    /// keccak256("NewtonSealedSnapshotV1"), chainId, this, keccak256(snapshotRef)))`.
    function snapshotDigest(bytes calldata snapshotRef) external view returns (bytes32);

    /// @notice The signers and their signatures in what {injectSealedSnapshot} takes; reverts for
    /// anything else.
    function splitSnapshotSignature(bytes calldata signature)
        external
        pure
        returns (address[] memory signers, bytes[] memory signatures);

    /// @notice Root of a sequence number, zero where there is none.
    function rootAt(uint64 sequenceNo) external view returns (bytes32);

    /// @notice `daCertHash` of a sequence number, zero where there is none.
    function daCertHashAt(uint64 sequenceNo) external view returns (bytes32);

    /// @notice Whether the operators ever committed this root; injected ones do not count.
    function isKnownRoot(bytes32 root) external view returns (bool);

    /// @notice The current root, its sequence number and its timestamp.
    function latest() external view returns (bytes32 root, uint64 sequenceNo, uint64 timestamp);

    /// @notice Whether the current root is at most `maxAge` seconds old.
    function isFresh(uint64 maxAge) external view returns (bool);

    /// @notice The commit version, fixed at deployment.
    function commitVersion() external view returns (uint8);

    /// @notice The certificate verifier.
    function certificateVerifier() external view returns (address);

    /// @notice AVS of the operator set.
    function avs() external view returns (address);

    /// @notice Who signs snapshots, and how many of them must.
    function snapshotSigners() external view returns (address[] memory signers, uint8 threshold);

    /// @notice The current root.
    function currentStateRoot() external view returns (bytes32);

    /// @notice Sequence number of the current root.
    function currentSequenceNo() external view returns (uint64);

    /// @notice Timestamp of the current root.
    function lastCommitTimestamp() external view returns (uint64);

    /// @notice Share of every strategy's weight a commit needs now.
    function stateCommitMinQuorumBps() external view returns (uint16);

    /// @notice The announced quorum and the first block it is asked in, zeros where there is none.
    function pendingMinQuorumBps() external view returns (uint16 quorumBps, uint64 fromBlock);

    /// @notice Whether an account has one of the deployed contract's roles: the owner is admin, the
    /// signers inject snapshots. Roles are not granted here.
    function hasRole(bytes32 role, address account) external view returns (bool);

    /// @notice The role that decides about a role: the admin's.
    function getRoleAdmin(bytes32 role) external pure returns (bytes32);

    /// @notice Root of the last snapshot.
    function latestSnapshotRoot() external view returns (bytes32);

    /// @notice Sequence number of the last snapshot.
    function latestSnapshotSeq() external view returns (uint64);

    /// @notice Timestamp of the last snapshot.
    function latestSnapshotTimestamp() external view returns (uint64);

    /// @notice As in the deployed contract: no operator's fragments may be collected yet.
    // solhint-disable-next-line func-name-mixedcase
    function gc_eligible_after(address operator) external pure returns (uint64);
}
