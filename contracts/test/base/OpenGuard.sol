// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {PolicyGuard} from "../../src/attestation/PolicyGuard.sol";

/// @notice A guard with no rules of its own.
contract OpenGuard is PolicyGuard {
    constructor(address initialOwner, address responseRegistry)
        PolicyGuard(initialOwner, responseRegistry)
    {}

    receive() external payable {}
}
