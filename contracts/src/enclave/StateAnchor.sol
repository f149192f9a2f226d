// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IStateAnchor} from "../interfaces/IStateAnchor.sol";
import {FixedContract} from "../upgrade/FixedContract.sol";

/// @title StateAnchor
/// @notice Keeps enclaves from being started on an old state.
/// @dev No owner and no upgrade: an anchor that somebody can move back is none. The storage layout is
/// part of the interface, since enclaves read it through proofs: line `l` is at
/// `keccak256(abi.encode(l, 0))`, its key in the lower 160 bits and its sequence in the next 64, its
/// state hash in the slot after, and in a third one what its newest step was, signer included.
contract StateAnchor is FixedContract, IStateAnchor {
    struct Line {
        address key;
        uint64 sequence;
        bytes32 stateHash;
        bytes32 step;
    }

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant STEP_TYPEHASH = keccak256(
        "Step(address line,uint64 sequence,bytes32 stateHash,bytes32 previous,address successor)"
    );

    mapping(address line => Line) private _lines;

    /// @inheritdoc IStateAnchor
    function advance(Step calldata step, bytes calldata signature) external {
        require(step.stateHash != 0, EmptyState());
        Line storage line = _lines[step.line];
        (uint64 sequence, bytes32 stateHash) = (line.sequence, line.stateHash);
        bytes32 hash = hashStep(step);
        address signer = _recover(hash, signature);
        if (step.sequence == sequence && step.stateHash == stateHash) {
            // Nobody may take his own step for done because another one led to the same state.
            require(line.step == _stepOf(hash, signer), AnotherStep(step.line, sequence));
            return;
        }
        require(
            step.sequence == sequence + 1 && step.previous == stateHash,
            StepOutOfOrder(step.line, sequence, stateHash)
        );
        address key = sequence == 0 ? step.line : line.key;
        require(key != address(0) && signer == key, NotSignedByKey(step.line, key));
        address next = step.successor == address(0) ? key : step.successor;
        (line.key, line.sequence, line.stateHash) = (next, step.sequence, step.stateHash);
        line.step = _stepOf(hash, signer);
        emit StateAdvanced(step.line, step.sequence, step.stateHash);
        if (next != key) emit KeyChanged(step.line, key, next);
    }

    /// @inheritdoc IStateAnchor
    function latest(address line)
        external
        view
        returns (address key, uint64 sequence, bytes32 stateHash)
    {
        Line storage known = _lines[line];
        (key, sequence, stateHash) = (known.key, known.sequence, known.stateHash);
        if (sequence == 0) key = line;
    }

    /// @inheritdoc IStateAnchor
    function hashStep(Step calldata step) public view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256("NewtonStateAnchor"),
                keccak256("1"),
                block.chainid,
                address(this)
            )
        );
        return keccak256(
            abi.encodePacked("\x19\x01", domain, keccak256(abi.encode(STEP_TYPEHASH, step)))
        );
    }

    function _stepOf(bytes32 hash, address signer) private pure returns (bytes32) {
        return keccak256(abi.encode(hash, signer));
    }

    /// @dev Zero for what is no signature. A second form of one signature moves nothing twice.
    function _recover(bytes32 hash, bytes calldata signature) private pure returns (address) {
        if (signature.length != 65) return address(0);
        return ecrecover(
            hash, uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64])
        );
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("StateAnchor", type(IStateAnchor).interfaceId);
    }
}
