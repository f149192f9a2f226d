// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IBuildInfoRegistry} from "../../src/interfaces/IBuildInfoRegistry.sol";
import {Test} from "../base/Test.sol";

interface IOwned {
    function owner() external view returns (address);
    function pendingOwner() external view returns (address);
    function transferOwnership(address newOwner) external;
    function acceptOwnership() external;
}

contract BuildInfoRegistryTest is Test {
    IBuildInfoRegistry private registry;
    address private safe = makeAddr("safe");
    address private manager = makeAddr("manager");
    address private stranger = makeAddr("stranger");
    bytes32 private constant WASM = keccak256("plugin");
    string private json;

    function setUp() public {
        registry = IBuildInfoRegistry(deployCode("BuildInfoRegistry", abi.encode(safe)));
        json = vm.readFile("test/vectors/provenance/buildInfo.json");
    }

    function test_ownerIsTheFirstManager() public {
        assertEq(IOwned(address(registry)).owner(), safe);
        assertTrue(registry.isManager(safe));
        assertFalse(registry.isManager(stranger));
        vm.expectRevert();
        deployCode("BuildInfoRegistry", abi.encode(address(0)));
    }

    function test_vectors() public {
        for (uint256 i; i < 5; ++i) {
            string memory at = string.concat(".cases[", vm.toString(i), "]");
            bytes memory xdr = vm.parseJsonBytes(json, string.concat(at, ".xdr"));
            bytes32 hash = vm.parseJsonBytes32(json, string.concat(at, ".buildInfoHash"));
            assertFalse(registry.hasBuildInfo(WASM, hash));
            vm.expectEmit(true, true, true, true, address(registry));
            emit IBuildInfoRegistry.BuildInfoSubmitted(WASM, hash, safe, xdr);
            assertEq(_submit(WASM, xdr), hash);
            assertTrue(registry.hasBuildInfo(WASM, hash));
            assertFalse(registry.hasBuildInfo(keccak256("another"), hash));
        }
    }

    function test_invalidVectors_revert() public {
        for (uint256 i; i < 17; ++i) {
            string memory at = string.concat(".invalid[", vm.toString(i), "]");
            bytes memory xdr = vm.parseJsonBytes(json, string.concat(at, ".xdr"));
            string memory name = vm.parseJsonString(json, string.concat(at, ".error"));
            uint256 argument = vm.parseJsonUint(json, string.concat(at, ".at"));
            vm.expectRevert(
                abi.encodeWithSelector(
                    bytes4(keccak256(bytes(string.concat(name, "(uint256)")))), argument
                )
            );
            _submit(WASM, xdr);
        }
    }

    function test_entriesAreAppended_neverReplaced() public {
        bytes memory xdr = _vector(0);
        bytes32 hash = _submit(WASM, xdr);
        vm.expectRevert(
            abi.encodeWithSelector(IBuildInfoRegistry.AlreadySubmitted.selector, WASM, hash)
        );
        _submit(WASM, xdr);
        // The same build of another plugin, and another build of the same plugin, stand beside it.
        _submit(keccak256("another"), xdr);
        _submit(WASM, _vector(1));
        assertTrue(registry.hasBuildInfo(WASM, hash));
    }

    function test_onlyManagersWrite() public {
        bytes memory xdr = _vector(0);
        vm.expectRevert(
            abi.encodeWithSelector(IBuildInfoRegistry.NotManager.selector, stranger)
        );
        vm.prank(stranger);
        registry.submitBuildInfo(WASM, xdr);
    }

    function test_ownerNamesManagers() public {
        vm.expectRevert(
            abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger)
        );
        vm.prank(stranger);
        registry.setManager(stranger, true);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IBuildInfoRegistry.ManagerSet(manager, true);
        vm.prank(safe);
        registry.setManager(manager, true);
        // A manager writes, and names nobody.
        vm.prank(manager);
        registry.submitBuildInfo(WASM, _vector(0));
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", manager));
        vm.prank(manager);
        registry.setManager(stranger, true);
        vm.prank(safe);
        registry.setManager(manager, false);
        bytes memory xdr = _vector(1);
        vm.expectRevert(abi.encodeWithSelector(IBuildInfoRegistry.NotManager.selector, manager));
        vm.prank(manager);
        registry.submitBuildInfo(WASM, xdr);
        vm.expectRevert(IBuildInfoRegistry.InvalidManager.selector);
        vm.prank(safe);
        registry.setManager(address(0), true);
    }

    function test_ownershipMovesInTwoSteps() public {
        IOwned owned = IOwned(address(registry));
        vm.prank(safe);
        owned.transferOwnership(manager);
        assertEq(owned.owner(), safe);
        vm.prank(manager);
        owned.acceptOwnership();
        assertEq(owned.owner(), manager);
        // The new owner writes once it names itself.
        assertFalse(registry.isManager(manager));
    }

    function test_size() public {
        // One field whose value fills the entry to the last byte.
        uint256 rest = 8192 - 64 - 4 - 8 - 4 - 4;
        bytes memory value = new bytes(rest);
        _submit(WASM, _entry(value));
        vm.expectRevert(
            abi.encodeWithSelector(IBuildInfoRegistry.BuildInfoTooLarge.selector, uint256(8196))
        );
        _submit(WASM, _entry(new bytes(rest + 4)));
        vm.expectRevert(IBuildInfoRegistry.InvalidWasmHash.selector);
        _submit(0, _vector(0));
    }

    /// A byte more or less anywhere is another entry, or none.
    function test_fuzz_everyByteCounts(uint256 at, uint8 flip) public {
        bytes memory xdr = _vector(1);
        bytes32 hash = _submit(WASM, xdr);
        at = bound(at, 0, xdr.length - 1);
        xdr[at] ^= bytes1(uint8(bound(flip, 1, 255)));
        vm.prank(safe);
        try registry.submitBuildInfo(WASM, xdr) returns (bytes32 other) {
            assertNotEq(other, hash);
            assertEq(other, sha256(xdr));
        } catch {}
    }

    function test_fuzz_cutOrExtended_reverts(uint256 length) public {
        bytes memory xdr = _vector(1);
        length = bound(length, 0, xdr.length + 64);
        bytes memory other = new bytes(length);
        for (uint256 i; i < length && i < xdr.length; ++i) {
            other[i] = xdr[i];
        }
        if (length != xdr.length) vm.expectRevert();
        _submit(WASM, other);
    }

    /// Two fields are taken in ascending order and in no other.
    function test_fuzz_order(bytes32 a, uint8 lengthOfA, bytes32 b, uint8 lengthOfB) public {
        bytes memory left = _cut(a, lengthOfA);
        bytes memory right = _cut(b, lengthOfB);
        bytes memory xdr = abi.encodePacked(
            bytes32(0),
            bytes32(0),
            uint32(2),
            _text("k"),
            _text(left),
            _text("k"),
            _text(right),
            uint32(0)
        );
        if (!_isBefore(left, right)) {
            vm.expectRevert(abi.encodeWithSignature("FieldOutOfOrder(uint256)", uint256(1)));
        }
        _submit(WASM, xdr);
    }

    function test_fuzz_garbageIsRefusedOrHashed(bytes calldata xdr) public {
        vm.prank(safe);
        try registry.submitBuildInfo(WASM, xdr) returns (bytes32 hash) {
            assertEq(hash, sha256(xdr));
        } catch {}
    }

    function _submit(bytes32 wasmHash, bytes memory xdr) private returns (bytes32) {
        vm.prank(safe);
        return registry.submitBuildInfo(wasmHash, xdr);
    }

    function _vector(uint256 i) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, string.concat(".cases[", vm.toString(i), "].xdr"));
    }

    function _entry(bytes memory value) private pure returns (bytes memory) {
        return abi.encodePacked(bytes32(0), bytes32(0), uint32(1), _text("k"), _text(value), uint32(0));
    }

    function _text(bytes memory text) private pure returns (bytes memory) {
        return abi.encodePacked(uint32(text.length), text, new bytes((4 - text.length % 4) % 4));
    }

    function _cut(bytes32 word, uint8 length) private pure returns (bytes memory text) {
        text = new bytes(bound(length, 0, 70));
        // Long common beginnings are what a comparison by words gets wrong.
        for (uint256 i; i < text.length; ++i) {
            text[i] = i < 33 ? bytes1(0x61) : word[i % 32];
        }
    }

    /// @dev Byte by byte, as the rule says it.
    function _isBefore(bytes memory a, bytes memory b) private pure returns (bool) {
        for (uint256 i; i < a.length && i < b.length; ++i) {
            if (a[i] != b[i]) return a[i] < b[i];
        }
        return a.length < b.length;
    }
}
