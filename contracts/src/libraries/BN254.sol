// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title BN254
/// @notice Points of the pairing curve alt_bn128 (EIP-196, EIP-197) as EigenLayer's certificates
/// use them: keys in G1 and G2, signatures in G1, messages hashed to G1 by try-and-increment.
/// @dev In G2 the imaginary part comes first, as the pairing precompile expects it.
library BN254 {
    /// @notice A point of G1; (0, 0) is infinity.
    struct G1Point {
        uint256 X;
        uint256 Y;
    }

    /// @notice A point of G2: `X[0] * i + X[1]`, `Y[0] * i + Y[1]`; all zero is infinity.
    struct G2Point {
        uint256[2] X;
        uint256[2] Y;
    }

    /// @notice A precompile refused its input, which the checks before it should have excluded.
    error PrecompileFailed(uint256 precompile);

    /// @dev Order of the base field.
    uint256 internal constant FP_MODULUS =
        21_888_242_871_839_275_222_246_405_745_257_275_088_696_311_157_297_823_662_689_037_894_645_226_208_583;
    /// @dev Order of the groups.
    uint256 internal constant FR_MODULUS =
        21_888_242_871_839_275_222_246_405_745_257_275_088_548_364_400_416_034_343_698_204_186_575_808_495_617;
    /// @dev (FP_MODULUS + 1) / 4: raising to it gives a square root where there is one.
    uint256 private constant SQRT_EXPONENT =
        0xc19139cb84c680a6e14116da060561765e05aa45a1c72a34f082305b61f3f52;
    /// @dev Most gas that a pairing of two pairs (113,000 by EIP-1108) may take: the precompile keeps
    /// all it is given when it refuses a point.
    uint256 internal constant PAIRING_GAS = 150_000;

    // Generator of G2, imaginary parts first, and the negative of its Y.
    uint256 private constant G2_X0 =
        11_559_732_032_986_387_107_991_004_021_392_285_783_925_812_861_821_192_530_917_403_151_452_391_805_634;
    uint256 private constant G2_X1 =
        10_857_046_999_023_057_135_944_570_762_232_829_481_370_756_359_578_518_086_990_519_993_285_655_852_781;
    uint256 private constant G2_Y0 =
        4_082_367_875_863_433_681_332_203_403_145_435_568_316_851_327_593_401_208_105_741_076_214_120_093_531;
    uint256 private constant G2_Y1 =
        8_495_653_923_123_431_417_604_973_247_489_272_438_418_190_587_263_600_148_770_280_649_306_958_101_930;

    // The curve of G2 is y² = x³ + 3 / (9 + i): that constant, imaginary part first.
    uint256 private constant B2_0 =
        266_929_791_119_991_161_246_907_387_137_283_842_545_076_965_332_900_288_569_378_510_910_307_636_690;
    uint256 private constant B2_1 =
        19_485_874_751_759_354_771_024_239_261_021_720_505_790_618_469_301_721_065_564_631_296_452_457_478_373;

    /// @dev Generator of G1.
    function generatorG1() internal pure returns (G1Point memory) {
        return G1Point(1, 2);
    }

    /// @dev Generator of G2.
    function generatorG2() internal pure returns (G2Point memory) {
        return G2Point([G2_X0, G2_X1], [G2_Y0, G2_Y1]);
    }

    /// @dev The negative of the generator of G2.
    function negGeneratorG2() internal pure returns (G2Point memory) {
        return G2Point([G2_X0, G2_X1], [FP_MODULUS - G2_Y0, FP_MODULUS - G2_Y1]);
    }

    /// @dev Whether `p` is the point at infinity.
    function isInfinity(G1Point memory p) internal pure returns (bool) {
        return p.X == 0 && p.Y == 0;
    }

    /// @dev Whether `p` is the point at infinity.
    function isInfinity(G2Point memory p) internal pure returns (bool) {
        return p.X[0] == 0 && p.X[1] == 0 && p.Y[0] == 0 && p.Y[1] == 0;
    }

    /// @dev Whether both points are the same.
    function equal(G1Point memory a, G1Point memory b) internal pure returns (bool) {
        return a.X == b.X && a.Y == b.Y;
    }

    /// @dev Whether `p` is on the curve with reduced coordinates; infinity is not. G1 has no
    /// cofactor, so a point on the curve is in the group.
    function isOnCurve(G1Point memory p) internal pure returns (bool) {
        uint256 m = FP_MODULUS;
        if (p.X >= m || p.Y >= m || isInfinity(p)) return false;
        return mulmod(p.Y, p.Y, m) == addmod(mulmod(mulmod(p.X, p.X, m), p.X, m), 3, m);
    }

    /// @dev Whether `p` is on the twisted curve with reduced coordinates; infinity is not. Being in
    /// the group of prime order is a further condition, which the pairing precompile checks.
    function isOnCurve(G2Point memory p) internal pure returns (bool) {
        uint256 m = FP_MODULUS;
        if (p.X[0] >= m || p.X[1] >= m || p.Y[0] >= m || p.Y[1] >= m || isInfinity(p)) {
            return false;
        }
        (uint256 y0, uint256 y1) = _mul2(p.Y[0], p.Y[1], p.Y[0], p.Y[1]);
        (uint256 x0, uint256 x1) = _mul2(p.X[0], p.X[1], p.X[0], p.X[1]);
        (x0, x1) = _mul2(x0, x1, p.X[0], p.X[1]);
        return y0 == addmod(x0, B2_0, m) && y1 == addmod(x1, B2_1, m);
    }

    /// @dev Product in the quadratic extension with i² = -1, imaginary parts first.
    function _mul2(uint256 a0, uint256 a1, uint256 b0, uint256 b1)
        private
        pure
        returns (uint256 c0, uint256 c1)
    {
        uint256 m = FP_MODULUS;
        c0 = addmod(mulmod(a0, b1, m), mulmod(a1, b0, m), m);
        c1 = addmod(mulmod(a1, b1, m), m - mulmod(a0, b0, m), m);
    }

    /// @dev The negative of a point with reduced coordinates.
    function negate(G1Point memory p) internal pure returns (G1Point memory) {
        if (isInfinity(p)) return p;
        return G1Point(p.X, FP_MODULUS - (p.Y % FP_MODULUS));
    }

    /// @dev Sum of two points.
    function plus(G1Point memory a, G1Point memory b) internal view returns (G1Point memory r) {
        uint256[4] memory input = [a.X, a.Y, b.X, b.Y];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 6, input, 0x80, r, 0x40)
        }
        require(ok, PrecompileFailed(6));
    }

    /// @dev Product of a point and a scalar.
    function mul(G1Point memory a, uint256 scalar) internal view returns (G1Point memory r) {
        uint256[3] memory input = [a.X, a.Y, scalar];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 7, input, 0x60, r, 0x40)
        }
        require(ok, PrecompileFailed(7));
    }

    /// @dev Try-and-increment: the first x at or after the hash that is on the curve, with the
    /// square root `(x³ + 3)^((p + 1) / 4)`.
    function hashToG1(bytes32 hash) internal view returns (G1Point memory) {
        uint256 m = FP_MODULUS;
        uint256 x = uint256(hash) % m;
        while (true) {
            uint256 beta = addmod(mulmod(mulmod(x, x, m), x, m), 3, m);
            uint256 y = _sqrt(beta);
            if (mulmod(y, y, m) == beta) return G1Point(x, y);
            x = addmod(x, 1, m);
        }
        revert PrecompileFailed(5);
    }

    function _sqrt(uint256 value) private view returns (uint256 result) {
        uint256[6] memory input = [32, 32, 32, value, SQRT_EXPONENT, FP_MODULUS];
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 5, input, 0xc0, input, 0x20)
            result := mload(input)
        }
        require(ok, PrecompileFailed(5));
    }

    /// @dev Whether e(a1, a2) · e(b1, b2) is one. `completed` is false where the precompile refused
    /// a point, which after {isOnCurve} of all four means one of G2 outside the group. A caller
    /// cannot make it fail for want of gas and have that pass for a bad point: the precompile keeps
    /// what it was given, so that after less than the limit less than a 63rd of it is left.
    function tryPairing(G1Point memory a1, G2Point memory a2, G1Point memory b1, G2Point memory b2)
        internal
        view
        returns (bool completed, bool one)
    {
        uint256[12] memory input = [
            a1.X,
            a1.Y,
            a2.X[0],
            a2.X[1],
            a2.Y[0],
            a2.Y[1],
            b1.X,
            b1.Y,
            b2.X[0],
            b2.X[1],
            b2.Y[0],
            b2.Y[1]
        ];
        uint256[1] memory output;
        uint256 limit = PAIRING_GAS;
        assembly ("memory-safe") {
            completed := staticcall(limit, 8, input, 0x180, output, 0x20)
        }
        require(completed || gasleft() >= limit / 63, PrecompileFailed(8));
        one = completed && output[0] == 1;
    }

    /// @dev EigenLayer's check of a signature and of a key pair in one pairing equation:
    /// e(sig + gamma·pkG1, -G2) · e(H(hash) + gamma·G1, pkG2) == 1.
    function verifySignature(
        bytes32 hash,
        G1Point memory signature,
        G1Point memory pkG1,
        G2Point memory pkG2
    ) internal view returns (bool completed, bool valid) {
        uint256 gamma = uint256(
            keccak256(
                abi.encodePacked(
                    hash,
                    pkG1.X,
                    pkG1.Y,
                    pkG2.X[0],
                    pkG2.X[1],
                    pkG2.Y[0],
                    pkG2.Y[1],
                    signature.X,
                    signature.Y
                )
            )
        ) % FR_MODULUS;
        return tryPairing(
            plus(signature, mul(pkG1, gamma)),
            negGeneratorG2(),
            plus(hashToG1(hash), mul(generatorG1(), gamma)),
            pkG2
        );
    }

    /// @dev keccak256(X ‖ Y): by which an operator's key is found.
    function hashOf(G1Point memory p) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(p.X, p.Y));
    }
}
