// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    DataTemplateSpec,
    DeploymentAuthorization,
    InstanceSpec,
    PolicyDeployment,
    PolicyTemplateSpec
} from "../../src/interfaces/IPolicyDeployer.sol";
import {ArtifactIds} from "../../src/libraries/ArtifactIds.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";

/// @notice Gas of setting a client up in one transaction, and of a change of its params, written to
/// `contracts/snapshots/PolicyDeployer.json`.
/// forge-config: default.isolate = true
contract PolicyDeployerGasTest is RegistryDeployers {
    /// @dev A second of this decade.
    uint256 private constant DEADLINE = 1_900_000_000;

    uint256 private ownerKey;
    bytes32 private dataId;
    bytes32 private templateId;

    function setUp() public {
        vm.roll(1000);
        deployRegistries(BlockKind.Native, true);
        (clientOwner, ownerKey) = makeAddrAndKey("client owner");
        client = registerClient(clientOwner);
        dataId = ArtifactIds.policyDataTemplateId(hashOf("wasm"), hashOf("schema"), ABSENT);
        templateId = ArtifactIds.policyTemplateId(hashOf("rego"), hashOf("schema"), _refs());
        vm.roll(1001);
    }

    function test_gas_ownerSetsUp() public {
        _publish();
        vm.prank(clientOwner);
        policyDeployer.deploy(_setUp());
        vm.snapshotGasLastCall("PolicyDeployer", "set up: known policy, 1 data plugin");
    }

    function test_gas_sponsorSetsUp() public {
        _publish();
        PolicyDeployment memory deployment = _setUp();
        bytes32 digest =
            policyDeployer.deploymentDigest(deployment, address(0), 77, DEADLINE);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ownerKey, digest);
        DeploymentAuthorization memory authorization = DeploymentAuthorization(
            address(0), 77, DEADLINE, abi.encodePacked(r, s, v)
        );
        vm.prank(stranger);
        policyDeployer.deploySigned(deployment, authorization);
        vm.snapshotGasLastCall("PolicyDeployer", "set up, sponsored: known policy, 1 data plugin");
    }

    function test_gas_newPolicy() public {
        PolicyDeployment memory deployment = _setUp();
        deployment.dataTemplates = new DataTemplateSpec[](1);
        deployment.dataTemplates[0] =
            DataTemplateSpec(hashOf("wasm"), hashOf("schema"), ABSENT, noDataLocators);
        deployment.policyTemplates = new PolicyTemplateSpec[](1);
        deployment.policyTemplates[0] =
            PolicyTemplateSpec(hashOf("rego"), hashOf("schema"), _refs(), noLocators);
        vm.prank(clientOwner);
        policyDeployer.deploy(deployment);
        vm.snapshotGasLastCall("PolicyDeployer", "set up: new policy, new data plugin");
    }

    function test_gas_changes() public {
        _publish();
        vm.prank(clientOwner);
        policyDeployer.deploy(_setUp());
        for (uint256 i = 1; i < 6; ++i) {
            vm.roll(1001 + i);
            PolicyDeployment memory change;
            change.client = address(client);
            bytes memory params = filler(200);
            // Other ones each time: what is deployed already costs no row.
            params[0] = bytes1(uint8(0x30 + i));
            change.policyInstance = InstanceSpec(
                templateId, params, 600, policies.currentInstance(address(client))
            );
            vm.prank(clientOwner);
            policyDeployer.deploy(change);
            if (i == 1) vm.snapshotGasLastCall("PolicyDeployer", "200 bytes of params: second");
            if (i == 3) {
                vm.snapshotGasLastCall("PolicyDeployer", "200 bytes of params: new block word");
            }
            if (i == 4) vm.snapshotGasLastCall("PolicyDeployer", "200 bytes of params: later");
            assertEq(policies.slotLength(address(client)), i + 1);
        }
    }

    /// @dev The policy has 200 bytes of params, the plugin none.
    function _setUp() private view returns (PolicyDeployment memory deployment) {
        deployment.client = address(client);
        deployment.dataInstances = new InstanceSpec[](1);
        deployment.dataInstances[0] = InstanceSpec(dataId, "", 600, bytes32(0));
        deployment.policyInstance = InstanceSpec(templateId, filler(200), 600, bytes32(0));
    }

    function _publish() private {
        dataRegistry.registerTemplate(hashOf("wasm"), hashOf("schema"), ABSENT, noDataLocators);
        policies.registerTemplate(hashOf("rego"), hashOf("schema"), _refs(), noLocators);
    }

    function _refs() private view returns (bytes32[] memory refs) {
        refs = new bytes32[](1);
        refs[0] = dataId;
    }
}
