// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    MessageHashUtils
} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {
    BN254Certificate,
    BN254OperatorInfo,
    BN254OperatorInfoWitness,
    BN254OperatorSetInfo,
    IBN254CertificateVerifier,
    ICertificateVerifier,
    OperatorSet
} from "../interfaces/IBN254CertificateVerifier.sol";
import {BlockKind, BlockSource} from "../libraries/BlockSource.sol";
import {BN254} from "../libraries/BN254.sol";
import {OperatorTables} from "../libraries/OperatorTables.sol";
import {PolicyMessages} from "../libraries/PolicyMessages.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {DelayedUpgrade} from "../upgrade/DelayedUpgrade.sol";

/// @title BN254CertificateVerifier
/// @notice Verifies BLS certificates of one operator set at any past block.
contract BN254CertificateVerifier is DelayedUpgrade, IBN254CertificateVerifier {
    using BN254 for BN254.G1Point;
    using BN254 for BN254.G2Point;

    /// @dev A table and a quorum, in force from `blockNumber` on.
    struct Checkpoint {
        uint64 blockNumber;
        uint32 referenceTimestamp;
        uint16 quorumBps;
    }

    /// @custom:storage-location erc7201:newton.storage.BN254CertificateVerifier
    struct VerifierStorage {
        // One word: what a certificate is judged by beside its table.
        address avs;
        uint32 operatorSetId;
        uint32 maxStaleness;
        BlockKind blockKind;
        Checkpoint[] checkpoints;
        mapping(uint32 referenceTimestamp => BN254OperatorSetInfo) tables;
        mapping(bytes32 pubkeyHash => address) operators;
        mapping(address operator => BN254.G1Point) keys;
        mapping(address operator => uint256) nonces;
        uint32 mostStaleness;
    }

    /// @notice Denominator of the quorum.
    uint16 public constant BPS_DENOMINATOR = 10_000;
    /// @notice Most operators of one table.
    uint256 public constant MAX_OPERATORS = 512;
    /// @notice Most weights of one table, over all operators and strategies: what is published in
    /// one transaction has to fit the cap of EIP-7825.
    uint256 public constant MAX_WEIGHTS = 2048;

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant DOMAIN_NAME = keccak256("NewtonBN254CertificateVerifier");
    bytes32 private constant DOMAIN_VERSION = keccak256("1");
    bytes32 private constant REGISTER_KEY_TYPEHASH = keccak256(
        "RegisterOperatorKey(address operator,bytes32 pubkeyHash,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant POSSESSION_TAG = keccak256("NewtonBN254ProofOfPossessionV1");
    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.BN254CertificateVerifier")) - 1))
    /// & ~0xff
    bytes32 private constant VERIFIER_SLOT =
        0x0c5bde975f61ba992e1329435e0b4dcd13ebb6d125454e123594a1245b2edf00;

    // --- Setup ---

    /// @inheritdoc IBN254CertificateVerifier
    function initialize(Setup calldata setup) external initializer {
        __DelayedUpgrade_init(setup.owner, setup.times);
        BlockSource.check(setup.blockKind);
        _requireQuorum(setup.quorumBps);
        VerifierStorage storage $ = _verifierStorage();
        $.blockKind = setup.blockKind;
        $.avs = setup.operatorSet.avs;
        $.operatorSetId = setup.operatorSet.id;
        $.maxStaleness = setup.maxStaleness;
        $.mostStaleness = setup.maxStaleness;
        $.checkpoints.push(Checkpoint(uint64(_blockNumber()), 0, setup.quorumBps));
        emit QuorumBpsChanged(0, setup.quorumBps, uint64(_blockNumber()));
        emit MaxStalenessChanged(0, setup.maxStaleness);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function registerOperatorKey(
        address operator,
        BN254.G1Point calldata pkG1,
        BN254.G2Point calldata pkG2,
        BN254.G1Point calldata proof
    ) external {
        require(msg.sender == operator, NotOperator(operator, msg.sender));
        _registerKey(operator, pkG1, pkG2, proof);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function registerOperatorKeyFor(
        address operator,
        BN254.G1Point calldata pkG1,
        BN254.G2Point calldata pkG2,
        BN254.G1Point calldata proof,
        uint256 deadline,
        bytes calldata signature
    ) external {
        require(operator != address(0), InvalidOperator());
        require(block.timestamp <= deadline, SignatureExpired(deadline));
        BN254.G1Point memory key = pkG1;
        bytes32 digest = operatorKeyDigest(
            operator, key.hashOf(), _verifierStorage().nonces[operator], deadline
        );
        require(
            Signatures.isSignedBy(operator, digest, signature),
            InvalidOperatorSignature(operator)
        );
        _registerKey(operator, pkG1, pkG2, proof);
    }

    function _registerKey(
        address operator,
        BN254.G1Point calldata pkG1,
        BN254.G2Point calldata pkG2,
        BN254.G1Point calldata proof
    ) private {
        BN254.G1Point memory key = pkG1;
        BN254.G2Point memory keyG2 = pkG2;
        require(key.isOnCurve() && keyG2.isOnCurve(), InvalidPubkey());
        VerifierStorage storage $ = _verifierStorage();
        bytes32 pubkeyHash = key.hashOf();
        address holder = $.operators[pubkeyHash];
        require(holder == address(0), KeyAlreadyRegistered(pubkeyHash, holder));
        BN254.G1Point memory signature = proof;
        require(signature.isOnCurve(), InvalidProofOfPossession());
        (bool completed, bool valid) = BN254.verifySignature(
            proofOfPossessionHash(operator, pkG1, pkG2), signature, key, keyG2
        );
        require(completed, InvalidPubkey());
        require(valid, InvalidProofOfPossession());
        $.operators[pubkeyHash] = operator;
        $.keys[operator] = key;
        ++$.nonces[operator];
        emit OperatorKeyRegistered(operator, pubkeyHash, pkG1, pkG2);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function publishTable(
        uint32 referenceTimestamp,
        address[] calldata operators,
        uint256[][] calldata weights
    ) external onlyOwner {
        VerifierStorage storage $ = _verifierStorage();
        Checkpoint memory last = $.checkpoints[$.checkpoints.length - 1];
        require(referenceTimestamp > last.referenceTimestamp, TableUpdateStale());
        require(
            referenceTimestamp <= block.timestamp,
            ReferenceTimestampInFuture(referenceTimestamp, block.timestamp)
        );
        (BN254OperatorSetInfo memory info, BN254OperatorInfo[] memory infos) =
            _buildTable(operators, weights);
        $.tables[referenceTimestamp] = info;
        _checkpoint(referenceTimestamp);
        emit TableUpdated(operatorSet(), referenceTimestamp, info);
        emit OperatorTablePublished(
            referenceTimestamp, uint64(_blockNumber()), operators, infos
        );
    }

    /// @inheritdoc IBN254CertificateVerifier
    function setQuorumBps(uint16 newQuorumBps) external onlyOwner {
        _requireQuorum(newQuorumBps);
        Checkpoint[] storage checkpoints = _verifierStorage().checkpoints;
        uint64 fromBlock = uint64(_blockNumber());
        _popAnnounced(checkpoints, fromBlock);
        Checkpoint memory last = checkpoints[checkpoints.length - 1];
        if (newQuorumBps != last.quorumBps) {
            fromBlock += upgradeDelay();
            checkpoints.push(Checkpoint(fromBlock, last.referenceTimestamp, newQuorumBps));
        }
        emit QuorumBpsChanged(last.quorumBps, newQuorumBps, fromBlock);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function setMaxStaleness(uint32 newMaxStaleness) external onlyOwner {
        VerifierStorage storage $ = _verifierStorage();
        // Stake may have left what an older table names.
        uint32 most = $.mostStaleness;
        require(
            most == 0 || (newMaxStaleness != 0 && newMaxStaleness <= most),
            StalenessTooLong(most, newMaxStaleness)
        );
        emit MaxStalenessChanged($.maxStaleness, newMaxStaleness);
        $.maxStaleness = newMaxStaleness;
    }

    // --- Certificates ---

    /// @inheritdoc IBN254CertificateVerifier
    function verifyCertificateAt(uint256 blockNumber, BN254Certificate calldata cert)
        external
        view
        returns (uint256[] memory signedStakes)
    {
        (uint32 referenceTimestamp, uint16 quorumBps) = tableAt(blockNumber);
        require(referenceTimestamp != 0, NoTable(blockNumber));
        require(
            cert.referenceTimestamp == referenceTimestamp,
            WrongTable(referenceTimestamp, cert.referenceTimestamp)
        );
        return _verify(cert, quorumBps);
    }

    /// @inheritdoc ICertificateVerifier
    function verifyCertificate(OperatorSet calldata set, BN254Certificate calldata cert)
        external
        view
        returns (uint256[] memory signedStakes)
    {
        return _verifyFresh(set, cert);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function verifyCertificateProportion(
        OperatorSet calldata set,
        BN254Certificate calldata cert,
        uint16[] calldata totalStakeProportionThresholds
    ) external view returns (bool) {
        uint256[] memory signed = _verifyFresh(set, cert);
        uint256[] memory total = _verifierStorage().tables[cert.referenceTimestamp].totalWeights;
        require(signed.length == totalStakeProportionThresholds.length, ArrayLengthMismatch());
        for (uint256 i; i < signed.length; ++i) {
            if (signed[i] < (total[i] * totalStakeProportionThresholds[i]) / BPS_DENOMINATOR) {
                return false;
            }
        }
        return true;
    }

    /// @inheritdoc IBN254CertificateVerifier
    function verifyCertificateNominal(
        OperatorSet calldata set,
        BN254Certificate calldata cert,
        uint256[] calldata totalStakeNominalThresholds
    ) external view returns (bool) {
        uint256[] memory signed = _verifyFresh(set, cert);
        require(signed.length == totalStakeNominalThresholds.length, ArrayLengthMismatch());
        for (uint256 i; i < signed.length; ++i) {
            if (signed[i] < totalStakeNominalThresholds[i]) return false;
        }
        return true;
    }

    /// @inheritdoc IBN254CertificateVerifier
    function proveOperator(uint32 referenceTimestamp, BN254OperatorInfoWitness calldata witness)
        external
        view
        returns (address operator)
    {
        BN254OperatorSetInfo storage table = _table(referenceTimestamp);
        BN254OperatorInfo memory info =
            _checkWitness(witness, table.operatorInfoTreeRoot, table.numOperators);
        return _verifierStorage().operators[info.pubkey.hashOf()];
    }

    /// @inheritdoc IBN254CertificateVerifier
    function trySignatureVerification(
        bytes32 msgHash,
        BN254.G1Point calldata aggPubkey,
        BN254.G2Point calldata apkG2,
        BN254.G1Point calldata signature
    ) external view returns (bool pairingSuccessful, bool signatureValid) {
        BN254.G1Point memory key = aggPubkey;
        BN254.G2Point memory keyG2 = apkG2;
        BN254.G1Point memory point = signature;
        if (!key.isOnCurve() || !keyG2.isOnCurve() || !point.isOnCurve()) return (false, false);
        // As deployed: the names are the interface's, the values come the other way round.
        (pairingSuccessful, signatureValid) = BN254.verifySignature(msgHash, point, key, keyG2);
        return (signatureValid, pairingSuccessful);
    }

    // --- Reads ---

    /// @inheritdoc IBN254CertificateVerifier
    function tableAt(uint256 blockNumber)
        public
        view
        returns (uint32 referenceTimestamp, uint16 quorumBps)
    {
        uint256 current = _blockNumber();
        require(blockNumber < current, BlockNotMined(blockNumber, current));
        Checkpoint[] storage checkpoints = _verifierStorage().checkpoints;
        // The number of checkpoints at or before the block, by bisection.
        uint256 low;
        uint256 high = checkpoints.length;
        while (low < high) {
            uint256 middle = (low + high) >> 1;
            if (checkpoints[middle].blockNumber > blockNumber) high = middle;
            else low = middle + 1;
        }
        if (low == 0) return (0, 0);
        Checkpoint memory found = checkpoints[low - 1];
        return (found.referenceTimestamp, found.quorumBps);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function isFresh(uint32 referenceTimestamp) public view returns (bool) {
        uint32 maxStaleness = _verifierStorage().maxStaleness;
        return
            maxStaleness == 0
                || block.timestamp <= uint256(referenceTimestamp) + uint256(maxStaleness);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function calculateCertificateDigest(uint32 referenceTimestamp, bytes32 messageHash)
        public
        pure
        returns (bytes32)
    {
        return PolicyMessages.signable(referenceTimestamp, messageHash);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function calculateOperatorInfoLeaf(BN254OperatorInfo calldata operatorInfo)
        external
        pure
        returns (bytes32)
    {
        return OperatorTables.leaf(operatorInfo);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function proofOfPossessionHash(
        address operator,
        BN254.G1Point calldata pkG1,
        BN254.G2Point calldata pkG2
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(POSSESSION_TAG, block.chainid, address(this), operator, pkG1, pkG2)
        );
    }

    /// @inheritdoc IBN254CertificateVerifier
    function operatorKeyNonce(address operator) external view returns (uint256) {
        return _verifierStorage().nonces[operator];
    }

    /// @inheritdoc IBN254CertificateVerifier
    function operatorKeyDigest(
        address operator,
        bytes32 pubkeyHash,
        uint256 nonce,
        uint256 deadline
    ) public view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, DOMAIN_NAME, DOMAIN_VERSION, block.chainid, address(this))
        );
        bytes32 struct_ =
            keccak256(abi.encode(REGISTER_KEY_TYPEHASH, operator, pubkeyHash, nonce, deadline));
        return MessageHashUtils.toTypedDataHash(domain, struct_);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function operatorSet() public view returns (OperatorSet memory) {
        VerifierStorage storage $ = _verifierStorage();
        return OperatorSet($.avs, $.operatorSetId);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function operatorOf(bytes32 pubkeyHash) external view returns (address) {
        return _verifierStorage().operators[pubkeyHash];
    }

    /// @inheritdoc IBN254CertificateVerifier
    function operatorKey(address operator) external view returns (BN254.G1Point memory) {
        return _verifierStorage().keys[operator];
    }

    /// @inheritdoc ICertificateVerifier
    function getOperatorSetInfo(OperatorSet calldata set, uint32 referenceTimestamp)
        external
        view
        returns (BN254OperatorSetInfo memory info)
    {
        if (_isOurs(set)) return _verifierStorage().tables[referenceTimestamp];
    }

    /// @inheritdoc IBN254CertificateVerifier
    function latestReferenceTimestamp(OperatorSet calldata set) external view returns (uint32) {
        if (!_isOurs(set)) return 0;
        Checkpoint[] storage checkpoints = _verifierStorage().checkpoints;
        return checkpoints[checkpoints.length - 1].referenceTimestamp;
    }

    /// @inheritdoc IBN254CertificateVerifier
    function maxOperatorTableStaleness(OperatorSet calldata set) external view returns (uint32) {
        return _isOurs(set) ? _verifierStorage().maxStaleness : 0;
    }

    /// @inheritdoc IBN254CertificateVerifier
    function isReferenceTimestampSet(OperatorSet calldata set, uint32 referenceTimestamp)
        external
        view
        returns (bool)
    {
        return _isOurs(set) && _verifierStorage().tables[referenceTimestamp].numOperators != 0;
    }

    /// @inheritdoc IBN254CertificateVerifier
    function getTotalStakeWeights(OperatorSet calldata set, uint32 referenceTimestamp)
        external
        view
        returns (uint256[] memory weights)
    {
        if (_isOurs(set)) return _verifierStorage().tables[referenceTimestamp].totalWeights;
    }

    /// @inheritdoc IBN254CertificateVerifier
    function getOperatorCount(OperatorSet calldata set, uint32 referenceTimestamp)
        external
        view
        returns (uint256)
    {
        return _isOurs(set) ? _verifierStorage().tables[referenceTimestamp].numOperators : 0;
    }

    /// @inheritdoc IBN254CertificateVerifier
    function getOperatorSetOwner(OperatorSet calldata set) external view returns (address) {
        return _isOurs(set) ? owner() : address(0);
    }

    /// @inheritdoc IBN254CertificateVerifier
    function getNonsignerOperatorInfo(OperatorSet calldata, uint32, uint256)
        external
        pure
        returns (BN254OperatorInfo memory empty)
    {}

    /// @inheritdoc IBN254CertificateVerifier
    function isNonsignerCached(OperatorSet calldata, uint32, uint256) external pure returns (bool) {
        return false;
    }

    // --- Verification ---

    function _verifyFresh(OperatorSet calldata set, BN254Certificate calldata cert)
        private
        view
        returns (uint256[] memory)
    {
        require(isFresh(cert.referenceTimestamp), CertificateStale());
        require(_isOurs(set), ReferenceTimestampDoesNotExist());
        return _verify(cert, 0);
    }

    /// @dev All but the choice of the table. With a quorum, weights are judged before the pairing.
    function _verify(BN254Certificate calldata cert, uint16 quorumBps)
        private
        view
        returns (uint256[] memory signed)
    {
        BN254OperatorSetInfo storage table = _table(cert.referenceTimestamp);
        BN254.G1Point memory signature = cert.signature;
        require(!signature.isInfinity(), SignatureIsInfinity());
        require(signature.isOnCurve(), SignatureNotOnCurve());
        BN254.G2Point memory apk = cert.apk;
        require(!apk.isInfinity(), ApkIsInfinity());

        BN254.G1Point memory absent;
        (absent, signed) = _subtractNonSigners(table, cert.nonSignerWitnesses);
        if (quorumBps != 0) _requireSigned(signed, table.totalWeights, quorumBps);

        BN254.G1Point memory signers = table.aggregatePubkey;
        signers = signers.plus(absent.negate());
        require(!signers.isInfinity(), NoSigners());
        (bool completed, bool valid) = BN254.verifySignature(
            PolicyMessages.signable(cert.referenceTimestamp, cert.messageHash),
            signature,
            signers,
            apk
        );
        // The pairing refuses points off the curve and outside the group: which it was is worked out
        // only then.
        if (!completed) {
            require(apk.isOnCurve(), ApkNotOnCurve());
            revert ApkNotInSubgroup();
        }
        require(valid, VerificationFailed());
    }

    function _subtractNonSigners(
        BN254OperatorSetInfo storage table,
        BN254OperatorInfoWitness[] calldata witnesses
    ) private view returns (BN254.G1Point memory absent, uint256[] memory signed) {
        signed = table.totalWeights;
        uint256 operators = table.numOperators;
        require(witnesses.length <= operators, TooManyNonSigners(witnesses.length, operators));
        bytes32 root = table.operatorInfoTreeRoot;
        for (uint256 i; i < witnesses.length; ++i) {
            require(
                i == 0 || witnesses[i].operatorIndex > witnesses[i - 1].operatorIndex,
                NonSignerIndicesNotSorted()
            );
            BN254OperatorInfo memory info = _checkWitness(witnesses[i], root, operators);
            absent = absent.plus(info.pubkey);
            // A proven operator has a weight for each strategy, and the totals are sums of those.
            for (uint256 j; j < signed.length; ++j) {
                signed[j] -= info.weights[j];
            }
        }
    }

    function _checkWitness(
        BN254OperatorInfoWitness calldata witness,
        bytes32 root,
        uint256 operators
    ) private pure returns (BN254OperatorInfo memory info) {
        require(witness.operatorIndex < operators, InvalidOperatorIndex());
        uint256 length = 32 * OperatorTables.depth(operators);
        require(
            witness.operatorInfoProof.length == length,
            InvalidOperatorProofLength(length, witness.operatorInfoProof.length)
        );
        info = witness.operatorInfo;
        bytes32 folded = OperatorTables.fold(
            OperatorTables.leaf(info), witness.operatorIndex, witness.operatorInfoProof
        );
        require(folded == root, OperatorNotInTable(witness.operatorIndex));
    }

    function _requireSigned(uint256[] memory signed, uint256[] memory total, uint16 quorumBps)
        private
        pure
    {
        for (uint256 i; i < signed.length; ++i) {
            require(
                signed[i] * BPS_DENOMINATOR >= total[i] * quorumBps,
                QuorumNotReached(i, signed[i], total[i], quorumBps)
            );
        }
    }

    // --- Tables ---

    function _buildTable(address[] calldata operators, uint256[][] calldata weights)
        private
        view
        returns (BN254OperatorSetInfo memory info, BN254OperatorInfo[] memory infos)
    {
        uint256 count = operators.length;
        require(
            count != 0 && count <= MAX_OPERATORS && count == weights.length,
            InvalidOperatorCount(count)
        );
        uint256 strategies = weights[0].length;
        require(count * strategies <= MAX_WEIGHTS, TooManyWeights(count * strategies));
        infos = new BN254OperatorInfo[](count);
        bytes32[] memory leaves = new bytes32[](count);
        info.totalWeights = new uint256[](strategies);
        for (uint256 i; i < count; ++i) {
            require(i == 0 || operators[i] > operators[i - 1], OperatorsNotSorted(i));
            require(weights[i].length == strategies && strategies != 0, InvalidWeightCount(i));
            BN254.G1Point memory key = _verifierStorage().keys[operators[i]];
            require(!key.isInfinity(), OperatorKeyMissing(operators[i]));
            for (uint256 j; j < strategies; ++j) {
                require(weights[i][j] <= type(uint128).max, WeightTooLarge(i, j));
                info.totalWeights[j] += weights[i][j];
            }
            infos[i] = BN254OperatorInfo(key, weights[i]);
            leaves[i] = OperatorTables.leaf(infos[i]);
            info.aggregatePubkey = info.aggregatePubkey.plus(key);
        }
        for (uint256 j; j < strategies; ++j) {
            require(info.totalWeights[j] != 0, ZeroTotalWeight(j));
        }
        require(!info.aggregatePubkey.isInfinity(), AggregateKeyIsInfinity());
        info.operatorInfoTreeRoot = OperatorTables.root(leaves);
        info.numOperators = count;
    }

    /// @dev Puts a table in force from this block on, under an announced quorum too. The last change
    /// in a block wins.
    function _checkpoint(uint32 referenceTimestamp) private {
        Checkpoint[] storage checkpoints = _verifierStorage().checkpoints;
        uint64 current = uint64(_blockNumber());
        Checkpoint memory announced = _popAnnounced(checkpoints, current);
        Checkpoint storage last = checkpoints[checkpoints.length - 1];
        if (last.blockNumber == current) last.referenceTimestamp = referenceTimestamp;
        else checkpoints.push(Checkpoint(current, referenceTimestamp, last.quorumBps));
        if (announced.blockNumber == 0) return;
        announced.referenceTimestamp = referenceTimestamp;
        checkpoints.push(announced);
    }

    /// @dev Takes a quorum that is not in force yet off the list, and answers it; zeros for none.
    function _popAnnounced(Checkpoint[] storage checkpoints, uint64 current)
        private
        returns (Checkpoint memory announced)
    {
        Checkpoint memory last = checkpoints[checkpoints.length - 1];
        if (last.blockNumber <= current) return announced;
        checkpoints.pop();
        return last;
    }

    function _table(uint32 referenceTimestamp)
        private
        view
        returns (BN254OperatorSetInfo storage table)
    {
        table = _verifierStorage().tables[referenceTimestamp];
        require(table.numOperators != 0, ReferenceTimestampDoesNotExist());
    }

    /// @dev As deployed, of a set that is not known here there is nothing.
    function _isOurs(OperatorSet calldata set) private view returns (bool) {
        VerifierStorage storage $ = _verifierStorage();
        return set.avs == $.avs && set.id == $.operatorSetId;
    }

    function _requireQuorum(uint16 quorumBps) private pure {
        require(quorumBps != 0 && quorumBps <= BPS_DENOMINATOR, InvalidQuorumBps(quorumBps));
    }

    // --- Upgrades ---

    function _blockKind() internal view override returns (BlockKind) {
        return _verifierStorage().blockKind;
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("BN254CertificateVerifier", type(IBN254CertificateVerifier).interfaceId);
    }

    function _writeOnceDigest() internal view override returns (bytes32) {
        VerifierStorage storage $ = _verifierStorage();
        return keccak256(abi.encode($.blockKind, $.avs, $.operatorSetId));
    }

    function _verifierStorage() private pure returns (VerifierStorage storage $) {
        assembly ("memory-safe") {
            $.slot := VERIFIER_SLOT
        }
    }
}
