// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    DataInstanceWords,
    Intent,
    PolicyMessages,
    PolicyTaskResponse,
    Task
} from "../../src/libraries/PolicyMessages.sol";
import {Messages} from "../base/Messages.sol";
import {Test} from "../base/Test.sol";

contract PolicyMessagesTest is Test {
    string private json;

    function setUp() public {
        json = vm.readFile("test/vectors/messages/messages.json");
    }

    function taskId(Task calldata task) external pure returns (bytes32) {
        return PolicyMessages.taskId(task);
    }

    function intentHash(Intent calldata intent) external pure returns (bytes32) {
        return PolicyMessages.intentHash(intent);
    }

    function messageHash(PolicyTaskResponse calldata response) external pure returns (bytes32) {
        return PolicyMessages.messageHash(response);
    }

    function test_vectors() public view {
        for (uint256 i; i < 4; ++i) {
            string memory at = string.concat(".cases[", vm.toString(i), "]");
            Task memory task =
                abi.decode(vm.parseJsonBytes(json, string.concat(at, ".taskEncoded")), (Task));
            assertEq(this.taskId(task), _hash(at, ".taskId"));
            assertEq(this.intentHash(task.intent), _hash(at, ".intentHash"));
            PolicyTaskResponse memory response = abi.decode(
                vm.parseJsonBytes(json, string.concat(at, ".responseEncoded")), (PolicyTaskResponse)
            );
            bytes32 message = this.messageHash(response);
            // What the other tests expect by is the specification's too.
            assertEq(Messages.taskId(task), _hash(at, ".taskId"));
            assertEq(Messages.intentHash(task.intent), _hash(at, ".intentHash"));
            assertEq(Messages.messageHash(response), message);
            assertEq(message, _hash(at, ".messageHash"));
            assertEq(
                PolicyMessages.signable(response.referenceTimestamp, message),
                _hash(at, ".signable")
            );
            assertEq(
                PolicyMessages.teeDocumentHash(message, _hash(at, ".documentHash")),
                _hash(at, ".teeDocumentHash")
            );
        }
    }

    /// The builder, fed with the readable fields, gives the digest of the independent preimage.
    function test_digest_vectors() public view {
        uint256[4] memory dataInstances = [uint256(0), 1, 2, 32];
        for (uint256 i; i < 4; ++i) {
            string memory at = string.concat(".cases[", vm.toString(i), "]");
            bytes32[] memory words = PolicyMessages.digestBuffer(dataInstances[i]);
            words[0] = bytes32(_uint(at, ".digest.chainId"));
            words[1] = _hash(at, ".digest.policyInstanceId");
            words[2] = _hash(at, ".digest.policyTemplateId");
            words[3] = _hash(at, ".digest.regoHash");
            words[4] = _hash(at, ".digest.policyParamsSchemaHash");
            words[5] = _hash(at, ".digest.paramsHash");
            words[6] = bytes32(_uint(at, ".digest.referenceBlock"));
            words[7] = bytes32(_uint(at, ".digest.expirationBlock"));
            for (uint256 j; j < dataInstances[i]; ++j) {
                string memory row = string.concat(at, ".digest.data[", vm.toString(j), "]");
                PolicyMessages.appendData(
                    words,
                    DataInstanceWords({
                        policyDataInstanceId: _hash(row, ".policyDataInstanceId"),
                        policyDataTemplateId: _hash(row, ".policyDataTemplateId"),
                        wasmHash: _hash(row, ".wasmHash"),
                        paramsSchemaHash: _hash(row, ".policyDataParamsSchemaHash"),
                        secretsSchemaHash: _hash(row, ".secretsSchemaHash"),
                        paramsHash: _hash(row, ".dataParamsHash")
                    })
                );
            }
            bytes32 pcr0 = _hash(at, ".digest.pcr0Commitment");
            if (pcr0 != 0) PolicyMessages.append(words, pcr0);
            assertEq(PolicyMessages.digest(words), _hash(at, ".artifactDigest"));
        }
    }

    function test_isAllow_vectors() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, _result(count)); ++count) {
            assertEq(
                PolicyMessages.isAllow(
                    vm.parseJsonBytes(json, string.concat(_result(count), ".result"))
                ),
                vm.parseJsonBool(json, string.concat(_result(count), ".allow"))
            );
        }
        assertEq(count, 20);
    }

    /// Whatever is neither of the two encodings is deny.
    function test_fuzz_isAllow(bytes memory result) public pure {
        bool expected = keccak256(result) == keccak256(abi.encode(true));
        if (result.length >= 96) {
            bytes32 length;
            bytes32 text;
            assembly {
                length := mload(add(result, 64))
                text := mload(add(result, 96))
            }
            expected = uint256(length) == 4 && text == "true";
        }
        assertEq(PolicyMessages.isAllow(result), expected);
    }

    function test_fuzz_messageHash_bindsEveryField(
        PolicyTaskResponse memory response,
        uint256 field,
        bytes32 salt
    ) public view {
        bytes32 before = this.messageHash(response);
        bytes32 mixed = keccak256(abi.encode(salt, before));
        field = bound(field, 0, 13);
        if (field == 0) {
            response.chainId ^= uint256(mixed);
        } else if (field == 1) {
            response.policyRegistry = _other(response.policyRegistry, mixed);
        } else if (field == 2) {
            response.taskId ^= mixed;
        } else if (field == 3) {
            response.policyClient = _other(response.policyClient, mixed);
        } else if (field == 4) {
            response.intentHash ^= mixed;
        } else if (field == 5) {
            response.policyInstanceId ^= mixed;
        } else if (field == 6) {
            response.artifactDigest ^= mixed;
        } else if (field == 7) {
            response.inputsHash ^= mixed;
        } else if (field == 8) {
            response.pcr0Commitment ^= mixed;
        } else if (field == 9) {
            response.evaluationResult = abi.encodePacked(response.evaluationResult, uint8(0));
        } else if (field == 10) {
            response.referenceBlock ^= uint64(uint256(mixed)) | 1;
        } else if (field == 11) {
            response.referenceBlockHash ^= mixed;
        } else if (field == 12) {
            response.referenceTimestamp ^= uint32(uint256(mixed)) | 1;
        } else {
            response.expirationBlock ^= uint64(uint256(mixed)) | 1;
        }
        assertNotEq(this.messageHash(response), before);
    }

    function test_fuzz_taskId_bindsEveryField(Task memory task, uint256 field, bytes32 salt)
        public
        view
    {
        bytes32 before = this.taskId(task);
        uint256 mixed = uint256(keccak256(abi.encode(salt, before))) | 1;
        field = bound(field, 0, 12);
        if (field == 0) {
            task.chainId ^= mixed;
        } else if (field == 1) {
            task.policyRegistry = _other(task.policyRegistry, bytes32(mixed));
        } else if (field == 2) {
            task.policyClient = _other(task.policyClient, bytes32(mixed));
        } else if (field == 3) {
            task.wasmArgs = abi.encodePacked(task.wasmArgs, uint8(0));
        } else if (field == 4) {
            task.referenceBlock ^= uint64(mixed);
        } else if (field == 5) {
            task.referenceBlockHash ^= bytes32(mixed);
        } else if (field == 6) {
            task.nonce ^= uint64(mixed);
        } else {
            bytes32 intentBefore = this.intentHash(task.intent);
            _changeIntent(task.intent, field - 7, mixed);
            assertNotEq(this.intentHash(task.intent), intentBefore);
        }
        assertNotEq(this.taskId(task), before);
    }

    function _changeIntent(Intent memory intent, uint256 field, uint256 mixed) private pure {
        if (field == 0) intent.from = _other(intent.from, bytes32(mixed));
        else if (field == 1) intent.to = _other(intent.to, bytes32(mixed));
        else if (field == 2) intent.value ^= mixed;
        else if (field == 3) intent.data = abi.encodePacked(intent.data, uint8(0));
        else if (field == 4) intent.chainId ^= mixed;
        else intent.functionSignature = abi.encodePacked(intent.functionSignature, uint8(0));
    }

    function _other(address account, bytes32 mixed) private pure returns (address) {
        return address(uint160(account) ^ (uint160(uint256(mixed)) | 1));
    }

    function _hash(string memory at, string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(at, key));
    }

    function _uint(string memory at, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(at, key));
    }

    function _result(uint256 i) private pure returns (string memory) {
        return string.concat(".results[", vm.toString(i), "]");
    }
}
