// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICheckpointAnchor} from "../../src/interfaces/ICheckpointAnchor.sol";
import {LogTrees} from "./LogTrees.sol";

contract CheckpointAnchorTest is LogTrees {
    ICheckpointAnchor private anchor;
    address private owner;
    ICheckpointAnchor.Anchor private latest;

    function setUp() public {
        anchor = ICheckpointAnchor(deployCode("CheckpointAnchor", ""));
        owner = makeAddr("owner");
        vm.warp(1_800_000_000);
    }

    function test_start_keepsTheFirst() public {
        _assertLatest(false, 0);
        bytes32 root = rootOf(0, 7);
        bytes32 log = anchor.logId(owner, ORIGIN);
        assertEq(log, keccak256(abi.encode(owner, ORIGIN)));
        vm.expectEmit(true, true, true, true, address(anchor));
        emit ICheckpointAnchor.LogStarted(owner, ORIGIN, log);
        vm.expectEmit(true, true, true, true, address(anchor));
        emit ICheckpointAnchor.CheckpointAnchored(log, 7, root, 0);
        vm.prank(owner);
        anchor.start(ORIGIN, 7, root);
        latest = _anchor(7, root, 0);
        assertEq(latest.size, 7);
        assertEq(latest.root, rootOf(0, 7));
        assertEq(latest.time, 1_800_000_000);
        assertEq(latest.position, 0);
        assertTrue(anchor.isAnchored(owner, ORIGIN, latest));
        _assertLatest(true, 0);
    }

    function test_start_reverts() public {
        bytes32 empty = sha256("");
        (bytes32 one, bytes32 two) = (rootOf(0, 1), rootOf(0, 2));
        vm.startPrank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(ICheckpointAnchor.NotGrowing.selector, uint64(0), uint64(0))
        );
        anchor.start(ORIGIN, 0, empty);
        anchor.start(ORIGIN, 1, one);
        vm.expectRevert(
            abi.encodeWithSelector(ICheckpointAnchor.AlreadyStarted.selector, owner, ORIGIN)
        );
        anchor.start(ORIGIN, 2, two);
        vm.stopPrank();
        // The same origin of somebody else, and another origin, are other logs.
        anchor.start(ORIGIN, 2, two);
        vm.prank(owner);
        anchor.start("another", 2, two);
    }

    function test_extend_everySizeToEveryLarger() public {
        for (uint64 older = 1; older <= 18; ++older) {
            for (uint64 size = older + 1; size <= 19; ++size) {
                bytes32 origin = keccak256(abi.encode(older, size));
                vm.startPrank(owner);
                anchor.start(origin, older, rootOf(0, older));
                latest = _anchor(older, rootOf(0, older), 0);
                anchor.extend(origin, latest, size, rootOf(0, size), consistencyOf(older, size));
                vm.stopPrank();
            }
        }
    }

    function test_fuzz_extend(uint64 older, uint64 size) public {
        older = uint64(bound(older, 1, 1 << 20));
        _extendTo(older, uint64(bound(size, older + 1, 1 << 21)));
    }

    function test_extend_toTheLargest() public {
        _extendTo((1 << 63) + 12_345, type(uint64).max);
    }

    function _extendTo(uint64 older, uint64 size) private {
        uniform = true;
        _start(older);
        bytes32 root = rootOf(0, size);
        bytes32[] memory proof = consistencyOf(older, size);
        bytes32 log = anchor.logId(owner, ORIGIN);
        vm.expectEmit(true, true, true, true, address(anchor));
        emit ICheckpointAnchor.CheckpointAnchored(log, size, root, 1);
        vm.prank(owner);
        anchor.extend(ORIGIN, latest, size, root, proof);
        latest = _anchor(size, root, 1);
        assertTrue(anchor.isAnchored(owner, ORIGIN, latest));
        _assertLatest(true, 1);
    }

    /// A log that forked has no proof: neither its own proof nor one of the other branch.
    function test_fuzz_fork_reverts(uint8 older_, uint8 size_, uint8 forged) public {
        uint64 older = uint64(bound(older_, 1, 63));
        uint64 size = uint64(bound(size_, older + 1, 64));
        _start(older);
        bytes32[] memory proof = consistencyOf(older, size);
        bytes32 fork = keccak256("fork");
        _expectInconsistent(older, size);
        anchor.extend(ORIGIN, latest, size, fork, proof);
        uint256 at = bound(forged, 0, proof.length - 1);
        proof[at] = fork;
        bytes32 root = rootOf(0, size);
        _expectInconsistent(older, size);
        anchor.extend(ORIGIN, latest, size, root, proof);
    }

    function test_proofOfAnotherLength_reverts() public {
        _start(6);
        bytes32[] memory proof = consistencyOf(6, 13);
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i; i < shorter.length; ++i) {
            shorter[i] = proof[i];
        }
        bytes32 root = rootOf(0, 13);
        _expectInconsistent(6, 13);
        anchor.extend(ORIGIN, latest, 13, root, shorter);
        _expectInconsistent(6, 13);
        anchor.extend(ORIGIN, latest, 13, root, append(proof, proof[0]));
        _expectInconsistent(6, 13);
        anchor.extend(ORIGIN, latest, 13, root, new bytes32[](0));
        // A proof has the length that the sizes imply.
        _expectInconsistent(6, 17);
        anchor.extend(ORIGIN, latest, 17, root, proof);
    }

    function test_smallerOrSame_reverts() public {
        _start(6);
        bytes32[] memory none = new bytes32[](0);
        for (uint64 size = 0; size <= 6; ++size) {
            bytes32 root = rootOf(0, size);
            vm.prank(owner);
            vm.expectRevert(
                abi.encodeWithSelector(ICheckpointAnchor.NotGrowing.selector, uint64(6), size)
            );
            anchor.extend(ORIGIN, latest, size, root, none);
        }
    }

    /// Only the latest anchor is extended: an older one would let the log fork after it.
    function test_onlyTheLatestIsExtended() public {
        _start(3);
        ICheckpointAnchor.Anchor memory first = latest;
        _extend(5);
        bytes32[] memory proof = consistencyOf(3, 6);
        _expectNotLatest(first, 6, proof);
        proof = consistencyOf(5, 6);
        for (uint256 field; field < 5; ++field) {
            ICheckpointAnchor.Anchor memory wrong = _copy(latest);
            if (field == 0) wrong.size += 1;
            if (field == 1) wrong.root = keccak256("root");
            if (field == 2) wrong.time += 1;
            if (field == 3) wrong.position += 1;
            if (field == 4) wrong.position = 96;
            _expectNotLatest(wrong, 7, proof);
            assertFalse(anchor.isAnchored(owner, ORIGIN, wrong));
        }
        // Nobody else's, and not under another origin.
        bytes32 root = rootOf(0, 6);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICheckpointAnchor.NotLatest.selector, address(this), ORIGIN
            )
        );
        anchor.extend(ORIGIN, latest, 6, root, proof);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICheckpointAnchor.NotLatest.selector, owner, bytes32("another")
            )
        );
        anchor.extend("another", latest, 6, root, proof);
    }

    /// Two and a half laps: at each step the last 96 are there and nothing older, one is the latest.
    function test_ring_keepsTheLast96() public {
        uniform = true;
        ICheckpointAnchor.Anchor[] memory all = new ICheckpointAnchor.Anchor[](240);
        _start(1);
        all[0] = _copy(latest);
        for (uint64 i = 1; i < 240; ++i) {
            vm.warp(block.timestamp + 12);
            _extend(1 + i * 3);
            all[i] = _copy(latest);
            assertEq(latest.position, i % 96);
            _assertLatest(true, uint8(i % 96));
            if (i < 94 || i > 98 && i < 190 || i > 194 && i < 239) continue;
            bytes32[] memory proof = consistencyOf(latest.size, latest.size + 1);
            for (uint64 k; k <= i; ++k) {
                assertEq(anchor.isAnchored(owner, ORIGIN, all[k]), k + 96 > i);
                if (k != i) _expectNotLatest(all[k], latest.size + 1, proof);
            }
        }
    }

    function test_fuzz_inclusion(uint64 size, uint64 index, uint8 forged) public {
        uniform = true;
        size = uint64(bound(size, 1, 1 << 20));
        _checkInclusion(size, uint64(bound(index, 0, size - 1)), forged);
    }

    function test_inclusion_ofTheLargest() public {
        uniform = true;
        _checkInclusion(type(uint64).max, (1 << 63) + 12_345, 7);
    }

    function _checkInclusion(uint64 size, uint64 index, uint8 forged) private {
        _start(size);
        bytes32[] memory proof = inclusionOf(index, 0, size);
        bytes32 leaf = leafAt(index);
        assertTrue(anchor.verifyInclusion(owner, ORIGIN, latest, leaf, index, proof));
        assertFalse(_included(latest, keccak256("leaf"), index, proof));
        assertFalse(_included(latest, leaf, size, proof));
        assertFalse(_included(latest, leaf, index, append(proof, leaf)));
        assertFalse(anchor.verifyInclusion(address(this), ORIGIN, latest, leaf, index, proof));
        assertFalse(anchor.verifyInclusion(owner, "another", latest, leaf, index, proof));
        if (proof.length > 0) {
            proof[bound(forged, 0, proof.length - 1)] = keccak256("forged");
            assertFalse(_included(latest, leaf, index, proof));
        }
    }

    function test_inclusion_everyIndexOfEverySize() public {
        for (uint64 size = 1; size <= 17; ++size) {
            bytes32 origin = keccak256(abi.encode(size));
            anchor.start(origin, size, rootOf(0, size));
            ICheckpointAnchor.Anchor memory anchored = _anchor(size, rootOf(0, size), 0);
            for (uint64 index; index < size; ++index) {
                bytes32[] memory proof = inclusionOf(index, 0, size);
                for (uint64 claimed; claimed <= size; ++claimed) {
                    assertEq(
                        anchor.verifyInclusion(
                            address(this), origin, anchored, leafAt(index), claimed, proof
                        ),
                        claimed == index
                    );
                }
            }
        }
    }

    /// An inner node has no shorter proof of its own: it is no entry.
    function test_innerNode_isNoLeaf() public {
        _start(8);
        bytes32[] memory proof = append(new bytes32[](0), rootOf(4, 8));
        for (uint64 index; index < 8; ++index) {
            assertFalse(_included(latest, rootOf(0, 4), index, proof));
        }
        assertFalse(_included(latest, rootOf(0, 8), 0, new bytes32[](0)));
    }

    function test_storageLayout_isWhatProofsRead() public {
        _start(3);
        _extend(5);
        bytes32 log = anchor.logId(owner, ORIGIN);
        uint256 slot = uint256(keccak256(abi.encode(log, uint256(0))));
        uint256 word = uint256(keccak256(abi.encode(latest.size, latest.root, latest.time)));
        assertEq(uint256(vm.load(address(anchor), bytes32(slot + 1))), word << 1 >> 1);
        assertEq(uint256(vm.load(address(anchor), bytes32(slot + 2))), 0);
    }

    function _start(uint64 size) private {
        bytes32 root = rootOf(0, size);
        vm.prank(owner);
        anchor.start(ORIGIN, size, root);
        latest = _anchor(size, root, 0);
    }

    function _extend(uint64 size) private {
        bytes32 root = rootOf(0, size);
        bytes32[] memory proof = consistencyOf(latest.size, size);
        vm.prank(owner);
        anchor.extend(ORIGIN, latest, size, root, proof);
        latest = _anchor(size, root, (latest.position + 1) % 96);
    }

    function _anchor(uint64 size, bytes32 root, uint8 position)
        private
        view
        returns (ICheckpointAnchor.Anchor memory)
    {
        return ICheckpointAnchor.Anchor(size, root, uint64(block.timestamp), position);
    }

    function _included(
        ICheckpointAnchor.Anchor memory anchored,
        bytes32 leaf,
        uint64 index,
        bytes32[] memory proof
    ) private view returns (bool) {
        return anchor.verifyInclusion(owner, ORIGIN, anchored, leaf, index, proof);
    }

    /// @dev Memory structs are references: a change of one would be a change of all.
    function _copy(ICheckpointAnchor.Anchor memory anchored)
        private
        pure
        returns (ICheckpointAnchor.Anchor memory)
    {
        return ICheckpointAnchor.Anchor(
            anchored.size, anchored.root, anchored.time, anchored.position
        );
    }

    function _expectInconsistent(uint64 older, uint64 size) private {
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(ICheckpointAnchor.Inconsistent.selector, older, size)
        );
    }

    function _expectNotLatest(
        ICheckpointAnchor.Anchor memory wrong,
        uint64 size,
        bytes32[] memory proof
    ) private {
        bytes32 root = rootOf(0, size);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(ICheckpointAnchor.NotLatest.selector, owner, ORIGIN)
        );
        anchor.extend(ORIGIN, wrong, size, root, proof);
    }

    function _assertLatest(bool started, uint8 position) private view {
        (bool known, uint8 at) = anchor.latestPosition(owner, ORIGIN);
        assertEq(known, started);
        assertEq(at, position);
    }
}
