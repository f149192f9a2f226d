// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    BN254Certificate,
    BN254OperatorSetInfo,
    IBN254CertificateVerifier,
    OperatorSet
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {IArtifactProofs} from "../../src/interfaces/IArtifactProofs.sol";
import {IStateCommitRegistry} from "../../src/interfaces/IStateCommitRegistry.sol";
import {IStateRootCommittable} from "../../src/interfaces/IStateRootCommittable.sol";
import {UpgradeTimes} from "../../src/interfaces/IDelayedUpgrade.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {ArtifactProofs} from "../../src/statetree/ArtifactProofs.sol";
import {StateCommitRegistry} from "../../src/statetree/StateCommitRegistry.sol";
import {StateTreeVerifier} from "../../src/statetree/StateTreeVerifier.sol";
import {Operators} from "../base/Operators.sol";

/// @notice A contract that signs as a Safe does: by what its owners approved.
contract ContractSigner {
    mapping(bytes32 => bool) private _approved;

    function approve(bytes32 digest, bytes calldata signature) external {
        _approved[keccak256(abi.encode(digest, signature))] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        return _approved[keccak256(abi.encode(digest, signature))] ? bytes4(0x1626ba7e) : bytes4(0);
    }
}

/// @notice The cheatcode by which time is read after it was changed within one call.
interface Clock {
    function getBlockTimestamp() external view returns (uint256);
}

abstract contract StateCommitBase is Operators {
    StateCommitRegistry internal registry;
    address internal owner = makeAddr("owner");
    address internal stranger = makeAddr("stranger");
    address[] internal snapshotSigners;
    uint256[] internal snapshotKeys;
    uint256 internal now_;

    /// @dev The compiler takes `block.timestamp` for the same all through a call.
    function clock() internal view returns (uint256) {
        return Clock(address(vm)).getBlockTimestamp();
    }

    function setUpCommits(uint8 version, uint8 threshold) internal {
        vm.roll(2000);
        now_ = TABLE + 100_000;
        vm.warp(now_);
        setUpVerifier();
        vm.roll(2010);
        for (uint256 i; i < 3; ++i) {
            (address signer, uint256 key) = makeAddrAndKey(string.concat("signer ", vm.toString(i)));
            snapshotSigners.push(signer);
            snapshotKeys.push(key);
        }
        for (uint256 i = 1; i < 3; ++i) {
            for (uint256 j = i; j > 0 && snapshotSigners[j] < snapshotSigners[j - 1]; --j) {
                (snapshotSigners[j], snapshotSigners[j - 1]) =
                (snapshotSigners[j - 1], snapshotSigners[j]);
                (snapshotKeys[j], snapshotKeys[j - 1]) = (snapshotKeys[j - 1], snapshotKeys[j]);
            }
        }
        registry = deployRegistry(version, threshold);
    }

    function setupOf(uint8 version, uint8 threshold)
        internal
        view
        returns (IStateCommitRegistry.Setup memory)
    {
        return IStateCommitRegistry.Setup({
            owner: owner,
            times: UpgradeTimes(1100, 90, 1000),
            blockKind: BlockKind.Native,
            certificateVerifier: address(verifier),
            avs: AVS,
            commitVersion: version,
            minQuorumBps: 6700,
            snapshotSigners: threshold == 0 ? new address[](0) : snapshotSigners,
            snapshotThreshold: threshold
        });
    }

    function deployRegistry(uint8 version, uint8 threshold) internal returns (StateCommitRegistry) {
        return StateCommitRegistry(
            proxy(
                deployCode("StateCommitRegistry", ""),
                abi.encodeCall(StateCommitRegistry.initialize, (setupOf(version, threshold)))
            )
        );
    }

    function nextCommit(bytes32 root)
        internal
        view
        returns (IStateRootCommittable.StateCommit memory)
    {
        return IStateRootCommittable.StateCommit({
            version: registry.commitVersion(),
            sequenceNo: registry.currentSequenceNo() + 1,
            prevStateRoot: registry.currentStateRoot(),
            newStateRoot: root,
            timestamp: uint64(clock()),
            daCertHash: keccak256("da"),
            pcr0Commitment: keccak256("pcr0")
        });
    }

    function certificateOf(IStateRootCommittable.StateCommit memory commit)
        internal
        view
        returns (bytes memory)
    {
        return abi.encode(certify(registry.commitHash(commit)));
    }

    function commitRoot(bytes32 root) internal {
        vm.warp(clock() + 120);
        IStateRootCommittable.StateCommit memory commit = nextCommit(root);
        bytes memory certificate = certificateOf(commit);
        registry.commitStateRoot(commit, certificate);
    }
}

contract StateCommitRegistryTest is StateCommitBase {
    bytes32 private constant ROOT = keccak256("root 1");

    function setUp() public {
        setUpCommits(2, 2);
    }

    function _refuses(IStateRootCommittable.StateCommit memory commit, bytes memory reason)
        private
    {
        bytes memory certificate = certificateOf(commit);
        vm.expectRevert(reason);
        registry.commitStateRoot(commit, certificate);
    }

    // --- Digests ---

    function test_vectors() public {
        string memory json = vm.readFile("test/vectors/messages/stateCommits.json");
        for (uint256 i; i < 3; ++i) {
            string memory at = string.concat(".cases[", vm.toString(i), "]");
            IStateRootCommittable.StateCommit memory commit = abi.decode(
                vm.parseJsonBytes(json, string.concat(at, ".commitEncoded")),
                (IStateRootCommittable.StateCommit)
            );
            uint256 chain = vm.parseJsonUint(json, string.concat(at, ".chainId"));
            if (chain > type(uint64).max) continue; // A chain id the test machine cannot take.
            vm.chainId(chain);
            StateCommitRegistry here = deployRegistry(commit.version, 0);
            // The registry's address is in the digest: the code is looked at where the vector has it.
            address there = vm.parseJsonAddress(json, string.concat(at, ".registry"));
            vm.etch(there, address(here).code);
            _copyStorage(address(here), there);
            assertEq(
                StateCommitRegistry(there).commitHash(commit),
                vm.parseJsonBytes32(json, string.concat(at, ".messageHash"))
            );
            assertEq(
                verifier.calculateCertificateDigest(
                    uint32(vm.parseJsonUint(json, string.concat(at, ".referenceTimestamp"))),
                    StateCommitRegistry(there).commitHash(commit)
                ),
                vm.parseJsonBytes32(json, string.concat(at, ".signable"))
            );
        }
    }

    function _copyStorage(address from, address to) private {
        bytes32 implementation = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
        bytes32 slot = 0xaa47e20024eaaacdd2feef2ebaf2047d9cd166d231af1ad248503b7394f5e200;
        vm.store(to, implementation, vm.load(from, implementation));
        for (uint256 i; i < 4; ++i) {
            bytes32 at = bytes32(uint256(slot) + i);
            vm.store(to, at, vm.load(from, at));
        }
    }

    /// The message hash of the deployed contract, by its published example.
    function test_version1_referenceValues() public {
        StateCommitRegistry first = deployRegistry(1, 0);
        IStateRootCommittable.StateCommit memory commit = IStateRootCommittable.StateCommit(
            1,
            1,
            0,
            0x1111111111111111111111111111111111111111111111111111111111111111,
            1_750_000_000,
            0x2222222222222222222222222222222222222222222222222222222222222222,
            0x3333333333333333333333333333333333333333333333333333333333333333
        );
        bytes32 hash = first.commitHash(commit);
        assertEq(hash, 0x39e539b3143406576c94519b849eaa051207fd81a53d84823d10e47ec0fcfec0);
        assertEq(
            verifier.calculateCertificateDigest(1_750_000_000, hash),
            0x2f2c81b5a759b8fe41855f89e28ea10fb19f5dafd741b447f59f01c55cfaf1fa
        );
    }

    function test_version2_bindsChainAndRegistry() public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes32 here = registry.commitHash(commit);
        assertNotEq(deployRegistry(2, 0).commitHash(commit), here);
        vm.chainId(5);
        assertNotEq(registry.commitHash(commit), here);
    }

    /// The same signature shown to a second registry at the same point is not valid there.
    function test_version2_isNotReplayedToAnotherRegistry() public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes memory certificate = certificateOf(commit);
        StateCommitRegistry other = deployRegistry(2, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStateCommitRegistry.CertificateMessageHashMismatch.selector,
                other.commitHash(commit),
                registry.commitHash(commit)
            )
        );
        other.commitStateRoot(commit, certificate);
    }

    function test_selectors() public pure {
        assertEq(bytes32(type(IStateRootCommittable).interfaceId), bytes32(bytes4(0x82c122a8)));
        assertEq(
            bytes32(IStateRootCommittable.commitStateRoot.selector), bytes32(bytes4(0x135d225a))
        );
        assertEq(bytes32(IStateRootCommittable.getStateRoot.selector), bytes32(bytes4(0xcd605a1a)));
        assertEq(bytes32(IStateRootCommittable.getSequenceNo.selector), bytes32(bytes4(0x5cfc5ae8)));
        assertEq(
            bytes32(IStateCommitRegistry.currentStateRoot.selector), bytes32(bytes4(0xac2eba98))
        );
        assertEq(
            bytes32(IStateCommitRegistry.currentSequenceNo.selector), bytes32(bytes4(0x9073bb22))
        );
        assertEq(
            bytes32(IStateCommitRegistry.lastCommitTimestamp.selector), bytes32(bytes4(0x2bc2cf6e))
        );
        assertEq(
            bytes32(IStateCommitRegistry.stateCommitMinQuorumBps.selector),
            bytes32(bytes4(0xaad5709a))
        );
        assertEq(
            bytes32(IStateCommitRegistry.latestSnapshotRoot.selector), bytes32(bytes4(0x0df18f94))
        );
        assertEq(
            bytes32(IStateCommitRegistry.injectSealedSnapshot.selector), bytes32(bytes4(0xf54fc0b6))
        );
        assertEq(
            bytes32(IStateCommitRegistry.setMinQuorumBps.selector), bytes32(bytes4(0x53e74289))
        );
        assertEq(
            bytes32(IStateCommitRegistry.gc_eligible_after.selector), bytes32(bytes4(0x18c19a24))
        );
        assertEq(bytes32(IStateRootCommittable.SequenceGap.selector), bytes32(bytes4(0x104d0050)));
        assertEq(
            bytes32(IStateRootCommittable.StateRootMismatch.selector), bytes32(bytes4(0x37f04d41))
        );
        assertEq(
            bytes32(IStateRootCommittable.TimestampRegression.selector), bytes32(bytes4(0x5a612e4c))
        );
        assertEq(
            bytes32(IStateRootCommittable.InvalidPcr0Commitment.selector),
            bytes32(bytes4(0x6dfbfc74))
        );
        assertEq(
            bytes32(IStateRootCommittable.InvalidNewStateRoot.selector), bytes32(bytes4(0x5bf0f768))
        );
        assertEq(
            bytes32(IStateRootCommittable.UnsupportedStateCommitVersion.selector),
            bytes32(bytes4(0xb681668e))
        );
        assertEq(
            bytes32(IStateCommitRegistry.InvalidQuorumBps.selector), bytes32(bytes4(0x73e14e9e))
        );
        assertEq(
            bytes32(IStateCommitRegistry.EmptySignedStakes.selector), bytes32(bytes4(0xdbf8f075))
        );
        assertEq(
            bytes32(IStateCommitRegistry.ArrayLenMismatch.selector), bytes32(bytes4(0x1b96a06a))
        );
        assertEq(
            bytes32(IStateCommitRegistry.InsufficientQuorum.selector), bytes32(bytes4(0x86b16091))
        );
        assertEq(
            bytes32(IStateCommitRegistry.ZeroTotalWeight.selector), bytes32(bytes4(0x5ac7c730))
        );
        assertEq(
            bytes32(IStateCommitRegistry.InvalidSealedSnapshot.selector),
            bytes32(bytes4(0xdc4e1d57))
        );
        assertEq(
            bytes32(IStateCommitRegistry.CertificateMessageHashMismatch.selector),
            bytes32(bytes4(0x822ef683))
        );
        assertEq(
            IStateRootCommittable.StateRootCommitted.selector,
            0x188a7bee69a04b7b37c954b254e19aae58009d77ec35d93b3eef095066f9dfe3
        );
        assertEq(
            IStateCommitRegistry.SealedSnapshotInjected.selector,
            0xe68f4d34e8e93d986c534bd32474ac963c6640f9b2b9bd3df4d3025677df4bb6
        );
        assertEq(
            IStateCommitRegistry.MinQuorumBpsUpdated.selector,
            0x9a57197563b02e21b8889f3b505a2b5914cdd59301d3c82659390ad662d980a7
        );
    }

    // --- Commits ---

    function test_commit() public {
        assertEq(registry.getStateRoot(), bytes32(0));
        assertEq(registry.getSequenceNo(), 0);
        assertFalse(registry.isFresh(type(uint64).max));
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes memory certificate = certificateOf(commit);
        vm.expectEmit(address(registry));
        emit IStateRootCommittable.StateRootCommitted(
            1, 0, ROOT, commit.timestamp, commit.daCertHash, commit.pcr0Commitment
        );
        vm.prank(stranger);
        registry.commitStateRoot(commit, certificate);
        assertEq(registry.getStateRoot(), ROOT);
        assertEq(registry.getSequenceNo(), 1);
        assertEq(registry.rootAt(1), ROOT);
        assertEq(registry.rootAt(2), bytes32(0));
        assertEq(registry.daCertHashAt(1), commit.daCertHash);
        assertTrue(registry.isKnownRoot(ROOT));
        assertFalse(registry.isKnownRoot(bytes32(0)));
        (bytes32 root, uint64 sequenceNo, uint64 timestamp) = registry.latest();
        assertEq(root, ROOT);
        assertEq(sequenceNo, 1);
        assertEq(timestamp, commit.timestamp);
        assertEq(registry.lastCommitTimestamp(), commit.timestamp);
        assertEq(registry.gc_eligible_after(stranger), type(uint64).max);
    }

    function test_history() public {
        for (uint256 i = 1; i <= 5; ++i) {
            commitRoot(keccak256(abi.encode(i)));
        }
        for (uint64 i = 1; i <= 5; ++i) {
            assertEq(registry.rootAt(i), keccak256(abi.encode(uint256(i))));
            assertTrue(registry.isKnownRoot(registry.rootAt(i)));
        }
        // A heartbeat: the root need not change.
        commitRoot(registry.getStateRoot());
        assertEq(registry.getSequenceNo(), 6);
    }

    function test_isFresh() public {
        commitRoot(ROOT);
        assertTrue(registry.isFresh(0));
        vm.warp(clock() + 240);
        assertTrue(registry.isFresh(240));
        assertFalse(registry.isFresh(239));
    }

    function test_refusals_inOrder() public {
        commitRoot(ROOT);
        vm.warp(clock() + 120);
        IStateRootCommittable.StateCommit memory commit = nextCommit(keccak256("root 2"));
        uint64 last = registry.lastCommitTimestamp();
        // Everything is wrong; each is found in turn and then put right.
        commit.version = 1;
        commit.pcr0Commitment = 0;
        commit.newStateRoot = 0;
        commit.sequenceNo = 3;
        commit.prevStateRoot = keccak256("x");
        commit.timestamp = last;
        _refuses(
            commit,
            abi.encodeWithSelector(
                IStateRootCommittable.UnsupportedStateCommitVersion.selector, 2, 1
            )
        );
        commit.version = 2;
        _refuses(
            commit, abi.encodeWithSelector(IStateRootCommittable.InvalidPcr0Commitment.selector)
        );
        commit.pcr0Commitment = keccak256("pcr0");
        _refuses(commit, abi.encodeWithSelector(IStateRootCommittable.InvalidNewStateRoot.selector));
        commit.newStateRoot = keccak256("root 2");
        _refuses(commit, abi.encodeWithSelector(IStateRootCommittable.SequenceGap.selector, 2, 3));
        commit.sequenceNo = 1;
        _refuses(commit, abi.encodeWithSelector(IStateRootCommittable.SequenceGap.selector, 2, 1));
        commit.sequenceNo = 2;
        _refuses(
            commit,
            abi.encodeWithSelector(
                IStateRootCommittable.StateRootMismatch.selector, ROOT, keccak256("x")
            )
        );
        commit.prevStateRoot = ROOT;
        _refuses(
            commit,
            abi.encodeWithSelector(IStateRootCommittable.TimestampRegression.selector, last, last)
        );
        commit.timestamp = last + 1;
        bytes memory certificate = abi.encode(certify(keccak256("another")));
        bytes32 hash = registry.commitHash(commit);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStateCommitRegistry.CertificateMessageHashMismatch.selector,
                hash,
                keccak256("another")
            )
        );
        registry.commitStateRoot(commit, certificate);
        certificate = certificateOf(commit);
        registry.commitStateRoot(commit, certificate);
    }

    function test_timestampBounds() public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        commit.timestamp = uint64(now_) + 1;
        _refuses(
            commit,
            abi.encodeWithSelector(
                IStateCommitRegistry.TimestampInFuture.selector, uint64(now_), uint64(now_) + 1
            )
        );
        commit.timestamp = type(uint64).max;
        _refuses(
            commit,
            abi.encodeWithSelector(
                IStateCommitRegistry.TimestampInFuture.selector, uint64(now_), type(uint64).max
            )
        );
        commit.timestamp = uint64(now_) - 3601;
        _refuses(
            commit,
            abi.encodeWithSelector(
                IStateCommitRegistry.TimestampTooOld.selector,
                uint64(now_) - 3600,
                uint64(now_) - 3601
            )
        );
        commit.timestamp = uint64(now_) - 3600;
        bytes memory certificate = certificateOf(commit);
        registry.commitStateRoot(commit, certificate);
    }

    /// A chain whose clock is younger than an hour: nothing is too old on it.
    function test_timestampOnAYoungChain() public {
        vm.warp(100);
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        commit.timestamp = 1;
        bytes memory certificate = certificateOf(commit);
        registry.commitStateRoot(commit, certificate);
        assertEq(registry.lastCommitTimestamp(), 1);
    }

    function test_quorum() public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes32 hash = registry.commitHash(commit);
        bytes memory certificate = abi.encode(certify(hash, TABLE, without(1, 2)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IStateCommitRegistry.InsufficientQuorum.selector, 0, 500 * 10_000, 1000 * 6700
            )
        );
        registry.commitStateRoot(commit, certificate);
        certificate = abi.encode(certify(hash, TABLE, without(0, 3)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IStateCommitRegistry.InsufficientQuorum.selector, 1, 3 * 10_000, 5 * 6700
            )
        );
        registry.commitStateRoot(commit, certificate);
        certificate = abi.encode(certify(hash, TABLE, without(3)));
        registry.commitStateRoot(commit, certificate);
    }

    /// Another verifier that answers oddly does not make a quorum out of nothing.
    function test_oddVerifiers() public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes memory certificate = certificateOf(commit);
        bytes4 verify = verifier.verifyCertificate.selector;
        vm.mockCall(address(verifier), abi.encodeWithSelector(verify), abi.encode(new uint256[](0)));
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.EmptySignedStakes.selector));
        registry.commitStateRoot(commit, certificate);
        vm.mockCall(address(verifier), abi.encodeWithSelector(verify), abi.encode(new uint256[](3)));
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.ArrayLenMismatch.selector));
        registry.commitStateRoot(commit, certificate);
        BN254OperatorSetInfo memory info;
        info.totalWeights = new uint256[](2);
        vm.mockCall(address(verifier), abi.encodeWithSelector(verify), abi.encode(new uint256[](2)));
        vm.mockCall(
            address(verifier),
            abi.encodeWithSelector(verifier.getOperatorSetInfo.selector),
            abi.encode(info)
        );
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.ZeroTotalWeight.selector, 0));
        registry.commitStateRoot(commit, certificate);
    }

    /// Operators of a table that a commit has left behind commit nothing more.
    function test_tablesOnlyMoveForward() public {
        publishTable(TABLE + 50);
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes memory certificate =
            abi.encode(certify(registry.commitHash(commit), TABLE + 50, new uint256[](0)));
        registry.commitStateRoot(commit, certificate);
        vm.warp(clock() + 120);
        commit = nextCommit(keccak256("root 2"));
        _refuses(
            commit,
            abi.encodeWithSelector(
                IStateCommitRegistry.ReferenceTimestampRegression.selector, TABLE + 50, TABLE
            )
        );
    }

    function test_staleTable() public {
        vm.prank(verifierOwner);
        verifier.setMaxStaleness(60);
        _refuses(
            nextCommit(ROOT),
            abi.encodeWithSelector(IBN254CertificateVerifier.CertificateStale.selector)
        );
    }

    function test_malformedCertificate() public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        vm.expectRevert();
        registry.commitStateRoot(commit, "");
        vm.expectRevert();
        registry.commitStateRoot(commit, hex"deadbeef");
        assertEq(registry.getSequenceNo(), 0);
    }

    function test_fuzz_anyFieldChangedIsRefused(uint256 field, bytes32 noise) public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes memory certificate = certificateOf(commit);
        uint256 odd = uint256(keccak256(abi.encode(noise))) | 1;
        field = bound(field, 0, 6);
        if (field == 0) commit.version ^= uint8(odd);
        else if (field == 1) commit.sequenceNo ^= uint64(odd);
        else if (field == 2) commit.prevStateRoot ^= bytes32(odd);
        else if (field == 3) commit.newStateRoot ^= bytes32(odd);
        else if (field == 4) commit.timestamp = uint64(now_) - uint64(odd % 3600) - 1;
        else if (field == 5) commit.daCertHash ^= bytes32(odd);
        else commit.pcr0Commitment ^= bytes32(odd);
        vm.expectRevert();
        registry.commitStateRoot(commit, certificate);
    }

    // --- Announcements ---

    function _announcement()
        private
        view
        returns (bytes32 delta, bytes[] memory locators, bytes32 hash)
    {
        string memory json = vm.readFile("test/vectors/messages/stateCommits.json");
        delta = vm.parseJsonBytes32(json, ".announcement.deltaHash");
        locators = vm.parseJsonBytesArray(json, ".announcement.locators");
        hash = vm.parseJsonBytes32(json, ".announcement.daCertHash");
    }

    function test_announceCommit() public {
        (bytes32 delta, bytes[] memory locators, bytes32 hash) = _announcement();
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        commit.daCertHash = hash;
        bytes memory certificate = certificateOf(commit);
        registry.commitStateRoot(commit, certificate);
        vm.expectEmit(address(registry));
        emit IStateCommitRegistry.CommitAnnounced(1, delta, stranger, locators);
        vm.prank(stranger);
        registry.announceCommit(1, delta, locators);

        bytes[] memory fewer = new bytes[](2);
        (fewer[0], fewer[1]) = (locators[0], locators[1]);
        bytes32 actual =
            keccak256(abi.encodePacked(delta, keccak256(fewer[0]), keccak256(fewer[1])));
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.DeltaMismatch.selector, hash, actual)
        );
        registry.announceCommit(1, delta, fewer);
        vm.expectPartialRevert(IStateCommitRegistry.DeltaMismatch.selector);
        registry.announceCommit(1, keccak256("another"), locators);
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.UnknownCommit.selector, 2));
        registry.announceCommit(2, delta, locators);
        locators[1] = new bytes(16_385);
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.LocatorTooLarge.selector, 16_385)
        );
        registry.announceCommit(1, delta, locators);
    }

    function test_announceCommit_version1IsAHint() public {
        registry = deployRegistry(1, 0);
        commitRoot(ROOT);
        (bytes32 delta, bytes[] memory locators,) = _announcement();
        vm.expectEmit(address(registry));
        emit IStateCommitRegistry.CommitAnnounced(1, delta, address(this), locators);
        registry.announceCommit(1, delta, locators);
    }

    function test_announceCommitCopy() public {
        commitRoot(ROOT);
        bytes memory locator = new bytes(16_384);
        vm.expectEmit(address(registry));
        emit IStateCommitRegistry.CommitCopyAnnounced(1, address(this), locator);
        registry.announceCommitCopy(1, locator);
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.UnknownCommit.selector, 0));
        registry.announceCommitCopy(0, locator);
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.LocatorTooLarge.selector, 16_385)
        );
        registry.announceCommitCopy(1, new bytes(16_385));
    }

    // --- Snapshots ---

    function _snapshot(uint64 sequenceNo, bytes32 root) private view returns (bytes memory) {
        IStateRootCommittable.StateCommit memory commit = nextCommit(root);
        commit.sequenceNo = sequenceNo;
        commit.prevStateRoot = keccak256("whatever");
        return abi.encode(commit);
    }

    function _sign(bytes memory snapshot, uint256 a, uint256 b)
        private
        view
        returns (bytes memory)
    {
        bytes32 digest = registry.snapshotDigest(snapshot);
        return _two(vm.addr(snapshotKeys[a]), _one(snapshotKeys[a], digest), b, digest);
    }

    /// @dev One given signer with what it gives, and one that signs.
    function _two(address first, bytes memory given, uint256 b, bytes32 digest)
        private
        view
        returns (bytes memory)
    {
        address[] memory signers = new address[](2);
        bytes[] memory signatures = new bytes[](2);
        (signers[0], signers[1]) = (first, vm.addr(snapshotKeys[b]));
        (signatures[0], signatures[1]) = (given, _one(snapshotKeys[b], digest));
        return abi.encode(signers, signatures);
    }

    function _one(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function test_snapshot() public {
        commitRoot(ROOT);
        vm.warp(clock() + 10_000);
        bytes32 root = keccak256("recovered");
        bytes memory snapshot = _snapshot(2, root);
        bytes memory signature = _sign(snapshot, 0, 2);
        vm.expectEmit(address(registry));
        emit IStateCommitRegistry.SealedSnapshotInjected(keccak256(snapshot));
        emit IStateCommitRegistry.SnapshotAnchored(2, root, uint64(clock()));
        vm.prank(stranger);
        registry.injectSealedSnapshot(snapshot, signature);
        assertEq(registry.getStateRoot(), root);
        assertEq(registry.getSequenceNo(), 2);
        assertEq(registry.rootAt(2), root);
        assertFalse(registry.isKnownRoot(root), "the signers' word, not the operators'");
        assertTrue(registry.isKnownRoot(ROOT));
        assertEq(registry.latestSnapshotRoot(), root);
        assertEq(registry.latestSnapshotSeq(), 2);
        assertEq(registry.latestSnapshotTimestamp(), uint64(clock()));
        // Not again, and the operators go on from there.
        vm.expectRevert(abi.encodeWithSelector(IStateRootCommittable.SequenceGap.selector, 3, 2));
        registry.injectSealedSnapshot(snapshot, signature);
        commitRoot(root);
        assertTrue(registry.isKnownRoot(root));
        assertEq(registry.latestSnapshotSeq(), 2);
    }

    function test_snapshot_signatures() public {
        bytes memory snapshot = _snapshot(1, ROOT);
        bytes32 digest = registry.snapshotDigest(snapshot);
        (, uint256 outsider) = makeAddrAndKey("outsider");
        address first = vm.addr(snapshotKeys[0]);
        bytes[10] memory bad = [
            bytes(""),
            new bytes(130),
            abi.encode(new address[](1), new bytes[](1)),
            abi.encode(new address[](2), new bytes[](1)),
            abi.encode(new address[](3), new bytes[](3)),
            _sign(snapshot, 0, 0),
            _sign(snapshot, 2, 0),
            _two(vm.addr(outsider), _one(outsider, digest), 2, digest),
            _two(first, _one(outsider, digest), 2, digest),
            _two(first, _one(snapshotKeys[0], keccak256(snapshot)), 2, digest)
        ];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IStateCommitRegistry.InvalidSealedSnapshot.selector)
            );
            registry.injectSealedSnapshot(snapshot, bad[i]);
        }
        // Of another registry or chain.
        bytes memory good = _sign(snapshot, 0, 1);
        StateCommitRegistry other = deployRegistry(2, 2);
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.InvalidSealedSnapshot.selector));
        other.injectSealedSnapshot(snapshot, good);
        vm.chainId(5);
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.InvalidSealedSnapshot.selector));
        registry.injectSealedSnapshot(snapshot, good);
        vm.chainId(31337);
        registry.injectSealedSnapshot(snapshot, good);
    }

    /// The owner of a mainnet, and whoever signs for it, is a contract.
    function test_snapshot_byAContract() public {
        ContractSigner safe = new ContractSigner();
        address[] memory signers = new address[](1);
        signers[0] = address(safe);
        vm.prank(owner);
        registry.setSnapshotSigners(signers, 1);
        bytes memory snapshot = _snapshot(1, ROOT);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = "by two of three owners";
        bytes memory signature = abi.encode(signers, signatures);
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.InvalidSealedSnapshot.selector));
        registry.injectSealedSnapshot(snapshot, signature);
        safe.approve(registry.snapshotDigest(snapshot), signatures[0]);
        registry.injectSealedSnapshot(snapshot, signature);
        assertEq(registry.getStateRoot(), ROOT);
        assertTrue(registry.hasRole(registry.SNAPSHOT_INJECTOR_ROLE(), address(safe)));
    }

    /// A signer with a key may have code as well (EIP-7702): its key signs still.
    function test_snapshot_byAccountsWithCode() public {
        bytes memory snapshot = _snapshot(1, ROOT);
        for (uint256 i; i < snapshotSigners.length; ++i) {
            vm.etch(snapshotSigners[i], hex"60006000fd");
        }
        registry.injectSealedSnapshot(snapshot, _sign(snapshot, 0, 1));
        assertEq(registry.getStateRoot(), ROOT);
    }

    /// As the deployed contract answers of its roles: the owner is the admin, the signers inject.
    function test_roles() public view {
        bytes32 admin = registry.DEFAULT_ADMIN_ROLE();
        bytes32 injector = registry.SNAPSHOT_INJECTOR_ROLE();
        assertTrue(registry.hasRole(admin, owner));
        assertFalse(registry.hasRole(admin, snapshotSigners[0]));
        assertTrue(registry.hasRole(injector, snapshotSigners[0]));
        assertFalse(registry.hasRole(injector, owner));
        assertFalse(registry.hasRole(keccak256("ANOTHER_ROLE"), owner));
        assertEq(registry.getRoleAdmin(injector), admin);
        assertTrue(registry.supportsInterface(type(IStateRootCommittable).interfaceId));
        assertFalse(registry.supportsInterface(0xffffffff));
    }

    /// No snapshot ends the registry, or skips numbers that operators count with.
    function test_snapshot_numbers() public {
        uint64[3] memory wrong = [uint64(0), uint64(1) << 32, type(uint64).max];
        for (uint256 i; i < 3; ++i) {
            _snapshotReverts(
                _snapshot(wrong[i], ROOT),
                abi.encodeWithSelector(IStateRootCommittable.SequenceGap.selector, 1, wrong[i])
            );
        }
        // Only a registry without commits starts where the tree is.
        bytes memory snapshot = _snapshot(type(uint32).max, ROOT);
        registry.injectSealedSnapshot(snapshot, _sign(snapshot, 0, 1));
        assertEq(registry.getSequenceNo(), type(uint32).max);
        uint64 next = uint64(1) << 32;
        vm.warp(clock() + 10);
        _snapshotReverts(
            _snapshot(next + 1, ROOT),
            abi.encodeWithSelector(IStateRootCommittable.SequenceGap.selector, next, next + 1)
        );
        _snapshotReverts(
            _snapshot(next - 1, ROOT),
            abi.encodeWithSelector(IStateRootCommittable.SequenceGap.selector, next, next - 1)
        );
        commitRoot(keccak256("next"));
        assertEq(registry.getSequenceNo(), next);
    }

    function _snapshotReverts(bytes memory snapshot, bytes memory reason) private {
        bytes memory signature = _sign(snapshot, 0, 1);
        vm.expectRevert(reason);
        registry.injectSealedSnapshot(snapshot, signature);
    }

    function test_snapshot_contents() public {
        commitRoot(ROOT);
        IStateRootCommittable.StateCommit memory commit = nextCommit(keccak256("r"));
        commit.timestamp = uint64(clock());
        _snapshotReverts(
            abi.encode(commit),
            abi.encodeWithSelector(
                IStateRootCommittable.TimestampRegression.selector,
                commit.timestamp,
                commit.timestamp
            )
        );
        commit.timestamp += 1;
        _snapshotReverts(
            abi.encode(commit),
            abi.encodeWithSelector(
                IStateCommitRegistry.TimestampInFuture.selector,
                commit.timestamp - 1,
                commit.timestamp
            )
        );
        vm.warp(clock() + 5);
        commit.version = 1;
        _snapshotReverts(
            abi.encode(commit),
            abi.encodeWithSelector(
                IStateRootCommittable.UnsupportedStateCommitVersion.selector, 2, 1
            )
        );
        commit.version = 2;
        commit.pcr0Commitment = 0;
        _snapshotReverts(
            abi.encode(commit),
            abi.encodeWithSelector(IStateRootCommittable.InvalidPcr0Commitment.selector)
        );
        commit.pcr0Commitment = keccak256("p");
        commit.newStateRoot = 0;
        _snapshotReverts(
            abi.encode(commit),
            abi.encodeWithSelector(IStateRootCommittable.InvalidNewStateRoot.selector)
        );
        _snapshotReverts(
            new bytes(223),
            abi.encodeWithSelector(IStateCommitRegistry.InvalidSealedSnapshot.selector)
        );
        _snapshotReverts(
            new bytes(256),
            abi.encodeWithSelector(IStateCommitRegistry.InvalidSealedSnapshot.selector)
        );
    }

    function test_snapshot_noSigners() public {
        registry = deployRegistry(2, 0);
        bytes memory snapshot = _snapshot(1, ROOT);
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.InvalidSealedSnapshot.selector));
        registry.injectSealedSnapshot(snapshot, "");
    }

    // --- Owner ---

    function test_setSnapshotSigners() public {
        address[] memory list = new address[](2);
        (list[0], list[1]) = (address(2), address(1));
        vm.startPrank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.InvalidSnapshotSigners.selector)
        );
        registry.setSnapshotSigners(list, 1);
        list[1] = address(2);
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.InvalidSnapshotSigners.selector)
        );
        registry.setSnapshotSigners(list, 1);
        (list[0], list[1]) = (address(0), address(1));
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.InvalidSnapshotSigners.selector)
        );
        registry.setSnapshotSigners(list, 1);
        list[0] = address(1);
        list[1] = address(2);
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.InvalidSnapshotSigners.selector)
        );
        registry.setSnapshotSigners(list, 3);
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.InvalidSnapshotSigners.selector)
        );
        registry.setSnapshotSigners(list, 0);
        registry.setSnapshotSigners(list, 2);
        (address[] memory signers, uint8 threshold) = registry.snapshotSigners();
        assertEq(signers.length, 2);
        assertEq(threshold, 2);
        vm.stopPrank();
        vm.prank(stranger);
        vm.expectRevert();
        registry.setSnapshotSigners(list, 1);
    }

    function test_setMinQuorumBps() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IStateCommitRegistry.InvalidQuorumBps.selector, 0));
        registry.setMinQuorumBps(0);
        vm.expectRevert(
            abi.encodeWithSelector(IStateCommitRegistry.InvalidQuorumBps.selector, 10_001)
        );
        registry.setMinQuorumBps(10_001);
        uint64 from = uint64(vm.getBlockNumber()) + 1100;
        vm.expectEmit(address(registry));
        emit IStateCommitRegistry.MinQuorumBpsScheduled(10_000, from);
        registry.setMinQuorumBps(10_000);
        vm.stopPrank();
        (uint16 pending, uint64 fromBlock) = registry.pendingMinQuorumBps();
        assertEq(pending, 10_000);
        assertEq(fromBlock, from);
        vm.roll(from - 1);
        assertEq(registry.stateCommitMinQuorumBps(), 6700);
        vm.roll(from);
        assertEq(registry.stateCommitMinQuorumBps(), 10_000);
        (pending, fromBlock) = registry.pendingMinQuorumBps();
        assertEq(pending, 0);
        assertEq(fromBlock, 0);
        // The first commit under it tells so.
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes memory certificate =
            abi.encode(certify(registry.commitHash(commit), TABLE, new uint256[](0)));
        vm.expectEmit(address(registry));
        emit IStateCommitRegistry.MinQuorumBpsUpdated(6700, 10_000);
        registry.commitStateRoot(commit, certificate);
        assertEq(registry.stateCommitMinQuorumBps(), 10_000);
        // The one in force withdraws an announcement.
        vm.startPrank(owner);
        registry.setMinQuorumBps(1);
        registry.setMinQuorumBps(10_000);
        vm.stopPrank();
        vm.roll(from + 5000);
        assertEq(registry.stateCommitMinQuorumBps(), 10_000);
        vm.prank(stranger);
        vm.expectRevert();
        registry.setMinQuorumBps(1);
    }

    function test_commitVersionIsOneOrTwo() public {
        for (uint256 i; i < 2; ++i) {
            uint8 version = i == 0 ? 0 : 3;
            address implementation = deployCode("StateCommitRegistry", "");
            bytes memory data =
                abi.encodeCall(StateCommitRegistry.initialize, (setupOf(version, 0)));
            vm.expectRevert(
                abi.encodeWithSelector(IStateCommitRegistry.InvalidCommitVersion.selector, version)
            );
            proxy(implementation, data);
        }
    }

    // --- Proofs under committed roots ---

    function test_artifactProofs() public {
        ArtifactProofs proofs =
            ArtifactProofs(deployCode("ArtifactProofs", abi.encode(address(registry))));
        string memory json = vm.readFile("test/vectors/messages/artifactProofs.json");
        StateTreeVerifier.Proof memory absence = abi.decode(
            vm.parseJsonBytes(json, ".trees[3].absent[0].proof.encoded"), (StateTreeVerifier.Proof)
        );
        bytes32 missing = vm.parseJsonBytes32(json, ".trees[3].absent[0].artifactHash");
        vm.expectRevert(abi.encodeWithSelector(IArtifactProofs.NoRoot.selector));
        proofs.isAbsent(4, missing, absence);
        StateTreeVerifier.Proof memory proof = abi.decode(
            vm.parseJsonBytes(json, ".trees[3].included[1].proof.encoded"),
            (StateTreeVerifier.Proof)
        );
        bytes32 artifact = vm.parseJsonBytes32(json, ".trees[3].included[1].artifactHash");
        bytes32 root = vm.parseJsonBytes32(json, ".trees[3].root");
        vm.expectRevert(abi.encodeWithSelector(IArtifactProofs.UnknownRoot.selector, root));
        proofs.isCommitted(root, 5, artifact, proof);

        commitRoot(root);
        assertTrue(proofs.isCommitted(root, 5, artifact, proof));
        assertFalse(proofs.isCommitted(root, 4, artifact, proof));
        assertTrue(proofs.isAbsent(4, missing, absence));
        assertFalse(proofs.isAbsent(5, artifact, absence));
        // Once the root has moved on, inclusion still holds under it and absence is not shown by it.
        commitRoot(keccak256("next"));
        assertTrue(proofs.isCommitted(root, 5, artifact, proof));
        assertFalse(proofs.isAbsent(4, missing, absence));
    }

    /// forge-config: default.isolate = true
    function test_gas() public {
        IStateRootCommittable.StateCommit memory commit = nextCommit(ROOT);
        bytes memory certificate = certificateOf(commit);
        registry.commitStateRoot(commit, certificate);
        vm.snapshotGasLastCall("StateCommitRegistry", "commitStateRoot: first");
        _tries("commitStateRoot: first", certificate);
        vm.warp(clock() + 120);
        commit = nextCommit(keccak256("root 2"));
        certificate = abi.encode(certify(registry.commitHash(commit), TABLE, without(3)));
        registry.commitStateRoot(commit, certificate);
        vm.snapshotGasLastCall("StateCommitRegistry", "commitStateRoot: 1 of 5 absent");
        _tries("commitStateRoot: 1 of 5 absent", certificate);
    }

    function _tries(string memory name, bytes memory certificate) private {
        snapshotTries("StateCommitRegistry", name, abi.decode(certificate, (BN254Certificate)));
    }
}
