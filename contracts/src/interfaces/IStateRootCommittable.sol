// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IStateRootCommittable
/// @notice The deployed interface of a chain's state commits. Interface id `0x82c122a8`.
interface IStateRootCommittable {
    /// @notice One root, as the operators sign it. The order of the fields is part of the digest.
    /// @param version Layout of this struct and of the digest, 1 or 2.
    /// @param sequenceNo The last commit's and one; the first is 1.
    /// @param prevStateRoot Root of the commit before, zero for the first.
    /// @param newStateRoot Root now committed, never zero.
    /// @param timestamp Unix seconds, after the last commit's.
    /// @param daCertHash Commitment to the delta that leads to the root.
    /// @param pcr0Commitment keccak-256 of the PCR0 of the enclave build, never zero.
    struct StateCommit {
        uint8 version;
        uint64 sequenceNo;
        bytes32 prevStateRoot;
        bytes32 newStateRoot;
        uint64 timestamp;
        bytes32 daCertHash;
        bytes32 pcr0Commitment;
    }

    /// @notice The sequence number does not follow the last one.
    error SequenceGap(uint64 expected, uint64 got);
    /// @notice The commit does not extend the current root.
    error StateRootMismatch(bytes32 expected, bytes32 got);
    /// @notice The timestamp is not after the last one.
    error TimestampRegression(uint64 last, uint64 got);
    /// @notice The PCR0 commitment is zero.
    error InvalidPcr0Commitment();
    /// @notice The new root is zero.
    error InvalidNewStateRoot();
    /// @notice The commit has another version than this registry takes.
    error UnsupportedStateCommitVersion(uint8 expected, uint8 got);

    /// @notice A root was committed by the operators.
    event StateRootCommitted(
        uint64 indexed sequenceNo,
        bytes32 prevStateRoot,
        bytes32 indexed newStateRoot,
        uint64 timestamp,
        bytes32 daCertHash,
        bytes32 indexed pcr0Commitment
    );

    /// @notice Commits a root. Anyone may send it; the certificate decides.
    /// @param commit What was signed.
    /// @param blsCertificate `abi.encode(BN254Certificate)`.
    function commitStateRoot(StateCommit calldata commit, bytes calldata blsCertificate) external;

    /// @notice The current root, zero where none was committed.
    function getStateRoot() external view returns (bytes32);

    /// @notice Sequence number of the current root, 0 where none was committed.
    function getSequenceNo() external view returns (uint64);
}
