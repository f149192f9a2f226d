// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Intent, PolicyTaskResponse} from "../libraries/PolicyMessages.sol";

/// @title IPolicyGuard
/// @notice A client that makes calls only with an allowed evaluation of that very call.
interface IPolicyGuard {
    /// @notice The intent is somebody else's.
    error NotIntentSender(address expected, address caller);
    /// @notice Calls into the protocol or into the client itself are not made on a user's intent:
    /// as the client, a user could move its policy.
    error ForbiddenTarget(address target);
    /// @notice The intent has data for an address without code.
    error NoCode(address target);
    /// @notice Ether came with the call and this client keeps no books of it.
    error ValueNotBooked(uint256 value);
    /// @notice The client registry's record names another owner still: whoever is named there moves
    /// the policy. It is moved by `setClientOwner`, before ownership is accepted.
    error RecordNotMoved(address recorded, address newOwner);
    /// @notice The call failed without a reason.
    error CallFailed();

    /// @notice A call was made with an allowed evaluation.
    event IntentExecuted(
        bytes32 indexed taskId, address indexed from, address indexed to, uint256 value
    );

    /// @notice Uses the accepted, allowed response of a task and makes the call it was about.
    /// @param response The accepted response.
    /// @param certificateHash `keccak256(abi.encode(certificate))` of the accepted certificate.
    /// @param intent The intent that was evaluated, whose `from` is the sender.
    /// @return result What the call returned.
    function execute(
        PolicyTaskResponse calldata response,
        bytes32 certificateHash,
        Intent calldata intent
    ) external payable returns (bytes memory result);
}
