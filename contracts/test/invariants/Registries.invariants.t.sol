// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    IPolicyDeployer,
    InstanceSpec,
    PolicyDeployment
} from "../../src/interfaces/IPolicyDeployer.sol";
import {IPolicyDataRegistry} from "../../src/interfaces/IPolicyDataRegistry.sol";
import {IPolicyRegistry} from "../../src/interfaces/IPolicyRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {PolicyDataRegistry} from "../../src/registries/PolicyDataRegistry.sol";
import {PolicyRegistry} from "../../src/registries/PolicyRegistry.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";
import {Test} from "../base/Test.sol";
import {Vm} from "../base/Vm.sol";

/// @notice Makes random use of the registries, by owners and by strangers, through open and closed
/// gates, with ids of the right kind and of every other, and keeps a shadow of what should be there:
/// what it made itself, and what the logs alone say.
contract RegistryHandler is Test {
    uint64 private constant MAX_EXPIRE = 1000;

    PolicyRegistry public immutable policies;
    PolicyDataRegistry public immutable data;
    address private immutable deployer;
    address private immutable admin;
    address[2] public clients;
    address[2] public owners;
    address[3] public authors;

    bytes32[] public dataTemplates;
    bytes32[] public templates;
    bytes32[] public dataInstances;
    bytes32[] public instances;

    /// @dev Hashes of rows, by registry and id, rebuilt from logs.
    mapping(address registry => mapping(bytes32 id => bytes32)) public logged;
    mapping(address registry => uint256) public loggedCount;
    /// @dev The current slots, rebuilt from logs.
    mapping(address client => bytes32) public loggedPolicySlot;
    mapping(address client => mapping(bytes32 template => bytes32)) public loggedDataSlot;

    struct Move {
        uint256 blockNumber;
        bytes32 id;
    }

    mapping(address client => Move[]) public policyMoves;
    mapping(address client => mapping(bytes32 template => Move[])) public dataMoves;

    mapping(address registry => mapping(address account => bool[2])) private listed;
    mapping(address registry => bool[2]) private open;

    /// @dev What must never happen, counted.
    uint256 public foreignMoves;
    uint256 public gateBreaches;
    uint256 public phantoms;
    /// @dev Deployments that passed, so that the rest means something.
    uint256 public wholes;

    bytes[2] private none;
    bytes[3] private noneData;

    constructor(
        PolicyRegistry policies_,
        PolicyDataRegistry data_,
        address admin_,
        address[2] memory clients_,
        address[2] memory owners_
    ) {
        policies = policies_;
        data = data_;
        deployer = policies_.policyDeployer();
        admin = admin_;
        clients = clients_;
        owners = owners_;
        authors = [address(0xa1), address(0xa2), owners_[0]];
        open[address(policies_)] = [true, true];
        open[address(data_)] = [true, true];
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

    // --- The chain and its gates ---

    function advance(uint8 blocks) external {
        vm.roll(vm.getBlockNumber() + bound(blocks, 1, 5));
    }

    /// @dev Mostly opens them again: closed gates leave little to see.
    function setGate(uint8 which, uint8 state) external {
        bool isOpen = state % 4 != 0;
        address registry = which % 2 == 0 ? address(policies) : address(data);
        uint256 gate = which / 2 % 2;
        vm.prank(admin);
        if (gate == 0) PolicyRegistry(registry).setTemplateRegistrationPermissionless(isOpen);
        else PolicyRegistry(registry).setInstanceDeploymentPermissionless(isOpen);
        open[registry][gate] = isOpen;
    }

    function setListed(uint8 which, uint256 author, bool allowed) external {
        address registry = which % 2 == 0 ? address(policies) : address(data);
        address account = authors[author % 3];
        uint256 gate = which / 2 % 2;
        vm.prank(admin);
        if (gate == 0) PolicyRegistry(registry).setTemplateAuthor(account, allowed);
        else PolicyRegistry(registry).setInstanceDeployer(account, allowed);
        listed[registry][account][gate] = allowed;
    }

    // --- Rows ---

    function registerData(bytes32 wasm, bool schema, uint256 author) external {
        address from = authors[author % 3];
        vm.recordLogs();
        vm.prank(from);
        try data.registerTemplate(
            wasm, schema ? keccak256("s") : _absent(), _absent(), noneData
        ) returns (
            bytes32 id
        ) {
            _passed(address(data), from, 0);
            dataTemplates.push(id);
        } catch {}
        _index();
    }

    function registerPolicy(bytes32 rego, uint256 first, uint256 second, uint256 author)
        external
    {
        bytes32[] memory refs = new bytes32[](first % 3);
        for (uint256 i = 0; i < refs.length; ++i) {
            refs[i] = _anyId(i == 0 ? first : second);
        }
        address from = authors[author % 3];
        vm.recordLogs();
        vm.prank(from);
        try policies.registerTemplate(rego, keccak256("p"), refs, none) returns (bytes32 id) {
            _passed(address(policies), from, 0);
            templates.push(id);
        } catch {}
        _index();
    }

    function deployData(
        uint256 template,
        uint256 client,
        uint64 expire,
        bytes memory params,
        uint256 author
    ) external {
        bytes32 id = _anyId(template);
        address from = authors[author % 3];
        vm.recordLogs();
        vm.prank(from);
        try data.deployInstance(id, clients[client % 2], params, _expire(expire)) returns (
            bytes32 made
        ) {
            _passed(address(data), from, 1);
            if (!_isIn(dataTemplates, id)) ++phantoms;
            dataInstances.push(made);
        } catch {}
        _index();
    }

    function deployPolicy(
        uint256 template,
        uint256 client,
        uint64 expire,
        bytes memory params,
        uint256 author
    ) external {
        bytes32 id = _anyId(template);
        address from = authors[author % 3];
        vm.recordLogs();
        vm.prank(from);
        try policies.deployInstance(id, clients[client % 2], params, _expire(expire)) returns (
            bytes32 made
        ) {
            _passed(address(policies), from, 1);
            if (!_isIn(templates, id)) ++phantoms;
            instances.push(made);
        } catch {}
        _index();
    }

    // --- Slots ---

    function moveData(uint256 client, uint256 instance, uint256 template, uint256 sender) external {
        bytes32 id = _anyId(instance);
        bytes32 slot = template % 4 == 0 ? _anyId(template) : _templateOf(id, template);
        address target = clients[client % 2];
        address from = _sender(sender);
        vm.recordLogs();
        vm.prank(from);
        try data.setCurrentInstance(target, slot, id) {
            if (from != owners[client % 2] && from != target) ++foreignMoves;
            if (!_isIn(dataInstances, id) || !_isIn(dataTemplates, slot)) ++phantoms;
            dataMoves[target][slot].push(Move(vm.getBlockNumber(), id));
        } catch {}
        _index();
    }

    function movePolicy(uint256 client, uint256 instance, uint256 sender) external {
        bytes32 id = _anyId(instance);
        address target = clients[client % 2];
        address from = _sender(sender);
        vm.recordLogs();
        vm.prank(from);
        try policies.setCurrentInstance(target, id) {
            if (from != owners[client % 2] && from != target) ++foreignMoves;
            if (!_isIn(instances, id)) ++phantoms;
            policyMoves[target].push(Move(vm.getBlockNumber(), id));
        } catch {}
        _index();
    }

    // --- All of it at once ---

    /// @dev Through the deployer, by anybody, of templates that fit and of others, with slots as they
    /// are and not; now and then in an encoding whose offsets lead elsewhere.
    function deployWhole(uint256 seed, uint256 client, uint256 sender, bytes memory params)
        external
    {
        address target = clients[client % 2];
        address from = _sender(sender);
        bytes memory call = abi.encodeCall(
            IPolicyDeployer.deploy, (_deployment(target, seed, params))
        );
        uint256 bend = uint256(keccak256(abi.encode(seed, "bend")));
        if (bend % 4 == 0) _bend(call, bend >> 8);
        vm.recordLogs();
        vm.prank(from);
        (bool ok,) = deployer.call(call);
        // Logs of what was reverted are recorded too.
        Vm.Log[] memory logs = vm.getRecordedLogs();
        if (!ok) return;
        ++wholes;
        _indexWhole(from, logs);
    }

    function _deployment(address target, uint256 seed, bytes memory params)
        private
        view
        returns (PolicyDeployment memory deployment)
    {
        bytes32 template = seed % 8 == 0 ? _anyId(seed) : _of(templates, seed >> 3);
        bytes32[] memory wanted;
        if (policies.isTemplateRegistered(template)) {
            wanted = policies.getTemplate(template).policyDataTemplateRefs;
        }
        uint256 count = seed % 5 == 0 ? seed % 3 : wanted.length;
        deployment.client = target;
        deployment.dataInstances = new InstanceSpec[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 one = i < wanted.length ? wanted[seed % 3 == 0 ? wanted.length - 1 - i : i] : bytes32(0);
            if (seed % 7 == 0) one = _anyId(seed + i);
            deployment.dataInstances[i] = InstanceSpec(
                one, params, _expire(uint64(seed >> i)), data.currentInstance(target, one)
            );
        }
        bytes32 current = policies.currentInstance(target);
        if (seed % 11 == 0) current = ~current;
        deployment.policyInstance =
            InstanceSpec(template, params, _expire(uint64(seed >> 8)), current);
    }

    /// @dev Writes a small, a large or a negative number over one word behind the selector.
    function _bend(bytes memory encoded, uint256 seed) private pure {
        uint256 words = (encoded.length - 4) / 32;
        uint256 at = 0x24 + 32 * (seed % 3 == 0 ? seed / 3 % words : 1 + seed / 3 % 5);
        seed >>= 64;
        uint256 value = 32 * (seed % 40);
        if (seed % 5 == 1 && value != 0) value = ~value + 1;
        if (seed % 5 == 2) value = seed;
        assembly ("memory-safe") {
            mstore(add(encoded, at), value)
        }
    }

    function _indexWhole(address from, Vm.Log[] memory logs) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32 topic = logs[i].topics[0];
            bytes32 id = logs[i].topics[1];
            if (topic == IPolicyRegistry.PolicyInstanceDeployed.selector) {
                _passed(address(policies), from, 1);
                if (!_isIn(templates, logs[i].topics[3])) ++phantoms;
                instances.push(id);
            } else if (topic == IPolicyDataRegistry.PolicyDataInstanceDeployed.selector) {
                _passed(address(data), from, 1);
                if (!_isIn(dataTemplates, logs[i].topics[3])) ++phantoms;
                dataInstances.push(id);
            } else if (topic == IPolicyRegistry.CurrentPolicyInstanceSet.selector) {
                address target = address(uint160(uint256(id)));
                _movedBy(from, target);
                if (!_isIn(instances, logs[i].topics[3])) ++phantoms;
                policyMoves[target].push(Move(vm.getBlockNumber(), logs[i].topics[3]));
            } else if (topic == IPolicyDataRegistry.CurrentPolicyDataInstanceSet.selector) {
                address target = address(uint160(uint256(id)));
                _movedBy(from, target);
                if (!_isIn(dataInstances, logs[i].topics[3])) ++phantoms;
                dataMoves[target][logs[i].topics[2]].push(
                    Move(vm.getBlockNumber(), logs[i].topics[3])
                );
            }
        }
        _index(logs);
    }

    function _movedBy(address from, address target) private {
        uint256 which = target == clients[0] ? 0 : 1;
        if (target != clients[which] || (from != owners[which] && from != target)) ++foreignMoves;
    }

    // --- Choices ---

    /// @dev An id of any kind, as it is or in disguise, or of nothing.
    function _anyId(uint256 seed) private view returns (bytes32 id) {
        seed = uint256(keccak256(abi.encode(seed)));
        uint256 kind = seed % 9;
        seed /= 9;
        if (kind < 2) id = _of(dataTemplates, seed);
        else if (kind < 4) id = _of(templates, seed);
        else if (kind < 6) id = _of(dataInstances, seed);
        else if (kind < 8) id = _of(instances, seed);
        else id = bytes32(seed);
        seed >>= 32;
        if (seed % 16 == 0) id = ~id;
        if (seed % 16 == 1) id = keccak256(abi.encode(uint256(1), id));
        if (seed % 16 == 2) id = keccak256(abi.encode(uint256(2), id));
    }

    function _of(bytes32[] storage list, uint256 seed) private view returns (bytes32) {
        return list.length == 0 ? bytes32(seed) : list[seed % list.length];
    }

    function _templateOf(bytes32 id, uint256 seed) private view returns (bytes32) {
        return _isIn(dataInstances, id) ? data.getInstance(id).templateId : _of(dataTemplates, seed);
    }

    function _isIn(bytes32[] storage list, bytes32 id) private view returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == id) return true;
        }
        return false;
    }

    /// @dev Around the bounds as well as within.
    function _expire(uint64 seed) private pure returns (uint64) {
        return seed % 8 == 0 ? seed : seed % (MAX_EXPIRE + 1);
    }

    function _sender(uint256 seed) private view returns (address) {
        if (seed % 5 < 2) return owners[seed % 2];
        if (seed % 5 < 4) return clients[seed % 2];
        return address(uint160(seed | 1));
    }

    function _passed(address registry, address from, uint256 gate) private {
        if (!open[registry][gate] && !listed[registry][from][gate]) ++gateBreaches;
    }

    // --- What a reader of logs alone would know ---

    function _index() private {
        _index(vm.getRecordedLogs());
    }

    function _index(Vm.Log[] memory logs) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32 topic = logs[i].topics[0];
            if (topic == IPolicyRegistry.PolicyTemplateRegistered.selector) {
                (bytes32 rego, bytes32 schema, bytes32[] memory refs) =
                    abi.decode(logs[i].data, (bytes32, bytes32, bytes32[]));
                _note(
                    logs[i],
                    abi.encode(rego, schema, refs, logs[i].topics[2], vm.getBlockNumber())
                );
            } else if (topic == IPolicyDataRegistry.PolicyDataTemplateRegistered.selector) {
                (bytes32 wasm, bytes32 schema, bytes32 secrets) =
                    abi.decode(logs[i].data, (bytes32, bytes32, bytes32));
                _note(
                    logs[i],
                    abi.encode(wasm, schema, secrets, logs[i].topics[2], vm.getBlockNumber())
                );
            } else if (
                topic == IPolicyRegistry.PolicyInstanceDeployed.selector
                    || topic == IPolicyDataRegistry.PolicyDataInstanceDeployed.selector
            ) {
                (bytes32 hash, uint64 expire, bytes memory params) =
                    abi.decode(logs[i].data, (bytes32, uint64, bytes));
                _note(
                    logs[i],
                    abi.encode(
                        logs[i].topics[3],
                        logs[i].topics[2],
                        expire,
                        vm.getBlockNumber(),
                        hash,
                        params
                    )
                );
            } else if (topic == IPolicyRegistry.CurrentPolicyInstanceSet.selector) {
                loggedPolicySlot[address(uint160(uint256(logs[i].topics[1])))] = logs[i].topics[3];
            } else if (topic == IPolicyDataRegistry.CurrentPolicyDataInstanceSet.selector) {
                loggedDataSlot[address(uint160(uint256(logs[i].topics[1])))][logs[i].topics[2]] =
                logs[i].topics[3];
            }
        }
    }

    function _note(Vm.Log memory log, bytes memory row) private {
        logged[log.emitter][log.topics[1]] = keccak256(row);
        ++loggedCount[log.emitter];
    }

    function _absent() private pure returns (bytes32) {
        return 0x385ae9fc2190731ea0b29b2ad75e99f8f0807e267007eac2363c400f7ac7902f;
    }
}

/// @notice One campaign. Rows and slot histories only grow, so the end of each run shows all of it.
contract RegistriesInvariantTest is RegistryDeployers {
    RegistryHandler private handler;

    function setUp() public {
        vm.roll(100);
        deployRegistries(BlockKind.Native, true);
        address otherOwner = makeAddr("other owner");
        address[2] memory clientList =
            [address(registerClient(clientOwner)), address(registerClient(otherOwner))];
        handler = new RegistryHandler(
            policies, dataRegistry, owner, clientList, [clientOwner, otherOwner]
        );
        // A start, so that random moves find something.
        handler.registerData(hashOf("w1"), true, 0);
        handler.registerData(hashOf("w2"), true, 1);
        for (uint256 i = 0; i < 40; ++i) {
            handler.registerPolicy(keccak256(abi.encode(i)), i, i + 1, i);
            handler.deployData(i, i, uint64(i), "", i);
            handler.deployPolicy(i, i / 2, uint64(i), "", i);
        }
        targetContract(address(handler));
    }

    /// @dev The handler's deployments pass at all, those that are bent as well as the others.
    function test_wholeDeploymentsPass() public {
        for (uint256 i = 0; i < 60; ++i) {
            handler.deployWhole(uint256(keccak256(abi.encode(i))), i, i % 4, "{}");
        }
        assertGt(handler.wholes(), 10);
        invariant_nothingForeignPasses();
        afterInvariant();
    }

    function invariant_nothingForeignPasses() public view {
        assertEq(handler.foreignMoves(), 0, "slots move by a client's owner or the client only");
        assertEq(handler.gateBreaches(), 0, "nobody passes a closed gate");
        assertEq(handler.phantoms(), 0, "an id of another kind is absent");
    }

    function afterInvariant() public view {
        _templatesRecompute();
        _instancesRecompute();
        _nothingElseIsThere();
        for (uint256 c = 0; c < 2; ++c) {
            _policySlotEqualsShadow(handler.clients(c));
            _dataSlotsEqualShadow(handler.clients(c));
            _currentPolicyIsComplete(handler.clients(c));
        }
    }

    /// @dev Every id is what its row hashes to, every row what its log says; refs are sorted.
    function _templatesRecompute() private view {
        (uint256 a, uint256 b,,) = handler.counts();
        for (uint256 i = 0; i < a; ++i) {
            bytes32 id = handler.dataTemplates(i);
            IPolicyDataRegistry.PolicyDataTemplate memory row = dataRegistry.getTemplate(id);
            bytes32[3] memory hashes = [row.wasmHash, row.paramsSchemaHash, row.secretsSchemaHash];
            assertEq(
                id, keccak256(abi.encodePacked(hex"01", hashes[0], hashes[1], hashes[2])), "id"
            );
            bytes memory told =
                abi.encode(hashes[0], hashes[1], hashes[2], row.author, uint256(row.registeredAt));
            assertEq(handler.logged(address(dataRegistry), id), keccak256(told), "log");
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
            bytes memory told = abi.encode(
                row.regoHash, row.paramsSchemaHash, refs, row.author, uint256(row.registeredAt)
            );
            assertEq(handler.logged(address(policies), id), keccak256(told), "log");
        }
    }

    function _instancesRecompute() private view {
        (,, uint256 c, uint256 d) = handler.counts();
        for (uint256 i = 0; i < c; ++i) {
            bytes32 id = handler.dataInstances(i);
            IPolicyDataRegistry.PolicyDataInstance memory row = dataRegistry.getInstance(id);
            bytes memory params = dataRegistry.getParams(id);
            assertEq(
                id,
                dataRegistry.computeInstanceId(row.templateId, row.client, params, row.expireAfter)
            );
            assertTrue(row.expireAfter > 0 && row.expireAfter <= MAX_EXPIRE, "expireAfter");
            bytes memory told = abi.encode(
                row.templateId,
                row.client,
                row.expireAfter,
                uint256(row.deployedAt),
                row.paramsHash,
                params
            );
            assertEq(handler.logged(address(dataRegistry), id), keccak256(told), "log");
        }
        for (uint256 i = 0; i < d; ++i) {
            bytes32 id = handler.instances(i);
            IPolicyRegistry.PolicyInstance memory row = policies.getInstance(id);
            bytes memory params = policies.getParams(id);
            assertEq(
                id, policies.computeInstanceId(row.templateId, row.client, params, row.expireAfter)
            );
            assertTrue(row.expireAfter > 0 && row.expireAfter <= MAX_EXPIRE, "expireAfter");
            bytes memory told = abi.encode(
                row.templateId,
                row.client,
                row.expireAfter,
                uint256(row.deployedAt),
                row.paramsHash,
                params
            );
            assertEq(handler.logged(address(policies), id), keccak256(told), "log");
        }
    }

    /// @dev No id made from a row of one kind is a row of the other, and no log tells of more.
    function _nothingElseIsThere() private view {
        (uint256 a, uint256 b, uint256 c, uint256 d) = handler.counts();
        assertEq(handler.loggedCount(address(dataRegistry)), a + c);
        assertEq(handler.loggedCount(address(policies)), b + d);
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

    /// @dev The policy slot at any past block equals the shadow; checkpoints only go up.
    function _policySlotEqualsShadow(address target) private view {
        uint256 last;
        for (uint256 i = 0; i < policies.slotLength(target); ++i) {
            (uint64 at,) = policies.slotAt(target, i);
            assertGt(at, last, "checkpoints are monotonic");
            last = at;
        }
        assertEq(policies.currentInstance(target), handler.loggedPolicySlot(target), "slot by logs");
        uint256 count = handler.policyMoveCount(target);
        uint256 current = vm.getBlockNumber();
        bytes32 expected;
        uint256 next;
        for (uint256 b = 99; b < current; ++b) {
            while (next < count) {
                (uint256 at, bytes32 id) = handler.policyMoves(target, next);
                if (at > b) break;
                expected = id;
                ++next;
            }
            assertEq(policies.currentInstanceAt(target, b), expected, "slot at a block");
        }
    }

    function _dataSlotsEqualShadow(address target) private view {
        (uint256 templates,,,) = handler.counts();
        uint256 current = vm.getBlockNumber();
        for (uint256 t = 0; t < templates; ++t) {
            bytes32 template = handler.dataTemplates(t);
            assertEq(
                dataRegistry.currentInstance(target, template),
                handler.loggedDataSlot(target, template)
            );
            uint256 count = handler.dataMoveCount(target, template);
            bytes32 expected;
            for (uint256 i = 0; i < count; ++i) {
                (uint256 at, bytes32 id) = handler.dataMoves(target, template, i);
                // The last move of a block wins.
                if (at != 0 && at < current) {
                    bytes32 before = dataRegistry.currentInstanceAt(target, template, at - 1);
                    (uint256 previous,) =
                        i == 0 ? (0, bytes32(0)) : handler.dataMoves(target, template, i - 1);
                    if (previous < at) assertEq(before, expected, "before a move");
                }
                expected = id;
            }
            if (count != 0) assertEq(dataRegistry.currentInstance(target, template), expected);
        }
    }

    /// @dev A policy that is current has all its data slots filled.
    function _currentPolicyIsComplete(address target) private view {
        bytes32 id = policies.currentInstance(target);
        if (id == bytes32(0)) return;
        IPolicyRegistry.PolicyInstance memory row = policies.getInstance(id);
        assertEq(row.client, target);
        bytes32[] memory refs = policies.getTemplate(row.templateId).policyDataTemplateRefs;
        for (uint256 i = 0; i < refs.length; ++i) {
            bytes32 dataId = dataRegistry.currentInstance(target, refs[i]);
            assertEq(dataRegistry.getInstance(dataId).templateId, refs[i]);
        }
    }
}
