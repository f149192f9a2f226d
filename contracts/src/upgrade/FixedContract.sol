// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IChainContract} from "../interfaces/IChainContract.sol";

/// @title FixedContract
/// @notice Base of every contract here that is never upgraded and counts no blocks: it says what it
/// is.
abstract contract FixedContract is IChainContract {
    /// @inheritdoc IChainContract
    function contractKind() external pure returns (string memory kind) {
        (kind,) = _identity();
    }

    /// @inheritdoc IChainContract
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @inheritdoc IChainContract
    function blockKind() external pure returns (uint8) {
        return 0;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        (, bytes4 own) = _identity();
        return interfaceId == own || interfaceId == type(IERC165).interfaceId
            || interfaceId == type(IChainContract).interfaceId;
    }

    /// @dev The contract's name and the id of its own interface.
    function _identity() internal pure virtual returns (string memory kind, bytes4 interfaceId);
}
