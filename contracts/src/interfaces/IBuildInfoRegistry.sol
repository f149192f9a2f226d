// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IBuildInfoRegistry
/// @notice From which source, by which build, a plugin comes: for plugins that do not say so
/// themselves. What a plugin says of itself is never overridden by an entry; that is the reader's
/// rule, as no contract sees a plugin's bytes.
interface IBuildInfoRegistry {
    /// @notice An entry was appended.
    /// @param wasmHash keccak-256 of the plugin, the artifact's name.
    /// @param buildInfoHash SHA-256 of `xdr`.
    /// @param submitter The manager who wrote it.
    /// @param xdr The build information.
    event BuildInfoSubmitted(
        bytes32 indexed wasmHash,
        bytes32 indexed buildInfoHash,
        address indexed submitter,
        bytes xdr
    );
    /// @notice An account may write entries, or may no longer.
    event ManagerSet(address indexed account, bool allowed);

    /// @notice Only managers write.
    error NotManager(address account);
    /// @notice Nobody is no manager.
    error InvalidManager();
    /// @notice A plugin has a hash.
    error InvalidWasmHash();
    /// @notice An entry has at most `MAX_XDR_BYTES`.
    error BuildInfoTooLarge(uint256 length);
    /// @notice Entries are appended, each once.
    error AlreadySubmitted(bytes32 wasmHash, bytes32 buildInfoHash);

    /// @notice Appends an entry. Managers only.
    /// @param wasmHash keccak-256 of the plugin.
    /// @param xdr `opaque wasmSha256[32]; opaque sourceSha256[32]; u32 n; n × (string key, string
    /// value)` in ascending order of key and value, then `u32 m; m × string bldarg` in their order.
    /// @return buildInfoHash SHA-256 of `xdr`.
    function submitBuildInfo(bytes32 wasmHash, bytes calldata xdr)
        external
        returns (bytes32 buildInfoHash);

    /// @notice Whether an entry was written.
    function hasBuildInfo(bytes32 wasmHash, bytes32 buildInfoHash) external view returns (bool);

    /// @notice Names a manager, or stops an account being one. Owner only.
    function setManager(address account, bool allowed) external;

    /// @notice Whether an account may write.
    function isManager(address account) external view returns (bool);
}
