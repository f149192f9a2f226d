// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IAllowlistGuard} from "../../src/interfaces/IAllowlistGuard.sol";
import {IArtifactRegistry} from "../../src/interfaces/IArtifactRegistry.sol";
import {IBuildInfoRegistry} from "../../src/interfaces/IBuildInfoRegistry.sol";
import {IBN254CertificateVerifier} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {IChainContract} from "../../src/interfaces/IChainContract.sol";
import {ICheckpointAnchor} from "../../src/interfaces/ICheckpointAnchor.sol";
import {IChallengeVerifier} from "../../src/interfaces/IChallengeVerifier.sol";
import {IDelayedUpgrade, UpgradeTimes} from "../../src/interfaces/IDelayedUpgrade.sol";
import {IInjectedVerifiers} from "../../src/interfaces/IInjectedVerifiers.sol";
import {IEnclaveVersionRegistry} from "../../src/interfaces/IEnclaveVersionRegistry.sol";
import {IPolicyClientRegistry} from "../../src/interfaces/IPolicyClientRegistry.sol";
import {IPolicyDataRegistry} from "../../src/interfaces/IPolicyDataRegistry.sol";
import {IPolicyDeployer} from "../../src/interfaces/IPolicyDeployer.sol";
import {IPolicyRegistry} from "../../src/interfaces/IPolicyRegistry.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {IStateAnchor} from "../../src/interfaces/IStateAnchor.sol";
import {IVerificationRegistry} from "../../src/interfaces/IVerificationRegistry.sol";
import {PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {DelayedUpgrade} from "../../src/upgrade/DelayedUpgrade.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";

/// @notice An implementation that reads its write-once values elsewhere.
contract MovedImplementation {
    function proxiableUUID() external pure returns (bytes32) {
        return 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    }

    function writeOnceDigest() external pure returns (bytes32) {
        return keccak256("elsewhere");
    }
}

contract DeploymentTest is AttestationDeployers {
    bytes32 private constant VERIFIER =
        0x0c5bde975f61ba992e1329435e0b4dcd13ebb6d125454e123594a1245b2edf00;
    bytes32 private constant RESPONSES =
        0xfe3413fa6857bb085ca7e00a1555d84d3e19e41c9a90f3d09921f943bb02e200;
    bytes32 private constant CHALLENGES =
        0xdf0deba0c78f1727f5c71e6fc5bd20ec7b317fa1627fad2921a141d4963e8300;

    bytes32 private constant REGISTRY_BASE =
        0x1c80d528806184b9786dde76be265ed7f929466100f75f579032079f75ec2900;

    function setUp() public {
        setUpAttestation(1, false);
    }

    // --- Upgrades ---

    function test_upgradesKeepWhatIsWrittenOnce() public {
        _upgrades(address(verifier), "BN254CertificateVerifier", verifierOwner);
        _upgrades(address(responses), "ResponseRegistry", owner);
        _upgrades(address(challenges), "ChallengeVerifier", owner);
        // Everything is still there.
        (, PolicyTaskResponse memory response) = acceptHonest(true, 0);
        assertTrue(challenges.findMismatch(response) == IChallengeVerifier.Mismatch.None);
    }

    function _upgrades(address deployed, string memory name, address admin) private {
        DelayedUpgrade contract_ = DelayedUpgrade(deployed);
        bytes32 digest = contract_.writeOnceDigest();
        address moved = address(new MovedImplementation());
        vm.startPrank(admin);
        contract_.scheduleUpgrade(moved, "");
        toBlock(currentBlock + UPGRADE_DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDelayedUpgrade.WriteOnceChanged.selector, digest, keccak256("elsewhere")
            )
        );
        contract_.upgradeToAndCall(moved, "");
        address same = deployCode(name, "");
        contract_.scheduleUpgrade(same, "");
        toBlock(currentBlock + UPGRADE_DELAY);
        contract_.upgradeToAndCall(same, "");
        vm.stopPrank();
        assertEq(contract_.writeOnceDigest(), digest);
    }

    /// Each value that must not change is in the digest that upgrades compare.
    function test_writeOnceDigests() public {
        _inDigest(address(verifier), VERIFIER, 0); // AVS and operator set
        _inDigest(address(responses), RESPONSES, 0); // policy registry, window
        _inDigest(address(responses), RESPONSES, 1); // client registry
        _inDigest(address(responses), RESPONSES, 2); // verifier
        _inDigest(address(responses), RESPONSES, 0, 192); // longest expiration
        _inDigest(address(policies), REGISTRY_BASE, 0, 192); // the same
        _inDigest(address(dataRegistry), REGISTRY_BASE, 0, 192); // the same
        _inDigest(address(challenges), CHALLENGES, 0); // responses, window
        _inDigest(address(challenges), CHALLENGES, 1); // policy registry
        _inDigest(address(challenges), CHALLENGES, 2); // data registry
        _inDigest(address(challenges), CHALLENGES, 3); // verifier
    }

    function _inDigest(address deployed, bytes32 slot, uint256 offset) private {
        _inDigest(deployed, slot, offset, 0);
    }

    function _inDigest(address deployed, bytes32 slot, uint256 offset, uint256 bit) private {
        bytes32 at = bytes32(uint256(slot) + offset);
        bytes32 before = DelayedUpgrade(deployed).writeOnceDigest();
        bytes32 word = vm.load(deployed, at);
        vm.store(deployed, at, bytes32(uint256(word) ^ (1 << bit)));
        assertNotEq(DelayedUpgrade(deployed).writeOnceDigest(), before);
        vm.store(deployed, at, word);
    }

    function test_initializeOnce() public {
        IResponseRegistry.Setup memory setup;
        vm.expectRevert(abi.encodeWithSignature("InvalidInitialization()"));
        responses.initialize(setup);
        IChallengeVerifier.Setup memory challengeSetup;
        vm.expectRevert(abi.encodeWithSignature("InvalidInitialization()"));
        challenges.initialize(challengeSetup);
    }

    function _setup() private view returns (IChallengeVerifier.Setup memory) {
        return IChallengeVerifier.Setup({
            owner: owner,
            times: times(),
            responseRegistry: address(responses),
            enclaveVersionRegistry: address(enclaves),
            slasher: address(slasher)
        });
    }

    function _refused(IChallengeVerifier.Setup memory setup, bytes memory reason) private {
        address implementation = deployCode("ChallengeVerifier", "");
        vm.expectRevert(reason);
        proxy(implementation, abi.encodeCall(challenges.initialize, (setup)));
    }

    /// Neither this contract nor one that it reads is upgraded before the last challenge is over.
    function test_upgradesWaitLongerThanEveryChallenge() public {
        IChallengeVerifier.Setup memory setup = _setup();
        setup.times.upgradeDelay = CHALLENGE_WINDOW + MAX_EXPIRE;
        _refused(
            setup,
            abi.encodeWithSelector(
                IDelayedUpgrade.UpgradeDelayWithinWindows.selector,
                CHALLENGE_WINDOW + MAX_EXPIRE,
                CHALLENGE_WINDOW + MAX_EXPIRE + 1
            )
        );
        // The registry of responses was made for a shorter window.
        setup.times = UpgradeTimes(2000, UPGRADE_DELAY - MAX_EXPIRE, MAX_EXPIRE);
        _refused(
            setup,
            abi.encodeWithSelector(
                IChallengeVerifier.UpgradesTooQuick.selector,
                address(responses),
                UPGRADE_DELAY,
                UPGRADE_DELAY + 1
            )
        );
        setup.times = UpgradeTimes(UPGRADE_DELAY, CHALLENGE_WINDOW, MAX_EXPIRE - 1);
        _refused(
            setup,
            abi.encodeWithSelector(
                IChallengeVerifier.ExpirationsTooLong.selector,
                address(responses),
                MAX_EXPIRE,
                MAX_EXPIRE - 1
            )
        );
        proxy(
            deployCode("ChallengeVerifier", ""), abi.encodeCall(challenges.initialize, (_setup()))
        );
    }

    /// A registry of builds that counts other blocks makes honest operators slashable.
    function test_initialize_failsWhereBuildsAreCountedInOtherBlocks() public {
        IChallengeVerifier.Setup memory setup = _setup();
        for (uint256 told; told < 300; told += told == 0 ? 2 : 298) {
            vm.mockCall(address(enclaves), abi.encodeWithSignature("blockKind()"), abi.encode(told));
            _refused(
                setup,
                abi.encodeWithSelector(
                    IChallengeVerifier.BlockKindMismatch.selector,
                    address(enclaves),
                    uint8(1),
                    uint8(told > 255 ? 255 : told)
                )
            );
        }
        // As deployed, a registry does not say: it counts `block.number`.
        setup.enclaveVersionRegistry = makeAddr("silent");
        proxy(deployCode("ChallengeVerifier", ""), abi.encodeCall(challenges.initialize, (setup)));
    }

    /// Whoever upgrades the registry of builds inside an open challenge decides it: one that has times
    /// of its own has to fit.
    function test_initialize_failsWhereBuildsAreUpgradedTooQuickly() public {
        IChallengeVerifier.Setup memory setup = _setup();
        uint64 needed = CHALLENGE_WINDOW + MAX_EXPIRE + 1;
        vm.mockCall(
            address(enclaves), abi.encodeCall(IDelayedUpgrade.upgradeDelay, ()), abi.encode(needed - 1)
        );
        _refused(
            setup,
            abi.encodeWithSelector(
                IChallengeVerifier.UpgradesTooQuick.selector, address(enclaves), needed - 1, needed
            )
        );
        vm.mockCall(
            address(enclaves), abi.encodeCall(IDelayedUpgrade.upgradeDelay, ()), abi.encode(needed)
        );
        proxy(deployCode("ChallengeVerifier", ""), abi.encodeCall(challenges.initialize, (setup)));
        vm.mockCall(
            address(enclaves),
            abi.encodeCall(IDelayedUpgrade.maxExpireAfter, ()),
            abi.encode(MAX_EXPIRE + 1)
        );
        _refused(
            setup,
            abi.encodeWithSelector(
                IChallengeVerifier.ExpirationsTooLong.selector,
                address(enclaves),
                MAX_EXPIRE + 1,
                MAX_EXPIRE
            )
        );
    }

    function test_contractsSayWhatTheyAre() public view {
        _says(address(responses), "ResponseRegistry", type(IResponseRegistry).interfaceId);
        _says(address(challenges), "ChallengeVerifier", type(IChallengeVerifier).interfaceId);
        _says(
            address(verifier),
            "BN254CertificateVerifier",
            type(IBN254CertificateVerifier).interfaceId
        );
        _says(address(policies), "PolicyRegistry", type(IPolicyRegistry).interfaceId);
        _says(address(policies), "PolicyRegistry", type(IArtifactRegistry).interfaceId);
        _says(address(policies), "PolicyRegistry", type(IAllowlistGuard).interfaceId);
        _says(address(dataRegistry), "PolicyDataRegistry", type(IPolicyDataRegistry).interfaceId);
        _says(address(clients), "PolicyClientRegistry", type(IPolicyClientRegistry).interfaceId);
        _says(
            address(enclaves), "EnclaveVersionRegistry", type(IEnclaveVersionRegistry).interfaceId
        );
    }

    /// Nor do those that are never upgraded keep silent: they count no blocks.
    function test_fixedContractsSayWhatTheyAre() public {
        _saysFixed(address(policyDeployer), "PolicyDeployer", type(IPolicyDeployer).interfaceId);
        _saysFixed(deployCode("StateAnchor", ""), "StateAnchor", type(IStateAnchor).interfaceId);
        _saysFixed(
            deployCode("CheckpointAnchor", ""), "CheckpointAnchor", type(ICheckpointAnchor).interfaceId
        );
        _saysFixed(
            deployCode("BuildInfoRegistry", abi.encode(owner)),
            "BuildInfoRegistry",
            type(IBuildInfoRegistry).interfaceId
        );
        _saysFixed(
            deployCode("VerificationRegistry", ""),
            "VerificationRegistry",
            type(IVerificationRegistry).interfaceId
        );
    }

    function _saysFixed(address target, string memory kind, bytes4 interfaceId) private view {
        _says(target, kind, interfaceId, 0);
        assertFalse(IChainContract(target).supportsInterface(type(IDelayedUpgrade).interfaceId));
    }

    function _says(address target, string memory kind, bytes4 interfaceId) private view {
        _says(target, kind, interfaceId, 1);
        assertTrue(IChainContract(target).supportsInterface(type(IDelayedUpgrade).interfaceId));
    }

    function _says(address target, string memory kind, bytes4 interfaceId, uint8 blocks)
        private
        view
    {
        IChainContract told = IChainContract(target);
        assertEq(told.contractKind(), kind);
        assertEq(told.version(), "1.0.0");
        assertEq(told.blockKind(), blocks);
        assertTrue(told.supportsInterface(interfaceId), kind);
        assertTrue(told.supportsInterface(type(IChainContract).interfaceId), kind);
        assertTrue(told.supportsInterface(0x01ffc9a7), kind);
        assertFalse(told.supportsInterface(0xffffffff), kind);
    }

    /// A window of no blocks accepts nothing, and a longer one than 2^32 - 1 does not fit its word.
    function test_initialize_failsForWindowsThatCannotBe() public {
        address implementation = deployCode("ResponseRegistry", "");
        IResponseRegistry.Setup memory setup = IResponseRegistry.Setup({
            owner: owner,
            times: times(),
            policyRegistry: address(policies),
            certificateVerifier: address(verifier),
            taskResponseWindow: 0
        });
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IDelayedUpgrade.InvalidWindow.selector, setup.taskResponseWindow
                )
            );
            proxy(implementation, abi.encodeCall(responses.initialize, (setup)));
            setup.taskResponseWindow = uint64(1) << 32;
        }
        setup.taskResponseWindow -= 1;
        proxy(implementation, abi.encodeCall(responses.initialize, (setup)));
    }

    /// What instances may be deployed with is what responses may be accepted with.
    function test_initialize_failsForAnotherLongestExpiration() public {
        address implementation = deployCode("ResponseRegistry", "");
        IResponseRegistry.Setup memory setup = IResponseRegistry.Setup({
            owner: owner,
            times: times(),
            policyRegistry: address(policies),
            certificateVerifier: address(verifier),
            taskResponseWindow: RESPONSE_WINDOW
        });
        uint64[3] memory wrong = [MAX_EXPIRE - 1, MAX_EXPIRE + 1, 1];
        for (uint256 i; i < 3; ++i) {
            setup.times.maxExpireAfter = wrong[i];
            setup.times.upgradeDelay = CHALLENGE_WINDOW + wrong[i] + 1;
            vm.expectRevert(
                abi.encodeWithSelector(
                    IResponseRegistry.MaxExpireAfterMismatch.selector, MAX_EXPIRE, wrong[i]
                )
            );
            proxy(implementation, abi.encodeCall(responses.initialize, (setup)));
        }
    }

    function test_noVerifierAtFirst() public view {
        for (uint256 kind; kind < 3; ++kind) {
            (address announced, uint64 from, bool isAnnounced) =
                challenges.pendingVerifier(IInjectedVerifiers.VerifierKind(kind));
            assertEq(announced, address(0));
            assertEq(from, 0);
            assertFalse(isAnnounced);
            assertEq(
                challenges.verifierAt(IInjectedVerifiers.VerifierKind(kind), 1005), address(0)
            );
        }
    }

    function test_reads() public view {
        assertEq(responses.policyRegistry(), address(policies));
        assertEq(responses.clientRegistry(), address(clients));
        assertEq(responses.certificateVerifier(), address(verifier));
        assertEq(responses.taskResponseWindow(), RESPONSE_WINDOW);
    }

    // --- Hashes of older blocks ---

    /// Past the last 256 blocks the hash comes from EIP-2935's contract.
    function test_olderBlockHashes() public {
        Task memory task = taskFor(intentOf(1 ether), 1003);
        task.referenceBlockHash = hashOf("old block");
        PolicyTaskResponse memory response = honestResponse(task, true, 0);
        vm.roll(1003 + 290);
        vm.etch(0x0000F90827F1C53a10cb7A02335B175320002935, hex"00");
        vm.mockCall(
            0x0000F90827F1C53a10cb7A02335B175320002935,
            abi.encode(uint256(1003)),
            abi.encode(hashOf("old block"))
        );
        bytes memory call = abi.encodeCall(
            responses.accept, (response, certifyResponse(response, everyone()), task)
        );
        // It is found and right, and only then too old for the window.
        vm.expectRevert(
            abi.encodeWithSelector(
                IResponseRegistry.ReferenceBlockTooOld.selector,
                uint256(1003),
                uint256(1003 + 290 - RESPONSE_WINDOW)
            )
        );
        (bool ok,) = address(responses).call(call);
        ok;
    }

    // --- Any field of what is signed, at random ---

    /// A response with anything changed that the chain can rebuild is found out, and only then.
    function test_fuzz_findMismatch(uint256 what, bytes32 noise) public {
        Task memory task = taskFor(intentOf(1 ether), 1003);
        PolicyTaskResponse memory response = honestResponse(task, true, 0);
        noise = keccak256(abi.encode(noise));
        what = bound(what, 0, 6);
        IChallengeVerifier.Mismatch expected = IChallengeVerifier.Mismatch.Digest;
        if (what == 0) {
            response.artifactDigest ^= noise;
        } else if (what == 1) {
            vm.prank(clientOwner);
            responses.setAcceptSuperseded(address(vault), true);
            response.policyInstanceId ^= noise;
            expected = IChallengeVerifier.Mismatch.PolicyInstance;
        } else if (what == 2) {
            response.expirationBlock = 1006 + uint64(uint256(noise) % (MAX_EXPIRE - 3));
            if (response.expirationBlock == 1003 + DATA_EXPIRE) response.expirationBlock += 1;
            expected = IChallengeVerifier.Mismatch.Expiration;
        } else if (what == 3) {
            response.pcr0Commitment = noise;
        } else if (what == 4) {
            // Not on chain: only a re-run can tell.
            response.inputsHash = noise;
            expected = IChallengeVerifier.Mismatch.None;
        } else if (what == 5) {
            response.evaluationResult = abi.encode(noise);
            expected = IChallengeVerifier.Mismatch.None;
        } else {
            response.pcr0Commitment = noise;
            response.artifactDigest = digestOf(1003, response.expirationBlock, noise);
            expected = IChallengeVerifier.Mismatch.Enclave;
        }
        accept(response, task);
        assertTrue(challenges.findMismatch(response) == expected);
    }
}
