// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BlockKind, BlockSource} from "../../src/libraries/BlockSource.sol";
import {IArtifactRegistry} from "../../src/interfaces/IArtifactRegistry.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";

/// @notice Stands in for Arbitrum's precompile: block numbers of a chain of its own.
contract SimulatedArbSys {
    uint256 public arbBlockNumber;
    error InvalidBlockNumber();

    function advance(uint256 to) external {
        arbBlockNumber = to;
    }

    function arbBlockHash(uint256 blockNumber) external view returns (bytes32) {
        require(
            blockNumber < arbBlockNumber && blockNumber + 256 >= arbBlockNumber,
            InvalidBlockNumber()
        );
        return keccak256(abi.encode("arb", blockNumber));
    }
}

/// @notice Stands in for EIP-2935's contract of Arbitrum chains: a ring of 393,168 hashes by the
/// numbers of ArbSys, written by the system at the start of each block.
contract SimulatedArbHistory {
    uint256 private constant WINDOW = 393_168;
    mapping(uint256 place => bytes32) private hashes;

    function write(uint256 blockNumber, bytes32 hash) external {
        hashes[blockNumber % WINDOW] = hash;
    }

    fallback(bytes calldata input) external returns (bytes memory) {
        require(input.length == 32);
        uint256 blockNumber = abi.decode(input, (uint256));
        uint256 current = SimulatedArbSys(address(0x64)).arbBlockNumber();
        require(blockNumber < current && blockNumber + WINDOW >= current);
        return abi.encode(hashes[blockNumber % WINDOW]);
    }
}

/// @notice The library behind external functions.
contract BlockSourceHarness {
    function initialize(BlockKind kind) external {
        BlockSource.initialize(kind);
    }

    function number() external view returns (uint256) {
        return BlockSource.number();
    }

    function hashAt(uint256 blockNumber) external view returns (bytes32) {
        return BlockSource.hashAt(blockNumber);
    }

    function numberOf(BlockKind kind) external view returns (uint256) {
        return BlockSource.numberOf(kind);
    }

    function hashOf(BlockKind kind, uint256 blockNumber) external view returns (bytes32) {
        return BlockSource.hashOf(kind, blockNumber);
    }
}

contract BlockSourceTest is RegistryDeployers {
    BlockSourceHarness private harness;
    SimulatedArbSys private arb = SimulatedArbSys(address(0x64));

    function setUp() public {
        harness = new BlockSourceHarness();
        vm.etch(address(arb), address(new SimulatedArbSys()).code);
        arb.advance(900_000);
        vm.roll(5000);
    }

    function test_kind_isWrittenOnce() public {
        vm.expectRevert(BlockSource.InvalidBlockSource.selector);
        harness.number();
        vm.expectRevert(BlockSource.InvalidBlockSource.selector);
        harness.initialize(BlockKind.Unset);
        harness.initialize(BlockKind.ArbSys);
        assertEq(harness.number(), 900_000);
        vm.expectRevert(BlockSource.BlockSourceAlreadySet.selector);
        harness.initialize(BlockKind.Native);
    }

    function test_native() public {
        harness.initialize(BlockKind.Native);
        assertEq(harness.number(), 5000);
        assertEq(harness.hashAt(4999), blockhash(4999));
        assertNotEq(harness.hashAt(4744), bytes32(0));
        assertEq(harness.hashAt(5000), bytes32(0), "the current block has no hash yet");
        assertEq(harness.hashAt(6000), bytes32(0));
        assertEq(harness.hashAt(4000), bytes32(0), "out of reach without EIP-2935");
    }

    function test_native_reachesFurtherByEip2935() public {
        harness.initialize(BlockKind.Native);
        address history = 0x0000F90827F1C53a10cb7A02335B175320002935;
        vm.mockCall(history, abi.encode(uint256(4000)), abi.encode(hashOf("old")));
        assertEq(harness.hashAt(4000), hashOf("old"));
        vm.mockCallRevert(history, abi.encode(uint256(3000)), "");
        assertEq(harness.hashAt(3000), bytes32(0));
        vm.mockCall(history, abi.encode(uint256(3500)), hex"1234");
        assertEq(harness.hashAt(3500), bytes32(0), "a short answer is none");
    }

    function test_unset_countsNothing() public {
        vm.expectRevert(BlockSource.InvalidBlockSource.selector);
        harness.numberOf(BlockKind.Unset);
        vm.expectRevert(BlockSource.InvalidBlockSource.selector);
        harness.hashOf(BlockKind.Unset, 1);
    }

    function test_arbSys() public view {
        assertEq(harness.numberOf(BlockKind.ArbSys), 900_000);
        assertEq(
            harness.hashOf(BlockKind.ArbSys, 899_999),
            keccak256(abi.encode("arb", uint256(899_999)))
        );
        assertEq(harness.hashOf(BlockKind.ArbSys, 900_000), bytes32(0));
        assertEq(harness.hashOf(BlockKind.ArbSys, 10), bytes32(0));
    }

    function test_arbSys_reachesFurtherByEip2935() public {
        SimulatedArbHistory history = SimulatedArbHistory(BlockSource.HISTORY);
        vm.etch(address(history), address(new SimulatedArbHistory()).code);
        uint256 oldest = 900_000 - 393_168;
        history.write(oldest, hashOf("oldest"));
        history.write(899_700, hashOf("old"));
        assertEq(harness.hashOf(BlockKind.ArbSys, oldest), hashOf("oldest"));
        assertEq(harness.hashOf(BlockKind.ArbSys, 899_700), hashOf("old"));
        // One block on, the place of the oldest is that of the newest.
        arb.advance(900_001);
        assertEq(harness.hashOf(BlockKind.ArbSys, oldest), bytes32(0), "out of reach");
        assertEq(harness.hashOf(BlockKind.ArbSys, 900_001), bytes32(0), "the current block");
        assertEq(harness.hashOf(BlockKind.ArbSys, 900_002), bytes32(0), "a later block");
        assertEq(harness.hashOf(BlockKind.ArbSys, type(uint256).max), bytes32(0));
        // What was there before its contract was, it does not have: ArbSys has the last 256.
        assertEq(
            harness.hashOf(BlockKind.ArbSys, 899_999),
            keccak256(abi.encode("arb", uint256(899_999)))
        );
        assertEq(harness.hashOf(BlockKind.ArbSys, 899_701), bytes32(0));
    }

    /// @dev It is asked first: on old versions a refusal of ArbSys takes all gas that it is given.
    function test_arbSys_asksEip2935First() public {
        vm.mockCall(BlockSource.HISTORY, abi.encode(uint256(899_999)), abi.encode(hashOf("kept")));
        vm.mockCallRevert(address(arb), abi.encodeCall(arb.arbBlockHash, (899_999)), "");
        assertEq(harness.hashOf(BlockKind.ArbSys, 899_999), hashOf("kept"));
        vm.mockCallRevert(BlockSource.HISTORY, abi.encode(uint256(899_998)), "");
        assertEq(
            harness.hashOf(BlockKind.ArbSys, 899_998),
            keccak256(abi.encode("arb", uint256(899_998)))
        );
        vm.mockCall(BlockSource.HISTORY, abi.encode(uint256(899_997)), hex"1234");
        assertEq(
            harness.hashOf(BlockKind.ArbSys, 899_997),
            keccak256(abi.encode("arb", uint256(899_997))),
            "a short answer is none"
        );
    }

    /// @dev On a chain whose `block.number` is another chain's, rows and slots carry its own.
    function test_registries_countInBlocksOfTheirChain() public {
        deployRegistries(BlockKind.ArbSys, true);
        client = registerClient(clientOwner);
        bytes32 template =
            policies.registerTemplate(hashOf("r"), ABSENT, new bytes32[](0), noLocators);
        assertEq(policies.getTemplate(template).registeredAt, 900_000);
        bytes32 instance = policies.deployInstance(template, address(client), "", 1);
        assertEq(policies.getInstance(instance).deployedAt, 900_000);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(client), instance);
        vm.expectRevert(
            abi.encodeWithSelector(IArtifactRegistry.BlockNotMined.selector, 900_000, 900_000)
        );
        policies.currentInstanceAt(address(client), 900_000);
        arb.advance(900_001);
        assertEq(policies.currentInstanceAt(address(client), 900_000), instance);
        assertEq(policies.currentInstanceAt(address(client), 899_999), bytes32(0));
        vm.prank(owner);
        enclaves.activateVersion(hashOf("pcr0"), "");
        assertEq(enclaves.getVersion(hashOf("pcr0")).activatedAt, 900_001);
    }
}
