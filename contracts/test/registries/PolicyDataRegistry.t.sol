// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IAllowlistGuard} from "../../src/interfaces/IAllowlistGuard.sol";
import {IArtifactRegistry} from "../../src/interfaces/IArtifactRegistry.sol";
import {IPolicyDataRegistry} from "../../src/interfaces/IPolicyDataRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {MockPolicyClient, RegistryDeployers} from "../base/RegistryDeployers.sol";

contract PolicyDataRegistryTest is RegistryDeployers {
    bytes32 private template;

    function setUp() public {
        vm.roll(1000);
        deployRegistries(BlockKind.Native, true);
        client = registerClient(clientOwner);
        template = dataRegistry.registerTemplate(
            hashOf("wasm"), hashOf("schema"), hashOf("secrets"), noDataLocators
        );
        vm.roll(1010);
    }

    // ------------------------------------------------------------------------------ templates

    function test_registerTemplate_storesRowAndEmits() public {
        bytes32 id =
            keccak256(abi.encodePacked(bytes1(0x01), hashOf("w"), hashOf("p"), hashOf("s")));
        vm.expectEmit(address(dataRegistry));
        emit IPolicyDataRegistry.PolicyDataTemplateRegistered(
            id, stranger, hashOf("w"), hashOf("p"), hashOf("s")
        );
        vm.prank(stranger);
        bytes32 given =
            dataRegistry.registerTemplate(hashOf("w"), hashOf("p"), hashOf("s"), noDataLocators);
        assertEq(given, id);
        IPolicyDataRegistry.PolicyDataTemplate memory row = dataRegistry.getTemplate(id);
        assertEq(row.wasmHash, hashOf("w"));
        assertEq(row.paramsSchemaHash, hashOf("p"));
        assertEq(row.secretsSchemaHash, hashOf("s"));
        assertEq(row.author, stranger);
        assertEq(row.registeredAt, 1010);
        assertTrue(dataRegistry.isTemplateRegistered(id));
        assertFalse(dataRegistry.isInstanceDeployed(id), "a template is no instance");
    }

    function test_registerTemplate_emitsLocators() public {
        bytes[3] memory locators;
        locators[0] = hex"05";
        locators[2] = hex"0201";
        vm.expectEmit(address(dataRegistry));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("w"), 6, address(this), hex"05");
        vm.expectEmit(address(dataRegistry));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("s"), 8, address(this), hex"0201");
        vm.recordLogs();
        dataRegistry.registerTemplate(hashOf("w"), hashOf("p"), hashOf("s"), locators);
        assertEq(vm.getRecordedLogs().length, 3, "an empty locator emits nothing");
    }

    function test_registerTemplate_failsOnRepeat() public {
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateAlreadyRegistered.selector, template)
        );
        dataRegistry.registerTemplate(
            hashOf("wasm"), hashOf("schema"), hashOf("secrets"), noDataLocators
        );
    }

    function test_ensureTemplate_createsOnce() public {
        (bytes32 id, bool created) = dataRegistry.ensureTemplate(
            hashOf("wasm"), hashOf("schema"), hashOf("secrets"), noDataLocators
        );
        assertEq(id, template);
        assertFalse(created);
        (id, created) = dataRegistry.ensureTemplate(hashOf("w2"), ABSENT, ABSENT, noDataLocators);
        assertTrue(created);
        (, created) = dataRegistry.ensureTemplate(hashOf("w2"), ABSENT, ABSENT, noDataLocators);
        assertFalse(created);
        assertEq(dataRegistry.getTemplate(id).registeredAt, 1010);
    }

    function test_registerTemplate_failsOnBadArtifact() public {
        _expectInvalidArtifact(0);
        dataRegistry.registerTemplate(bytes32(0), ABSENT, ABSENT, noDataLocators);
        _expectInvalidArtifact(0);
        dataRegistry.registerTemplate(ABSENT, ABSENT, ABSENT, noDataLocators);
        _expectInvalidArtifact(1);
        dataRegistry.registerTemplate(hashOf("w"), bytes32(0), ABSENT, noDataLocators);
        _expectInvalidArtifact(2);
        dataRegistry.registerTemplate(hashOf("w"), ABSENT, bytes32(0), noDataLocators);
        _expectInvalidArtifact(0);
        dataRegistry.ensureTemplate(bytes32(0), ABSENT, ABSENT, noDataLocators);
        dataRegistry.registerTemplate(hashOf("w"), ABSENT, ABSENT, noDataLocators);
    }

    function test_registerTemplate_failsOnBadLocator() public {
        bytes[3] memory locators;
        locators[1] = filler(16_385);
        vm.expectRevert(abi.encodeWithSelector(IArtifactRegistry.LocatorTooLarge.selector, 16_385));
        dataRegistry.registerTemplate(hashOf("w"), hashOf("p"), ABSENT, locators);
        locators[1] = filler(16_384);
        dataRegistry.registerTemplate(hashOf("w"), hashOf("p"), ABSENT, locators);
        locators[1] = "";
        locators[2] = hex"05";
        bytes32 id = dataRegistry.computeTemplateId(hashOf("v"), hashOf("p"), ABSENT);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.UnknownArtifact.selector, id, uint8(8))
        );
        dataRegistry.registerTemplate(hashOf("v"), hashOf("p"), ABSENT, locators);
        assertFalse(dataRegistry.isTemplateRegistered(id), "nothing is left half-written");
    }

    // ---------------------------------------------------------------------------------- gates

    function test_gates_areIndependent() public {
        vm.startPrank(owner);
        vm.expectEmit(address(dataRegistry));
        emit IAllowlistGuard.TemplateRegistrationPermissionChanged(false);
        dataRegistry.setTemplateRegistrationPermissionless(false);
        vm.stopPrank();
        vm.expectRevert(
            abi.encodeWithSelector(
                IAllowlistGuard.UnauthorizedTemplateAuthor.selector, address(this)
            )
        );
        dataRegistry.registerTemplate(hashOf("w"), ABSENT, ABSENT, noDataLocators);
        dataRegistry.deployInstance(template, address(client), "", 1);

        // What is there already needs no permission: nothing is written.
        dataRegistry.ensureTemplate(
            hashOf("wasm"), hashOf("schema"), hashOf("secrets"), noDataLocators
        );

        vm.expectEmit(address(dataRegistry));
        emit IAllowlistGuard.TemplateAuthorSet(address(this), true);
        vm.prank(owner);
        dataRegistry.setTemplateAuthor(address(this), true);
        assertTrue(dataRegistry.templateAuthors(address(this)));
        assertFalse(dataRegistry.instanceDeployers(address(this)));
        dataRegistry.registerTemplate(hashOf("w"), ABSENT, ABSENT, noDataLocators);

        vm.expectEmit(address(dataRegistry));
        emit IAllowlistGuard.InstanceDeploymentPermissionChanged(false);
        vm.prank(owner);
        dataRegistry.setInstanceDeploymentPermissionless(false);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAllowlistGuard.UnauthorizedInstanceDeployer.selector, address(this)
            )
        );
        dataRegistry.deployInstance(template, address(client), "", 2);
        vm.expectEmit(address(dataRegistry));
        emit IAllowlistGuard.InstanceDeployerSet(address(this), true);
        vm.prank(owner);
        dataRegistry.setInstanceDeployer(address(this), true);
        dataRegistry.deployInstance(template, address(client), "", 2);

        vm.prank(owner);
        dataRegistry.setInstanceDeployer(address(this), false);
        vm.expectPartialRevert(IAllowlistGuard.UnauthorizedInstanceDeployer.selector);
        dataRegistry.deployInstance(template, address(client), "", 3);
    }

    function test_gates_onlyOwnerChangesThem() public {
        bytes memory denied =
            abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger);
        vm.startPrank(stranger);
        vm.expectRevert(denied);
        dataRegistry.setTemplateRegistrationPermissionless(false);
        vm.expectRevert(denied);
        dataRegistry.setInstanceDeploymentPermissionless(false);
        vm.expectRevert(denied);
        dataRegistry.setTemplateAuthor(stranger, true);
        vm.expectRevert(denied);
        dataRegistry.setInstanceDeployer(stranger, true);
    }

    // ------------------------------------------------------------------------------ instances

    function test_deployInstance_storesRowAndEmits() public {
        bytes memory params = bytes('{"a":1}');
        bytes32 paramsHash = keccak256(abi.encode(uint64(600), params));
        bytes32 id = keccak256(
            abi.encodePacked(bytes1(0x01), block.chainid, address(client), template, paramsHash)
        );
        vm.expectEmit(address(dataRegistry));
        emit IPolicyDataRegistry.PolicyDataInstanceDeployed(
            id, address(client), template, paramsHash, 600, params
        );
        // For someone else's client: harmless, and the signer pays.
        vm.prank(stranger);
        assertEq(dataRegistry.deployInstance(template, address(client), params, 600), id);
        IPolicyDataRegistry.PolicyDataInstance memory row = dataRegistry.getInstance(id);
        assertEq(row.templateId, template);
        assertEq(row.client, address(client));
        assertEq(row.expireAfter, 600);
        assertEq(row.deployedAt, 1010);
        assertEq(row.paramsHash, paramsHash);
        assertEq(dataRegistry.getParams(id), params);
        assertTrue(dataRegistry.isInstanceDeployed(id));
        assertFalse(dataRegistry.isTemplateRegistered(id), "an instance is no template");
    }

    function test_deployInstance_failsOnRepeat() public {
        bytes32 id = dataRegistry.deployInstance(template, address(client), "", 600);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceAlreadyDeployed.selector, id)
        );
        dataRegistry.deployInstance(template, address(client), "", 600);
        (bytes32 same, bool created) =
            dataRegistry.ensureInstance(template, address(client), "", 600);
        assertEq(same, id);
        assertFalse(created);
        (bytes32 other, bool otherCreated) =
            dataRegistry.ensureInstance(template, address(client), "", 601);
        assertNotEq(other, id);
        assertTrue(otherCreated);
    }

    function test_deployInstance_failsOnBadExpireAfter() public {
        vm.expectRevert(IArtifactRegistry.ExpireAfterZero.selector);
        dataRegistry.deployInstance(template, address(client), "", 0);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ExpireAfterTooLarge.selector, MAX_EXPIRE + 1)
        );
        dataRegistry.deployInstance(template, address(client), "", MAX_EXPIRE + 1);
        bytes32 id = dataRegistry.deployInstance(template, address(client), "", MAX_EXPIRE);
        assertEq(dataRegistry.getInstance(id).expireAfter, MAX_EXPIRE);
    }

    function test_deployInstance_failsOnBadParams() public {
        vm.expectRevert(abi.encodeWithSelector(IArtifactRegistry.ParamsTooLarge.selector, 8193));
        dataRegistry.deployInstance(template, address(client), filler(8193), 1);
        bytes32 id = dataRegistry.deployInstance(template, address(client), filler(8192), 1);
        assertEq(dataRegistry.getParams(id), filler(8192));

        bytes32 bare = dataRegistry.registerTemplate(hashOf("bare"), ABSENT, ABSENT, noDataLocators);
        vm.expectRevert(IArtifactRegistry.ParamsNotAllowed.selector);
        dataRegistry.deployInstance(bare, address(client), hex"7b7d", 1);
        dataRegistry.deployInstance(bare, address(client), "", 1);
    }

    function test_deployInstance_failsWithoutTemplateOrClient() public {
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, hashOf("none"))
        );
        dataRegistry.deployInstance(hashOf("none"), address(client), "", 1);

        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ClientNotRegistered.selector, stranger)
        );
        dataRegistry.deployInstance(template, stranger, "", 1);

        vm.prank(clientOwner);
        clients.deactivateClient(address(client));
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ClientNotRegistered.selector, address(client))
        );
        dataRegistry.deployInstance(template, address(client), "", 1);
    }

    // ---------------------------------------------------------------------------------- slots

    function test_setCurrentInstance_movesAndEmits() public {
        bytes32 a = dataRegistry.deployInstance(template, address(client), "", 1);
        bytes32 b = dataRegistry.deployInstance(template, address(client), "", 2);
        vm.expectEmit(address(dataRegistry));
        emit IPolicyDataRegistry.CurrentPolicyDataInstanceSet(
            address(client), template, bytes32(0), a
        );
        vm.prank(clientOwner);
        dataRegistry.setCurrentInstance(address(client), template, a);
        assertEq(dataRegistry.currentInstance(address(client), template), a);

        // The client itself may, too.
        vm.roll(1020);
        vm.expectEmit(address(dataRegistry));
        emit IPolicyDataRegistry.CurrentPolicyDataInstanceSet(address(client), template, a, b);
        client.execute(
            address(dataRegistry),
            abi.encodeCall(IPolicyDataRegistry.setCurrentInstance, (address(client), template, b))
        );
        vm.roll(1021);
        assertEq(dataRegistry.currentInstanceAt(address(client), template, 1009), bytes32(0));
        assertEq(dataRegistry.currentInstanceAt(address(client), template, 1010), a);
        assertEq(dataRegistry.currentInstanceAt(address(client), template, 1019), a);
        assertEq(dataRegistry.currentInstanceAt(address(client), template, 1020), b);
        assertEq(dataRegistry.slotLength(address(client), template), 2);
        (uint64 blockNumber, bytes32 id) = dataRegistry.slotAt(address(client), template, 1);
        assertEq(blockNumber, 1020);
        assertEq(id, b);
        (blockNumber, id) = dataRegistry.slotAt(address(client), template, 2);
        assertEq(id, bytes32(0));
    }

    function test_setCurrentInstance_failsForOthers() public {
        bytes32 a = dataRegistry.deployInstance(template, address(client), "", 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IArtifactRegistry.NotClientOwner.selector, address(client), stranger
            )
        );
        vm.prank(stranger);
        dataRegistry.setCurrentInstance(address(client), template, a);

        vm.prank(clientOwner);
        clients.deactivateClient(address(client));
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ClientNotRegistered.selector, address(client))
        );
        vm.prank(clientOwner);
        dataRegistry.setCurrentInstance(address(client), template, a);
    }

    function test_setCurrentInstance_failsOnMismatch() public {
        bytes32 other =
            dataRegistry.registerTemplate(hashOf("other"), ABSENT, ABSENT, noDataLocators);
        MockPolicyClient second = registerClient(clientOwner);
        bytes32 a = dataRegistry.deployInstance(template, address(client), "", 1);
        bytes32 b = dataRegistry.deployInstance(template, address(second), "", 1);
        vm.startPrank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, hashOf("none"))
        );
        dataRegistry.setCurrentInstance(address(client), template, hashOf("none"));
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, template)
        );
        dataRegistry.setCurrentInstance(address(client), template, template);
        vm.expectRevert(
            abi.encodeWithSelector(
                IArtifactRegistry.InstanceClientMismatch.selector, b, address(client)
            )
        );
        dataRegistry.setCurrentInstance(address(client), template, b);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyDataRegistry.InstanceTemplateMismatch.selector, a, other)
        );
        dataRegistry.setCurrentInstance(address(client), other, a);
    }

    function test_currentInstanceAt_failsForBlocksThatCanChange() public {
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.BlockNotMined.selector, 1010, 1010)
        );
        dataRegistry.currentInstanceAt(address(client), template, 1010);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.BlockNotMined.selector, 5000, 1010)
        );
        dataRegistry.currentInstanceAt(address(client), template, 5000);
        assertEq(dataRegistry.currentInstanceAt(address(client), template, 1009), bytes32(0));
    }

    /// @dev The slot at any past block equals a shadow log, whatever the moves.
    function test_fuzz_slotEqualsShadowLog(uint256 seed) public {
        bytes32[4] memory ids;
        for (uint64 i = 0; i < 4; ++i) {
            ids[i] = dataRegistry.deployInstance(template, address(client), "", i + 1);
        }
        bytes32[64] memory shadow;
        bytes32 current;
        vm.startPrank(clientOwner);
        for (uint256 i = 0; i < 64; ++i) {
            vm.roll(2000 + i);
            uint256 moves = uint256(keccak256(abi.encode(seed, i))) % 3;
            for (uint256 j = 0; j < moves; ++j) {
                current = ids[uint256(keccak256(abi.encode(seed, i, j))) % 4];
                dataRegistry.setCurrentInstance(address(client), template, current);
            }
            shadow[i] = current;
        }
        vm.roll(2064);
        for (uint256 i = 0; i < 64; ++i) {
            assertEq(dataRegistry.currentInstanceAt(address(client), template, 2000 + i), shadow[i]);
        }
        uint64 last;
        for (uint256 i = 0; i < dataRegistry.slotLength(address(client), template); ++i) {
            (uint64 blockNumber,) = dataRegistry.slotAt(address(client), template, i);
            assertGt(blockNumber, last, "checkpoints are strictly ascending");
            last = blockNumber;
        }
    }

    // -------------------------------------------------------------------------- announcements

    function test_announceArtifact() public {
        vm.expectEmit(address(dataRegistry));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("schema"), 7, stranger, hex"0401");
        vm.prank(stranger);
        dataRegistry.announceArtifact(template, 7, hex"0401");

        vm.recordLogs();
        dataRegistry.announceArtifact(template, 6, "");
        assertEq(vm.getRecordedLogs().length, 0, "an empty locator emits nothing");

        vm.expectRevert(abi.encodeWithSelector(IArtifactRegistry.LocatorTooLarge.selector, 16_385));
        dataRegistry.announceArtifact(template, 6, filler(16_385));
    }

    function test_fuzz_announceArtifact_failsOnOtherNamespaces(uint8 namespace) public {
        vm.assume(namespace < 6 || namespace > 8);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.UnknownArtifact.selector, template, namespace)
        );
        dataRegistry.announceArtifact(template, namespace, hex"05");
    }

    function test_announceArtifact_failsWhereThereIsNone() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IArtifactRegistry.UnknownArtifact.selector, hashOf("none"), uint8(6)
            )
        );
        dataRegistry.announceArtifact(hashOf("none"), 6, hex"05");
        bytes32 bare = dataRegistry.registerTemplate(hashOf("bare"), ABSENT, ABSENT, noDataLocators);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.UnknownArtifact.selector, bare, uint8(8))
        );
        dataRegistry.announceArtifact(bare, 8, hex"05");
    }

    // ---------------------------------------------------------------------------------- reads

    function test_reads_failWhereThereIsNoRow() public {
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, bytes32(0))
        );
        dataRegistry.getTemplate(bytes32(0));
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, template)
        );
        dataRegistry.getInstance(template);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.InstanceNotDeployed.selector, template)
        );
        dataRegistry.getParams(template);
    }

    function test_firstUnregisteredAndEmptySlot() public {
        bytes32[] memory refs = new bytes32[](2);
        refs[0] = template;
        refs[1] = hashOf("none");
        assertEq(dataRegistry.firstUnregistered(refs), refs[1]);
        assertEq(dataRegistry.firstEmptySlot(address(client), refs), refs[0]);
        bytes32 a = dataRegistry.deployInstance(template, address(client), "", 1);
        vm.prank(clientOwner);
        dataRegistry.setCurrentInstance(address(client), template, a);
        assertEq(dataRegistry.firstEmptySlot(address(client), refs), refs[1]);
        assertEq(dataRegistry.firstUnregistered(new bytes32[](0)), bytes32(0));
        assertEq(dataRegistry.firstEmptySlot(address(client), new bytes32[](0)), bytes32(0));
    }

    function test_rowInCreation_answersOnlyWhileWriting() public {
        vm.expectRevert();
        dataRegistry.rowInCreation();
    }

    function test_fuzz_idsRecompute(bytes32 w, bytes32 p, bytes32 s, bytes memory params) public {
        vm.assume(w != 0 && w != ABSENT && p != 0 && p != ABSENT && s != 0);
        vm.assume(params.length <= 8192);
        bytes32 id = dataRegistry.registerTemplate(w, p, s, noDataLocators);
        assertEq(id, keccak256(abi.encodePacked(hex"01", w, p, s)));
        assertEq(id, dataRegistry.computeTemplateId(w, p, s));
        bytes32 instance = dataRegistry.deployInstance(id, address(client), params, 77);
        assertEq(instance, dataRegistry.computeInstanceId(id, address(client), params, 77));
        assertEq(
            instance,
            keccak256(
                abi.encodePacked(
                    hex"01",
                    block.chainid,
                    address(client),
                    id,
                    keccak256(abi.encode(uint64(77), params))
                )
            )
        );
        assertEq(dataRegistry.getParams(instance), params);
        assertEq(
            dataRegistry.getInstance(instance).paramsHash, keccak256(abi.encode(uint64(77), params))
        );
    }

    function _expectInvalidArtifact(uint256 index) private {
        vm.expectRevert(abi.encodeWithSelector(IArtifactRegistry.InvalidArtifact.selector, index));
    }
}
