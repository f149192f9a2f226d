// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BN254} from "../../src/libraries/BN254.sol";
import {G2Sums, Operators} from "../base/Operators.sol";

contract BN254Test is Operators {
    using BN254 for BN254.G1Point;
    using BN254 for BN254.G2Point;

    function setUp() public {
        loadOperators();
    }

    function test_hashToG1_vectors() public view {
        string memory json = vm.readFile("test/vectors/messages/hashToG1.json");
        uint256 count;
        for (; vm.keyExistsJson(json, _at(count)); ++count) {
            bytes32 hash = vm.parseJsonBytes32(json, string.concat(_at(count), ".hash"));
            BN254.G1Point memory expected = g1At(json, _at(count));
            BN254.G1Point memory point = BN254.hashToG1(hash);
            assertEq(point.X, expected.X);
            assertEq(point.Y, expected.Y);
        }
        assertEq(count, 45);
    }

    function _at(uint256 i) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "]");
    }

    function test_fuzz_hashToG1_isOnCurve(bytes32 hash) public view {
        BN254.G1Point memory point = BN254.hashToG1(hash);
        assertTrue(point.isOnCurve());
        assertTrue(
            addmod(point.X, BN254.FP_MODULUS - uint256(hash) % BN254.FP_MODULUS, BN254.FP_MODULUS)
                < 256
        );
    }

    function test_keys_areTheSecretsMultiples() public view {
        for (uint256 i; i < OPERATORS; ++i) {
            assertTrue(BN254.mul(BN254.generatorG1(), operatorSecrets[i]).equal(operatorKeys[i]));
            BN254.G2Point memory key = G2Sums.mul(BN254.generatorG2(), operatorSecrets[i]);
            assertEq(abi.encode(key), abi.encode(operatorKeysG2[i]));
        }
    }

    function test_fuzz_verifySignature(uint256 secret, bytes32 hash, bytes32 other) public view {
        secret = bound(secret, 1, BN254.FR_MODULUS - 1);
        vm.assume(hash != other);
        BN254.G1Point memory key = BN254.mul(BN254.generatorG1(), secret);
        BN254.G2Point memory keyG2 = G2Sums.mul(BN254.generatorG2(), secret);
        BN254.G1Point memory signature = signWith(secret, hash);
        (bool completed, bool valid) = BN254.verifySignature(hash, signature, key, keyG2);
        assertTrue(completed && valid);
        (completed, valid) = BN254.verifySignature(other, signature, key, keyG2);
        assertTrue(completed && !valid, "other message");
        (completed, valid) = BN254.verifySignature(hash, signature.negate(), key, keyG2);
        assertTrue(completed && !valid, "negated signature");
        (completed, valid) = BN254.verifySignature(hash, signature, key.negate(), keyG2);
        assertTrue(completed && !valid, "keys differ");
    }

    function test_verifySignature_refusesMixedKeys() public view {
        bytes32 hash = keccak256("mixed");
        BN254.G1Point memory signature = signWith(operatorSecrets[0], hash);
        (bool completed, bool valid) =
            BN254.verifySignature(hash, signature, operatorKeys[0], operatorKeysG2[1]);
        assertTrue(completed && !valid);
        (completed, valid) =
            BN254.verifySignature(hash, signature, operatorKeys[1], operatorKeysG2[0]);
        assertTrue(completed && !valid);
    }

    function test_isOnCurve_G1() public view {
        assertTrue(BN254.generatorG1().isOnCurve());
        assertTrue(operatorKeys[0].isOnCurve());
        assertFalse(BN254.G1Point(0, 0).isOnCurve());
        assertFalse(BN254.G1Point(1, 3).isOnCurve());
        assertFalse(BN254.G1Point(1 + BN254.FP_MODULUS, 2).isOnCurve());
        assertFalse(BN254.G1Point(1, 2 + BN254.FP_MODULUS).isOnCurve());
    }

    function test_isOnCurve_G2() public view {
        assertTrue(BN254.generatorG2().isOnCurve());
        assertTrue(BN254.negGeneratorG2().isOnCurve());
        assertTrue(operatorKeysG2[3].isOnCurve());
        BN254.G2Point memory zero;
        assertFalse(zero.isOnCurve());
        for (uint256 i; i < 4; ++i) {
            BN254.G2Point memory point = BN254.generatorG2();
            uint256[2] memory part = i < 2 ? point.X : point.Y;
            part[i & 1] += 1;
            assertFalse(point.isOnCurve());
            part[i & 1] += BN254.FP_MODULUS - 1;
            assertFalse(point.isOnCurve());
        }
        // Real and imaginary parts the other way round.
        BN254.G2Point memory swapped = BN254.generatorG2();
        (swapped.X[0], swapped.X[1]) = (swapped.X[1], swapped.X[0]);
        (swapped.Y[0], swapped.Y[1]) = (swapped.Y[1], swapped.Y[0]);
        assertFalse(swapped.isOnCurve());
    }

    function test_tryPairing_refusesOutsideTheGroup() public view {
        string memory json = vm.readFile("test/vectors/messages/certificates.json");
        BN254.G2Point memory outside = g2At(json, ".offSubgroup");
        assertTrue(outside.isOnCurve());
        (bool completed,) =
            BN254.verifySignature(keccak256("x"), operatorKeys[0], operatorKeys[1], outside);
        assertFalse(completed);
    }

    function test_negate_infinity() public pure {
        assertTrue(BN254.G1Point(0, 0).negate().isInfinity());
    }

    function test_plus_revertsOffTheCurve() public {
        vm.expectRevert(abi.encodeWithSelector(BN254.PrecompileFailed.selector, 6));
        this.plus(BN254.G1Point(1, 1), BN254.G1Point(1, 2));
        vm.expectRevert(abi.encodeWithSelector(BN254.PrecompileFailed.selector, 7));
        this.mul(BN254.G1Point(1, 1), 5);
    }

    function plus(BN254.G1Point memory a, BN254.G1Point memory b) external view {
        BN254.plus(a, b);
    }

    function mul(BN254.G1Point memory a, uint256 scalar) external view {
        BN254.mul(a, scalar);
    }

    /// Too little gas for the pairing is not a bad signature.
    function test_tryPairing_revertsWithoutGas() public {
        bytes32 hash = keccak256("gas");
        BN254.G1Point memory signature = signWith(operatorSecrets[0], hash);
        vm.expectRevert(abi.encodeWithSelector(BN254.PrecompileFailed.selector, 8));
        this.verify{gas: 120_000}(hash, signature, operatorKeys[0], operatorKeysG2[0]);
        assertTrue(this.verify(hash, signature, operatorKeys[0], operatorKeysG2[0]));
    }

    function verify(
        bytes32 hash,
        BN254.G1Point memory signature,
        BN254.G1Point memory key,
        BN254.G2Point memory keyG2
    ) external view returns (bool) {
        (, bool valid) = BN254.verifySignature(hash, signature, key, keyG2);
        return valid;
    }
}
