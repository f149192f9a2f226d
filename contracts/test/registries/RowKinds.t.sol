// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IArtifactRegistry} from "../../src/interfaces/IArtifactRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";

/// @notice A row of one kind is never a row of the other, whatever id it is asked by and whatever
/// its bytes spell.
contract RowKindsTest is RegistryDeployers {
    bytes32 private dataTemplate;
    bytes32 private template;

    function setUp() public {
        vm.roll(1000);
        deployRegistries(BlockKind.Native, true);
        client = registerClient(clientOwner);
        dataTemplate = dataRegistry.registerTemplate(hashOf("w"), ABSENT, ABSENT, noDataLocators);
        template = policies.registerTemplate(
            hashOf("rego"), hashOf("schema"), new bytes32[](0), noLocators
        );
    }

    /// @dev Params spelled like the tail of a template's row: an author, a block, 250 refs.
    function test_instanceIsNoPolicyTemplate() public {
        bytes memory params = abi.encodePacked(address(0xbeef), uint64(1));
        for (uint256 i = 0; i < 250; ++i) {
            params = abi.encodePacked(params, dataTemplate);
        }
        vm.prank(owner);
        policies.setTemplateRegistrationPermissionless(false);
        bytes32 instance = policies.deployInstance(template, address(client), params, 600);
        bytes32[4] memory ids = _disguises(instance);
        for (uint256 i = 0; i < ids.length; ++i) {
            assertFalse(policies.isTemplateRegistered(ids[i]));
            bytes memory absent =
                abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, ids[i]);
            vm.expectRevert(absent);
            policies.getTemplate(ids[i]);
            vm.expectRevert(absent);
            policies.deployInstance(ids[i], address(client), "{}", 600);
            vm.expectRevert(absent);
            policies.ensureInstance(ids[i], address(client), "{}", 600);
            vm.expectPartialRevert(IArtifactRegistry.UnknownArtifact.selector);
            policies.announceArtifact(ids[i], 4, hex"05");
        }
    }

    function test_instanceIsNoDataTemplate() public {
        bytes32 schema =
            dataRegistry.registerTemplate(hashOf("w2"), hashOf("schema"), ABSENT, noDataLocators);
        bytes32 instance = dataRegistry.deployInstance(schema, address(client), filler(200), 600);
        bytes32[4] memory ids = _disguises(instance);
        bytes32[] memory refs = new bytes32[](1);
        for (uint256 i = 0; i < ids.length; ++i) {
            refs[0] = ids[i];
            assertEq(dataRegistry.firstUnregistered(refs), ids[i]);
            bytes memory absent =
                abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, ids[i]);
            vm.expectRevert(absent);
            dataRegistry.getTemplate(ids[i]);
            vm.expectRevert(absent);
            dataRegistry.deployInstance(ids[i], address(client), "{}", 600);
        }
    }

    /// @dev Hashes of a template spelled like an instance's head: client, no expiry, a block.
    function test_templateIsNoInstance() public {
        bytes32 schema = bytes32(abi.encodePacked(address(client), uint32(0), uint64(7)));
        bytes32[4] memory dataIds =
            _disguises(dataRegistry.registerTemplate(dataTemplate, schema, ABSENT, noDataLocators));
        bytes32[4] memory ids =
            _disguises(policies.registerTemplate(template, schema, new bytes32[](0), noLocators));
        vm.startPrank(clientOwner);
        for (uint256 i = 0; i < ids.length; ++i) {
            assertFalse(dataRegistry.isInstanceDeployed(dataIds[i]));
            assertFalse(policies.isInstanceDeployed(ids[i]));
            bytes memory absent =
                abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, dataIds[i]);
            vm.expectRevert(absent);
            dataRegistry.setCurrentInstance(address(client), dataTemplate, dataIds[i]);
            vm.expectRevert(absent);
            dataRegistry.getInstance(dataIds[i]);
            absent = abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, ids[i]);
            vm.expectRevert(absent);
            policies.setCurrentInstance(address(client), ids[i]);
            vm.expectRevert(absent);
            policies.getParams(ids[i]);
        }
        vm.stopPrank();
    }

    /// @dev An id, its complement, and the keys under which rows of either kind lie.
    function _disguises(bytes32 id) private pure returns (bytes32[4] memory) {
        return
            [id, ~id, keccak256(abi.encode(uint256(1), id)), keccak256(abi.encode(uint256(2), id))];
    }
}
