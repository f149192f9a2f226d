// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title ICheckpointAnchor
/// @notice Checkpoints of transparency logs, each shown to extend the one before it. A log is a pair of
/// an owner, who alone sends its checkpoints, and the hash of its origin: readers name both, because
/// anyone may use any origin under an address of their own.
interface ICheckpointAnchor {
    /// @notice An anchored checkpoint.
    /// @param size Entries of the log.
    /// @param root Its RFC 6962 root.
    /// @param time Seconds of the block that anchored it.
    /// @param position Where it is kept, 0 to 95.
    struct Anchor {
        uint64 size;
        bytes32 root;
        uint64 time;
        uint8 position;
    }

    /// @notice A log was anchored for the first time.
    event LogStarted(address indexed owner, bytes32 indexed originHash, bytes32 indexed log);
    /// @notice A checkpoint of a log was anchored, at the time of the block.
    event CheckpointAnchored(bytes32 indexed log, uint64 size, bytes32 root, uint8 position);

    /// @notice The log has anchors already: the next one extends the latest.
    error AlreadyStarted(address owner, bytes32 originHash);
    /// @notice What was named is not the log's latest anchor.
    error NotLatest(address owner, bytes32 originHash);
    /// @notice A log does not stay as it is or become smaller; its first checkpoint is not empty.
    error NotGrowing(uint64 latest, uint64 size);
    /// @notice The proof does not show that the checkpoint extends the latest anchor.
    error Inconsistent(uint64 latest, uint64 size);

    /// @notice Anchors the first checkpoint of the sender's log.
    /// @param originHash SHA-256 of the log's origin.
    function start(bytes32 originHash, uint64 size, bytes32 root) external;

    /// @notice Anchors a later checkpoint of the sender's log.
    /// @param latest The latest anchor, as its event told it.
    /// @param proof RFC 9162 consistency proof from the latest anchor's tree to this one.
    function extend(
        bytes32 originHash,
        Anchor calldata latest,
        uint64 size,
        bytes32 root,
        bytes32[] calldata proof
    ) external;

    /// @notice Whether this is one of the last 96 anchors of the log.
    function isAnchored(address owner, bytes32 originHash, Anchor calldata anchored)
        external
        view
        returns (bool);

    /// @notice Name of a log in events and in storage: `keccak256(abi.encode(owner, originHash))`.
    function logId(address owner, bytes32 originHash) external pure returns (bytes32 log);

    /// @notice Where the latest anchor is kept; `started` is false for a log without one.
    function latestPosition(address owner, bytes32 originHash)
        external
        view
        returns (bool started, uint8 position);

    /// @notice Whether an entry is in the log at one of its last 96 anchors. Never reverts on a wrong
    /// proof.
    /// @param leaf `SHA-256(0x00 ‖ entry)`.
    /// @param proof RFC 9162 inclusion proof of the leaf at `index` in the anchor's tree.
    function verifyInclusion(
        address owner,
        bytes32 originHash,
        Anchor calldata anchored,
        bytes32 leaf,
        uint64 index,
        bytes32[] calldata proof
    ) external view returns (bool);
}
