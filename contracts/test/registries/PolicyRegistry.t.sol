// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IAllowlistGuard} from "../../src/interfaces/IAllowlistGuard.sol";
import {IArtifactRegistry} from "../../src/interfaces/IArtifactRegistry.sol";
import {IPolicyRegistry} from "../../src/interfaces/IPolicyRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {MockPolicyClient, RegistryDeployers} from "../base/RegistryDeployers.sol";

contract PolicyRegistryTest is RegistryDeployers {
    bytes32 private dataA;
    bytes32 private dataB;
    bytes32[] private refs;
    bytes32 private template;

    function setUp() public {
        vm.roll(1000);
        deployRegistries(BlockKind.Native, true);
        client = registerClient(clientOwner);
        dataA = dataRegistry.registerTemplate(hashOf("a"), hashOf("s"), ABSENT, noDataLocators);
        dataB = dataRegistry.registerTemplate(hashOf("b"), hashOf("s"), ABSENT, noDataLocators);
        if (dataA > dataB) (dataA, dataB) = (dataB, dataA);
        refs = [dataA, dataB];
        template = policies.registerTemplate(hashOf("rego"), hashOf("schema"), refs, noLocators);
        vm.roll(1010);
    }

    // ------------------------------------------------------------------------------ templates

    function test_registerTemplate_storesRowAndEmits() public {
        bytes32 id = keccak256(
            abi.encodePacked(hashOf("r"), hashOf("p"), keccak256(abi.encodePacked(refs)))
        );
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.PolicyTemplateRegistered(id, stranger, hashOf("r"), hashOf("p"), refs);
        vm.prank(stranger);
        assertEq(policies.registerTemplate(hashOf("r"), hashOf("p"), refs, noLocators), id);
        IPolicyRegistry.PolicyTemplate memory row = policies.getTemplate(id);
        assertEq(row.regoHash, hashOf("r"));
        assertEq(row.paramsSchemaHash, hashOf("p"));
        assertEq(row.policyDataTemplateRefs, refs);
        assertEq(row.author, stranger);
        assertEq(row.registeredAt, 1010);
        assertTrue(policies.isTemplateRegistered(id));
        assertFalse(policies.isInstanceDeployed(id));
    }

    function test_registerTemplate_withoutRefs() public {
        bytes32 id = policies.registerTemplate(hashOf("r"), ABSENT, new bytes32[](0), noLocators);
        assertEq(id, keccak256(abi.encodePacked(hashOf("r"), ABSENT, keccak256(""))));
        assertEq(policies.getTemplate(id).policyDataTemplateRefs.length, 0);
    }

    function test_registerTemplate_emitsLocators() public {
        bytes[2] memory locators;
        locators[0] = hex"05";
        locators[1] = hex"0401";
        vm.expectEmit(address(policies));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("r"), 4, address(this), hex"05");
        vm.expectEmit(address(policies));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("p"), 5, address(this), hex"0401");
        policies.registerTemplate(hashOf("r"), hashOf("p"), refs, locators);
        locators[0] = "";
        bytes32 id = policies.computeTemplateId(hashOf("r2"), ABSENT, refs);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.UnknownArtifact.selector, id, uint8(5))
        );
        policies.registerTemplate(hashOf("r2"), ABSENT, refs, locators);
    }

    function test_registerTemplate_failsOnRepeat() public {
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateAlreadyRegistered.selector, template)
        );
        policies.registerTemplate(hashOf("rego"), hashOf("schema"), refs, noLocators);
        (bytes32 id, bool created) =
            policies.ensureTemplate(hashOf("rego"), hashOf("schema"), refs, noLocators);
        assertEq(id, template);
        assertFalse(created);
        (, created) = policies.ensureTemplate(hashOf("new"), hashOf("schema"), refs, noLocators);
        assertTrue(created);
    }

    function test_registerTemplate_failsOnBadArtifact() public {
        _expectInvalidArtifact(0);
        policies.registerTemplate(bytes32(0), ABSENT, refs, noLocators);
        _expectInvalidArtifact(0);
        policies.registerTemplate(ABSENT, ABSENT, refs, noLocators);
        _expectInvalidArtifact(1);
        policies.registerTemplate(hashOf("r"), bytes32(0), refs, noLocators);
    }

    function test_registerTemplate_failsOnBadRefs() public {
        bytes32[] memory bad = new bytes32[](3);
        (bad[0], bad[1], bad[2]) = (bytes32(uint256(1)), bytes32(uint256(3)), bytes32(uint256(3)));
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.RefsNotSorted.selector, 2));
        policies.registerTemplate(hashOf("r"), ABSENT, bad, noLocators);
        bad[2] = bytes32(uint256(2));
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.RefsNotSorted.selector, 2));
        policies.registerTemplate(hashOf("r"), ABSENT, bad, noLocators);
        (bad[0], bad[1]) = (bad[1], bad[0]);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.RefsNotSorted.selector, 1));
        policies.registerTemplate(hashOf("r"), ABSENT, bad, noLocators);

        bad = new bytes32[](33);
        for (uint256 i = 0; i < 33; ++i) {
            bad[i] = bytes32(i);
        }
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.TooManyRefs.selector, 33));
        policies.registerTemplate(hashOf("r"), ABSENT, bad, noLocators);
        assembly ("memory-safe") {
            mstore(bad, 32)
        }
        bytes32 id = policies.registerTemplate(hashOf("r"), ABSENT, bad, noLocators);
        assertEq(policies.getTemplate(id).policyDataTemplateRefs, bad);
    }

    /// @dev Ascending as unsigned integers, the highest bit too.
    function test_registerTemplate_sortsAsUnsigned() public {
        bytes32[] memory sorted = new bytes32[](2);
        (sorted[0], sorted[1]) = (bytes32(uint256(1)), bytes32(type(uint256).max));
        policies.registerTemplate(hashOf("r"), ABSENT, sorted, noLocators);
    }

    function test_fuzz_refsAreSortedOrRefused(bytes32[] memory some) public {
        vm.assume(some.length <= 40);
        bool sorted = true;
        for (uint256 i = 1; i < some.length; ++i) {
            if (uint256(some[i]) <= uint256(some[i - 1])) sorted = false;
        }
        if (some.length > 32) {
            vm.expectRevert(
                abi.encodeWithSelector(IPolicyRegistry.TooManyRefs.selector, some.length)
            );
        } else if (!sorted) {
            vm.expectPartialRevert(IPolicyRegistry.RefsNotSorted.selector);
        }
        policies.registerTemplate(hashOf("fuzz"), ABSENT, some, noLocators);
    }

    function test_gates() public {
        vm.startPrank(owner);
        policies.setTemplateRegistrationPermissionless(false);
        policies.setInstanceDeploymentPermissionless(false);
        vm.stopPrank();
        assertFalse(policies.templateRegistrationPermissionless());
        assertFalse(policies.instanceDeploymentPermissionless());
        vm.expectPartialRevert(IAllowlistGuard.UnauthorizedTemplateAuthor.selector);
        policies.registerTemplate(hashOf("r"), ABSENT, refs, noLocators);
        vm.expectPartialRevert(IAllowlistGuard.UnauthorizedInstanceDeployer.selector);
        policies.deployInstance(template, address(client), "", 1);
    }

    // ------------------------------------------------------------------------------ instances

    function test_deployInstance_storesRowAndEmits() public {
        bytes memory params = bytes('{"limit":5}');
        bytes32 paramsHash = keccak256(abi.encode(uint64(9), params));
        bytes32 id =
            keccak256(abi.encodePacked(block.chainid, address(client), template, paramsHash));
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.PolicyInstanceDeployed(
            id, address(client), template, paramsHash, 9, params
        );
        assertEq(policies.deployInstance(template, address(client), params, 9), id);
        IPolicyRegistry.PolicyInstance memory row = policies.getInstance(id);
        assertEq(row.templateId, template);
        assertEq(row.client, address(client));
        assertEq(row.expireAfter, 9);
        assertEq(row.deployedAt, 1010);
        assertEq(row.paramsHash, paramsHash);
        assertEq(policies.getParams(id), params);
    }

    function test_deployInstance_failsByRule() public {
        vm.expectRevert(IArtifactRegistry.ExpireAfterZero.selector);
        policies.deployInstance(template, address(client), "", 0);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ExpireAfterTooLarge.selector, type(uint64).max)
        );
        policies.deployInstance(template, address(client), "", type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(IArtifactRegistry.ParamsTooLarge.selector, 8193));
        policies.deployInstance(template, address(client), filler(8193), 1);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, dataA)
        );
        policies.deployInstance(dataA, address(client), "", 1);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ClientNotRegistered.selector, stranger)
        );
        policies.deployInstance(template, stranger, "", 1);
        bytes32 bare =
            policies.registerTemplate(hashOf("bare"), ABSENT, new bytes32[](0), noLocators);
        vm.expectRevert(IArtifactRegistry.ParamsNotAllowed.selector);
        policies.deployInstance(bare, address(client), hex"7b7d", 1);

        bytes32 id = policies.deployInstance(bare, address(client), "", 1);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceAlreadyDeployed.selector, id)
        );
        policies.deployInstance(bare, address(client), "", 1);
        (, bool created) = policies.ensureInstance(bare, address(client), "", 1);
        assertFalse(created);
        (, created) = policies.ensureInstance(bare, address(client), "", 2);
        assertTrue(created);
    }

    /// @dev Templates register in any order; an instance needs all of them.
    function test_deployInstance_failsWithoutDataTemplate() public {
        bytes32[] memory some = new bytes32[](1);
        some[0] = dataRegistry.computeTemplateId(hashOf("later"), ABSENT, ABSENT);
        bytes32 id = policies.registerTemplate(hashOf("r"), ABSENT, some, noLocators);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPolicyRegistry.PolicyDataTemplateNotRegistered.selector, some[0]
            )
        );
        policies.deployInstance(id, address(client), "", 1);
        dataRegistry.registerTemplate(hashOf("later"), ABSENT, ABSENT, noDataLocators);
        policies.deployInstance(id, address(client), "", 1);
    }

    // ---------------------------------------------------------------------------------- slots

    function test_setCurrentInstance_needsDataSlots() public {
        bytes32 id = policies.deployInstance(template, address(client), "", 1);
        vm.startPrank(clientOwner);
        _expectMissing(dataA);
        policies.setCurrentInstance(address(client), id);
        _fill(dataA);
        _expectMissing(dataB);
        policies.setCurrentInstance(address(client), id);
        _fill(dataB);
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.CurrentPolicyInstanceSet(address(client), bytes32(0), id);
        policies.setCurrentInstance(address(client), id);
        assertEq(policies.currentInstance(address(client)), id);
    }

    /// @dev A move to another template asks for that template's slots again.
    function test_setCurrentInstance_asksAgainForAnotherTemplate() public {
        bytes32 first = _current();
        bytes32 dataC = dataRegistry.registerTemplate(hashOf("c"), ABSENT, ABSENT, noDataLocators);
        bytes32[] memory some = new bytes32[](1);
        some[0] = dataC;
        bytes32 other = policies.registerTemplate(hashOf("r"), hashOf("s"), some, noLocators);
        bytes32 id = policies.deployInstance(other, address(client), "", 1);
        vm.startPrank(clientOwner);
        _expectMissing(dataC);
        policies.setCurrentInstance(address(client), id);
        bytes32 again = policies.deployInstance(template, address(client), hex"7b7d", 1);
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.CurrentPolicyInstanceSet(address(client), first, again);
        policies.setCurrentInstance(address(client), again);
    }

    function test_setCurrentInstance_failsByRule() public {
        bytes32 id = _current();
        vm.expectRevert(
            abi.encodeWithSelector(
                IArtifactRegistry.NotClientOwner.selector, address(client), stranger
            )
        );
        vm.prank(stranger);
        policies.setCurrentInstance(address(client), id);

        MockPolicyClient second = registerClient(clientOwner);
        bytes32 foreign = policies.deployInstance(template, address(second), "", 1);
        vm.startPrank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IArtifactRegistry.InstanceClientMismatch.selector, foreign, address(client)
            )
        );
        policies.setCurrentInstance(address(client), foreign);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, bytes32(0))
        );
        policies.setCurrentInstance(address(client), bytes32(0));
        clients.deactivateClient(address(client));
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ClientNotRegistered.selector, address(client))
        );
        policies.setCurrentInstance(address(client), id);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ClientNotRegistered.selector, stranger)
        );
        policies.setCurrentInstance(stranger, id);
    }

    /// @dev The owner is the registry's, also where the client's own differs.
    function test_setCurrentInstance_followsRegistryOwner() public {
        bytes32 id = _current();
        vm.prank(clientOwner);
        clients.setClientOwner(address(client), stranger);
        vm.expectPartialRevert(IArtifactRegistry.NotClientOwner.selector);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(client), id);
        vm.prank(stranger);
        policies.setCurrentInstance(address(client), id);
    }

    function test_setCurrentInstance_lastMoveInBlockWins() public {
        bytes32 a = _current();
        bytes32 b = policies.deployInstance(template, address(client), "", 2);
        vm.roll(1020);
        vm.startPrank(clientOwner);
        policies.setCurrentInstance(address(client), b);
        policies.setCurrentInstance(address(client), a);
        policies.setCurrentInstance(address(client), b);
        vm.roll(1021);
        assertEq(policies.currentInstanceAt(address(client), 1019), a);
        assertEq(policies.currentInstanceAt(address(client), 1020), b);
        assertEq(policies.slotLength(address(client)), 2);
        // The same again is no move, and still says what is there.
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.CurrentPolicyInstanceSet(address(client), b, b);
        policies.setCurrentInstance(address(client), b);
        assertEq(policies.slotLength(address(client)), 2);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.BlockNotMined.selector, 1021, 1021)
        );
        policies.currentInstanceAt(address(client), 1021);
    }

    // -------------------------------------------------------------------------------- enclave

    function test_enclaveRequired() public {
        assertFalse(policies.enclaveRequired());
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger));
        vm.prank(stranger);
        policies.setEnclaveRequired(true);

        vm.startPrank(owner);
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.EnclaveRequirementChanged(true);
        policies.setEnclaveRequired(true);
        vm.roll(1015);
        policies.setEnclaveRequired(false);
        vm.roll(1016);
        assertFalse(policies.enclaveRequiredAt(1009));
        assertTrue(policies.enclaveRequiredAt(1010));
        assertTrue(policies.enclaveRequiredAt(1014));
        assertFalse(policies.enclaveRequiredAt(1015));
        assertFalse(policies.enclaveRequired());
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.BlockNotMined.selector, 1016, 1016)
        );
        policies.enclaveRequiredAt(1016);
    }

    function test_announceArtifact() public {
        vm.expectEmit(address(policies));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("rego"), 4, address(this), hex"02");
        policies.announceArtifact(template, 4, hex"02");
        vm.expectEmit(address(policies));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("schema"), 5, address(this), hex"03");
        policies.announceArtifact(template, 5, hex"03");
        for (uint256 i = 0; i < 256; ++i) {
            if (i == 4 || i == 5) continue;
            vm.expectPartialRevert(IArtifactRegistry.UnknownArtifact.selector);
            policies.announceArtifact(template, uint8(i), hex"05");
        }
    }

    function test_reads() public {
        assertEq(policies.dataRegistry(), address(dataRegistry));
        assertEq(policies.clientRegistry(), address(clients));
        assertEq(policies.blockKind(), 1);
        assertEq(policies.currentBlock(), 1010);
        assertEq(policies.version(), "1.0.0");
        assertEq(policies.currentInstance(stranger), bytes32(0));
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, bytes32(0))
        );
        policies.getTemplate(bytes32(0));
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, template)
        );
        policies.getInstance(template);
    }

    function test_fuzz_idsRecompute(bytes32 r, bytes32 p, uint256 count, bytes memory params)
        public
    {
        vm.assume(r != 0 && r != ABSENT && p != 0 && p != ABSENT);
        vm.assume(params.length <= 8192);
        bytes32[] memory some = new bytes32[](bound(count, 0, 2));
        for (uint256 i = 0; i < some.length; ++i) {
            some[i] = refs[i];
        }
        bytes32 id = policies.registerTemplate(r, p, some, noLocators);
        assertEq(id, keccak256(abi.encodePacked(r, p, keccak256(abi.encodePacked(some)))));
        assertEq(id, policies.computeTemplateId(r, p, some));
        bytes32 instance = policies.deployInstance(id, address(client), params, 5);
        assertEq(instance, policies.computeInstanceId(id, address(client), params, 5));
        assertEq(
            instance,
            keccak256(
                abi.encodePacked(
                    block.chainid, address(client), id, keccak256(abi.encode(uint64(5), params))
                )
            )
        );
        assertEq(policies.getParams(instance), params);
    }

    /// @dev The same instance on another chain has another id.
    function test_instanceIdsDifferByChain() public {
        bytes32 here = policies.computeInstanceId(template, address(client), "", 1);
        vm.chainId(99);
        assertNotEq(policies.computeInstanceId(template, address(client), "", 1), here);
    }

    function _current() private returns (bytes32 id) {
        id = policies.deployInstance(template, address(client), "", 1);
        vm.startPrank(clientOwner);
        _fill(dataA);
        _fill(dataB);
        policies.setCurrentInstance(address(client), id);
        vm.stopPrank();
    }

    function _fill(bytes32 ref) private {
        bytes32 id = dataRegistry.deployInstance(ref, address(client), "", 1);
        dataRegistry.setCurrentInstance(address(client), ref, id);
    }

    function _expectMissing(bytes32 ref) private {
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyRegistry.PolicyDataInstanceMissing.selector, ref)
        );
    }

    function _expectInvalidArtifact(uint256 index) private {
        vm.expectRevert(abi.encodeWithSelector(IArtifactRegistry.InvalidArtifact.selector, index));
    }
}
