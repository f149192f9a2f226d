// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ArtifactIds} from "../../src/libraries/ArtifactIds.sol";
import {Test} from "../base/Test.sol";

/// @notice Every id of `test/vectors/identity/ids.json`, as TypeScript computes them from the same
/// file.
contract ArtifactIdsTest is Test {
    string private json;

    function setUp() public {
        json = vm.readFile("test/vectors/identity/ids.json");
    }

    function test_absent() public view {
        assertEq(vm.parseJsonBytes32(json, ".absent"), ArtifactIds.ARTIFACT_ABSENT);
        assertEq(ArtifactIds.ARTIFACT_ABSENT, keccak256("NEWTON_POLICY_ARTIFACT_ABSENT_V1"));
    }

    function test_artifacts() public view {
        uint256 count = _count(".artifacts");
        for (uint256 i = 0; i < count; ++i) {
            string memory at = _at(".artifacts", i);
            assertEq(
                keccak256(vm.parseJsonBytes(json, string.concat(at, ".bytes"))),
                vm.parseJsonBytes32(json, string.concat(at, ".hash"))
            );
        }
    }

    function test_policyTemplates() public view {
        uint256 count = _count(".policyTemplates");
        for (uint256 i = 0; i < count; ++i) {
            string memory at = _at(".policyTemplates", i);
            assertEq(
                ArtifactIds.policyTemplateId(
                    vm.parseJsonBytes32(json, string.concat(at, ".regoHash")),
                    vm.parseJsonBytes32(json, string.concat(at, ".paramsSchemaHash")),
                    vm.parseJsonBytes32Array(json, string.concat(at, ".policyDataTemplateRefs"))
                ),
                vm.parseJsonBytes32(json, string.concat(at, ".id")),
                at
            );
        }
    }

    function test_policyDataTemplates() public view {
        uint256 count = _count(".policyDataTemplates");
        for (uint256 i = 0; i < count; ++i) {
            string memory at = _at(".policyDataTemplates", i);
            assertEq(
                ArtifactIds.policyDataTemplateId(
                    vm.parseJsonBytes32(json, string.concat(at, ".wasmHash")),
                    vm.parseJsonBytes32(json, string.concat(at, ".paramsSchemaHash")),
                    vm.parseJsonBytes32(json, string.concat(at, ".secretsSchemaHash"))
                ),
                vm.parseJsonBytes32(json, string.concat(at, ".id")),
                at
            );
        }
    }

    function test_paramsHashes() public view {
        uint256 count = _count(".paramsHashes");
        for (uint256 i = 0; i < count; ++i) {
            string memory at = _at(".paramsHashes", i);
            assertEq(
                ArtifactIds.paramsHash(
                    uint64(_uint(string.concat(at, ".expireAfter"))),
                    vm.parseJsonBytes(json, string.concat(at, ".params"))
                ),
                vm.parseJsonBytes32(json, string.concat(at, ".paramsHash")),
                at
            );
        }
    }

    function test_instances() public view {
        uint256 count = _count(".instances");
        for (uint256 i = 0; i < count; ++i) {
            string memory at = _at(".instances", i);
            uint256 chainId = _uint(string.concat(at, ".chainId"));
            address client = vm.parseJsonAddress(json, string.concat(at, ".client"));
            bytes32 template = vm.parseJsonBytes32(json, string.concat(at, ".templateId"));
            bytes32 hash = vm.parseJsonBytes32(json, string.concat(at, ".paramsHash"));
            assertEq(
                ArtifactIds.policyInstanceId(chainId, client, template, hash),
                vm.parseJsonBytes32(json, string.concat(at, ".policyInstanceId")),
                at
            );
            assertEq(
                ArtifactIds.policyDataInstanceId(chainId, client, template, hash),
                vm.parseJsonBytes32(json, string.concat(at, ".policyDataInstanceId")),
                at
            );
        }
    }

    /// @dev One bit of any preimage changes the id.
    function test_fuzz_everyPartCounts(bytes32 a, bytes32 b, bytes32 c, uint8 bit) public pure {
        bytes32 flip = bytes32(uint256(1) << bit);
        bytes32 id = ArtifactIds.policyDataTemplateId(a, b, c);
        assertNotEq(id, ArtifactIds.policyDataTemplateId(a ^ flip, b, c));
        assertNotEq(id, ArtifactIds.policyDataTemplateId(a, b ^ flip, c));
        assertNotEq(id, ArtifactIds.policyDataTemplateId(a, b, c ^ flip));
        bytes32[] memory refs = new bytes32[](1);
        refs[0] = c;
        bytes32 policy = ArtifactIds.policyTemplateId(a, b, refs);
        refs[0] = c ^ flip;
        assertNotEq(policy, ArtifactIds.policyTemplateId(a, b, refs));
        assertNotEq(policy, id);
    }

    function _count(string memory key) private view returns (uint256 count) {
        while (vm.keyExistsJson(json, _at(key, count))) ++count;
        assertGt(count, 0, key);
    }

    function _at(string memory key, uint256 index) private pure returns (string memory) {
        return string.concat(key, "[", vm.toString(index), "]");
    }

    // Numbers are decimal strings in the file.
    function _uint(string memory key) private view returns (uint256) {
        return vm.parseUint(vm.parseJsonString(json, key));
    }
}
