// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IEnclaveVersionRegistry
/// @notice Builds that enclaves may run, by the deployed protocol's interface. A build is named by
/// `keccak256` of its 48-byte PCR0.
interface IEnclaveVersionRegistry {
    /// @notice One build.
    /// @param activatedAt Block of activation.
    /// @param deprecatedAt Block of deprecation, zero while it is active.
    /// @param label A name for people.
    struct EnclaveVersion {
        uint64 activatedAt;
        uint64 deprecatedAt;
        string label;
    }

    /// @notice The build was activated before; it is never activated twice.
    error VersionAlreadyRegistered(bytes32 pcr0Hash);
    /// @notice No such build.
    error VersionNotRegistered(bytes32 pcr0Hash);
    /// @notice The build is deprecated already.
    error VersionAlreadyDeprecated(bytes32 pcr0Hash);
    /// @notice Zero names no build.
    error InvalidPcr0Hash();
    /// @notice The sender is no task generator.
    error NotTaskGenerator();
    /// @notice Zero is no operator.
    error InvalidOperator();
    /// @notice Zero is no key.
    error InvalidPubkey();

    /// @notice A build was activated.
    event EnclaveVersionActivated(bytes32 indexed pcr0Hash, string label);
    /// @notice A build was deprecated.
    event EnclaveVersionDeprecated(bytes32 indexed pcr0Hash);
    /// @notice An operator's enclave has a key. A statement of the task generator, not a proof.
    event EnclaveKeyRegistered(address indexed operator, bytes32 x25519Pubkey);
    /// @notice The root certificate of attestation documents changed.
    event RootCertHashUpdated(bytes32 indexed rootCertHash);

    /// @notice Activates a build. Task generators only.
    /// @param pcr0Hash keccak256 of its PCR0.
    /// @param label A name for people.
    function activateVersion(bytes32 pcr0Hash, string calldata label) external;

    /// @notice Deprecates a build, for good. Task generators only.
    /// @param pcr0Hash keccak256 of its PCR0.
    function deprecateVersion(bytes32 pcr0Hash) external;

    /// @notice Whether a build is active now.
    /// @param pcr0Hash keccak256 of its PCR0.
    function isActiveVersion(bytes32 pcr0Hash) external view returns (bool);

    /// @notice A build's record; reverts where there is none.
    /// @param pcr0Hash keccak256 of its PCR0.
    function getVersion(bytes32 pcr0Hash) external view returns (EnclaveVersion memory);

    /// @notice How many builds are active.
    function activeVersionCount() external view returns (uint256);

    /// @notice Whether a build was activated at or before a block, and not deprecated by then.
    /// @param pcr0Hash keccak256 of its PCR0.
    /// @param blockNumber A block number, not a time.
    function wasPcr0WhitelistedAt(bytes32 pcr0Hash, uint256 blockNumber)
        external
        view
        returns (bool);

    /// @notice Records the HPKE key of an operator's enclave. Task generators only.
    /// @param operator The operator.
    /// @param x25519Pubkey The key.
    function registerEnclaveKey(address operator, bytes32 x25519Pubkey) external;

    /// @notice The recorded key of an operator's enclave, or zero.
    /// @param operator The operator.
    function getEnclaveKey(address operator) external view returns (bytes32);

    /// @notice Sets keccak256 of the root certificate of attestation documents. Owner only.
    /// @param newRootCertHash The hash of its DER bytes.
    function setRootCertHash(bytes32 newRootCertHash) external;

    /// @notice keccak256 of the root certificate of attestation documents.
    function rootCertHash() external view returns (bytes32);
}
