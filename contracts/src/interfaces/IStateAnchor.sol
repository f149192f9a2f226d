// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IStateAnchor
/// @notice The newest sealed state of each enclave: its sequence and its hash, moved on by the enclave's
/// own key and by nobody else. Who sends the transaction does not matter.
interface IStateAnchor {
    /// @notice A step from one state to the next, as the enclave signs it (EIP-712, domain
    /// `NewtonStateAnchor`, version `1`).
    /// @param line Name of the history: the key that signed its first step.
    /// @param sequence Of the new state; the first is 1.
    /// @param stateHash keccak-256 of the new state's record.
    /// @param previous Hash of the state before, zero for the first.
    /// @param successor Key that signs all that follows, or zero where the key stays.
    struct Step {
        address line;
        uint64 sequence;
        bytes32 stateHash;
        bytes32 previous;
        address successor;
    }

    /// @notice The newest state of a line moved on.
    event StateAdvanced(address indexed line, uint64 indexed sequence, bytes32 stateHash);
    /// @notice Another key signs a line from here on.
    event KeyChanged(address indexed line, address indexed previousKey, address indexed key);

    /// @notice The step does not follow what is known of the line.
    error StepOutOfOrder(address line, uint64 sequence, bytes32 stateHash);
    /// @notice The step is not signed by the key of its line.
    error NotSignedByKey(address line, address key);
    /// @notice The newest step led to the same state, but is another one: from another state, to another
    /// successor or by another signer.
    error AnotherStep(address line, uint64 sequence);
    /// @notice A state has a hash.
    error EmptyState();

    /// @notice Moves a line on. The newest step again, signed by the same key, changes nothing.
    function advance(Step calldata step, bytes calldata signature) external;

    /// @notice What is known of a line: who may move it on, and its newest state.
    /// @return key The line itself before its first step.
    /// @return sequence Zero before the first step.
    /// @return stateHash Zero before the first step.
    function latest(address line)
        external
        view
        returns (address key, uint64 sequence, bytes32 stateHash);

    /// @notice What the key of a line signs for a step.
    function hashStep(Step calldata step) external view returns (bytes32);
}
