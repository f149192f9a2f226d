// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IPolicyDataRegistry} from "../../src/interfaces/IPolicyDataRegistry.sol";
import {IPolicyRegistry} from "../../src/interfaces/IPolicyRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {PolicyDataRegistry} from "../../src/registries/PolicyDataRegistry.sol";
import {PolicyRegistry} from "../../src/registries/PolicyRegistry.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";
import {Test} from "../base/Test.sol";

/// @notice Makes random use of the registries, by owners and by strangers, and keeps a shadow of
/// what should be there.
contract RegistryHandler is Test {
    PolicyRegistry public immutable policies;
    PolicyDataRegistry public immutable data;
    address[2] public clients;
    address[2] public owners;

    bytes32[] public dataTemplates;
    bytes32[] public templates;
    bytes32[] public dataInstances;
    bytes32[] public instances;

    struct Move {
        uint256 blockNumber;
        bytes32 id;
    }

    mapping(address client => Move[]) public policyMoves;
    mapping(address client => mapping(bytes32 template => Move[])) public dataMoves;
    uint256 public foreignMoves;

    bytes[2] private none;
    bytes[3] private noneData;

    constructor(
        PolicyRegistry policies_,
        PolicyDataRegistry data_,
        address[2] memory clients_,
        address[2] memory owners_
    ) {
        policies = policies_;
        data = data_;
        clients = clients_;
        owners = owners_;
    }

    function counts() external view returns (uint256, uint256, uint256, uint256) {
        return (dataTemplates.length, templates.length, dataInstances.length, instances.length);
    }

    function policyMoveCount(address client) external view returns (uint256) {
        return policyMoves[client].length;
    }

    function dataMoveCount(address client, bytes32 template) external view returns (uint256) {
        return dataMoves[client][template].length;
    }

    function advance(uint8 blocks) external {
        vm.roll(vm.getBlockNumber() + bound(blocks, 1, 5));
    }

    function registerData(bytes32 wasm, bool schema) external {
        try data.registerTemplate(
            wasm, schema ? keccak256("s") : _absent(), _absent(), noneData
        ) returns (
            bytes32 id
        ) {
            dataTemplates.push(id);
        } catch {}
    }

    function registerPolicy(bytes32 rego, uint256 first, uint256 second) external {
        uint256 count = dataTemplates.length;
        bytes32[] memory refs = new bytes32[](count == 0 ? 0 : (first % 3));
        for (uint256 i = 0; i < refs.length; ++i) {
            refs[i] = dataTemplates[(i == 0 ? first : second) % count];
        }
        try policies.registerTemplate(rego, keccak256("p"), refs, none) returns (bytes32 id) {
            templates.push(id);
        } catch {}
    }

    function deployData(uint256 template, uint256 client, uint64 expire, bytes memory params)
        external
    {
        if (dataTemplates.length == 0) return;
        bytes32 id = dataTemplates[template % dataTemplates.length];
        try data.deployInstance(id, clients[client % 2], params, expire % 100) returns (
            bytes32 made
        ) {
            dataInstances.push(made);
        } catch {}
    }

    function deployPolicy(uint256 template, uint256 client, uint64 expire, bytes memory params)
        external
    {
        if (templates.length == 0) return;
        bytes32 id = templates[template % templates.length];
        try policies.deployInstance(id, clients[client % 2], params, expire % 100) returns (
            bytes32 made
        ) {
            instances.push(made);
        } catch {}
    }

    function moveData(uint256 client, uint256 instance, uint256 sender) external {
        if (dataInstances.length == 0) return;
        bytes32 id = dataInstances[instance % dataInstances.length];
        bytes32 template = data.getInstance(id).templateId;
        address target = clients[client % 2];
        address from = _sender(sender);
        vm.prank(from);
        try data.setCurrentInstance(target, template, id) {
            if (from != owners[client % 2] && from != target) ++foreignMoves;
            dataMoves[target][template].push(Move(vm.getBlockNumber(), id));
        } catch {}
    }

    function movePolicy(uint256 client, uint256 instance, uint256 sender) external {
        if (instances.length == 0) return;
        bytes32 id = instances[instance % instances.length];
        address target = clients[client % 2];
        address from = _sender(sender);
        vm.prank(from);
        try policies.setCurrentInstance(target, id) {
            if (from != owners[client % 2] && from != target) ++foreignMoves;
            policyMoves[target].push(Move(vm.getBlockNumber(), id));
        } catch {}
    }

    function _sender(uint256 seed) private view returns (address) {
        if (seed % 5 < 2) return owners[seed % 2];
        if (seed % 5 < 4) return clients[seed % 2];
        return address(uint160(seed | 1));
    }

    function _absent() private pure returns (bytes32) {
        return 0x385ae9fc2190731ea0b29b2ad75e99f8f0807e267007eac2363c400f7ac7902f;
    }
}

contract RegistriesInvariantTest is RegistryDeployers {
    RegistryHandler private handler;

    function setUp() public {
        vm.roll(100);
        deployRegistries(BlockKind.Native, true);
        address otherOwner = makeAddr("other owner");
        address[2] memory clientList =
            [address(registerClient(clientOwner)), address(registerClient(otherOwner))];
        handler = new RegistryHandler(policies, dataRegistry, clientList, [clientOwner, otherOwner]);
        // A start, so that random moves find something.
        handler.registerData(hashOf("w1"), true);
        handler.registerData(hashOf("w2"), true);
        handler.registerPolicy(hashOf("r1"), 0, 0);
        handler.registerPolicy(hashOf("r2"), 1, 0);
        for (uint64 i = 1; i < 5; ++i) {
            handler.deployData(i, i, i, "");
            handler.deployPolicy(i, i / 2, i, "");
        }
        targetContract(address(handler));
    }

    /// @dev Every id is what its row hashes to; refs are sorted.
    function invariant_idsRecompute() public view {
        (uint256 a, uint256 b, uint256 c, uint256 d) = handler.counts();
        for (uint256 i = 0; i < a; ++i) {
            bytes32 id = handler.dataTemplates(i);
            IPolicyDataRegistry.PolicyDataTemplate memory row = dataRegistry.getTemplate(id);
            assertEq(
                id,
                keccak256(
                    abi.encodePacked(
                        hex"01", row.wasmHash, row.paramsSchemaHash, row.secretsSchemaHash
                    )
                )
            );
        }
        for (uint256 i = 0; i < b; ++i) {
            bytes32 id = handler.templates(i);
            IPolicyRegistry.PolicyTemplate memory row = policies.getTemplate(id);
            bytes32[] memory refs = row.policyDataTemplateRefs;
            assertEq(
                id,
                keccak256(
                    abi.encodePacked(
                        row.regoHash, row.paramsSchemaHash, keccak256(abi.encodePacked(refs))
                    )
                )
            );
            for (uint256 j = 1; j < refs.length; ++j) {
                assertGt(uint256(refs[j]), uint256(refs[j - 1]), "refs are sorted");
            }
        }
        for (uint256 i = 0; i < c; ++i) {
            bytes32 id = handler.dataInstances(i);
            IPolicyDataRegistry.PolicyDataInstance memory row = dataRegistry.getInstance(id);
            assertEq(
                id,
                dataRegistry.computeInstanceId(
                    row.templateId, row.client, dataRegistry.getParams(id), row.expireAfter
                )
            );
            assertGt(row.expireAfter, 0, "expireAfter");
        }
        for (uint256 i = 0; i < d; ++i) {
            bytes32 id = handler.instances(i);
            IPolicyRegistry.PolicyInstance memory row = policies.getInstance(id);
            assertEq(
                id,
                policies.computeInstanceId(
                    row.templateId, row.client, policies.getParams(id), row.expireAfter
                )
            );
        }
    }

    /// @dev No id made from a row of one kind is a row of the other.
    function invariant_noRowPassesForTheOtherKind() public view {
        (uint256 a, uint256 b, uint256 c, uint256 d) = handler.counts();
        for (uint256 i = 0; i < a; ++i) {
            bytes32[4] memory ids = _disguises(handler.dataTemplates(i));
            for (uint256 k = 0; k < 4; ++k) {
                assertFalse(dataRegistry.isInstanceDeployed(ids[k]), "data template");
            }
        }
        for (uint256 i = 0; i < b; ++i) {
            bytes32[4] memory ids = _disguises(handler.templates(i));
            for (uint256 k = 0; k < 4; ++k) {
                assertFalse(policies.isInstanceDeployed(ids[k]), "policy template");
            }
        }
        for (uint256 i = 0; i < c; ++i) {
            bytes32[4] memory ids = _disguises(handler.dataInstances(i));
            for (uint256 k = 0; k < 4; ++k) {
                assertFalse(dataRegistry.isTemplateRegistered(ids[k]), "data instance");
            }
        }
        for (uint256 i = 0; i < d; ++i) {
            bytes32[4] memory ids = _disguises(handler.instances(i));
            for (uint256 k = 0; k < 4; ++k) {
                assertFalse(policies.isTemplateRegistered(ids[k]), "policy instance");
            }
        }
    }

    /// @dev An id, its complement, and the keys under which rows of either kind lie.
    function _disguises(bytes32 id) private pure returns (bytes32[4] memory) {
        return
            [id, ~id, keccak256(abi.encode(uint256(1), id)), keccak256(abi.encode(uint256(2), id))];
    }

    /// @dev Slots only move by a client's owner or the client itself.
    function invariant_onlyOwnersMove() public view {
        assertEq(handler.foreignMoves(), 0);
    }

    /// @dev The policy slot at any past block equals the shadow log; checkpoints only go up.
    function invariant_policySlotEqualsShadow() public view {
        for (uint256 c = 0; c < 2; ++c) {
            address target = handler.clients(c);
            uint256 count = handler.policyMoveCount(target);
            uint256 last;
            for (uint256 i = 0; i < policies.slotLength(target); ++i) {
                (uint64 at,) = policies.slotAt(target, i);
                assertGt(at, last, "checkpoints are monotonic");
                last = at;
            }
            uint256 current = vm.getBlockNumber();
            for (uint256 b = current > 40 ? current - 40 : 0; b < current; ++b) {
                bytes32 expected;
                for (uint256 i = 0; i < count; ++i) {
                    (uint256 at, bytes32 id) = handler.policyMoves(target, i);
                    if (at <= b) expected = id;
                }
                assertEq(policies.currentInstanceAt(target, b), expected);
            }
        }
    }

    /// @dev The same for data slots.
    function invariant_dataSlotEqualsShadow() public view {
        (uint256 templates,,,) = handler.counts();
        uint256 current = vm.getBlockNumber();
        for (uint256 c = 0; c < 2; ++c) {
            address target = handler.clients(c);
            for (uint256 t = 0; t < templates; ++t) {
                bytes32 template = handler.dataTemplates(t);
                uint256 count = handler.dataMoveCount(target, template);
                for (uint256 b = current > 10 ? current - 10 : 0; b < current; ++b) {
                    bytes32 expected;
                    for (uint256 i = 0; i < count; ++i) {
                        (uint256 at, bytes32 id) = handler.dataMoves(target, template, i);
                        if (at <= b) expected = id;
                    }
                    assertEq(dataRegistry.currentInstanceAt(target, template, b), expected);
                }
            }
        }
    }

    /// @dev A policy that is current has all its data slots filled.
    function invariant_currentPoliciesAreComplete() public view {
        for (uint256 c = 0; c < 2; ++c) {
            address target = handler.clients(c);
            bytes32 id = policies.currentInstance(target);
            if (id == bytes32(0)) continue;
            IPolicyRegistry.PolicyInstance memory row = policies.getInstance(id);
            assertEq(row.client, target);
            bytes32[] memory refs = policies.getTemplate(row.templateId).policyDataTemplateRefs;
            for (uint256 i = 0; i < refs.length; ++i) {
                bytes32 dataId = dataRegistry.currentInstance(target, refs[i]);
                assertEq(dataRegistry.getInstance(dataId).templateId, refs[i]);
            }
        }
    }
}
