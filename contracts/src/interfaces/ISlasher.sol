// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title ISlasher
/// @notice Takes stake from an operator; an adapter to a restaking protocol, or a devnet's own.
interface ISlasher {
    /// @notice Takes a share of an operator's stake in every strategy. Reverts unless the sender is
    /// trusted with that. Whoever has nothing to take is refused by an error with a name; never because
    /// of how much gas is left, which is the choice of whoever sent the transaction.
    /// @param operator Whose stake.
    /// @param wadsToSlash Share of what is there, 1e18 is all.
    /// @param messageHash The message it is for.
    function slash(address operator, uint256 wadsToSlash, bytes32 messageHash) external;
}
