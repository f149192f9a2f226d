// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";

/// @notice Gas of what users pay for, written to `contracts/snapshots/PolicyRegistry.json`. Each
/// call is a transaction of its own.
/// forge-config: default.isolate = true
contract PolicyRegistryGasTest is RegistryDeployers {
    bytes32 private dataA;
    bytes32 private template;

    function setUp() public {
        vm.roll(1000);
        deployRegistries(BlockKind.Native, true);
        client = registerClient(clientOwner);
        dataA = dataRegistry.registerTemplate(
            hashOf("wasm"), hashOf("schema"), hashOf("secrets"), noDataLocators
        );
        bytes32[] memory refs = new bytes32[](1);
        refs[0] = dataA;
        template = policies.registerTemplate(hashOf("rego"), hashOf("schema"), refs, noLocators);
        vm.roll(1001);
    }

    function test_gas_templates() public {
        dataRegistry.registerTemplate(hashOf("w"), hashOf("s"), hashOf("t"), noDataLocators);
        vm.snapshotGasLastCall("PolicyRegistry", "registerTemplate: data");
        policies.registerTemplate(hashOf("r"), hashOf("s"), new bytes32[](0), noLocators);
        vm.snapshotGasLastCall("PolicyRegistry", "registerTemplate: policy, no refs");
        bytes32[] memory refs = new bytes32[](2);
        refs[0] = bytes32(uint256(1));
        refs[1] = bytes32(uint256(2));
        policies.registerTemplate(hashOf("r"), hashOf("s"), refs, noLocators);
        vm.snapshotGasLastCall("PolicyRegistry", "registerTemplate: policy, 2 refs");
        refs = new bytes32[](32);
        for (uint256 i = 0; i < 32; ++i) {
            refs[i] = keccak256(abi.encode(i)) >> 8 | bytes32(i << 248);
        }
        policies.registerTemplate(hashOf("r"), hashOf("s"), refs, noLocators);
        vm.snapshotGasLastCall("PolicyRegistry", "registerTemplate: policy, 32 refs");
    }

    function test_gas_instances() public {
        bytes32 data = dataRegistry.deployInstance(dataA, address(client), filler(200), 600);
        vm.snapshotGasLastCall("PolicyRegistry", "deployInstance: data, 200 bytes");
        bytes32 instance = policies.deployInstance(template, address(client), filler(200), 600);
        vm.snapshotGasLastCall("PolicyRegistry", "deployInstance: policy, 200 bytes, 1 ref");
        policies.deployInstance(template, address(client), filler(8192), 600);
        vm.snapshotGasLastCall("PolicyRegistry", "deployInstance: policy, 8192 bytes, 1 ref");
        bytes32 second = policies.deployInstance(template, address(client), filler(3), 600);

        vm.startPrank(clientOwner);
        dataRegistry.setCurrentInstance(address(client), dataA, data);
        vm.snapshotGasLastCall("PolicyRegistry", "setCurrentInstance: data, first");
        policies.setCurrentInstance(address(client), instance);
        vm.snapshotGasLastCall("PolicyRegistry", "setCurrentInstance: policy, first, 1 ref");
        for (uint256 i = 0; i < 5; ++i) {
            vm.roll(1002 + i);
            policies.setCurrentInstance(address(client), i % 2 == 0 ? second : instance);
            if (i == 0) {
                vm.snapshotGasLastCall("PolicyRegistry", "setCurrentInstance: policy, second");
            }
            if (i == 2) {
                vm.snapshotGasLastCall(
                    "PolicyRegistry", "setCurrentInstance: policy, new block word"
                );
            }
            if (i == 3) {
                vm.snapshotGasLastCall("PolicyRegistry", "setCurrentInstance: policy, later");
            }
        }
    }
}
