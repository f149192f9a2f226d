// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ICheckpointAnchor} from "../interfaces/ICheckpointAnchor.sol";
import {TransparencyProofs} from "../libraries/TransparencyProofs.sol";
import {FixedContract} from "../upgrade/FixedContract.sol";

/// @title CheckpointAnchor
/// @notice Keeps the checkpoints of transparency logs where nobody can take them back.
/// @dev No owner and no upgrade: an anchor that somebody can move back is none. An anchor is one word:
/// `keccak256(size, root, time)` with its top bit replaced by the parity of the lap around the ring. The
/// latest one is where the next word does not have the parity that the next anchor would have; so no
/// counter is kept, and an anchor writes one slot. The storage layout is part of the interface, since
/// anchors are read through proofs: that of position `p` is `p` slots after
/// `keccak256(abi.encode(logId(owner, originHash), 0))`.
contract CheckpointAnchor is FixedContract, ICheckpointAnchor {
    /// @notice Anchors that are kept of each log.
    uint256 public constant KEPT = 96;

    mapping(bytes32 log => uint256[KEPT]) private _anchors;

    /// @inheritdoc ICheckpointAnchor
    function start(bytes32 originHash, uint64 size, bytes32 root) external {
        bytes32 log = logId(msg.sender, originHash);
        uint256[KEPT] storage ring = _anchors[log];
        require(ring[0] == 0, AlreadyStarted(msg.sender, originHash));
        require(size != 0, NotGrowing(0, 0));
        ring[0] = _word(size, root, uint64(block.timestamp), 0);
        emit LogStarted(msg.sender, originHash, log);
        emit CheckpointAnchored(log, size, root, 0);
    }

    /// @inheritdoc ICheckpointAnchor
    function extend(
        bytes32 originHash,
        Anchor calldata latest,
        uint64 size,
        bytes32 root,
        bytes32[] calldata proof
    ) external {
        bytes32 log = logId(msg.sender, originHash);
        uint256[KEPT] storage ring = _anchors[log];
        (uint256 next, uint256 parity) = _growth(ring, originHash, latest, size, root, proof);
        uint256 word = _word(size, root, uint64(block.timestamp), parity);
        assembly ("memory-safe") {
            sstore(add(ring.slot, next), word)
        }
        emit CheckpointAnchored(log, size, root, uint8(next));
    }

    /// @inheritdoc ICheckpointAnchor
    function isAnchored(address owner, bytes32 originHash, Anchor calldata anchored)
        public
        view
        returns (bool)
    {
        if (anchored.position >= KEPT) return false;
        uint256 word = _anchors[logId(owner, originHash)][anchored.position];
        return word != 0 && word == _word(anchored.size, anchored.root, anchored.time, word >> 255);
    }

    /// @inheritdoc ICheckpointAnchor
    function latestPosition(address owner, bytes32 originHash)
        external
        view
        returns (bool started, uint8 position)
    {
        uint256[KEPT] storage ring = _anchors[logId(owner, originHash)];
        uint256 first = ring[0];
        if (first == 0) return (false, 0);
        // The lap that is under way goes from the start of the ring to the latest anchor.
        uint256 at = 1;
        for (; at < KEPT; ++at) {
            uint256 word = ring[at];
            if (word == 0 || word >> 255 != first >> 255) break;
        }
        return (true, uint8(at - 1));
    }

    /// @inheritdoc ICheckpointAnchor
    function logId(address owner, bytes32 originHash) public pure returns (bytes32 log) {
        assembly ("memory-safe") {
            mstore(0, owner)
            mstore(32, originHash)
            log := keccak256(0, 64)
        }
    }

    /// @inheritdoc ICheckpointAnchor
    function verifyInclusion(
        address owner,
        bytes32 originHash,
        Anchor calldata anchored,
        bytes32 leaf,
        uint64 index,
        bytes32[] calldata proof
    ) external view returns (bool) {
        return isAnchored(owner, originHash, anchored)
            && TransparencyProofs.isIncluded(leaf, index, anchored.size, anchored.root, proof);
    }

    /// @dev Position and parity of the next anchor, for a checkpoint that contains the latest one.
    function _growth(
        uint256[KEPT] storage ring,
        bytes32 originHash,
        Anchor calldata latest,
        uint64 size,
        bytes32 root,
        bytes32[] calldata proof
    ) private view returns (uint256 next, uint256 parity) {
        uint64 olderSize = latest.size;
        bytes32 olderRoot = latest.root;
        (next, parity) = _after(
            ring, latest.position, _hash(olderSize, olderRoot, latest.time), originHash
        );
        require(size > olderSize, NotGrowing(olderSize, size));
        require(
            TransparencyProofs.isConsistent(olderSize, olderRoot, size, root, proof),
            Inconsistent(olderSize, size)
        );
    }

    /// @dev Position and parity of the anchor that follows the one at `position`, which has to be the
    /// latest one and this one. `hash` is what its word is made of.
    function _after(
        uint256[KEPT] storage ring,
        uint256 position,
        uint256 hash,
        bytes32 originHash
    ) private view returns (uint256 next, uint256 parity) {
        require(position < KEPT, NotLatest(msg.sender, originHash));
        uint256 known = ring[position];
        require(known != 0 && known << 1 == hash << 1, NotLatest(msg.sender, originHash));
        parity = known >> 255;
        unchecked {
            next = position + 1;
        }
        if (next == KEPT) (next, parity) = (0, parity ^ 1);
        // Below {KEPT} both, and without a second look at that.
        uint256 following;
        assembly ("memory-safe") {
            following := sload(add(ring.slot, next))
        }
        require(
            following == 0 || following >> 255 != parity, NotLatest(msg.sender, originHash)
        );
    }

    /// @dev `keccak256(abi.encode(size, root, time))` under the parity.
    function _word(uint64 size, bytes32 root, uint64 time, uint256 parity)
        private
        pure
        returns (uint256)
    {
        return _hash(size, root, time) << 1 >> 1 | parity << 255;
    }

    function _hash(uint64 size, bytes32 root, uint64 time) private pure returns (uint256 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, size)
            mstore(add(free, 32), root)
            mstore(add(free, 64), time)
            hash := keccak256(free, 96)
        }
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("CheckpointAnchor", type(ICheckpointAnchor).interfaceId);
    }
}
