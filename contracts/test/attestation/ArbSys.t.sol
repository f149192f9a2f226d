// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ChallengeVerifier} from "../../src/attestation/ChallengeVerifier.sol";
import {
    BN254Certificate,
    BN254OperatorInfoWitness
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {IChallengeVerifier} from "../../src/interfaces/IChallengeVerifier.sol";
import {IEnclaveVersionMirror} from "../../src/interfaces/IEnclaveVersionMirror.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {BlockKind, IArbSys} from "../../src/libraries/BlockSource.sol";
import {PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {EnclaveVersionRegistry} from "../../src/registries/EnclaveVersionRegistry.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";

/// @notice A chain whose `block.number` is another chain's.
contract ArbSysTest is AttestationDeployers {
    function setUp() public {
        blockKind = BlockKind.ArbSys;
        responseWindow = 7200;
        vm.etch(address(0x64), hex"00");
        setUpAttestation(1, false);
    }

    function test_blockNumbersAreTheChainsOwn() public {
        assertEq(vm.getBlockNumber(), 50);
        (Task memory task, PolicyTaskResponse memory response) = acceptHonest(true, 0);
        assertEq(task.referenceBlock, 1003);
        assertEq(responses.getResponse(response.taskId).acceptedAt, 1005);
        assertTrue(challenges.findMismatch(response) == IChallengeVerifier.Mismatch.None);
        vm.prank(user);
        vault.execute(response, certificateHashes[response.taskId], task.intent);
        assertEq(recipient.balance, 1 ether);
    }

    /// Builds are kept by a registry that counts another chain's blocks. Who named one before its end
    /// was seen here is honest ever after; who names it later is not.
    function test_mirroredBuilds() public {
        EnclaveVersionRegistry source = EnclaveVersionRegistry(
            proxy(
                deployCode("EnclaveVersionRegistry", ""),
                abi.encodeCall(
                    EnclaveVersionRegistry.initialize, (owner, times(), BlockKind.Native)
                )
            )
        );
        IEnclaveVersionMirror mirror = IEnclaveVersionMirror(
            deployCode("EnclaveVersionMirror", abi.encode(source, BlockKind.ArbSys))
        );
        address implementation = deployCode("ChallengeVerifier", "");
        bytes memory unwrapped = abi.encodeCall(challenges.initialize, (_setup(address(source))));
        vm.expectRevert(
            abi.encodeWithSelector(
                IChallengeVerifier.BlockKindMismatch.selector, address(source), 2, 1
            )
        );
        proxy(implementation, unwrapped);
        challenges = ChallengeVerifier(
            proxy(
                implementation, abi.encodeCall(challenges.initialize, (_setup(address(mirror))))
            )
        );
        bytes32 build = hashOf("build of another chain");
        vm.startPrank(owner);
        slasher.setSlasher(address(challenges), true);
        source.activateVersion(build, "2");
        vm.stopPrank();
        mirror.sync(build);
        toBlock(1010);
        (, PolicyTaskResponse memory honest) = acceptHonest(true, build);
        vm.roll(60);
        vm.prank(owner);
        source.deprecateVersion(build);
        toBlock(1020);
        mirror.sync(build);
        assertTrue(challenges.findMismatch(honest) == IChallengeVerifier.Mismatch.None);
        BN254Certificate memory cert = certifyResponse(honest, everyone());
        BN254OperatorInfoWitness[] memory signers = signersBut(everyone());
        vm.expectRevert(abi.encodeWithSelector(IChallengeVerifier.ChallengeFailed.selector));
        challenges.challengeAttestationDigest(honest, cert, signers);
        toBlock(1025);
        (, PolicyTaskResponse memory late) = acceptHonest(true, build);
        challenge(late, everyone());
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE / 10 * 9);
    }

    function _setup(address builds) private view returns (IChallengeVerifier.Setup memory) {
        return IChallengeVerifier.Setup({
            owner: owner,
            times: times(),
            responseRegistry: address(responses),
            enclaveVersionRegistry: builds,
            slasher: address(slasher)
        });
    }

    function test_anotherBranch() public {
        Task memory task = taskFor(intentOf(1 ether), 1003);
        PolicyTaskResponse memory response = honestResponse(task, true, 0);
        vm.mockCall(
            address(0x64),
            abi.encodeCall(IArbSys.arbBlockHash, (1003)),
            abi.encode(hashOf("other branch"))
        );
        bytes memory call = abi.encodeCall(
            responses.accept, (response, certifyResponse(response, everyone()), task)
        );
        (bool ok, bytes memory reason) = address(responses).call(call);
        assertFalse(ok);
        assertEq(
            bytes32(bytes4(reason)), bytes32(IResponseRegistry.ReferenceBlockHashMismatch.selector)
        );
    }

    /// Two delays of 20 blocks and a minute of 250 ms ones are more than the 256 that ArbSys knows.
    function test_anAnswerThatTakesAMinuteIsAccepted() public {
        address history = 0x0000F90827F1C53a10cb7A02335B175320002935;
        Task memory task = taskFor(intentOf(1 ether), 1003);
        PolicyTaskResponse memory response = honestResponse(task, true, 0);
        uint256 late = 1003 + 2 * 20 + 240;
        toBlock(late);
        vm.mockCallRevert(address(0x64), abi.encodeCall(IArbSys.arbBlockHash, (1003)), "");
        bytes memory call = abi.encodeCall(
            responses.accept, (response, certifyResponse(response, everyone()), task)
        );
        (, bytes memory reason) = address(responses).call(call);
        assertEq(
            bytes32(bytes4(reason)),
            bytes32(IResponseRegistry.ReferenceBlockHashUnavailable.selector)
        );
        vm.mockCall(history, abi.encode(uint256(1003)), abi.encode(hashOf("other branch")));
        (, reason) = address(responses).call(call);
        assertEq(
            bytes32(bytes4(reason)), bytes32(IResponseRegistry.ReferenceBlockHashMismatch.selector)
        );
        vm.mockCall(history, abi.encode(uint256(1003)), abi.encode(blockHashOf(1003)));
        (bool ok,) = address(responses).call(call);
        assertTrue(ok);
        assertEq(responses.getResponse(response.taskId).acceptedAt, late);
    }

    function test_dishonestIsSlashed() public {
        Task memory task = taskFor(intentOf(1 ether), 1003);
        PolicyTaskResponse memory response = honestResponse(task, true, 0);
        response.artifactDigest = hashOf("forged");
        accept(response, task);
        toBlock(1200);
        challenge(response, everyone());
        assertEq(slasher.stakeOf(operatorNames[0]), STAKE / 10 * 9);
        toBlock(1003 + DATA_EXPIRE + CHALLENGE_WINDOW + 1);
        vm.expectPartialRevert(IChallengeVerifier.ChallengeWindowClosed.selector);
        challenges.findMismatch(response);
    }
}
