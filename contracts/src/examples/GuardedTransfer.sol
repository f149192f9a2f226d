// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {PolicyGuard} from "../attestation/PolicyGuard.sol";
import {Intent} from "../libraries/PolicyMessages.sol";

/// @title GuardedTransfer
/// @notice Holds ether for its users and pays it out only where the policy allows the transfer.
contract GuardedTransfer is PolicyGuard {
    /// @notice The sender has less than the transfer needs.
    error InsufficientBalance(uint256 balance, uint256 needed);
    /// @notice Only plain transfers are made.
    error CallDataNotAllowed();

    /// @notice Ether came in.
    event Deposited(address indexed account, uint256 amount);

    /// @notice What each user has here.
    mapping(address account => uint256) public balanceOf;

    constructor(address initialOwner, address responseRegistry)
        PolicyGuard(initialOwner, responseRegistry)
    {}

    /// @notice Adds to the sender's balance.
    receive() external payable {
        _deposit();
    }

    /// @notice Adds to the sender's balance.
    function deposit() external payable {
        _deposit();
    }

    function _deposit() private {
        balanceOf[msg.sender] += msg.value;
        emit Deposited(msg.sender, msg.value);
    }

    /// @dev What comes with the call counts as a deposit.
    function _receiveValue(uint256) internal override {
        _deposit();
    }

    function _beforeExecute(bytes32, Intent calldata intent) internal override {
        require(intent.data.length == 0, CallDataNotAllowed());
        uint256 balance = balanceOf[msg.sender];
        require(balance >= intent.value, InsufficientBalance(balance, intent.value));
        balanceOf[msg.sender] = balance - intent.value;
    }
}
