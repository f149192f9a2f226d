// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ISlasher} from "../interfaces/ISlasher.sol";

/// @title DevnetSlasher
/// @notice A slasher for development networks: stakes are numbers the owner sets.
contract DevnetSlasher is Ownable2Step, ISlasher {
    /// @notice The sender may not slash.
    error NotSlasher(address caller);
    /// @notice A share of more than all.
    error InvalidWads(uint256 wadsToSlash);

    /// @notice An operator's stake was set.
    event StakeSet(address indexed operator, uint256 stake);
    /// @notice A contract may slash, or no longer.
    event SlasherSet(address indexed slasher, bool allowed);
    /// @notice An operator was slashed.
    event OperatorSlashed(
        address indexed operator, bytes32 indexed messageHash, uint256 wadsToSlash, uint256 amount
    );

    uint256 private constant WAD = 1e18;

    /// @notice Stake of an operator.
    mapping(address operator => uint256) public stakeOf;
    /// @notice Whether a contract may slash.
    mapping(address slasher => bool) public isSlasher;

    constructor(address initialOwner) Ownable(initialOwner) {}

    /// @notice Sets an operator's stake. Owner only.
    function setStake(address operator, uint256 stake) external onlyOwner {
        stakeOf[operator] = stake;
        emit StakeSet(operator, stake);
    }

    /// @notice Lets a contract slash, or no longer. Owner only.
    function setSlasher(address slasher, bool allowed) external onlyOwner {
        isSlasher[slasher] = allowed;
        emit SlasherSet(slasher, allowed);
    }

    /// @inheritdoc ISlasher
    function slash(address operator, uint256 wadsToSlash, bytes32 messageHash) external {
        require(isSlasher[msg.sender], NotSlasher(msg.sender));
        require(wadsToSlash <= WAD, InvalidWads(wadsToSlash));
        uint256 stake = stakeOf[operator];
        uint256 amount = stake / WAD * wadsToSlash + stake % WAD * wadsToSlash / WAD;
        stakeOf[operator] = stake - amount;
        emit OperatorSlashed(operator, messageHash, wadsToSlash, amount);
    }
}
