// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IAllowlistGuard} from "../../src/interfaces/IAllowlistGuard.sol";
import {IArtifactRegistry} from "../../src/interfaces/IArtifactRegistry.sol";
import {IPolicyClientRegistry} from "../../src/interfaces/IPolicyClientRegistry.sol";
import {
    DataTemplateSpec,
    DeploymentAuthorization,
    IPolicyDeployer,
    InstanceSpec,
    PolicyDeployment,
    PolicyTemplateSpec
} from "../../src/interfaces/IPolicyDeployer.sol";
import {IPolicyRegistry} from "../../src/interfaces/IPolicyRegistry.sol";
import {ArtifactIds} from "../../src/libraries/ArtifactIds.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {PolicyDataRegistry} from "../../src/registries/PolicyDataRegistry.sol";
import {PolicyDeployer} from "../../src/registries/PolicyDeployer.sol";
import {PolicyRegistry} from "../../src/registries/PolicyRegistry.sol";
import {RegistryConfig} from "../../src/registries/RegistryBase.sol";
import {OtherBytes} from "../base/OtherBytes.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";

/// @notice An owner that is a contract: it signs what it is told to have signed.
contract SigningWallet {
    mapping(bytes32 digest => bool) public signed;

    function sign(bytes32 digest, bool yes) external {
        signed[digest] = yes;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return signed[digest] ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }

    function register(IPolicyClientRegistry registry, address client) external {
        registry.registerClient(client);
    }
}

/// @notice One transaction for a client's policy: all of it or nothing, for whom it says and for
/// nobody else.
contract PolicyDeployerTest is RegistryDeployers {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant DEPLOY_TYPEHASH = keccak256(
        "DeployPolicy(address client,bytes32 contentHash,address sponsor,uint256 nonce,uint256 deadline)"
    );
    uint256 private constant DEADLINE = 2_000_000;

    uint256 private ownerKey;
    address private sponsor = makeAddr("sponsor");
    bytes32 private dataId;
    bytes32 private templateId;

    function setUp() public {
        vm.roll(1000);
        vm.warp(1_000_000);
        deployRegistries(BlockKind.Native, true);
        (clientOwner, ownerKey) = makeAddrAndKey("client owner");
        client = registerClient(clientOwner);
        dataId = ArtifactIds.policyDataTemplateId(hashOf("wasm"), hashOf("schema"), ABSENT);
        bytes32[] memory refs = new bytes32[](1);
        refs[0] = dataId;
        templateId = ArtifactIds.policyTemplateId(hashOf("rego"), hashOf("params"), refs);
        vm.roll(1001);
    }

    // --- What it does ---

    function test_deploy_forTheOwner() public {
        PolicyDeployment memory deployment = _deployment();
        bytes32 instance = _instanceId(deployment);
        bytes32 data = _dataInstanceId(deployment);
        vm.expectEmit(address(policies));
        emit IArtifactRegistry.ArtifactAnnounced(hashOf("rego"), 4, clientOwner, hex"0501");
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.CurrentPolicyInstanceSet(address(client), bytes32(0), instance);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = data;
        vm.expectEmit(address(policyDeployer));
        emit IPolicyDeployer.PolicyDeployed(address(client), clientOwner, instance, ids);
        vm.prank(clientOwner);
        (bytes32 id, bytes32[] memory dataIds) = policyDeployer.deploy(deployment);
        assertEq(id, instance);
        assertEq(dataIds, ids);
        _assertDeployed(instance, data, clientOwner);
    }

    function test_deploy_forTheClientItself() public {
        PolicyDeployment memory deployment = _deployment();
        client.execute(
            address(policyDeployer), abi.encodeCall(IPolicyDeployer.deploy, (deployment))
        );
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), address(client));
    }

    function test_deploySigned_forTheOwner() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 7);
        vm.prank(sponsor);
        policyDeployer.deploySigned(deployment, authorization);
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), clientOwner);
        assertTrue(policyDeployer.isNonceUsed(clientOwner, 7));
    }

    function test_deploySigned_byAnyoneWhereNoneIsNamed() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, address(0), 7);
        vm.warp(DEADLINE);
        vm.prank(stranger);
        policyDeployer.deploySigned(deployment, authorization);
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), clientOwner);
    }

    function test_deploySigned_forAnOwnerThatIsAContract() public {
        SigningWallet wallet = new SigningWallet();
        client.setOwner(address(wallet));
        vm.prank(clientOwner);
        clients.setClientOwner(address(client), address(wallet));
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization =
            DeploymentAuthorization(sponsor, 0, DEADLINE, "whatever it takes");
        bytes32 digest = policyDeployer.deploymentDigest(deployment, sponsor, 0, DEADLINE);
        bytes memory refusal = abi.encodeWithSelector(
            IPolicyDeployer.InvalidDeploymentSignature.selector, address(wallet)
        );
        vm.startPrank(sponsor);
        vm.expectRevert(refusal);
        policyDeployer.deploySigned(deployment, authorization);
        wallet.sign(digest, true);
        policyDeployer.deploySigned(deployment, authorization);
        vm.stopPrank();
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), address(wallet));
    }

    /// An account with a key that also has code (EIP-7702) signs with its key.
    function test_deploySigned_forAnOwnerWithKeyAndCode() public {
        vm.etch(clientOwner, hex"60006000fd");
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 7);
        (, uint256 strangerKey) = makeAddrAndKey("another");
        bytes memory genuine = authorization.signature;
        authorization.signature = _sign(strangerKey, _digest(deployment, sponsor, 7));
        vm.startPrank(sponsor);
        vm.expectRevert(_invalid(clientOwner));
        policyDeployer.deploySigned(deployment, authorization);
        authorization.signature = genuine;
        policyDeployer.deploySigned(deployment, authorization);
        vm.stopPrank();
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), clientOwner);
    }

    function test_deploy_takesWhatIsThere() public {
        PolicyDeployment memory first = _deployment();
        vm.prank(clientOwner);
        policyDeployer.deploy(first);
        vm.roll(1010);
        PolicyDeployment memory again = _deployment();
        again.policyInstance.replaces = _instanceId(first);
        again.dataInstances[0].replaces = _dataInstanceId(first);
        vm.prank(clientOwner);
        policyDeployer.deploy(again);
        assertEq(policies.slotLength(address(client)), 1);
        assertEq(dataRegistry.slotLength(address(client), dataId), 1);

        // New params alone: neither templates nor data slots are named.
        PolicyDeployment memory change;
        change.client = address(client);
        change.policyInstance =
            InstanceSpec(templateId, bytes('{"limit":6}'), 600, _instanceId(first));
        vm.prank(clientOwner);
        (bytes32 id, bytes32[] memory none) = policyDeployer.deploy(change);
        assertEq(none.length, 0);
        assertEq(policies.currentInstance(address(client)), id);
        assertEq(id, _instanceId(change));
    }

    function test_deploy_isAllOrNothing() public {
        PolicyDeployment memory deployment = _deployment();
        deployment.policyInstance.expireAfter = 0;
        vm.prank(clientOwner);
        vm.expectRevert(IArtifactRegistry.ExpireAfterZero.selector);
        policyDeployer.deploy(deployment);
        assertFalse(dataRegistry.isTemplateRegistered(dataId));
        assertFalse(policies.isTemplateRegistered(templateId));
        assertEq(dataRegistry.currentInstance(address(client), dataId), bytes32(0));
    }

    // --- For whom ---

    function test_deploy_failsForStrangers() public {
        bytes memory refusal = abi.encodeWithSelector(
            IArtifactRegistry.NotClientOwner.selector, address(client), stranger
        );
        vm.startPrank(stranger);
        vm.expectRevert(refusal);
        policyDeployer.deploy(_deployment());
        PolicyDeployment memory bare = _deployment();
        bare.dataTemplates = new DataTemplateSpec[](0);
        bare.dataInstances = new InstanceSpec[](0);
        vm.expectRevert(refusal);
        policyDeployer.deploy(bare);
        vm.stopPrank();
    }

    function test_deployAs_onlyByTheDeployer() public {
        PolicyDeployment memory deployment = _deployment();
        address[3] memory callers = [clientOwner, owner, address(client)];
        for (uint256 i = 0; i < callers.length; ++i) {
            bytes memory refusal = abi.encodeWithSelector(
                IArtifactRegistry.NotPolicyDeployer.selector, callers[i]
            );
            vm.startPrank(callers[i]);
            vm.expectRevert(refusal);
            policies.deployAs(clientOwner, address(clients), deployment);
            vm.expectRevert(refusal);
            dataRegistry.deployAs(clientOwner, address(clients), deployment);
            vm.stopPrank();
        }
    }

    /// @dev Listed are the deployer and the sponsor, and neither helps the account.
    function test_gatesAreThoseOfTheAccount() public {
        _closeGates();
        _list(address(policyDeployer), true, true);
        _list(sponsor, true, true);
        PolicyDeployment memory deployment = _deployment();
        bytes memory noAuthor = abi.encodeWithSelector(
            IAllowlistGuard.UnauthorizedTemplateAuthor.selector, clientOwner
        );
        bytes memory noDeployer = abi.encodeWithSelector(
            IAllowlistGuard.UnauthorizedInstanceDeployer.selector, clientOwner
        );
        vm.prank(clientOwner);
        vm.expectRevert(noAuthor);
        policyDeployer.deploy(deployment);
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 1);
        vm.prank(sponsor);
        vm.expectRevert(noAuthor);
        policyDeployer.deploySigned(deployment, authorization);

        _list(clientOwner, true, false);
        vm.prank(sponsor);
        vm.expectRevert(noDeployer);
        policyDeployer.deploySigned(deployment, authorization);

        _list(clientOwner, true, true);
        _list(address(policyDeployer), false, false);
        _list(sponsor, false, false);
        vm.prank(sponsor);
        policyDeployer.deploySigned(deployment, authorization);
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), clientOwner);
    }

    function test_deploy_failsForInactiveClients() public {
        vm.prank(clientOwner);
        clients.deactivateClient(address(client));
        vm.prank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.ClientNotRegistered.selector, address(client))
        );
        policyDeployer.deploy(_deployment());
        PolicyDeployment memory unknown = _deployment();
        unknown.client = stranger;
        DeploymentAuthorization memory authorization = _signed(unknown, sponsor, 1);
        vm.prank(sponsor);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyClientRegistry.ClientNotRegistered.selector, stranger)
        );
        policyDeployer.deploySigned(unknown, authorization);
    }

    // --- Slots ---

    function test_deploy_failsWhereASlotMoved() public {
        PolicyDeployment memory deployment = _deployment();
        vm.prank(clientOwner);
        policyDeployer.deploy(deployment);
        bytes32 data = _dataInstanceId(deployment);
        bytes32 instance = _instanceId(deployment);
        vm.startPrank(clientOwner);
        vm.expectRevert(_slotMoved(dataId, bytes32(0), data));
        policyDeployer.deploy(deployment);
        deployment.dataInstances[0].replaces = data;
        vm.expectRevert(_slotMoved(bytes32(0), bytes32(0), instance));
        policyDeployer.deploy(deployment);
        deployment.policyInstance.replaces = data;
        vm.expectRevert(_slotMoved(bytes32(0), data, instance));
        policyDeployer.deploy(deployment);
        vm.stopPrank();
    }

    function test_deploy_failsWhereADataSlotIsEmpty() public {
        PolicyDeployment memory deployment = _deployment();
        deployment.dataInstances = new InstanceSpec[](0);
        vm.prank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyRegistry.PolicyDataInstanceMissing.selector, dataId)
        );
        policyDeployer.deploy(deployment);
        // Not registered at all is as good as empty.
        deployment.dataTemplates = new DataTemplateSpec[](0);
        vm.prank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyRegistry.PolicyDataInstanceMissing.selector, dataId)
        );
        policyDeployer.deploy(deployment);
    }

    function test_deploy_failsWhereATemplateIsMissing() public {
        PolicyDeployment memory deployment = _deployment();
        deployment.policyTemplates = new PolicyTemplateSpec[](0);
        vm.prank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, templateId)
        );
        policyDeployer.deploy(deployment);
        deployment = _deployment();
        deployment.dataTemplates = new DataTemplateSpec[](0);
        vm.prank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.TemplateNotRegistered.selector, dataId)
        );
        policyDeployer.deploy(deployment);
    }

    /// A deployment of two data plugins in any order; with only one of them named, the registry asks
    /// for the slot of the other.
    function test_deploy_dataInstancesInAnyOrder() public {
        PolicyDeployment memory deployment = _deployment();
        bytes32[] memory refs = new bytes32[](2);
        deployment.dataTemplates = new DataTemplateSpec[](2);
        deployment.dataInstances = new InstanceSpec[](2);
        for (uint256 i; i < 2; ++i) {
            bytes32 wasm = keccak256(abi.encode("wasm", i));
            refs[i] = ArtifactIds.policyDataTemplateId(wasm, hashOf("schema"), ABSENT);
            deployment.dataTemplates[i] =
                DataTemplateSpec(wasm, hashOf("schema"), ABSENT, noDataLocators);
        }
        if (refs[0] > refs[1]) (refs[0], refs[1]) = (refs[1], refs[0]);
        deployment.dataInstances[0] = InstanceSpec(refs[1], "", 300, bytes32(0));
        deployment.dataInstances[1] = InstanceSpec(refs[0], "", 300, bytes32(0));
        deployment.policyTemplates[0].refs = refs;
        deployment.policyInstance.templateId =
            ArtifactIds.policyTemplateId(hashOf("rego"), hashOf("params"), refs);
        PolicyDeployment memory partly = deployment;
        InstanceSpec[] memory both = deployment.dataInstances;
        partly.dataInstances = new InstanceSpec[](1);
        partly.dataInstances[0] = both[1];
        vm.startPrank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyRegistry.PolicyDataInstanceMissing.selector, refs[1])
        );
        policyDeployer.deploy(partly);
        deployment.dataInstances = both;
        (bytes32 id,) = policyDeployer.deploy(deployment);
        vm.stopPrank();
        assertEq(policies.currentInstance(address(client)), id);
    }

    // --- Encodings ---

    /// @dev Where the deployment's list of data instances is, from the deployment's first byte on.
    function _withList(bytes memory data, uint256 head, uint256 offset)
        private
        pure
        returns (bytes memory)
    {
        assembly ("memory-safe") {
            // The selector, the two or one heads, the client, the list of data templates.
            mstore(add(add(data, 0x24), add(head, 0x40)), offset)
        }
        return data;
    }

    function _calls(address caller, bytes memory data, bytes memory reason) private {
        vm.prank(caller);
        (bool ok, bytes memory returned) = address(policyDeployer).call(data);
        assertFalse(ok);
        assertEq(keccak256(returned), keccak256(reason));
    }

    /// A list that lies before the deployment is another one for the registries than for the deployer.
    function test_deploy_failsForListsOutside() public {
        PolicyDeployment memory deployment = _deployment();
        bytes memory reason = abi.encodeWithSelector(IPolicyDeployer.MalformedDeployment.selector);
        bytes memory data = abi.encodeCall(IPolicyDeployer.deploy, (deployment));
        uint256 length = data.length - 0x24;
        // Read as a list without elements, it would have the data registry left out.
        _calls(clientOwner, _withList(data, 0x20, type(uint256).max - 0x1f), reason);
        _calls(clientOwner, _withList(data, 0x20, length), reason);
        // The list of data templates, which is named one word before.
        data = abi.encodeCall(IPolicyDeployer.deploy, (deployment));
        _calls(clientOwner, _withList(data, 0, type(uint256).max - 0x1f), reason);
        assertEq(dataRegistry.currentInstance(address(client), dataId), bytes32(0));
    }

    /// What the owner signed has one encoding: with the same content in another one, the signature is
    /// over something else.
    function test_deploySigned_failsForAnotherEncoding() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 7);
        bytes memory data = abi.encodeCall(
            IPolicyDeployer.deploySigned, (deployment, authorization)
        );
        // A word between the two arguments.
        uint256 at = uint256(_wordOf(data, 0x20));
        bytes memory head = _slice(data, 0, 0x04 + at);
        bytes memory tail = _slice(data, 0x04 + at, data.length);
        bytes memory moved = abi.encodePacked(head, bytes32(0), tail);
        assembly ("memory-safe") {
            mstore(add(moved, 0x44), add(at, 0x20))
        }
        _calls(sponsor, moved, _invalid(clientOwner));
        // The authorization first, the deployment behind it.
        moved = abi.encodePacked(
            _slice(data, 0, 4),
            uint256(0x40) + tail.length,
            uint256(0x40),
            tail,
            _slice(data, 0x44, 0x04 + at)
        );
        _calls(sponsor, moved, _invalid(clientOwner));
        vm.prank(sponsor);
        (bool ok,) = address(policyDeployer).call(data);
        assertTrue(ok);
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), clientOwner);
    }

    function _wordOf(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x24), offset))
        }
    }

    function _slice(bytes memory data, uint256 from, uint256 to)
        private
        pure
        returns (bytes memory part)
    {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) {
            part[i - from] = data[i];
        }
    }

    // --- Signatures ---

    function test_deploySigned_onlyOnce() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 300);
        vm.startPrank(sponsor);
        policyDeployer.deploySigned(deployment, authorization);
        vm.expectRevert(_nonceUsed(300));
        policyDeployer.deploySigned(deployment, authorization);
        vm.stopPrank();
        assertFalse(policyDeployer.isNonceUsed(clientOwner, 44));
        assertFalse(policyDeployer.isNonceUsed(sponsor, 300));
    }

    function test_deploySigned_failsWhenCancelled() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 5);
        // Somebody else's cancellation is about somebody else's nonce.
        vm.prank(stranger);
        policyDeployer.cancel(5);
        assertFalse(policyDeployer.isNonceUsed(clientOwner, 5));
        vm.startPrank(clientOwner);
        vm.expectEmit(address(policyDeployer));
        emit IPolicyDeployer.DeploymentCancelled(clientOwner, 5);
        policyDeployer.cancel(5);
        vm.expectRevert(_nonceUsed(5));
        policyDeployer.cancel(5);
        vm.stopPrank();
        vm.prank(sponsor);
        vm.expectRevert(_nonceUsed(5));
        policyDeployer.deploySigned(deployment, authorization);
    }

    function test_deploySigned_failsAfterItsDeadline() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 1);
        vm.warp(DEADLINE + 1);
        vm.prank(sponsor);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyDeployer.DeploymentExpired.selector, DEADLINE)
        );
        policyDeployer.deploySigned(deployment, authorization);
    }

    function test_deploySigned_failsForAnotherSponsor() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 1);
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyDeployer.NotSponsor.selector, sponsor, stranger)
        );
        policyDeployer.deploySigned(deployment, authorization);
        // Whoever names himself breaks the signature.
        authorization.sponsor = stranger;
        vm.prank(stranger);
        vm.expectRevert(_invalid(clientOwner));
        policyDeployer.deploySigned(deployment, authorization);
    }

    function test_deploySigned_onlyByTheOwnerOfNow() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, sponsor, 1);
        (address next, uint256 nextKey) = makeAddrAndKey("next owner");
        vm.prank(clientOwner);
        clients.setClientOwner(address(client), next);
        vm.prank(sponsor);
        vm.expectRevert(_invalid(next));
        policyDeployer.deploySigned(deployment, authorization);
        authorization.signature = _sign(nextKey, _digest(deployment, sponsor, 1));
        vm.prank(sponsor);
        policyDeployer.deploySigned(deployment, authorization);
        _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), next);
    }

    function test_deploySigned_failsOnAnotherChainAndDeployer() public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, address(0), 1);
        PolicyDeployer other = PolicyDeployer(
            fromArtifact(
                "PolicyDeployer", abi.encode(clients, address(dataRegistry), address(policies))
            )
        );
        vm.expectRevert(_invalid(clientOwner));
        other.deploySigned(deployment, authorization);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(_invalid(clientOwner));
        policyDeployer.deploySigned(deployment, authorization);
    }

    /// @dev A deployer with the right names that the registries do not name is refused by them.
    function test_otherDeployersAreRefused() public {
        PolicyDeployer other = PolicyDeployer(
            fromArtifact(
                "PolicyDeployer", abi.encode(clients, address(dataRegistry), address(policies))
            )
        );
        vm.prank(clientOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.NotPolicyDeployer.selector, address(other))
        );
        other.deploy(_deployment());
    }

    function testFuzz_deploySigned_bindsEverything(uint256 what, bytes32 salt) public {
        PolicyDeployment memory deployment = _deployment();
        DeploymentAuthorization memory authorization = _signed(deployment, address(0), 9);
        what = bound(what, 0, 13);
        if (what == 0) deployment.dataTemplates[0].wasmHash ^= _one(salt);
        if (what == 1) deployment.dataTemplates[0].paramsSchemaHash ^= _one(salt);
        if (what == 2) deployment.dataTemplates[0].secretsSchemaHash ^= _one(salt);
        if (what == 3) deployment.dataTemplates[0].locators[1] = abi.encode(salt);
        if (what == 4) deployment.dataInstances[0].params = abi.encode(salt);
        if (what == 5) deployment.dataInstances[0].expireAfter ^= 1;
        if (what == 6) deployment.policyTemplates[0].regoHash ^= _one(salt);
        if (what == 7) deployment.policyTemplates[0].refs[0] ^= _one(salt);
        if (what == 8) deployment.policyTemplates[0].locators[0] = abi.encode(salt);
        if (what == 9) deployment.policyInstance.params = abi.encode(salt);
        if (what == 10) deployment.policyInstance.replaces ^= _one(salt);
        if (what == 11) deployment.policyInstance.templateId ^= _one(salt);
        if (what == 12) authorization.nonce = uint256(salt) == 9 ? 10 : uint256(salt);
        if (what == 13) authorization.deadline += 1 + uint256(salt) % 1000;
        vm.expectRevert(_invalid(clientOwner));
        policyDeployer.deploySigned(deployment, authorization);
    }

    /// Whatever words a stranger changes: a slot moves as its owner signed, or not at all.
    function testFuzz_noOtherBytesMoveASlot(
        bool signed,
        uint256[2] memory at,
        uint256[2] memory value,
        uint256[2] memory form
    ) public {
        PolicyDeployment memory deployment = _deployment();
        bytes memory data = signed
            ? abi.encodeCall(
                IPolicyDeployer.deploySigned, (deployment, _signed(deployment, address(0), 7))
            )
            : abi.encodeCall(IPolicyDeployer.deploy, (deployment));
        for (uint256 i; i < 2; ++i) {
            OtherBytes.change(data, at[i], value[i], form[i]);
        }
        vm.prank(stranger);
        (bool ok,) = address(policyDeployer).call(data);
        if (signed && ok) {
            _assertDeployed(_instanceId(deployment), _dataInstanceId(deployment), clientOwner);
            return;
        }
        assertEq(policies.currentInstance(address(client)), bytes32(0));
        assertEq(dataRegistry.currentInstance(address(client), dataId), bytes32(0));
    }

    function testFuzz_noncesAreUnordered(uint256[6] memory nonces) public {
        for (uint256 i = 0; i < nonces.length; ++i) {
            bool used;
            for (uint256 j = 0; j < i; ++j) {
                used = used || nonces[j] == nonces[i];
            }
            assertEq(policyDeployer.isNonceUsed(clientOwner, nonces[i]), used);
            if (used) continue;
            vm.prank(clientOwner);
            policyDeployer.cancel(nonces[i]);
        }
    }

    function testFuzz_digestIsEip712(uint256 nonce, uint256 deadline, address anySponsor)
        public
        view
    {
        PolicyDeployment memory deployment = _deployment();
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                hashOf("NewtonPolicyDeployer"),
                hashOf("1"),
                block.chainid,
                address(policyDeployer)
            )
        );
        bytes32 content = keccak256(abi.encode(deployment));
        bytes32 struct_ = keccak256(
            abi.encode(DEPLOY_TYPEHASH, deployment.client, content, anySponsor, nonce, deadline)
        );
        assertEq(policyDeployer.contentHash(deployment), content);
        assertEq(
            policyDeployer.deploymentDigest(deployment, anySponsor, nonce, deadline),
            keccak256(abi.encodePacked(hex"1901", domain, struct_))
        );
    }

    // --- Wiring ---

    function test_initialize_failsForForeignDeployers() public {
        RegistryConfig memory config = _config();
        address implementation = fromArtifact("PolicyDataRegistry");
        address policyImplementation = fromArtifact("PolicyRegistry");
        bytes memory foreign = abi.encodeWithSelector(
            IArtifactRegistry.ForeignDeployer.selector, config.policyDeployer
        );
        vm.expectRevert(foreign);
        proxy(implementation, abi.encodeCall(PolicyDataRegistry.initialize, (config)));
        vm.expectRevert(foreign);
        proxy(
            policyImplementation,
            abi.encodeCall(PolicyRegistry.initialize, (config, address(dataRegistry)))
        );
        config.clientRegistry = address(enclaves);
        vm.expectRevert(foreign);
        proxy(implementation, abi.encodeCall(PolicyDataRegistry.initialize, (config)));
        config.policyDeployer = stranger;
        _noCode(stranger);
        proxy(implementation, abi.encodeCall(PolicyDataRegistry.initialize, (config)));
        config = _config();
        config.clientRegistry = stranger;
        _noCode(stranger);
        proxy(implementation, abi.encodeCall(PolicyDataRegistry.initialize, (config)));
        config = _config();
        _noCode(stranger);
        proxy(
            policyImplementation, abi.encodeCall(PolicyRegistry.initialize, (config, stranger))
        );
    }

    function _noCode(address account) private {
        vm.expectRevert(abi.encodeWithSignature("NoContractCode(address)", account));
    }

    /// A row whose account is taken is no row: nothing is taken for written that is not there.
    function test_rowThatCannotBeWritten() public {
        bytes32 id = ArtifactIds.policyDataTemplateId(hashOf("taken"), ABSENT, ABSENT);
        bytes32 key = keccak256(abi.encode(uint256(1), id));
        bytes32 code = 0x5f841d6b90a23c180e1a0481a42c92ed6dcc93572329d82364192fd7b655c52d;
        bytes32 hash =
            keccak256(abi.encodePacked(bytes1(0xff), address(dataRegistry), key, code));
        vm.setNonce(address(uint160(uint256(hash))), 1);
        vm.expectRevert(abi.encodeWithSelector(IArtifactRegistry.RowNotStored.selector, id));
        dataRegistry.registerTemplate{gas: 3_000_000}(
            hashOf("taken"), ABSENT, ABSENT, noDataLocators
        );
        assertFalse(dataRegistry.isTemplateRegistered(id));
    }

    function test_theDeployerNeverChanges() public {
        assertEq(policies.policyDeployer(), address(policyDeployer));
        assertEq(dataRegistry.policyDeployer(), address(policyDeployer));
        assertEq(policyDeployer.policyRegistry(), address(policies));
        assertEq(policyDeployer.policyDataRegistry(), address(dataRegistry));
        assertEq(policyDeployer.clientRegistry(), address(clients));
        // The low bits of the first word of the registries' shared namespace.
        bytes32 slot =
            bytes32(0x1c80d528806184b9786dde76be265ed7f929466100f75f579032079f75ec2900);
        uint256 word = uint256(vm.load(address(policies), slot));
        assertEq(address(uint160(word)), address(policyDeployer));
        bytes32 before = policies.writeOnceDigest();
        word = word >> 160 << 160 | uint160(stranger);
        vm.store(address(policies), slot, bytes32(word));
        assertNotEq(policies.writeOnceDigest(), before);
    }

    // --- Helpers ---

    function _deployment() private view returns (PolicyDeployment memory deployment) {
        deployment.client = address(client);
        deployment.dataTemplates = new DataTemplateSpec[](1);
        deployment.dataTemplates[0] = DataTemplateSpec(
            hashOf("wasm"), hashOf("schema"), ABSENT, [bytes(hex"0502"), "", ""]
        );
        deployment.dataInstances = new InstanceSpec[](1);
        deployment.dataInstances[0] = InstanceSpec(dataId, bytes('{"feed":"x"}'), 300, bytes32(0));
        deployment.policyTemplates = new PolicyTemplateSpec[](1);
        bytes32[] memory refs = new bytes32[](1);
        refs[0] = dataId;
        deployment.policyTemplates[0] = PolicyTemplateSpec(
            hashOf("rego"), hashOf("params"), refs, [bytes(hex"0501"), ""]
        );
        deployment.policyInstance =
            InstanceSpec(templateId, bytes('{"limit":5}'), 600, bytes32(0));
    }

    function _instanceId(PolicyDeployment memory deployment) private view returns (bytes32) {
        InstanceSpec memory spec = deployment.policyInstance;
        return ArtifactIds.policyInstanceId(
            block.chainid,
            deployment.client,
            spec.templateId,
            ArtifactIds.paramsHash(spec.expireAfter, spec.params)
        );
    }

    function _dataInstanceId(PolicyDeployment memory deployment) private view returns (bytes32) {
        InstanceSpec memory spec = deployment.dataInstances[0];
        return ArtifactIds.policyDataInstanceId(
            block.chainid,
            deployment.client,
            spec.templateId,
            ArtifactIds.paramsHash(spec.expireAfter, spec.params)
        );
    }

    function _assertDeployed(bytes32 instance, bytes32 data, address account) private view {
        assertEq(policies.currentInstance(address(client)), instance);
        assertEq(dataRegistry.currentInstance(address(client), dataId), data);
        assertEq(policies.getTemplate(templateId).author, account);
        assertEq(dataRegistry.getTemplate(dataId).author, account);
        assertEq(policies.getInstance(instance).client, address(client));
        assertEq(policies.getInstance(instance).deployedAt, 1001);
        assertEq(policies.getParams(instance), bytes('{"limit":5}'));
        assertEq(dataRegistry.getParams(data), bytes('{"feed":"x"}'));
        assertEq(dataRegistry.getInstance(data).templateId, dataId);
    }

    function _digest(PolicyDeployment memory deployment, address anySponsor, uint256 nonce)
        private
        view
        returns (bytes32)
    {
        return policyDeployer.deploymentDigest(deployment, anySponsor, nonce, DEADLINE);
    }

    function _signed(PolicyDeployment memory deployment, address anySponsor, uint256 nonce)
        private
        view
        returns (DeploymentAuthorization memory)
    {
        bytes memory signature = _sign(ownerKey, _digest(deployment, anySponsor, nonce));
        return DeploymentAuthorization(anySponsor, nonce, DEADLINE, signature);
    }

    function _sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _one(bytes32 salt) private pure returns (bytes32) {
        return salt == bytes32(0) ? bytes32(uint256(1)) : salt;
    }

    function _slotMoved(bytes32 slot, bytes32 expected, bytes32 found)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeWithSelector(
            IArtifactRegistry.SlotMoved.selector, address(client), slot, expected, found
        );
    }

    function _nonceUsed(uint256 nonce) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IPolicyDeployer.DeploymentNonceUsed.selector, clientOwner, nonce
        );
    }

    function _invalid(address signer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IPolicyDeployer.InvalidDeploymentSignature.selector, signer
        );
    }

    function _closeGates() private {
        vm.startPrank(owner);
        policies.setTemplateRegistrationPermissionless(false);
        policies.setInstanceDeploymentPermissionless(false);
        dataRegistry.setTemplateRegistrationPermissionless(false);
        dataRegistry.setInstanceDeploymentPermissionless(false);
        vm.stopPrank();
    }

    function _list(address account, bool author, bool deployer) private {
        vm.startPrank(owner);
        policies.setTemplateAuthor(account, author);
        policies.setInstanceDeployer(account, deployer);
        dataRegistry.setTemplateAuthor(account, author);
        dataRegistry.setInstanceDeployer(account, deployer);
        vm.stopPrank();
    }
}
