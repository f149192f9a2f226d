// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BN254CertificateVerifier} from "../../src/attestation/BN254CertificateVerifier.sol";
import {
    BN254Certificate,
    BN254OperatorInfo,
    BN254OperatorInfoWitness,
    IBN254CertificateVerifier,
    OperatorSet
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {UpgradeTimes} from "../../src/interfaces/IDelayedUpgrade.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {BN254} from "../../src/libraries/BN254.sol";
import {OperatorTables} from "../../src/libraries/OperatorTables.sol";
import {PolicyMessages} from "../../src/libraries/PolicyMessages.sol";
import {Test} from "./Test.sol";

/// @notice Sums of points of G2, which no precompile gives.
library G2Sums {
    uint256 private constant P = BN254.FP_MODULUS;

    function add(BN254.G2Point memory a, BN254.G2Point memory b)
        internal
        view
        returns (BN254.G2Point memory r)
    {
        if (BN254.isInfinity(a)) return b;
        if (BN254.isInfinity(b)) return a;
        uint256[2] memory slope;
        if (_same(a.X, b.X)) {
            if (!_same(a.Y, b.Y)) return r;
            uint256[2] memory square = _mul(a.X, a.X);
            slope = _mul(_add(_add(square, square), square), _inverse(_add(a.Y, a.Y)));
        } else {
            slope = _mul(_sub(b.Y, a.Y), _inverse(_sub(b.X, a.X)));
        }
        r.X = _sub(_sub(_mul(slope, slope), a.X), b.X);
        r.Y = _sub(_mul(slope, _sub(a.X, r.X)), a.Y);
    }

    function mul(BN254.G2Point memory a, uint256 scalar)
        internal
        view
        returns (BN254.G2Point memory r)
    {
        for (; scalar != 0; scalar >>= 1) {
            if (scalar & 1 == 1) r = add(r, a);
            a = add(a, a);
        }
    }

    function _same(uint256[2] memory a, uint256[2] memory b) private pure returns (bool) {
        return a[0] == b[0] && a[1] == b[1];
    }

    function _add(uint256[2] memory a, uint256[2] memory b)
        private
        pure
        returns (uint256[2] memory)
    {
        return [addmod(a[0], b[0], P), addmod(a[1], b[1], P)];
    }

    function _sub(uint256[2] memory a, uint256[2] memory b)
        private
        pure
        returns (uint256[2] memory)
    {
        return [addmod(a[0], P - b[0], P), addmod(a[1], P - b[1], P)];
    }

    function _mul(uint256[2] memory a, uint256[2] memory b)
        private
        pure
        returns (uint256[2] memory)
    {
        return [
            addmod(mulmod(a[0], b[1], P), mulmod(a[1], b[0], P), P),
            addmod(mulmod(a[1], b[1], P), P - mulmod(a[0], b[0], P), P)
        ];
    }

    function _inverse(uint256[2] memory a) private view returns (uint256[2] memory) {
        uint256 norm = addmod(mulmod(a[0], a[0], P), mulmod(a[1], a[1], P), P);
        (, bytes memory out) = address(5).staticcall(abi.encode(32, 32, 32, norm, P - 2, P));
        uint256 inverse = abi.decode(out, (uint256));
        return [mulmod(P - a[0], inverse, P), mulmod(a[1], inverse, P)];
    }
}

/// @notice A verifier with five operators, whose keys are those of the vectors, and whatever they
/// are asked to sign.
abstract contract Operators is Test {
    using BN254 for BN254.G1Point;

    uint256 internal constant OPERATORS = 5;
    address internal constant AVS = address(0xA75);
    uint32 internal constant TABLE = 1_750_000_000;
    uint16 internal constant QUORUM_BPS = 6700;

    address[] internal operatorNames;
    uint256[] internal operatorSecrets;
    uint256[][] internal operatorWeights;
    BN254.G1Point[] internal operatorKeys;
    BN254.G2Point[] internal operatorKeysG2;

    BN254CertificateVerifier internal verifier;
    address internal verifierOwner = makeAddr("verifier owner");

    function loadOperators() internal {
        string memory json = vm.readFile("test/vectors/messages/certificates.json");
        for (uint256 i; i < OPERATORS; ++i) {
            string memory at = string.concat(".operators[", vm.toString(i), "]");
            operatorNames.push(vm.parseJsonAddress(json, string.concat(at, ".operator")));
            operatorSecrets.push(
                uint256(vm.parseJsonBytes32(json, string.concat(at, ".secretKey")))
            );
            operatorWeights.push(vm.parseJsonUintArray(json, string.concat(at, ".weights")));
            operatorKeys.push(g1At(json, string.concat(at, ".pkG1")));
            operatorKeysG2.push(g2At(json, string.concat(at, ".pkG2")));
        }
    }

    function deployVerifier(BlockKind kind, uint32 maxStaleness) internal {
        verifier = BN254CertificateVerifier(
            proxy(
                deployCode("BN254CertificateVerifier", ""),
                abi.encodeCall(
                    BN254CertificateVerifier.initialize,
                    (IBN254CertificateVerifier.Setup({
                            owner: verifierOwner,
                            times: UpgradeTimes(1100, 90, 1000),
                            blockKind: kind,
                            operatorSet: OperatorSet(AVS, 0),
                            maxStaleness: maxStaleness,
                            quorumBps: QUORUM_BPS
                        }))
                )
            )
        );
        vm.label(address(verifier), "BN254CertificateVerifier");
        for (uint256 i; i < OPERATORS; ++i) {
            registerKey(i);
        }
    }

    /// @dev A verifier whose table is in force from this block on.
    function setUpVerifier() internal {
        loadOperators();
        if (block.timestamp < TABLE) vm.warp(TABLE + 10);
        deployVerifier(BlockKind.Native, 0);
        publishTable(TABLE);
    }

    function publishTable(uint32 referenceTimestamp) internal {
        vm.prank(verifierOwner);
        verifier.publishTable(referenceTimestamp, operatorNames, operatorWeights);
    }

    function registerKey(uint256 i) internal {
        BN254.G1Point memory proof = signWith(
            operatorSecrets[i],
            verifier.proofOfPossessionHash(operatorNames[i], operatorKeys[i], operatorKeysG2[i])
        );
        vm.prank(operatorNames[i]);
        verifier.registerOperatorKey(operatorNames[i], operatorKeys[i], operatorKeysG2[i], proof);
    }

    // --- Signing ---

    function signWith(uint256 secret, bytes32 digest) internal view returns (BN254.G1Point memory) {
        return BN254.mul(BN254.hashToG1(digest), secret);
    }

    /// @dev A certificate by everyone but the operators listed, ascending.
    function certify(bytes32 messageHash, uint32 referenceTimestamp, uint256[] memory absent)
        internal
        view
        returns (BN254Certificate memory cert)
    {
        cert.referenceTimestamp = referenceTimestamp;
        cert.messageHash = messageHash;
        cert.nonSignerWitnesses = new BN254OperatorInfoWitness[](absent.length);
        uint256 secrets;
        uint256 next;
        for (uint256 i; i < OPERATORS; ++i) {
            if (next < absent.length && absent[next] == i) {
                cert.nonSignerWitnesses[next++] = witnessOf(i);
                continue;
            }
            secrets = addmod(secrets, operatorSecrets[i], BN254.FR_MODULUS);
            cert.apk = G2Sums.add(cert.apk, operatorKeysG2[i]);
        }
        cert.signature = signWith(secrets, PolicyMessages.signable(referenceTimestamp, messageHash));
    }

    function certify(bytes32 messageHash) internal view returns (BN254Certificate memory) {
        return certify(messageHash, TABLE, new uint256[](0));
    }

    function without(uint256 a) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = a;
    }

    function without(uint256 a, uint256 b) internal pure returns (uint256[] memory list) {
        list = new uint256[](2);
        (list[0], list[1]) = (a, b);
    }

    function witnessOf(uint256 index) internal view returns (BN254OperatorInfoWitness memory) {
        bytes32[] memory layer = new bytes32[](8);
        for (uint256 i; i < OPERATORS; ++i) {
            layer[i] = OperatorTables.leaf(infoOf(i));
        }
        bytes memory proof;
        uint256 at = index;
        for (uint256 width = 8; width > 1; width >>= 1) {
            proof = abi.encodePacked(proof, layer[at ^ 1]);
            for (uint256 i; i < width / 2; ++i) {
                layer[i] = keccak256(abi.encodePacked(layer[2 * i], layer[2 * i + 1]));
            }
            at >>= 1;
        }
        return BN254OperatorInfoWitness(uint32(index), proof, infoOf(index));
    }

    /// @dev Witnesses of everyone but those absent, as a challenge names signers.
    function signersBut(uint256[] memory absent)
        internal
        view
        returns (BN254OperatorInfoWitness[] memory list)
    {
        list = new BN254OperatorInfoWitness[](OPERATORS - absent.length);
        uint256 next;
        uint256 count;
        for (uint256 i; i < OPERATORS; ++i) {
            if (next < absent.length && absent[next] == i) ++next;
            else list[count++] = witnessOf(i);
        }
    }

    function infoOf(uint256 i) internal view returns (BN254OperatorInfo memory) {
        return BN254OperatorInfo(operatorKeys[i], operatorWeights[i]);
    }

    // --- What a later fork charges more for ---

    /// @dev Notes how many square roots the hash of a certificate's message to the curve takes: each
    /// is one call of modexp. `contracts/gas-figures.ts` works out the prices of EIP-7883 with it.
    function snapshotTries(string memory group, string memory name, BN254Certificate memory cert)
        internal
    {
        uint256 p = BN254.FP_MODULUS;
        uint256 x = uint256(PolicyMessages.signable(cert.referenceTimestamp, cert.messageHash)) % p;
        uint256 tries = 1;
        while (!_isSquare(addmod(mulmod(mulmod(x, x, p), x, p), 3, p))) {
            ++tries;
            x = addmod(x, 1, p);
        }
        vm.snapshotValue("HashTries", string.concat(group, "/", name), tries);
    }

    /// @dev By Euler's criterion.
    function _isSquare(uint256 value) private view returns (bool) {
        uint256 p = BN254.FP_MODULUS;
        (, bytes memory out) = address(5).staticcall(abi.encode(32, 32, 32, value, (p - 1) / 2, p));
        return abi.decode(out, (uint256)) <= 1;
    }

    // --- Points in JSON ---

    function g1At(string memory json, string memory key)
        internal
        pure
        returns (BN254.G1Point memory)
    {
        return BN254.G1Point(
            vm.parseJsonUint(json, string.concat(key, ".X")),
            vm.parseJsonUint(json, string.concat(key, ".Y"))
        );
    }

    function g2At(string memory json, string memory key)
        internal
        pure
        returns (BN254.G2Point memory)
    {
        uint256[] memory x = vm.parseJsonUintArray(json, string.concat(key, ".X"));
        uint256[] memory y = vm.parseJsonUintArray(json, string.concat(key, ".Y"));
        return BN254.G2Point([x[0], x[1]], [y[0], y[1]]);
    }
}
