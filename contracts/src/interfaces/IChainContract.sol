// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

/// @title IChainContract
/// @notice What every contract here says of itself, so that an address given for another kind of
/// contract, or for one that counts other blocks, is noticed before anything depends on it.
interface IChainContract is IERC165 {
    /// @notice Which contract this is, by its name in the sources.
    function contractKind() external view returns (string memory);

    /// @notice Version of the contract's rules and interface, `major.minor.patch`.
    function version() external view returns (string memory);

    /// @notice Where this contract reads block numbers: 1 native, 2 ArbSys, 0 where it counts none.
    function blockKind() external view returns (uint8);
}
