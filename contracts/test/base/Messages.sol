// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Intent, PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";

/// @notice What the contracts should make of tasks, intents and responses: written out again, from
/// memory and from the words of the specification, so that expected values are not theirs.
library Messages {
    function taskId(Task memory task) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("NewtonPolicyTaskV1"), task));
    }

    function intentHash(Intent memory intent) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Intent(address from,address to,uint256 value,bytes data,uint256 chainId,bytes functionSignature)"
        );
        return keccak256(
            bytes.concat(
                typeHash,
                bytes32(uint256(uint160(intent.from))),
                bytes32(uint256(uint160(intent.to))),
                bytes32(intent.value),
                keccak256(intent.data),
                bytes32(intent.chainId),
                keccak256(intent.functionSignature)
            )
        );
    }

    function messageHash(PolicyTaskResponse memory response) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("NewtonPolicyTaskResponseV1"), response));
    }
}
