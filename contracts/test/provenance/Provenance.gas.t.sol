// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IBuildInfoRegistry} from "../../src/interfaces/IBuildInfoRegistry.sol";
import {IVerificationRegistry} from "../../src/interfaces/IVerificationRegistry.sol";
import {Test} from "../base/Test.sol";

/// @notice Gas of build information and of claims, written to `contracts/snapshots/Provenance.json`.
/// forge-config: default.isolate = true
contract ProvenanceGasTest is Test {
    IBuildInfoRegistry private infos;
    IVerificationRegistry private claims;
    bytes32 private constant WASM = keccak256("plugin");
    bytes32 private constant INFO = keccak256("build info");
    string private constant URI =
        "ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

    function setUp() public {
        infos = IBuildInfoRegistry(deployCode("BuildInfoRegistry", abi.encode(address(this))));
        claims = IVerificationRegistry(deployCode("VerificationRegistry", ""));
        vm.warp(1_800_000_000);
    }

    function test_gas_buildInfo() public {
        string memory json = vm.readFile("test/vectors/provenance/buildInfo.json");
        infos.submitBuildInfo(WASM, vm.parseJsonBytes(json, ".cases[1].xdr"));
        vm.snapshotGasLastCall("Provenance", "submitBuildInfo: image, 2 options, 2 arguments");
        bytes memory value = new bytes(8192 - 64 - 4 - 8 - 4 - 4);
        infos.submitBuildInfo(
            WASM,
            abi.encodePacked(
                bytes32(0),
                bytes32(0),
                uint32(1),
                uint32(1),
                bytes4("k"),
                uint32(value.length),
                value,
                uint32(0)
            )
        );
        vm.snapshotGasLastCall("Provenance", "submitBuildInfo: 8 KiB");
    }

    function test_gas_claims() public {
        claims.submitClaim(WASM, INFO, IVerificationRegistry.Result.MATCH, URI);
        vm.snapshotGasLastCall("Provenance", "submitClaim: first");
        vm.warp(1_800_000_060);
        claims.submitClaim(WASM, INFO, IVerificationRegistry.Result.NO_MATCH, URI);
        vm.snapshotGasLastCall("Provenance", "submitClaim: replaced");
    }
}
