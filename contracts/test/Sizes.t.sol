// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Test} from "./base/Test.sol";

/// @notice Every contract that is deployed fits EIP-170; sizes go to `contracts/snapshots`.
contract SizesTest is Test {
    uint256 private constant MOST = 24_576;
    uint256 private constant MOST_INITCODE = 49_152;

    function test_sizes() public {
        string[15] memory names = [
            "ArtifactProofs",
            "BN254CertificateVerifier",
            "BuildInfoRegistry",
            "ChallengeVerifier",
            "CheckpointAnchor",
            "DevnetSlasher",
            "EnclaveVersionRegistry",
            "PolicyClientRegistry",
            "PolicyDataRegistry",
            "PolicyDeployer",
            "PolicyRegistry",
            "ResponseRegistry",
            "StateAnchor",
            "StateCommitRegistry",
            "VerificationRegistry"
        ];
        for (uint256 i; i < names.length; ++i) {
            bytes memory code = vm.getCode(string.concat(names[i], ".sol:", names[i]));
            assertGt(code.length, 0);
            assertLe(code.length, MOST_INITCODE, names[i]);
            if (_takesArguments(names[i])) {
                address any = address(this);
                code = abi.encodePacked(code, abi.encode(any, any, any));
            }
            address deployed;
            assembly ("memory-safe") {
                deployed := create(0, add(code, 0x20), mload(code))
            }
            assertTrue(deployed != address(0), names[i]);
            assertLe(deployed.code.length, MOST, names[i]);
            vm.snapshotValue("Sizes", names[i], deployed.code.length);
        }
    }

    function _takesArguments(string memory name) private pure returns (bool) {
        bytes32 hash = keccak256(bytes(name));
        return hash == keccak256("ArtifactProofs") || hash == keccak256("BuildInfoRegistry")
            || hash == keccak256("DevnetSlasher") || hash == keccak256("PolicyDeployer");
    }
}
