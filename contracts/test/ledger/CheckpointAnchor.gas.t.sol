// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICheckpointAnchor} from "../../src/interfaces/ICheckpointAnchor.sol";
import {LogTrees} from "./LogTrees.sol";

/// @notice Gas of anchors, written to `contracts/snapshots/CheckpointAnchor.json`, and its budgets. Each
/// call is a transaction of its own, with its calldata.
/// forge-config: default.isolate = true
contract CheckpointAnchorGasTest is LogTrees {
    ICheckpointAnchor private anchor;

    function setUp() public {
        anchor = ICheckpointAnchor(deployCode("CheckpointAnchor", ""));
        uniform = true;
        vm.warp(1_800_000_000);
    }

    function test_gas_start() public {
        anchor.start(ORIGIN, 70_000, rootOf(0, 70_000));
        _within("start", 100_000);
    }

    function test_gas_extend() public {
        _extend("extend: 1000 to 69999 entries", 1000, 69_999);
        _extend("extend: 65537 to 131071 entries", 65_537, 131_071);
        _extend("extend: 69999 to 70000 entries", 69_999, 70_000);
        // The longest proof there is up to 2^17 entries, with two hashes at nearly every level.
        _extend("extend: 2^17 - 1 to 2^17 entries", (1 << 17) - 1, 1 << 17);
    }

    function test_gas_extend_afterALap() public {
        anchor.start(ORIGIN, 1, rootOf(0, 1));
        ICheckpointAnchor.Anchor memory latest = _anchor(1, 0);
        for (uint64 size = 2; size <= 96; ++size) {
            anchor.extend(ORIGIN, latest, size, rootOf(0, size), consistencyOf(size - 1, size));
            latest = _anchor(size, uint8(size - 1));
        }
        anchor.extend(ORIGIN, latest, 1 << 17, rootOf(0, 1 << 17), consistencyOf(96, 1 << 17));
        _within("extend: after 96, 96 to 2^17 entries", 70_000);
    }

    function test_gas_verifyInclusion() public {
        anchor.start(ORIGIN, 1 << 17, rootOf(0, 1 << 17));
        ICheckpointAnchor.Anchor memory latest = _anchor(1 << 17, 0);
        bytes32[] memory proof = inclusionOf(77_777, 0, 1 << 17);
        assertEq(proof.length, 17);
        assertTrue(
            anchor.verifyInclusion(address(this), ORIGIN, latest, leafAt(0), 77_777, proof)
        );
        // What a contract pays that asks; handing it the proof costs its sender 10,300 of calldata.
        _within("verifyInclusion: 17 hashes", 30_000 - 10_300);
    }

    function _extend(string memory name, uint64 older, uint64 size) private {
        bytes32 origin = keccak256(bytes(name));
        anchor.start(origin, older, rootOf(0, older));
        anchor.extend(origin, _anchor(older, 0), size, rootOf(0, size), consistencyOf(older, size));
        _within(name, 70_000);
    }

    function _anchor(uint64 size, uint8 position)
        private
        view
        returns (ICheckpointAnchor.Anchor memory)
    {
        return ICheckpointAnchor.Anchor(
            size, rootOf(0, size), uint64(block.timestamp), position
        );
    }

    function _within(string memory name, uint256 budget) private {
        uint256 gas = vm.snapshotGasLastCall("CheckpointAnchor", name);
        assertLe(gas, budget, name);
    }
}
