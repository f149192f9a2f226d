// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IInjectedVerifiers
/// @notice Verifiers that are not part of the contract: of re-runs, of enclave documents, and the
/// relay of other chains' verdicts. Each change is announced one upgrade delay ahead, and a response
/// is judged by the verifier that was in force when it was accepted, so that no owner's decision
/// reaches back.
interface IInjectedVerifiers {
    /// @notice What an injected contract does.
    enum VerifierKind {
        Result,
        Document,
        Relay
    }

    /// @notice When a verifier rests. While it does, nobody is slashed by its word; what was accepted
    /// under it stays open for as long beyond its window.
    /// @param fromBlock First block in which it rests, zero where it never did.
    /// @param untilBlock First block in which it counts again.
    struct Suspension {
        uint64 fromBlock;
        uint64 untilBlock;
    }

    /// @notice No verifier of this kind was in force.
    error VerifierNotSet();
    /// @notice The verifier rests until this block.
    error VerifierResting(address verifier, uint64 untilBlock);
    /// @notice There is no contract at this address: nothing, or an account that delegates to one.
    error VerifierWithoutCode(address verifier);
    /// @notice Nothing is announced for this kind.
    error NothingAnnounced(VerifierKind kind);
    /// @notice A verifier is suspended once, and never again.
    error SuspendedBefore(address verifier);
    /// @notice A suspension lasts for one block or more, and at most as long as the challenge window.
    error InvalidSuspension(uint64 blocks, uint64 most);
    /// @notice Verdicts of this contract on this chain do not count.
    error SourceNotListed(uint256 chainId, address challengeVerifier);

    /// @notice A verifier was announced; zero for none.
    event VerifierScheduled(
        VerifierKind indexed kind, address indexed verifier, uint64 fromBlock
    );
    /// @notice An announcement was withdrawn.
    event VerifierCancelled(VerifierKind indexed kind, address indexed verifier);
    /// @notice A verifier rests.
    event VerifierSuspended(
        VerifierKind indexed kind, address indexed verifier, uint64 untilBlock
    );
    /// @notice Whether verdicts of a contract on another chain count changes in this block.
    event VerdictSourceScheduled(
        uint256 indexed chainId, address indexed challengeVerifier, bool listed, uint64 fromBlock
    );

    /// @notice Announces a verifier, or none by zero. It is in force from one upgrade delay on, for
    /// responses accepted from then on. Owner only. Replaces an earlier announcement.
    function scheduleVerifier(VerifierKind kind, address verifier) external;

    /// @notice Withdraws an announcement. Owner only.
    function cancelVerifier(VerifierKind kind) external;

    /// @notice Lets the verifier in force rest at once, once in its life. Owner only.
    /// @param kind Which one.
    /// @param blocks How long: at most the challenge window, seven days in the shipped
    /// configurations.
    function suspendVerifier(VerifierKind kind, uint64 blocks) external;

    /// @notice Like {suspendVerifier}, for the verifier in force at a past block: one that was replaced
    /// judges still what was accepted under it. Owner only.
    function suspendVerifierAt(VerifierKind kind, uint64 blockNumber, uint64 blocks) external;

    /// @notice Announces that verdicts of a contract on another chain count, or no longer do. Owner
    /// only.
    function scheduleVerdictSource(uint256 chainId, address challengeVerifier, bool listed) external;

    /// @notice The verifier in force at a block; of a later block, as announced so far.
    function verifierAt(VerifierKind kind, uint256 blockNumber) external view returns (address);

    /// @notice The announced verifier and the first block it is in force; zeros where none is.
    function pendingVerifier(VerifierKind kind)
        external
        view
        returns (address verifier, uint64 fromBlock, bool announced);

    /// @notice When a verifier rests or rested.
    function suspensionOf(VerifierKind kind, address verifier)
        external
        view
        returns (Suspension memory);

    /// @notice Whether verdicts of a contract on another chain count now.
    function isVerdictSource(uint256 chainId, address challengeVerifier)
        external
        view
        returns (bool);

    /// @notice The verifiers and the relay in force now, zero where there is none.
    function injected()
        external
        view
        returns (address resultVerifier, address documentVerifier, address verdictRelay);
}
