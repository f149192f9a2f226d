// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    IBN254CertificateVerifier,
    OperatorSet
} from "../src/interfaces/IBN254CertificateVerifier.sol";
import {IEnclaveVersionRegistry} from "../src/interfaces/IEnclaveVersionRegistry.sol";
import {INewtonPolicyClient} from "../src/interfaces/INewtonPolicyClient.sol";
import {IPolicyClientRegistry} from "../src/interfaces/IPolicyClientRegistry.sol";
import {IStateCommitRegistry} from "../src/interfaces/IStateCommitRegistry.sol";
import {IStateRootCommittable} from "../src/interfaces/IStateRootCommittable.sol";
import {IChainContract} from "../src/interfaces/IChainContract.sol";
import {AttestationDeployers} from "./base/AttestationDeployers.sol";

/// @notice Where a contract here stands in for one of the current protocol's: its selectors, topics
/// and errors as deployed, written out, and its answers to what is not known. A deployed contract may
/// take the place of ours, so ours must not be kinder.
contract DeployedInterfacesTest is AttestationDeployers {
    function setUp() public {
        setUpAttestation(0, false);
    }

    function _is(bytes4 actual, uint32 expected) private pure {
        assertEq(bytes32(actual), bytes32(bytes4(expected)));
    }

    function _named(bytes4 actual, string memory signature) private pure {
        _is(actual, uint32(bytes4(keccak256(bytes(signature)))));
    }

    function _topic(bytes32 actual, uint32 expected) private pure {
        assertEq(bytes32(bytes4(actual)), bytes32(bytes4(expected)));
    }

    // --- Selectors, errors, topics ---

    function test_enclaveVersionRegistry() public pure {
        _is(IEnclaveVersionRegistry.activateVersion.selector, 0xaf26be05);
        _is(IEnclaveVersionRegistry.deprecateVersion.selector, 0x13c649f7);
        _is(IEnclaveVersionRegistry.isActiveVersion.selector, 0x1802a692);
        _is(IEnclaveVersionRegistry.getVersion.selector, 0x9aaf9f08);
        _is(IEnclaveVersionRegistry.activeVersionCount.selector, 0x02c5f980);
        _is(IEnclaveVersionRegistry.wasPcr0WhitelistedAt.selector, 0xb52526f8);
        _is(IEnclaveVersionRegistry.registerEnclaveKey.selector, 0x50997a0e);
        _is(IEnclaveVersionRegistry.getEnclaveKey.selector, 0x266c034a);
        _is(IEnclaveVersionRegistry.VersionAlreadyRegistered.selector, 0x5e5709a7);
        _is(IEnclaveVersionRegistry.VersionNotRegistered.selector, 0x9119fa2e);
        _is(IEnclaveVersionRegistry.VersionAlreadyDeprecated.selector, 0x530793c2);
        _is(IEnclaveVersionRegistry.InvalidPcr0Hash.selector, 0x4f4f69c6);
        _is(IEnclaveVersionRegistry.NotTaskGenerator.selector, 0x4476f071);
        _is(IEnclaveVersionRegistry.InvalidOperator.selector, 0xccea9e6f);
        _is(IEnclaveVersionRegistry.InvalidPubkey.selector, 0x422cc3b7);
        _topic(IEnclaveVersionRegistry.EnclaveVersionActivated.selector, 0x1731fd51);
        _topic(IEnclaveVersionRegistry.EnclaveVersionDeprecated.selector, 0xf9185f06);
        _topic(IEnclaveVersionRegistry.EnclaveKeyRegistered.selector, 0xf8b3ac46);
        _topic(IEnclaveVersionRegistry.RootCertHashUpdated.selector, 0x9291b72b);
    }

    function test_policyClientRegistry() public pure {
        _is(
            IPolicyClientRegistry.getClientCount.selector,
            uint32(bytes4(keccak256("getClientCount(address)")))
        );
        _named(IPolicyClientRegistry.registerClient.selector, "registerClient(address)");
        _named(IPolicyClientRegistry.deactivateClient.selector, "deactivateClient(address)");
        _named(IPolicyClientRegistry.activateClient.selector, "activateClient(address)");
        _named(IPolicyClientRegistry.setClientOwner.selector, "setClientOwner(address,address)");
        _named(IPolicyClientRegistry.getClientRecord.selector, "getClientRecord(address)");
        _named(IPolicyClientRegistry.getClientsByOwner.selector, "getClientsByOwner(address)");
        _named(IPolicyClientRegistry.isRegisteredClient.selector, "isRegisteredClient(address)");
        _is(IChainContract.version.selector, uint32(bytes4(keccak256("version()"))));
        _is(IPolicyClientRegistry.NotPolicyClient.selector, 0x24979bad);
        _is(IPolicyClientRegistry.ClientAlreadyRegistered.selector, 0x09d3d1ee);
        _is(IPolicyClientRegistry.ClientNotRegistered.selector, 0x90fe746d);
        _is(IPolicyClientRegistry.NotClientOwner.selector, 0x1301dc92);
        _is(IPolicyClientRegistry.InvalidOwnerAddress.selector, 0xd924e5f4);
        _topic(IPolicyClientRegistry.ClientRegistered.selector, 0x1cb6babe);
        _topic(IPolicyClientRegistry.ClientDeactivated.selector, 0xa0c67ad1);
        _topic(IPolicyClientRegistry.ClientActivated.selector, 0x85ed36a3);
        _topic(IPolicyClientRegistry.ClientOwnerChanged.selector, 0xbdba044e);
        _is(type(INewtonPolicyClient).interfaceId, 0x52e18a74);
    }

    function test_stateCommitRegistry() public pure {
        _is(type(IStateRootCommittable).interfaceId, 0x82c122a8);
        _is(IStateRootCommittable.commitStateRoot.selector, 0x135d225a);
        _is(IStateRootCommittable.getStateRoot.selector, 0xcd605a1a);
        _is(IStateRootCommittable.getSequenceNo.selector, 0x5cfc5ae8);
        _is(IStateCommitRegistry.currentStateRoot.selector, 0xac2eba98);
        _is(IStateCommitRegistry.currentSequenceNo.selector, 0x9073bb22);
        _is(IStateCommitRegistry.lastCommitTimestamp.selector, 0x2bc2cf6e);
        _is(IStateCommitRegistry.stateCommitMinQuorumBps.selector, 0xaad5709a);
        _is(IStateCommitRegistry.latestSnapshotRoot.selector, 0x0df18f94);
        _is(IStateCommitRegistry.setMinQuorumBps.selector, 0x53e74289);
        _is(IStateCommitRegistry.injectSealedSnapshot.selector, 0xf54fc0b6);
        _is(IStateCommitRegistry.gc_eligible_after.selector, 0x18c19a24);
        _is(IStateCommitRegistry.hasRole.selector, 0x91d14854);
        _is(IStateCommitRegistry.getRoleAdmin.selector, 0x248a9ca3);
        _is(IStateRootCommittable.SequenceGap.selector, 0x104d0050);
        _is(IStateRootCommittable.StateRootMismatch.selector, 0x37f04d41);
        _is(IStateRootCommittable.TimestampRegression.selector, 0x5a612e4c);
        _is(IStateRootCommittable.InvalidPcr0Commitment.selector, 0x6dfbfc74);
        _is(IStateRootCommittable.InvalidNewStateRoot.selector, 0x5bf0f768);
        _is(IStateRootCommittable.UnsupportedStateCommitVersion.selector, 0xb681668e);
        _is(IStateCommitRegistry.InvalidQuorumBps.selector, 0x73e14e9e);
        _is(IStateCommitRegistry.EmptySignedStakes.selector, 0xdbf8f075);
        _is(IStateCommitRegistry.ArrayLenMismatch.selector, 0x1b96a06a);
        _is(IStateCommitRegistry.InsufficientQuorum.selector, 0x86b16091);
        _is(IStateCommitRegistry.ZeroTotalWeight.selector, 0x5ac7c730);
        _is(IStateCommitRegistry.InvalidSealedSnapshot.selector, 0xdc4e1d57);
        _is(IStateCommitRegistry.CertificateMessageHashMismatch.selector, 0x822ef683);
        _topic(IStateRootCommittable.StateRootCommitted.selector, 0x188a7bee);
        _topic(IStateCommitRegistry.SealedSnapshotInjected.selector, 0xe68f4d34);
        _topic(IStateCommitRegistry.MinQuorumBpsUpdated.selector, 0x9a571975);
    }

    function test_certificateVerifier() public pure {
        _is(IBN254CertificateVerifier.CertificateStale.selector, 0xc81f9ad6);
        _is(IBN254CertificateVerifier.ReferenceTimestampDoesNotExist.selector, 0x6568bdb8);
        _is(IBN254CertificateVerifier.VerificationFailed.selector, 0x439cc0cd);
        _is(IBN254CertificateVerifier.NonSignerIndicesNotSorted.selector, 0xec6268b8);
        _is(IBN254CertificateVerifier.InvalidOperatorIndex.selector, 0x03f4a78e);
        _is(IBN254CertificateVerifier.TableUpdateStale.selector, 0x2f20889f);
        _is(IBN254CertificateVerifier.ArrayLengthMismatch.selector, 0xa24a13a6);
    }

    // --- What is not known ---

    function test_unknown_build() public view {
        bytes32 unknown = hashOf("no build");
        IEnclaveVersionRegistry.EnclaveVersion memory version = enclaves.getVersion(unknown);
        assertEq(version.activatedAt, 0);
        assertEq(version.deprecatedAt, 0);
        assertEq(version.label, "");
        assertFalse(enclaves.isActiveVersion(unknown));
        assertFalse(enclaves.wasPcr0WhitelistedAt(unknown, 1004));
        assertEq(enclaves.getEnclaveKey(stranger), bytes32(0));
    }

    function test_unknown_client() public {
        assertFalse(clients.isRegisteredClient(stranger));
        assertEq(clients.getClientsByOwner(stranger).length, 0);
        assertEq(clients.getClientCount(stranger), 0);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyClientRegistry.ClientNotRegistered.selector, stranger)
        );
        clients.getClientRecord(stranger);
    }

    function test_unknown_operatorSet() public view {
        OperatorSet memory set = OperatorSet(stranger, 7);
        assertEq(verifier.getOperatorSetInfo(set, TABLE).numOperators, 0);
        assertEq(verifier.getTotalStakeWeights(set, TABLE).length, 0);
        assertEq(verifier.latestReferenceTimestamp(set), 0);
        assertEq(verifier.getOperatorSetOwner(set), address(0));
        assertFalse(verifier.isReferenceTimestampSet(set, TABLE));
    }

    /// Names and values of the deployed interface mean each other: the signature's verdict is first.
    function test_trySignatureVerification_isSwapped() public view {
        (bool first, bool second) = verifier.trySignatureVerification(
            hashOf("digest"),
            operatorKeys[1],
            operatorKeysG2[1],
            signWith(operatorSecrets[0], hashOf("digest"))
        );
        assertFalse(first);
        assertTrue(second);
    }
}
