// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BlockKind} from "../libraries/BlockSource.sol";
import {BN254} from "../libraries/BN254.sol";
import {UpgradeTimes} from "./IDelayedUpgrade.sol";

/// @notice An operator set of an AVS.
struct OperatorSet {
    address avs;
    uint32 id;
}

/// @notice One operator of a table: its key and its weight for each strategy. A leaf of the
/// table's tree is `keccak256(0x75 ‖ abi.encode(operatorInfo))`.
struct BN254OperatorInfo {
    BN254.G1Point pubkey;
    uint256[] weights;
}

/// @notice An operator and the proof that it is in the table at `operatorIndex`.
struct BN254OperatorInfoWitness {
    uint32 operatorIndex;
    bytes operatorInfoProof;
    BN254OperatorInfo operatorInfo;
}

/// @notice An aggregate signature: everyone in the table signed but the operators listed.
/// @param referenceTimestamp Name of the table.
/// @param messageHash What was signed, before the certificate's digest.
/// @param signature Sum of the signatures.
/// @param apk Sum of the signers' keys in G2.
/// @param nonSignerWitnesses Who did not sign, by strictly ascending index.
struct BN254Certificate {
    uint32 referenceTimestamp;
    bytes32 messageHash;
    BN254.G1Point signature;
    BN254.G2Point apk;
    BN254OperatorInfoWitness[] nonSignerWitnesses;
}

/// @notice A table of operators.
/// @param operatorInfoTreeRoot Root of the tree over the operators, in table order.
/// @param numOperators How many there are.
/// @param aggregatePubkey Sum of all keys in G1.
/// @param totalWeights Weight of all, per strategy.
struct BN254OperatorSetInfo {
    bytes32 operatorInfoTreeRoot;
    uint256 numOperators;
    BN254.G1Point aggregatePubkey;
    uint256[] totalWeights;
}

/// @title ICertificateVerifier
/// @notice What {IStateCommitRegistry} asks of a certificate verifier: the part that EigenLayer's
/// deployed verifier and its view-only fork have in common with ours.
interface ICertificateVerifier {
    /// @notice Verifies a certificate against the table it names, which must not be stale.
    /// @param operatorSet The operator set.
    /// @param cert The certificate.
    /// @return signedStakes Weight that signed, per strategy.
    function verifyCertificate(OperatorSet calldata operatorSet, BN254Certificate calldata cert)
        external
        view
        returns (uint256[] memory signedStakes);

    /// @notice The table of a reference timestamp, zero where there is none.
    /// @param operatorSet The operator set.
    /// @param referenceTimestamp Name of the table.
    function getOperatorSetInfo(OperatorSet calldata operatorSet, uint32 referenceTimestamp)
        external
        view
        returns (BN254OperatorSetInfo memory);
}

/// @title IBN254CertificateVerifier
/// @notice Verifies BLS certificates of one operator set, with tables whose keys are proven to be
/// their operators', kept for every past block.
/// @dev Certificates, digests and trees are EigenLayer's to the byte, and so are the read functions
/// and their errors. Tables come in through {publishTable} and not through a trusted updater.
interface IBN254CertificateVerifier is ICertificateVerifier {
    /// @notice What a verifier is made with.
    /// @param owner Registers tables and the quorum.
    /// @param times The times of the chain.
    /// @param blockKind Where block numbers come from.
    /// @param operatorSet The one operator set served.
    /// @param maxStaleness Seconds a table may be used for new work, 0 for ever.
    /// @param quorumBps Share of every strategy's weight that must have signed, 1 to 10,000.
    struct Setup {
        address owner;
        UpgradeTimes times;
        BlockKind blockKind;
        OperatorSet operatorSet;
        uint32 maxStaleness;
        uint16 quorumBps;
    }

    /// @notice The table is too old for new work.
    error CertificateStale();
    /// @notice There is no table of this reference timestamp.
    error ReferenceTimestampDoesNotExist();
    /// @notice There is another table in force at the block than the one the certificate names.
    error WrongTable(uint32 expected, uint32 given);
    /// @notice No table was in force at the block.
    error NoTable(uint256 blockNumber);
    /// @notice The block is the current one or a later one: the answer can still change.
    error BlockNotMined(uint256 blockNumber, uint256 current);
    /// @notice More non-signers than there are operators.
    error TooManyNonSigners(uint256 given, uint256 operators);
    /// @notice Non-signers are not in strictly ascending order of their indices.
    error NonSignerIndicesNotSorted();
    /// @notice There is no operator of this index in the table.
    error InvalidOperatorIndex();
    /// @notice A Merkle proof has not one word for each level of the table's tree.
    error InvalidOperatorProofLength(uint256 expected, uint256 given);
    /// @notice The operator is not in the table at this index with this key and these weights.
    error OperatorNotInTable(uint32 operatorIndex);
    /// @notice Nobody signed.
    error NoSigners();
    /// @notice The signature is the point at infinity.
    error SignatureIsInfinity();
    /// @notice The signature is not a point of G1.
    error SignatureNotOnCurve();
    /// @notice The aggregate key is the point at infinity.
    error ApkIsInfinity();
    /// @notice The aggregate key is not on the curve of G2.
    error ApkNotOnCurve();
    /// @notice The aggregate key is on the curve but not in the group of prime order.
    error ApkNotInSubgroup();
    /// @notice The points are well formed but the signature is not one of these signers over this
    /// message, or the aggregate key is not theirs.
    error VerificationFailed();
    /// @notice The signers have too little weight.
    error QuorumNotReached(uint256 strategy, uint256 signed, uint256 total, uint16 quorumBps);
    /// @notice Thresholds and strategies differ in number.
    error ArrayLengthMismatch();
    /// @notice A quorum outside 1 to 10,000 basis points.
    error InvalidQuorumBps(uint16 given);

    /// @notice The sender is not the operator.
    error NotOperator(address operator, address caller);
    /// @notice The operator's signature does not cover this key, this nonce and this deadline.
    error InvalidOperatorSignature(address operator);
    /// @notice The operator's signature was good until this time only.
    error SignatureExpired(uint256 deadline);
    /// @notice Tables would be used for new work longer than the verifier was made for.
    error StalenessTooLong(uint32 most, uint32 given);
    /// @notice The operator's address is zero.
    error InvalidOperator();
    /// @notice The key is the point at infinity, off the curve or outside the group.
    error InvalidPubkey();
    /// @notice The key belongs to an operator already; a key never changes hands.
    error KeyAlreadyRegistered(bytes32 pubkeyHash, address operator);
    /// @notice The proof of possession does not hold.
    error InvalidProofOfPossession();
    /// @notice The operator has no key.
    error OperatorKeyMissing(address operator);
    /// @notice A table without operators, or with more than the contract takes.
    error InvalidOperatorCount(uint256 count);
    /// @notice A table with more weights, over all operators and strategies, than the contract takes.
    error TooManyWeights(uint256 count);
    /// @notice Operators are not in strictly ascending order.
    error OperatorsNotSorted(uint256 index);
    /// @notice An operator has another number of weights than the first, or none.
    error InvalidWeightCount(uint256 index);
    /// @notice A weight over 2^128 - 1.
    error WeightTooLarge(uint256 index, uint256 strategy);
    /// @notice Nobody has weight in a strategy, which would make its quorum empty.
    error ZeroTotalWeight(uint256 strategy);
    /// @notice The keys of the table add up to the point at infinity.
    error AggregateKeyIsInfinity();
    /// @notice The reference timestamp does not follow the last one.
    error TableUpdateStale();
    /// @notice The reference timestamp is in the future.
    error ReferenceTimestampInFuture(uint32 given, uint256 current);

    /// @notice An operator's key was registered.
    event OperatorKeyRegistered(
        address indexed operator, bytes32 indexed pubkeyHash, BN254.G1Point pkG1, BN254.G2Point pkG2
    );
    /// @notice A table was registered; all of it, so that it can be rebuilt from logs.
    event OperatorTablePublished(
        uint32 indexed referenceTimestamp,
        uint64 blockNumber,
        address[] operators,
        BN254OperatorInfo[] infos
    );
    /// @notice EigenLayer's event of a new table.
    event TableUpdated(
        OperatorSet operatorSet, uint32 referenceTimestamp, BN254OperatorSetInfo operatorSetInfo
    );
    /// @notice Another quorum holds for reference blocks from this one on: announced ahead, and
    /// withdrawn by announcing the one in force.
    event QuorumBpsChanged(uint16 previous, uint16 current, uint64 blockNumber);
    /// @notice The staleness bound changed.
    event MaxStalenessChanged(uint32 previous, uint32 current);

    /// @notice Sets the contract up, once.
    function initialize(Setup calldata setup) external;

    /// @notice Registers an operator's key, in both groups, with a signature over
    /// `keccak256(abi.encode(keccak256("NewtonBN254ProofOfPossessionV1"), chainId, this, operator,
    /// pkG1, pkG2))`. A later key of the same operator replaces it in later tables.
    /// @param operator Whose key: the sender.
    /// @param pkG1 Key in G1.
    /// @param pkG2 The same key in G2.
    /// @param proof The signature.
    function registerOperatorKey(
        address operator,
        BN254.G1Point calldata pkG1,
        BN254.G2Point calldata pkG2,
        BN254.G1Point calldata proof
    ) external;

    /// @notice Registers an operator's key for it, with its word: a signature by its account or its
    /// contract (EIP-1271) over the EIP-712 struct `RegisterOperatorKey(address operator,bytes32
    /// pubkeyHash,uint256 nonce,uint256 deadline)`, domain `NewtonBN254CertificateVerifier`, `1`, this
    /// chain, this contract.
    /// @param operator Whose key.
    /// @param pkG1 Key in G1.
    /// @param pkG2 The same key in G2.
    /// @param proof Proof of possession, as in {registerOperatorKey}.
    /// @param deadline Last second, as Unix time, in which the signature counts.
    /// @param signature The operator's, over the nonce that {operatorKeyNonce} says.
    function registerOperatorKeyFor(
        address operator,
        BN254.G1Point calldata pkG1,
        BN254.G2Point calldata pkG2,
        BN254.G1Point calldata proof,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Puts a table in force from this block on. Owner only.
    /// @param referenceTimestamp Its name: after the last one's, not in the future.
    /// @param operators Strictly ascending, each with a key.
    /// @param weights For each operator its weight per strategy, the same number for all.
    function publishTable(
        uint32 referenceTimestamp,
        address[] calldata operators,
        uint256[][] calldata weights
    ) external;

    /// @notice Announces another quorum, for reference blocks from one upgrade delay on; earlier ones
    /// keep theirs. Owner only. The one in force withdraws an announcement.
    function setQuorumBps(uint16 newQuorumBps) external;

    /// @notice Changes how long a table may be used for new work, at most as long as the verifier was
    /// made for. Owner only.
    function setMaxStaleness(uint32 newMaxStaleness) external;

    /// @notice The table and the quorum in force at the end of a past block.
    /// @param blockNumber A block before the current one.
    /// @return referenceTimestamp Name of the table, 0 where none was in force yet.
    /// @return quorumBps The quorum.
    function tableAt(uint256 blockNumber)
        external
        view
        returns (uint32 referenceTimestamp, uint16 quorumBps);

    /// @notice Verifies a certificate against the table in force at a past block and that block's
    /// quorum, however old the table is by now.
    /// @param blockNumber A block before the current one.
    /// @param cert The certificate.
    /// @return signedStakes Weight that signed, per strategy.
    function verifyCertificateAt(uint256 blockNumber, BN254Certificate calldata cert)
        external
        view
        returns (uint256[] memory signedStakes);

    /// @notice Verifies that each signer may be used for new work under the quorum given.
    /// @return Whether every strategy's signed weight is at or above its share of the total.
    function verifyCertificateProportion(
        OperatorSet calldata operatorSet,
        BN254Certificate calldata cert,
        uint16[] calldata totalStakeProportionThresholds
    ) external view returns (bool);

    /// @notice The same with absolute weights.
    function verifyCertificateNominal(
        OperatorSet calldata operatorSet,
        BN254Certificate calldata cert,
        uint256[] calldata totalStakeNominalThresholds
    ) external view returns (bool);

    /// @notice Reverts unless the operator is in the table; returns its address.
    /// @param referenceTimestamp Name of the table.
    /// @param witness The operator, with its Merkle proof.
    function proveOperator(uint32 referenceTimestamp, BN254OperatorInfoWitness calldata witness)
        external
        view
        returns (address operator);

    /// @notice Whether a table may be used for new work now.
    function isFresh(uint32 referenceTimestamp) external view returns (bool);

    /// @notice Checks one signature with a key given in both groups.
    /// @dev The names are the deployed interface's and mean each other there, and so here: a good
    /// signature is one for which both are true.
    /// @return pairingSuccessful Whether the signature is the key's over the hash.
    /// @return signatureValid Whether the points were fit for a pairing.
    function trySignatureVerification(
        bytes32 msgHash,
        BN254.G1Point calldata aggPubkey,
        BN254.G2Point calldata apkG2,
        BN254.G1Point calldata signature
    ) external view returns (bool pairingSuccessful, bool signatureValid);

    /// @notice What operators sign: `keccak256(abi.encode(typehash, referenceTimestamp,
    /// messageHash))`.
    function calculateCertificateDigest(uint32 referenceTimestamp, bytes32 messageHash)
        external
        pure
        returns (bytes32);

    /// @notice Leaf of an operator in a table's tree.
    function calculateOperatorInfoLeaf(BN254OperatorInfo calldata operatorInfo)
        external
        pure
        returns (bytes32);

    /// @notice What an operator signs to prove that a key is its own.
    function proofOfPossessionHash(
        address operator,
        BN254.G1Point calldata pkG1,
        BN254.G2Point calldata pkG2
    ) external view returns (bytes32);

    /// @notice How many keys an operator has registered: the nonce of its next signature.
    function operatorKeyNonce(address operator) external view returns (uint256);

    /// @notice What an operator signs to have a key registered for it.
    /// @param operator The operator.
    /// @param pubkeyHash `keccak256(X ‖ Y)` of the key in G1.
    /// @param nonce The operator's {operatorKeyNonce}.
    /// @param deadline Last second in which it counts.
    function operatorKeyDigest(
        address operator,
        bytes32 pubkeyHash,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32);

    /// @notice The operator set served.
    function operatorSet() external view returns (OperatorSet memory);

    /// @notice The operator of a key, by `keccak256(X ‖ Y)`; zero where there is none.
    function operatorOf(bytes32 pubkeyHash) external view returns (address);

    /// @notice The latest key of an operator, infinity where it has none.
    function operatorKey(address operator) external view returns (BN254.G1Point memory);

    /// @notice Name of the latest table.
    function latestReferenceTimestamp(OperatorSet calldata operatorSet)
        external
        view
        returns (uint32);

    /// @notice Seconds a table may be used for new work, 0 for ever.
    function maxOperatorTableStaleness(OperatorSet calldata operatorSet)
        external
        view
        returns (uint32);

    /// @notice Whether there is a table of this name.
    function isReferenceTimestampSet(OperatorSet calldata operatorSet, uint32 referenceTimestamp)
        external
        view
        returns (bool);

    /// @notice Total weights of a table, per strategy.
    function getTotalStakeWeights(OperatorSet calldata operatorSet, uint32 referenceTimestamp)
        external
        view
        returns (uint256[] memory);

    /// @notice Number of operators of a table.
    function getOperatorCount(OperatorSet calldata operatorSet, uint32 referenceTimestamp)
        external
        view
        returns (uint256);

    /// @notice Who registers tables.
    function getOperatorSetOwner(OperatorSet calldata operatorSet) external view returns (address);

    /// @notice Always an empty value: witnesses are verified each time and never kept.
    function getNonsignerOperatorInfo(
        OperatorSet calldata operatorSet,
        uint32 referenceTimestamp,
        uint256 operatorIndex
    ) external pure returns (BN254OperatorInfo memory);

    /// @notice Always false, for the same reason.
    function isNonsignerCached(
        OperatorSet calldata operatorSet,
        uint32 referenceTimestamp,
        uint256 operatorIndex
    ) external pure returns (bool);
}
