// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IVerificationRegistry} from "../../src/interfaces/IVerificationRegistry.sol";
import {Test} from "../base/Test.sol";
import {Vm} from "../base/Vm.sol";

contract VerificationRegistryTest is Test {
    IVerificationRegistry private registry;
    bytes32 private constant WASM = keccak256("plugin");
    bytes32 private constant INFO = keccak256("build info");
    address private alice = makeAddr("alice");
    address private bob = makeAddr("bob");

    function setUp() public {
        registry = IVerificationRegistry(deployCode("VerificationRegistry", ""));
        vm.warp(1_800_000_000);
    }

    function test_unsetIsNoMatch() public view {
        IVerificationRegistry.Claim memory claim = registry.getClaim(WASM, INFO, alice);
        assertEq(uint8(claim.result), 0);
        assertEq(claim.timestamp, 0);
        assertTrue(claim.result != IVerificationRegistry.Result.MATCH);
    }

    function test_vectors() public {
        string memory json = vm.readFile("test/vectors/provenance/claims.json");
        for (uint256 i; i < 6; ++i) {
            string memory at = string.concat(".claims[", vm.toString(i), "]");
            bytes32 wasmHash = vm.parseJsonBytes32(json, string.concat(at, ".wasmHash"));
            address verifier = vm.parseJsonAddress(json, string.concat(at, ".verifier"));
            bytes32 info = vm.parseJsonBytes32(json, string.concat(at, ".buildInfoHash"));
            uint8 code = uint8(vm.parseJsonUint(json, string.concat(at, ".code")));
            vm.recordLogs();
            vm.prank(verifier);
            registry.submitClaim(
                wasmHash,
                info,
                IVerificationRegistry.Result(code),
                vm.parseJsonString(json, string.concat(at, ".evidenceUri"))
            );
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, 1);
            assertEq(logs[0].topics[0], IVerificationRegistry.ClaimSubmitted.selector);
            assertEq(logs[0].topics[1], wasmHash);
            assertEq(logs[0].topics[2], bytes32(uint256(uint160(verifier))));
            assertEq(logs[0].data, vm.parseJsonBytes(json, string.concat(at, ".data")));
            assertEq(uint8(registry.getClaim(wasmHash, info, verifier).result), code);
        }
    }

    function test_anyoneClaims_andReplacesOnlyItsOwn() public {
        _claim(alice, WASM, INFO, IVerificationRegistry.Result.MATCH);
        _claim(bob, WASM, INFO, IVerificationRegistry.Result.NO_MATCH);
        _is(alice, WASM, INFO, IVerificationRegistry.Result.MATCH);
        _is(bob, WASM, INFO, IVerificationRegistry.Result.NO_MATCH);
        vm.warp(1_800_000_060);
        _claim(alice, WASM, INFO, IVerificationRegistry.Result.DID_NOT_RUN);
        _is(alice, WASM, INFO, IVerificationRegistry.Result.DID_NOT_RUN);
        assertEq(registry.getClaim(WASM, INFO, alice).timestamp, 1_800_000_060);
        assertEq(registry.getClaim(WASM, INFO, bob).timestamp, 1_800_000_000);
        // Another build of the plugin, and another plugin of the build, have claims of their own.
        _is(alice, WASM, WASM, IVerificationRegistry.Result.NONE);
        _is(alice, INFO, INFO, IVerificationRegistry.Result.NONE);
    }

    function test_noneReverts() public {
        vm.expectRevert(IVerificationRegistry.ResultRequired.selector);
        registry.submitClaim(WASM, INFO, IVerificationRegistry.Result.NONE, "");
        // A claim cannot be taken back to nothing either.
        _claim(alice, WASM, INFO, IVerificationRegistry.Result.NO_MATCH);
        vm.expectRevert(IVerificationRegistry.ResultRequired.selector);
        vm.prank(alice);
        registry.submitClaim(WASM, INFO, IVerificationRegistry.Result.NONE, "");
        _is(alice, WASM, INFO, IVerificationRegistry.Result.NO_MATCH);
    }

    function test_fuzz_unknownResultReverts(uint8 code) public {
        code = uint8(bound(code, 4, 255));
        (bool ok,) = address(registry)
            .call(
                abi.encodeWithSelector(
                    IVerificationRegistry.submitClaim.selector,
                    WASM,
                    INFO,
                    uint256(code),
                    uint256(128),
                    uint256(0)
                )
            );
        assertFalse(ok);
    }

    function test_emptyHashesRevert() public {
        vm.expectRevert(IVerificationRegistry.InvalidHash.selector);
        registry.submitClaim(0, INFO, IVerificationRegistry.Result.MATCH, "");
        vm.expectRevert(IVerificationRegistry.InvalidHash.selector);
        registry.submitClaim(WASM, 0, IVerificationRegistry.Result.MATCH, "");
    }

    function test_longUriReverts() public {
        registry.submitClaim(
            WASM, INFO, IVerificationRegistry.Result.MATCH, string(new bytes(1024))
        );
        vm.expectRevert(
            abi.encodeWithSelector(
                IVerificationRegistry.EvidenceUriTooLong.selector, uint256(1025)
            )
        );
        registry.submitClaim(
            WASM, INFO, IVerificationRegistry.Result.MATCH, string(new bytes(1025))
        );
    }

    function test_fuzz_slotsAreApart(
        bytes32 wasmHash,
        bytes32 info,
        address verifier,
        bytes32 otherWasm,
        bytes32 otherInfo,
        address other
    ) public {
        vm.assume(wasmHash != 0 && info != 0);
        _claim(verifier, wasmHash, info, IVerificationRegistry.Result.MATCH);
        bool same = wasmHash == otherWasm && info == otherInfo && verifier == other;
        assertEq(uint8(registry.getClaim(otherWasm, otherInfo, other).result), same ? 1 : 0);
    }

    function _claim(
        address verifier,
        bytes32 wasmHash,
        bytes32 info,
        IVerificationRegistry.Result result
    ) private {
        vm.prank(verifier);
        registry.submitClaim(wasmHash, info, result, "");
    }

    function _is(
        address verifier,
        bytes32 wasmHash,
        bytes32 info,
        IVerificationRegistry.Result result
    ) private view {
        assertEq(uint8(registry.getClaim(wasmHash, info, verifier).result), uint8(result));
    }
}
