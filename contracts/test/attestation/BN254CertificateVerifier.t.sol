// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    OwnableUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {BN254CertificateVerifier} from "../../src/attestation/BN254CertificateVerifier.sol";
import {
    BN254Certificate,
    BN254OperatorInfo,
    BN254OperatorInfoWitness,
    BN254OperatorSetInfo,
    IBN254CertificateVerifier,
    OperatorSet
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {BN254} from "../../src/libraries/BN254.sol";
import {PolicyMessages} from "../../src/libraries/PolicyMessages.sol";
import {G2Sums, Operators} from "../base/Operators.sol";

/// @notice An operator that is a contract: it signs what was approved.
contract SigningOperator {
    mapping(bytes32 => bool) private _approved;

    function approve(bytes32 digest) external {
        _approved[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return _approved[digest] ? bytes4(0x1626ba7e) : bytes4(0);
    }
}

contract BN254CertificateVerifierTest is Operators {
    using BN254 for BN254.G1Point;

    /// @dev The keys' place in the verifier's namespace.
    bytes32 private constant KEYS_SLOT =
        0x0c5bde975f61ba992e1329435e0b4dcd13ebb6d125454e123594a1245b2edf04;

    bytes32 private constant MESSAGE = keccak256("a message");
    uint256 private constant PUBLISHED = 2000;

    address private stranger = makeAddr("stranger");

    function setUp() public {
        vm.roll(PUBLISHED);
        vm.warp(TABLE + 10);
        setUpVerifier();
        vm.roll(PUBLISHED + 10);
    }

    function _set() private pure returns (OperatorSet memory) {
        return OperatorSet(AVS, 0);
    }

    function _verify(BN254Certificate memory cert) private view returns (uint256[] memory) {
        return verifier.verifyCertificateAt(PUBLISHED, cert);
    }

    function _refuses(BN254Certificate memory cert, bytes memory reason) private {
        vm.expectRevert(reason);
        verifier.verifyCertificateAt(PUBLISHED, cert);
        vm.expectRevert(reason);
        verifier.verifyCertificate(_set(), cert);
    }

    function _refuses(BN254Certificate memory cert, bytes4 reason) private {
        _refuses(cert, abi.encodeWithSelector(reason));
    }

    // --- Vectors ---

    function test_vectors_table() public view {
        string memory json = vm.readFile("test/vectors/messages/certificates.json");
        BN254OperatorSetInfo memory info = verifier.getOperatorSetInfo(_set(), TABLE);
        assertEq(
            info.operatorInfoTreeRoot, vm.parseJsonBytes32(json, ".table.operatorInfoTreeRoot")
        );
        assertEq(info.numOperators, 5);
        assertTrue(info.aggregatePubkey.equal(g1At(json, ".table.aggregatePubkey")));
        assertEq(info.totalWeights, vm.parseJsonUintArray(json, ".table.totalWeights"));
        for (uint256 i; i < OPERATORS; ++i) {
            string memory at = string.concat(".operators[", vm.toString(i), "]");
            assertEq(
                verifier.calculateOperatorInfoLeaf(infoOf(i)),
                vm.parseJsonBytes32(json, string.concat(at, ".leaf"))
            );
            assertEq(
                verifier.operatorOf(vm.parseJsonBytes32(json, string.concat(at, ".pubkeyHash"))),
                operatorNames[i]
            );
        }
    }

    function test_vectors_certificates() public view {
        string memory json = vm.readFile("test/vectors/messages/certificates.json");
        for (uint256 i; i < 5; ++i) {
            string memory at = string.concat(".certificates[", vm.toString(i), "]");
            bytes memory encoded = vm.parseJsonBytes(json, string.concat(at, ".encoded"));
            BN254Certificate memory cert = abi.decode(encoded, (BN254Certificate));
            assertEq(
                keccak256(abi.encode(cert)), vm.parseJsonBytes32(json, string.concat(at, ".hash"))
            );
            assertEq(
                verifier.calculateCertificateDigest(cert.referenceTimestamp, cert.messageHash),
                vm.parseJsonBytes32(json, ".signable")
            );
            assertEq(
                verifier.verifyCertificate(_set(), cert),
                vm.parseJsonUintArray(json, string.concat(at, ".signedWeights"))
            );
            bytes[] memory witnesses =
                vm.parseJsonBytesArray(json, string.concat(at, ".signerWitnesses"));
            for (uint256 j; j < witnesses.length; ++j) {
                BN254OperatorInfoWitness memory witness =
                    abi.decode(witnesses[j], (BN254OperatorInfoWitness));
                assertEq(
                    verifier.proveOperator(TABLE, witness), operatorNames[witness.operatorIndex]
                );
            }
        }
    }

    /// The proofs of possession of the vectors, for the address and chain they are made for.
    function test_vectors_possession() public {
        string memory json = vm.readFile("test/vectors/messages/certificates.json");
        address there = vm.parseJsonAddress(json, ".verifier");
        vm.chainId(vm.parseJsonUint(json, ".chainId"));
        vm.etch(there, address(verifier).code);
        // Proxy slot of the implementation, and the owner's.
        vm.store(
            there,
            0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc,
            vm.load(
                address(verifier),
                0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc
            )
        );
        for (uint256 i; i < OPERATORS; ++i) {
            string memory at = string.concat(".operators[", vm.toString(i), "]");
            assertEq(
                BN254CertificateVerifier(there)
                    .proofOfPossessionHash(operatorNames[i], operatorKeys[i], operatorKeysG2[i]),
                vm.parseJsonBytes32(json, string.concat(at, ".possessionHash"))
            );
            BN254.G1Point memory proof = g1At(json, string.concat(at, ".possession"));
            vm.prank(operatorNames[i]);
            BN254CertificateVerifier(there)
                .registerOperatorKey(operatorNames[i], operatorKeys[i], operatorKeysG2[i], proof);
            assertTrue(
                BN254CertificateVerifier(there).operatorKey(operatorNames[i]).equal(operatorKeys[i])
            );
        }
    }

    // --- Certificates ---

    function test_verify_everyoneSigned() public view {
        uint256[] memory signed = _verify(certify(MESSAGE));
        assertEq(signed[0], 1000);
        assertEq(signed[1], 5);
    }

    function test_verify_withNonSigners() public view {
        uint256[] memory signed = _verify(certify(MESSAGE, TABLE, without(3)));
        assertEq(signed[0], 850);
        assertEq(signed[1], 4);
    }

    /// Every subset of signers verifies with exactly its own weight, and no other.
    function test_everySubset() public {
        for (uint256 mask = 1; mask < 32; ++mask) {
            uint256[] memory absent = new uint256[](OPERATORS);
            uint256 count;
            uint256 weight;
            for (uint256 i; i < OPERATORS; ++i) {
                if (mask >> i & 1 == 1) weight += operatorWeights[i][0];
                else absent[count++] = i;
            }
            assembly {
                mstore(absent, count)
            }
            BN254Certificate memory cert = certify(MESSAGE, TABLE, absent);
            assertEq(verifier.verifyCertificate(_set(), cert)[0], weight);
            // Claiming one more signer than there is.
            if (count != 0) {
                BN254OperatorInfoWitness[] memory fewer = new BN254OperatorInfoWitness[](count - 1);
                for (uint256 i; i + 1 < count; ++i) {
                    fewer[i] = cert.nonSignerWitnesses[i];
                }
                cert.nonSignerWitnesses = fewer;
                vm.expectRevert(
                    abi.encodeWithSelector(IBN254CertificateVerifier.VerificationFailed.selector)
                );
                verifier.verifyCertificate(_set(), cert);
            }
        }
    }

    function test_quorumBoundary() public {
        // 670 and 3.35 of 5 are wanted: 850 and 4 are there, then 650 and 3.
        _verify(certify(MESSAGE, TABLE, without(3)));
        BN254Certificate memory cert = certify(MESSAGE, TABLE, without(0, 4));
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.QuorumNotReached.selector, 0, 650, 1000, QUORUM_BPS
            )
        );
        verifier.verifyCertificateAt(PUBLISHED, cert);
        // The first strategy has enough, the second not.
        cert = certify(MESSAGE, TABLE, without(0, 3));
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.QuorumNotReached.selector, 1, 3, 5, QUORUM_BPS
            )
        );
        verifier.verifyCertificateAt(PUBLISHED, cert);
        // At exactly 60 % of the second and above of the first it is enough.
        vm.prank(verifierOwner);
        verifier.setQuorumBps(6000);
        uint256 from = PUBLISHED + 10 + 1100;
        vm.roll(from + 1);
        verifier.verifyCertificateAt(from, cert);
        vm.expectPartialRevert(IBN254CertificateVerifier.QuorumNotReached.selector);
        verifier.verifyCertificateAt(from - 1, cert);
        vm.prank(verifierOwner);
        verifier.setQuorumBps(6001);
        from += 1101;
        vm.roll(from + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.QuorumNotReached.selector, 1, 3, 5, 6001
            )
        );
        verifier.verifyCertificateAt(from, cert);
    }

    function test_nobodySigned() public {
        uint256[] memory all = new uint256[](OPERATORS);
        for (uint256 i; i < OPERATORS; ++i) {
            all[i] = i;
        }
        BN254Certificate memory cert = certify(MESSAGE, TABLE, all);
        cert.signature = operatorKeys[0];
        cert.apk = operatorKeysG2[0];
        vm.expectRevert(abi.encodeWithSelector(IBN254CertificateVerifier.NoSigners.selector));
        verifier.verifyCertificate(_set(), cert);
        vm.expectPartialRevert(IBN254CertificateVerifier.QuorumNotReached.selector);
        verifier.verifyCertificateAt(PUBLISHED, cert);
    }

    function test_refuses_points() public {
        BN254Certificate memory cert = certify(MESSAGE);
        cert.signature = BN254.G1Point(0, 0);
        _refuses(cert, IBN254CertificateVerifier.SignatureIsInfinity.selector);
        cert = certify(MESSAGE);
        cert.signature.Y += 1;
        _refuses(cert, IBN254CertificateVerifier.SignatureNotOnCurve.selector);
        cert = certify(MESSAGE);
        cert.signature.X += BN254.FP_MODULUS;
        _refuses(cert, IBN254CertificateVerifier.SignatureNotOnCurve.selector);
        cert = certify(MESSAGE);
        delete cert.apk;
        _refuses(cert, IBN254CertificateVerifier.ApkIsInfinity.selector);
        cert = certify(MESSAGE);
        cert.apk.X[0] += 1;
        _refuses(cert, IBN254CertificateVerifier.ApkNotOnCurve.selector);
        cert = certify(MESSAGE);
        (cert.apk.X[0], cert.apk.X[1]) = (cert.apk.X[1], cert.apk.X[0]);
        (cert.apk.Y[0], cert.apk.Y[1]) = (cert.apk.Y[1], cert.apk.Y[0]);
        _refuses(cert, IBN254CertificateVerifier.ApkNotOnCurve.selector);
        cert = certify(MESSAGE);
        cert.apk = g2At(vm.readFile("test/vectors/messages/certificates.json"), ".offSubgroup");
        _refuses(cert, IBN254CertificateVerifier.ApkNotInSubgroup.selector);
    }

    function test_refuses_wrongButWellFormedPoints() public {
        BN254Certificate memory cert = certify(MESSAGE);
        cert.signature = cert.signature.negate();
        _refuses(cert, IBN254CertificateVerifier.VerificationFailed.selector);
        cert = certify(MESSAGE);
        cert.apk = operatorKeysG2[0];
        _refuses(cert, IBN254CertificateVerifier.VerificationFailed.selector);
        cert = certify(keccak256("another"));
        cert.messageHash = MESSAGE;
        _refuses(cert, IBN254CertificateVerifier.VerificationFailed.selector);
        // Made with the aggregate of some who are not all: the apk fits the signature, not the table.
        cert = certify(MESSAGE, TABLE, without(2));
        cert.nonSignerWitnesses = new BN254OperatorInfoWitness[](0);
        _refuses(cert, IBN254CertificateVerifier.VerificationFailed.selector);
    }

    function test_refuses_nonSigners() public {
        BN254Certificate memory cert = certify(MESSAGE, TABLE, without(0, 3));
        (cert.nonSignerWitnesses[0], cert.nonSignerWitnesses[1]) =
        (cert.nonSignerWitnesses[1], cert.nonSignerWitnesses[0]);
        _refuses(cert, IBN254CertificateVerifier.NonSignerIndicesNotSorted.selector);
        cert.nonSignerWitnesses[0] = cert.nonSignerWitnesses[1];
        _refuses(cert, IBN254CertificateVerifier.NonSignerIndicesNotSorted.selector);

        cert = certify(MESSAGE, TABLE, without(3));
        cert.nonSignerWitnesses[0].operatorIndex = 5;
        _refuses(cert, IBN254CertificateVerifier.InvalidOperatorIndex.selector);
        cert.nonSignerWitnesses[0].operatorIndex = 2;
        _refuses(
            cert,
            abi.encodeWithSelector(IBN254CertificateVerifier.OperatorNotInTable.selector, uint32(2))
        );
        cert = certify(MESSAGE, TABLE, without(3));
        cert.nonSignerWitnesses[0].operatorInfo.weights[0] -= 1;
        _refuses(
            cert,
            abi.encodeWithSelector(IBN254CertificateVerifier.OperatorNotInTable.selector, uint32(3))
        );
        cert = certify(MESSAGE, TABLE, without(3));
        cert.nonSignerWitnesses[0].operatorInfo.weights = new uint256[](0);
        _refuses(
            cert,
            abi.encodeWithSelector(IBN254CertificateVerifier.OperatorNotInTable.selector, uint32(3))
        );
        cert = certify(MESSAGE, TABLE, without(3));
        cert.nonSignerWitnesses[0].operatorInfoProof =
            abi.encodePacked(cert.nonSignerWitnesses[0].operatorInfoProof, bytes32(0));
        _refuses(
            cert,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidOperatorProofLength.selector, 96, 128
            )
        );
        cert.nonSignerWitnesses[0].operatorInfoProof = hex"01";
        _refuses(
            cert,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidOperatorProofLength.selector, 96, 1
            )
        );
    }

    /// Thousands of non-signers are refused before anything is hashed.
    function test_refuses_manyNonSignersCheaply() public {
        BN254Certificate memory cert = certify(MESSAGE);
        cert.nonSignerWitnesses = new BN254OperatorInfoWitness[](6);
        _refuses(
            cert,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.TooManyNonSigners.selector, uint256(6), uint256(5)
            )
        );
        cert.nonSignerWitnesses = new BN254OperatorInfoWitness[](1000);
        bytes memory data = abi.encodeCall(verifier.verifyCertificateAt, (PUBLISHED, cert));
        address target = address(verifier);
        bool ok;
        bytes4 reason;
        uint256 used;
        // Solidity would copy the calldata, at a cost of its own.
        assembly ("memory-safe") {
            used := gas()
            ok := staticcall(gas(), target, add(data, 0x20), mload(data), 0, 0x04)
            used := sub(used, gas())
            reason := mload(0)
        }
        assertFalse(ok);
        assertEq(bytes32(reason), bytes32(IBN254CertificateVerifier.TooManyNonSigners.selector));
        // Nearly all of it is the proxy's copy of the calldata.
        assertLt(used, 600_000);
    }

    function test_fuzz_anyByteChangedIsRefused(uint256 position, uint8 flip) public view {
        BN254Certificate memory cert = certify(MESSAGE, TABLE, without(3));
        bytes memory data = abi.encodeCall(verifier.verifyCertificateAt, (PUBLISHED, cert));
        vm.assume(flip != 0);
        position = bound(position, 36, data.length - 1);
        data[position] = bytes1(uint8(data[position]) ^ flip);
        (bool ok, bytes memory returned) = address(verifier).staticcall(data);
        if (!ok) return;
        // What is left: padding and offsets that decode to the very same certificate.
        assertEq(abi.decode(returned, (uint256[])), _verify(cert));
        bytes memory body =
            _body(abi.encodeCall(verifier.verifyCertificateAt, (PUBLISHED, cert)), position, flip);
        (, BN254Certificate memory read) = abi.decode(body, (uint256, BN254Certificate));
        assertEq(keccak256(abi.encode(read)), keccak256(abi.encode(cert)));
    }

    function _body(bytes memory data, uint256 position, uint8 flip)
        private
        pure
        returns (bytes memory body)
    {
        data[position] = bytes1(uint8(data[position]) ^ flip);
        body = new bytes(data.length - 4);
        for (uint256 i; i < body.length; ++i) {
            body[i] = data[i + 4];
        }
    }

    // --- Tables by block, staleness ---

    function test_tableAt() public {
        (uint32 timestamp, uint16 bps) = verifier.tableAt(PUBLISHED - 1);
        assertEq(timestamp, 0);
        assertEq(bps, 0);
        (timestamp, bps) = verifier.tableAt(PUBLISHED);
        assertEq(timestamp, TABLE);
        assertEq(bps, QUORUM_BPS);
        vm.prank(verifierOwner);
        verifier.setQuorumBps(8000);
        // A table does not wait, and neither pushes the other aside.
        publishTable(TABLE + 5);
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.BlockNotMined.selector, PUBLISHED + 10, PUBLISHED + 10
            )
        );
        verifier.tableAt(PUBLISHED + 10);
        vm.roll(PUBLISHED + 20);
        (timestamp, bps) = verifier.tableAt(PUBLISHED + 9);
        assertEq(timestamp, TABLE);
        assertEq(bps, QUORUM_BPS);
        (timestamp, bps) = verifier.tableAt(PUBLISHED + 10);
        assertEq(timestamp, TABLE + 5);
        assertEq(bps, QUORUM_BPS);
        vm.roll(PUBLISHED + 2000);
        (timestamp, bps) = verifier.tableAt(PUBLISHED + 1109);
        assertEq(timestamp, TABLE + 5);
        assertEq(bps, QUORUM_BPS);
        (timestamp, bps) = verifier.tableAt(PUBLISHED + 1110);
        assertEq(timestamp, TABLE + 5);
        assertEq(bps, 8000);
        assertEq(verifier.latestReferenceTimestamp(_set()), TABLE + 5);
    }

    /// The answer for any past block equals a log kept beside it.
    function test_fuzz_tableAt_equalsALog(uint256 seed) public {
        uint256 first = PUBLISHED + 10;
        // Steps of a few hundred blocks: announcements come true, are replaced and withdrawn.
        uint256[41] memory blocks;
        uint16[41] memory quorums;
        uint32[41] memory tables;
        (blocks[0], quorums[0], tables[0]) = (first, QUORUM_BPS, TABLE);
        uint16 announced;
        uint256 from;
        vm.warp(TABLE + 1000);
        for (uint256 i = 1; i <= 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            blocks[i] = blocks[i - 1] + 1 + seed % 700;
            (quorums[i], tables[i]) = (quorums[i - 1], tables[i - 1]);
            vm.roll(blocks[i]);
            if (from != 0 && from <= blocks[i]) {
                (quorums[i], from) = (announced, 0);
            }
            if (seed >> 16 & 1 == 1) {
                announced = seed >> 17 & 3 == 0 ? quorums[i] : uint16(seed >> 20) % 10_000 + 1;
                from = announced == quorums[i] ? 0 : blocks[i] + 1100;
                vm.prank(verifierOwner);
                verifier.setQuorumBps(announced);
            }
            if (seed >> 40 & 1 == 1) publishTable(++tables[i]);
        }
        vm.roll(blocks[40] + 1);
        for (uint256 i = 1; i <= 40; ++i) {
            (uint32 timestamp, uint16 found) = verifier.tableAt(blocks[i]);
            assertEq(found, quorums[i]);
            assertEq(timestamp, tables[i]);
        }
    }

    function test_verifyCertificateAt_noTable() public {
        BN254Certificate memory cert = certify(MESSAGE);
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.NoTable.selector, PUBLISHED - 1)
        );
        verifier.verifyCertificateAt(PUBLISHED - 1, cert);
    }

    function test_verifyCertificateAt_wrongTable() public {
        vm.warp(TABLE + 100);
        publishTable(TABLE + 50);
        vm.roll(PUBLISHED + 20);
        BN254Certificate memory cert = certify(MESSAGE, TABLE + 50, new uint256[](0));
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.WrongTable.selector, TABLE, TABLE + 50)
        );
        verifier.verifyCertificateAt(PUBLISHED, cert);
        verifier.verifyCertificateAt(PUBLISHED + 10, cert);
    }

    function test_staleness() public {
        vm.expectEmit(address(verifier));
        emit IBN254CertificateVerifier.MaxStalenessChanged(0, 60);
        vm.prank(verifierOwner);
        verifier.setMaxStaleness(60);
        assertEq(verifier.maxOperatorTableStaleness(_set()), 60);
        BN254Certificate memory cert = certify(MESSAGE);
        vm.warp(TABLE + 60);
        verifier.verifyCertificate(_set(), cert);
        assertTrue(verifier.isFresh(TABLE));
        vm.warp(TABLE + 61);
        assertFalse(verifier.isFresh(TABLE));
        vm.expectRevert(abi.encodeWithSelector(IBN254CertificateVerifier.CertificateStale.selector));
        verifier.verifyCertificate(_set(), cert);
        // A past block's table does not go stale.
        _verify(cert);
        // The bound is no sum that could overflow.
        vm.prank(verifierOwner);
        verifier.setMaxStaleness(type(uint32).max);
        assertTrue(verifier.isFresh(type(uint32).max));
    }

    /// Stake may have left what an older table names: the bound is never loosened.
    function test_staleness_isBoundedByTheFirst() public {
        deployVerifier(BlockKind.Native, 60);
        vm.startPrank(verifierOwner);
        uint32[3] memory wrong = [uint32(0), 61, type(uint32).max];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IBN254CertificateVerifier.StalenessTooLong.selector, uint32(60), wrong[i]
                )
            );
            verifier.setMaxStaleness(wrong[i]);
        }
        verifier.setMaxStaleness(1);
        verifier.setMaxStaleness(60);
        vm.stopPrank();
    }

    function test_unknownTable() public {
        BN254Certificate memory cert = certify(MESSAGE, TABLE + 1, new uint256[](0));
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.ReferenceTimestampDoesNotExist.selector
            )
        );
        verifier.verifyCertificate(_set(), cert);
        BN254OperatorInfoWitness memory witness = witnessOf(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.ReferenceTimestampDoesNotExist.selector
            )
        );
        verifier.proveOperator(TABLE + 1, witness);
    }

    function test_otherOperatorSets() public {
        BN254Certificate memory cert = certify(MESSAGE);
        OperatorSet[2] memory sets = [OperatorSet(AVS, 1), OperatorSet(stranger, 0)];
        for (uint256 i; i < 2; ++i) {
            // As deployed, there is nothing of a set that is not known.
            vm.expectRevert(
                abi.encodeWithSelector(
                    IBN254CertificateVerifier.ReferenceTimestampDoesNotExist.selector
                )
            );
            verifier.verifyCertificate(sets[i], cert);
            assertEq(verifier.getOperatorSetInfo(sets[i], TABLE).numOperators, 0);
            assertEq(verifier.getTotalStakeWeights(sets[i], TABLE).length, 0);
            assertEq(verifier.getOperatorCount(sets[i], TABLE), 0);
            assertEq(verifier.latestReferenceTimestamp(sets[i]), 0);
            assertEq(verifier.maxOperatorTableStaleness(sets[i]), 0);
            assertEq(verifier.getOperatorSetOwner(sets[i]), address(0));
            assertFalse(verifier.isReferenceTimestampSet(sets[i], TABLE));
        }
    }

    function test_proportionAndNominal() public {
        BN254Certificate memory cert = certify(MESSAGE, TABLE, without(3));
        uint16[] memory shares = new uint16[](2);
        (shares[0], shares[1]) = (8500, 8000);
        assertTrue(verifier.verifyCertificateProportion(_set(), cert, shares));
        shares[0] = 8510;
        assertFalse(verifier.verifyCertificateProportion(_set(), cert, shares));
        uint256[] memory weights = new uint256[](2);
        (weights[0], weights[1]) = (850, 4);
        assertTrue(verifier.verifyCertificateNominal(_set(), cert, weights));
        weights[1] = 5;
        assertFalse(verifier.verifyCertificateNominal(_set(), cert, weights));
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.ArrayLengthMismatch.selector)
        );
        verifier.verifyCertificateProportion(_set(), cert, new uint16[](1));
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.ArrayLengthMismatch.selector)
        );
        verifier.verifyCertificateNominal(_set(), cert, new uint256[](3));
    }

    function test_trySignatureVerification() public view {
        bytes32 digest = keccak256("digest");
        BN254.G1Point memory signature = signWith(operatorSecrets[0], digest);
        (bool completed, bool valid) =
            verifier.trySignatureVerification(digest, operatorKeys[0], operatorKeysG2[0], signature);
        assertTrue(completed && valid);
        (completed, valid) = verifier.trySignatureVerification(
            digest, operatorKeys[0], operatorKeysG2[0], BN254.G1Point(0, 0)
        );
        assertFalse(completed || valid);
        (completed, valid) = verifier.trySignatureVerification(
            digest, operatorKeys[1], operatorKeysG2[0], signature
        );
        // As deployed: the first of the two is the signature's, whatever its name.
        assertTrue(!completed && valid);
    }

    function test_readsOfTheDeployedInterface() public view {
        assertTrue(verifier.isReferenceTimestampSet(_set(), TABLE));
        assertFalse(verifier.isReferenceTimestampSet(_set(), TABLE - 1));
        assertEq(verifier.getOperatorCount(_set(), TABLE), 5);
        assertEq(verifier.getTotalStakeWeights(_set(), TABLE)[0], 1000);
        assertEq(verifier.getOperatorSetOwner(_set()), verifierOwner);
        assertFalse(verifier.isNonsignerCached(_set(), TABLE, 0));
        assertEq(verifier.getNonsignerOperatorInfo(_set(), TABLE, 0).weights.length, 0);
        assertEq(verifier.operatorSet().avs, AVS);
    }

    // --- Keys ---

    function _newKey(uint256 secret)
        private
        view
        returns (BN254.G1Point memory key, BN254.G2Point memory keyG2)
    {
        key = BN254.mul(BN254.generatorG1(), secret);
        keyG2 = G2Sums.mul(BN254.generatorG2(), secret);
    }

    function _register(address operator, uint256 secret, uint256 proofSecret, address caller)
        private
    {
        (BN254.G1Point memory key, BN254.G2Point memory keyG2) = _newKey(secret);
        BN254.G1Point memory proof =
            signWith(proofSecret, verifier.proofOfPossessionHash(operator, key, keyG2));
        vm.prank(caller);
        verifier.registerOperatorKey(operator, key, keyG2, proof);
    }

    function test_registerOperatorKey() public {
        _register(stranger, 12345, 12345, stranger);
        (BN254.G1Point memory key,) = _newKey(12345);
        assertEq(verifier.operatorOf(key.hashOf()), stranger);
        assertTrue(verifier.operatorKey(stranger).equal(key));
        // A later key replaces it, and the first stays the operator's.
        _register(stranger, 777, 777, stranger);
        assertEq(verifier.operatorOf(key.hashOf()), stranger);
        assertFalse(verifier.operatorKey(stranger).equal(key));
    }

    function test_registerOperatorKey_refusals() public {
        address other = makeAddr("other");
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidProofOfPossession.selector)
        );
        this.register(stranger, 12345, 12346, stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.NotOperator.selector, stranger, other)
        );
        this.register(stranger, 12345, 12345, other);
        // Not even the owner: a key in an operator's name is its word, for which it is slashed.
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.NotOperator.selector, stranger, verifierOwner
            )
        );
        this.register(stranger, 12345, 12345, verifierOwner);
        _register(stranger, 12345, 12345, stranger);
        (BN254.G1Point memory key,) = _newKey(12345);
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.KeyAlreadyRegistered.selector, key.hashOf(), stranger
            )
        );
        this.register(other, 12345, 12345, other);
    }

    /// @dev A key of `secret` for an operator, sent by somebody else with this signature.
    function registerFor(address operator, uint256 secret, uint256 deadline, bytes memory signature)
        external
    {
        (BN254.G1Point memory key, BN254.G2Point memory keyG2) = _newKey(secret);
        BN254.G1Point memory proof =
            signWith(secret, verifier.proofOfPossessionHash(operator, key, keyG2));
        vm.prank(stranger);
        verifier.registerOperatorKeyFor(operator, key, keyG2, proof, deadline, signature);
    }

    function _keyDigest(address operator, uint256 secret, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        (BN254.G1Point memory key,) = _newKey(secret);
        // Written out, not asked of the contract.
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,"
                    "address verifyingContract)"
                ),
                keccak256("NewtonBN254CertificateVerifier"),
                keccak256("1"),
                block.chainid,
                address(verifier)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256(
                    "RegisterOperatorKey(address operator,bytes32 pubkeyHash,uint256 nonce,"
                    "uint256 deadline)"
                ),
                operator,
                keccak256(abi.encode(key.X, key.Y)),
                nonce,
                deadline
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    function _signed(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function test_registerOperatorKeyFor() public {
        (address operator, uint256 account) = makeAddrAndKey("operator with an account");
        uint256 deadline = block.timestamp;
        bytes memory signature = _signed(account, _keyDigest(operator, 99, 0, deadline));
        this.registerFor(operator, 99, deadline, signature);
        (BN254.G1Point memory key,) = _newKey(99);
        assertEq(verifier.operatorOf(key.hashOf()), operator);
        assertEq(verifier.operatorKeyNonce(operator), 1);
        // Once: every registration raises the nonce, one of the operator's own too.
        signature = _signed(account, _keyDigest(operator, 98, 1, deadline));
        _register(operator, 97, 97, operator);
        _forReverts(operator, 98, deadline, signature);
        assertEq(verifier.operatorKeyNonce(operator), 2);
    }

    function test_registerOperatorKeyFor_refusals() public {
        (address operator, uint256 account) = makeAddrAndKey("operator with an account");
        uint256 deadline = block.timestamp + 10;
        _forReverts(operator, 99, deadline, "");
        _forReverts(operator, 99, deadline, _signed(account, keccak256("something else")));
        _forReverts(
            operator, 98, deadline, _signed(account, _keyDigest(operator, 99, 0, deadline))
        );
        _forReverts(
            operator, 99, deadline, _signed(account, _keyDigest(operator, 99, 1, deadline))
        );
        _forReverts(
            operator, 99, deadline + 1, _signed(account, _keyDigest(operator, 99, 0, deadline))
        );
        _forReverts(
            stranger, 99, deadline, _signed(account, _keyDigest(stranger, 99, 0, deadline))
        );
        bytes memory signature = _signed(account, _keyDigest(operator, 99, 0, deadline));
        vm.expectRevert(abi.encodeWithSelector(IBN254CertificateVerifier.InvalidOperator.selector));
        this.registerFor(address(0), 99, deadline, signature);
        vm.warp(deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.SignatureExpired.selector, deadline)
        );
        this.registerFor(operator, 99, deadline, signature);
    }

    function _forReverts(
        address operator,
        uint256 secret,
        uint256 deadline,
        bytes memory signature
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidOperatorSignature.selector, operator
            )
        );
        this.registerFor(operator, secret, deadline, signature);
    }

    /// An operator may be a contract, which signs by EIP-1271.
    /// An account with a key that also has code (EIP-7702) signs with its key; nobody else does for it.
    function test_registerOperatorKeyFor_anAccountWithCode() public {
        (address operator, uint256 account) = makeAddrAndKey("operator with an account");
        (, uint256 other) = makeAddrAndKey("another account");
        vm.etch(operator, hex"60006000fd");
        uint256 deadline = block.timestamp;
        bytes32 digest = _keyDigest(operator, 99, 0, deadline);
        _forReverts(operator, 99, deadline, _signed(other, digest));
        this.registerFor(operator, 99, deadline, _signed(account, digest));
        (BN254.G1Point memory key,) = _newKey(99);
        assertEq(verifier.operatorOf(key.hashOf()), operator);
    }

    function test_registerOperatorKeyFor_aContract() public {
        SigningOperator operator = new SigningOperator();
        uint256 deadline = block.timestamp;
        _forReverts(address(operator), 99, deadline, "yes");
        operator.approve(_keyDigest(address(operator), 99, 0, deadline));
        this.registerFor(address(operator), 99, deadline, "yes");
        (BN254.G1Point memory key,) = _newKey(99);
        assertEq(verifier.operatorOf(key.hashOf()), address(operator));
    }

    function register(address operator, uint256 secret, uint256 proofSecret, address caller)
        external
    {
        _register(operator, secret, proofSecret, caller);
    }

    /// A proof for one operator, chain or verifier is none for another.
    function test_registerOperatorKey_bindsOperatorChainAndVerifier() public {
        (BN254.G1Point memory key, BN254.G2Point memory keyG2) = _newKey(999);
        BN254.G1Point memory proof =
            signWith(999, verifier.proofOfPossessionHash(stranger, key, keyG2));
        address other = makeAddr("other");
        bytes memory reason =
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidProofOfPossession.selector);
        vm.prank(other);
        vm.expectRevert(reason);
        verifier.registerOperatorKey(other, key, keyG2, proof);
        vm.chainId(5);
        vm.prank(stranger);
        vm.expectRevert(reason);
        verifier.registerOperatorKey(stranger, key, keyG2, proof);
        vm.chainId(31337);
        BN254CertificateVerifier first = verifier;
        delete operatorNames;
        delete operatorSecrets;
        delete operatorWeights;
        delete operatorKeys;
        delete operatorKeysG2;
        loadOperators();
        deployVerifier(BlockKind.Native, 0);
        vm.prank(stranger);
        vm.expectRevert(reason);
        verifier.registerOperatorKey(stranger, key, keyG2, proof);
        vm.prank(stranger);
        first.registerOperatorKey(stranger, key, keyG2, proof);
    }

    /// Somebody else's key in G2, or points that are none.
    function test_registerOperatorKey_refusesBadKeys() public {
        (BN254.G1Point memory key, BN254.G2Point memory keyG2) = _newKey(999);
        (, BN254.G2Point memory otherG2) = _newKey(998);
        BN254.G1Point memory proof =
            signWith(999, verifier.proofOfPossessionHash(stranger, key, otherG2));
        vm.startPrank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidProofOfPossession.selector)
        );
        verifier.registerOperatorKey(stranger, key, otherG2, proof);
        bytes memory reason =
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidPubkey.selector);
        vm.expectRevert(reason);
        verifier.registerOperatorKey(stranger, BN254.G1Point(0, 0), keyG2, proof);
        vm.expectRevert(reason);
        verifier.registerOperatorKey(stranger, BN254.G1Point(1, 1), keyG2, proof);
        BN254.G2Point memory bad;
        vm.expectRevert(reason);
        verifier.registerOperatorKey(stranger, key, bad, proof);
        bad = g2At(vm.readFile("test/vectors/messages/certificates.json"), ".offSubgroup");
        vm.expectRevert(reason);
        verifier.registerOperatorKey(stranger, key, bad, proof);
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidProofOfPossession.selector)
        );
        verifier.registerOperatorKey(stranger, key, keyG2, BN254.G1Point(0, 0));
        vm.stopPrank();
    }

    // --- Publishing ---

    function _publish(uint32 timestamp, address[] memory names, uint256[][] memory weights)
        private
    {
        vm.prank(verifierOwner);
        verifier.publishTable(timestamp, names, weights);
    }

    function test_publishTable_refusals() public {
        address[] memory names = operatorNames;
        uint256[][] memory weights = operatorWeights;
        vm.expectRevert(
            abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, stranger)
        );
        vm.prank(stranger);
        verifier.publishTable(TABLE + 1, names, weights);

        _publishReverts(
            TABLE,
            names,
            weights,
            abi.encodeWithSelector(IBN254CertificateVerifier.TableUpdateStale.selector)
        );
        _publishReverts(
            TABLE + 11,
            names,
            weights,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.ReferenceTimestampInFuture.selector,
                TABLE + 11,
                uint256(TABLE + 10)
            )
        );
        _publishReverts(
            TABLE + 1,
            new address[](0),
            new uint256[][](0),
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidOperatorCount.selector, uint256(0)
            )
        );
        _publishReverts(
            TABLE + 1,
            names,
            new uint256[][](4),
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidOperatorCount.selector, uint256(5)
            )
        );
        _publishReverts(
            TABLE + 1,
            new address[](513),
            new uint256[][](513),
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidOperatorCount.selector, uint256(513)
            )
        );
        uint256[][] memory many = new uint256[][](512);
        many[0] = new uint256[](5);
        _publishReverts(
            TABLE + 1,
            new address[](512),
            many,
            abi.encodeWithSelector(IBN254CertificateVerifier.TooManyWeights.selector, 512 * 5)
        );

        (names[1], names[2]) = (names[2], names[1]);
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.OperatorsNotSorted.selector, uint256(2)
            )
        );
        names = operatorNames;
        names[2] = names[1];
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.OperatorsNotSorted.selector, uint256(2)
            )
        );
        names = operatorNames;
        names[4] = address(uint160(names[4]) + 1);
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(IBN254CertificateVerifier.OperatorKeyMissing.selector, names[4])
        );
        names = operatorNames;

        weights[3] = new uint256[](1);
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidWeightCount.selector, uint256(3)
            )
        );
        for (uint256 i; i < 5; ++i) {
            weights[i] = new uint256[](0);
        }
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.InvalidWeightCount.selector, uint256(0)
            )
        );
        for (uint256 i; i < 5; ++i) {
            weights[i] = new uint256[](2);
        }
        weights[2][0] = 1;
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(IBN254CertificateVerifier.ZeroTotalWeight.selector, uint256(1))
        );
        weights[2][1] = uint256(type(uint128).max) + 1;
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.WeightTooLarge.selector, uint256(2), uint256(1)
            )
        );
        weights[2][1] = type(uint256).max;
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(
                IBN254CertificateVerifier.WeightTooLarge.selector, uint256(2), uint256(1)
            )
        );
        weights[2][1] = type(uint128).max;
        _publish(TABLE + 1, names, weights);
    }

    function _publishReverts(
        uint32 timestamp,
        address[] memory names,
        uint256[][] memory weights,
        bytes memory reason
    ) private {
        vm.expectRevert(reason);
        vm.prank(verifierOwner);
        verifier.publishTable(timestamp, names, weights);
    }

    /// Weights at their bound do not overflow the quorum's product.
    function test_largestWeights() public {
        uint256[][] memory weights = operatorWeights;
        for (uint256 i; i < 5; ++i) {
            weights[i][0] = type(uint128).max;
            operatorWeights[i][0] = type(uint128).max;
        }
        _publish(TABLE + 1, operatorNames, weights);
        vm.roll(PUBLISHED + 20);
        uint256[] memory signed =
            verifier.verifyCertificateAt(PUBLISHED + 10, certify(MESSAGE, TABLE + 1, without(3)));
        assertEq(signed[0], 4 * uint256(type(uint128).max));
    }

    /// Two keys that cancel each other out: a table of theirs would have nothing to verify with.
    function test_publishTable_refusesKeysThatCancel() public {
        address a = address(0xA);
        address b = address(0xB);
        _register(a, 4242, 4242, a);
        uint256 negative = BN254.FR_MODULUS - 4242;
        _register(b, negative, negative, b);
        address[] memory names = new address[](2);
        (names[0], names[1]) = (a, b);
        uint256[][] memory weights = new uint256[][](2);
        weights[0] = new uint256[](1);
        weights[1] = new uint256[](1);
        weights[0][0] = 1;
        _publishReverts(
            TABLE + 1,
            names,
            weights,
            abi.encodeWithSelector(IBN254CertificateVerifier.AggregateKeyIsInfinity.selector)
        );
    }

    function test_singleOperator() public {
        address[] memory names = new address[](1);
        names[0] = operatorNames[0];
        uint256[][] memory weights = new uint256[][](1);
        weights[0] = new uint256[](1);
        weights[0][0] = 7;
        _publish(TABLE + 1, names, weights);
        vm.roll(PUBLISHED + 20);
        BN254Certificate memory cert;
        cert.referenceTimestamp = TABLE + 1;
        cert.messageHash = MESSAGE;
        cert.apk = operatorKeysG2[0];
        cert.signature = signWith(operatorSecrets[0], PolicyMessages.signable(TABLE + 1, MESSAGE));
        assertEq(verifier.verifyCertificateAt(PUBLISHED + 10, cert)[0], 7);
        BN254OperatorInfoWitness memory witness =
            BN254OperatorInfoWitness(0, "", BN254OperatorInfo(operatorKeys[0], weights[0]));
        assertEq(verifier.proveOperator(TABLE + 1, witness), operatorNames[0]);
    }

    function test_quorumRange() public {
        vm.startPrank(verifierOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidQuorumBps.selector, 0)
        );
        verifier.setQuorumBps(0);
        vm.expectRevert(
            abi.encodeWithSelector(IBN254CertificateVerifier.InvalidQuorumBps.selector, 10_001)
        );
        verifier.setQuorumBps(10_001);
        verifier.setQuorumBps(10_000);
        vm.stopPrank();
        vm.prank(stranger);
        vm.expectRevert();
        verifier.setQuorumBps(1);
        vm.prank(stranger);
        vm.expectRevert();
        verifier.setMaxStaleness(1);
    }

    /// The largest tables fit one transaction, by EIP-7825's cap. Keys are put into storage: proving
    /// possession of each would take longer than all other tests.
    /// forge-config: default.isolate = true
    function test_gas_largestTables() public {
        _publishLargest(512, 4, "publishTable: 512 operators, 4 strategies");
        _publishLargest(512, 1, "publishTable: 512 operators, 1 strategy");
        _publishLargest(64, 32, "publishTable: 64 operators, 32 strategies");
    }

    function _publishLargest(uint256 count, uint256 strategies, string memory name) private {
        address[] memory names = new address[](count);
        uint256[][] memory weights = new uint256[][](count);
        for (uint256 i; i < count; ++i) {
            // Full addresses and weights: calldata costs by its bytes.
            names[i] = address(uint160(type(uint160).max / 2 + i));
            weights[i] = new uint256[](strategies);
            for (uint256 j; j < strategies; ++j) {
                weights[i][j] = type(uint128).max - i;
            }
            BN254.G1Point memory key = BN254.mul(BN254.generatorG1(), i + 1);
            bytes32 at = keccak256(abi.encode(names[i], uint256(KEYS_SLOT)));
            vm.store(address(verifier), at, bytes32(key.X));
            vm.store(address(verifier), bytes32(uint256(at) + 1), bytes32(key.Y));
        }
        uint32 next = verifier.latestReferenceTimestamp(_set()) + 1;
        vm.warp(next + 10);
        vm.prank(verifierOwner);
        verifier.publishTable(next, names, weights);
        assertLt(vm.snapshotGasLastCall("BN254CertificateVerifier", name), 16_777_216, name);
    }

    /// forge-config: default.isolate = true
    function test_gas() public {
        BN254Certificate memory cert = certify(MESSAGE);
        verifier.verifyCertificateAt(PUBLISHED, cert);
        vm.snapshotGasLastCall("BN254CertificateVerifier", "verifyCertificateAt: all signed");
        snapshotTries("BN254CertificateVerifier", "verifyCertificateAt: all signed", cert);
        cert = certify(MESSAGE, TABLE, without(3));
        verifier.verifyCertificateAt(PUBLISHED, cert);
        vm.snapshotGasLastCall("BN254CertificateVerifier", "verifyCertificateAt: 1 of 5 absent");
        snapshotTries("BN254CertificateVerifier", "verifyCertificateAt: 1 of 5 absent", cert);
        publishTable(TABLE + 1);
        vm.snapshotGasLastCall("BN254CertificateVerifier", "publishTable: 5 operators");
    }

    // --- Selectors of the deployed interface ---

    function test_selectors() public pure {
        assertEq(
            bytes32(IBN254CertificateVerifier.CertificateStale.selector),
            bytes32(bytes4(0xc81f9ad6))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.ReferenceTimestampDoesNotExist.selector),
            bytes32(bytes4(0x6568bdb8))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.VerificationFailed.selector),
            bytes32(bytes4(0x439cc0cd))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.NonSignerIndicesNotSorted.selector),
            bytes32(bytes4(0xec6268b8))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.InvalidOperatorIndex.selector),
            bytes32(bytes4(0x03f4a78e))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.TableUpdateStale.selector),
            bytes32(bytes4(0x2f20889f))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.ArrayLengthMismatch.selector),
            bytes32(bytes4(0xa24a13a6))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.InvalidPubkey.selector), bytes32(bytes4(0x422cc3b7))
        );
        assertEq(
            bytes32(IBN254CertificateVerifier.InvalidOperator.selector), bytes32(bytes4(0xccea9e6f))
        );
        assertEq(
            keccak256("BN254Certificate(uint32 referenceTimestamp,bytes32 messageHash)"),
            0xd9f77a423768f4b0526fa60a7c732334516a93f1d228dce50ad804ea74ced36e
        );
    }
}
