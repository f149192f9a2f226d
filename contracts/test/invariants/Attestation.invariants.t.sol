// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {
    BN254Certificate,
    BN254OperatorInfoWitness
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {
    DocumentPublicValues,
    IChallengeVerifier,
    IDocumentVerifier,
    IPolicyResultVerifier,
    IVerdictRelay,
    ResultChallenge,
    ResultPublicValues,
    Verdict
} from "../../src/interfaces/IChallengeVerifier.sol";
import {IInjectedVerifiers} from "../../src/interfaces/IInjectedVerifiers.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {BN254} from "../../src/libraries/BN254.sol";
import {Intent, PolicyMessages, PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {DevnetSlasher} from "../../src/attestation/DevnetSlasher.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";
import {Messages} from "../base/Messages.sol";
import {G2Sums} from "../base/Operators.sol";
import {Test} from "../base/Test.sol";
import {Vm} from "../base/Vm.sol";

/// @notice A verifier of anything, as a dishonest or a broken owner's would be.
contract LyingVerifier is IPolicyResultVerifier, IDocumentVerifier, IVerdictRelay {
    function verifyResult(ResultPublicValues calldata, bytes calldata)
        external
        pure
        returns (bool)
    {
        return true;
    }

    function verifyInvalidDocument(DocumentPublicValues calldata, bytes calldata)
        external
        pure
        returns (bool)
    {
        return true;
    }

    function verifyVerdict(Verdict calldata, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// @notice A chain on which everything changes: slots and policies, builds, tables and quorums,
/// verifiers and code, owners' decisions and clients. Operators sign what is true and what is not,
/// and everybody challenges everything. Beside it a log of who signed what, and who paid for it.
contract AttestationWorld is AttestationDeployers {
    /// @dev A response as it was accepted.
    struct Known {
        Task task;
        PolicyTaskResponse response;
        bytes32 messageHash;
        uint256 acceptedAt;
        uint32 absent;
        bool forged;
        bool lying;
        uint256 consumed;
    }

    uint32 private constant NOBODY = type(uint32).max;

    Known[] private known;
    address private lying;
    mapping(uint32 absent => BN254.G2Point) private apks;
    mapping(uint32 absent => uint256) private secrets;
    mapping(bytes32 messageHash => mapping(address operator => uint256)) private paid;
    mapping(address operator => uint256) private relayedAt;
    uint256 private scheduledAt;

    /// @dev What must never happen, counted or named.
    uint256 public twiceConsumed;
    uint256 public twiceSlashed;
    uint256 public honestSlashed;
    uint256 public escaped;
    uint256 public relayedTooOften;
    uint256 public refused;
    uint256 public decidedByOtherCode;
    uint256 public consumedAgainstTheOwner;
    /// @dev What should happen now and then, so that the rest means something.
    uint256 public slashes;
    uint256 public consumptions;
    uint256 public upgrades;

    function start() external {
        setUpAttestation(1, false);
        lying = address(new LyingVerifier());
        for (uint256 i; i < 2; ++i) {
            uint32 absent = i == 0 ? NOBODY : 3;
            BN254.G2Point memory apk;
            uint256 secret;
            for (uint256 j; j < OPERATORS; ++j) {
                if (j == absent) continue;
                secret = addmod(secret, operatorSecrets[j], BN254.FR_MODULUS);
                apk = G2Sums.add(apk, operatorKeysG2[j]);
            }
            (apks[absent], secrets[absent]) = (apk, secret);
        }
        vm.startPrank(owner);
        challenges.scheduleVerdictSource(10, stranger, true);
        for (uint256 i; i < OPERATORS; ++i) {
            slasher.setStake(operatorNames[i], type(uint128).max);
        }
        vm.stopPrank();
    }

    // --- Time ---

    function advance(uint16 blocks) external {
        // Mostly a few, now and then past every window.
        uint256 step = blocks % 5 == 0 ? 1 + blocks % 1500 : 1 + blocks % 30;
        vm.warp(block.timestamp + 1);
        toBlock(currentBlock + step);
    }

    // --- The chain changes ---

    function movePolicy(uint256 seed) external {
        if (!clients.isRegisteredClient(address(vault))) return;
        vm.startPrank(clientOwner);
        if (seed % 3 == 0) {
            bytes memory params = abi.encode(seed % 7);
            uint64 expire = 1 + uint64(seed % MAX_EXPIRE);
            (instanceId,) =
                policies.ensureInstance(templateId, address(vault), params, expire);
        }
        policies.setCurrentInstance(address(vault), instanceId);
        vm.stopPrank();
    }

    function moveData(uint256 seed) external {
        if (!clients.isRegisteredClient(address(vault))) return;
        vm.startPrank(clientOwner);
        (bytes32 id,) = dataRegistry.ensureInstance(
            refs[0], address(vault), abi.encode(seed % 5), 1 + uint64(seed % MAX_EXPIRE)
        );
        dataRegistry.setCurrentInstance(address(vault), refs[0], id);
        vm.stopPrank();
        dataInstanceIds[0] = id;
    }

    function changeBuilds(uint256 seed) external {
        bytes32 build = keccak256(abi.encode("build", seed % 3));
        vm.startPrank(owner);
        if (enclaves.getVersion(build).activatedAt == 0) enclaves.activateVersion(build, "b");
        else if (enclaves.isActiveVersion(build)) enclaves.deprecateVersion(build);
        policies.setEnclaveRequired(seed % 4 == 0);
        vm.stopPrank();
    }

    function changeTable(uint256 seed) external {
        vm.startPrank(verifierOwner);
        if (seed % 3 == 0) verifier.setQuorumBps(uint16(1 + seed % 10_000));
        uint32 next = verifier.latestReferenceTimestamp(verifier.operatorSet()) + 1;
        if (next <= block.timestamp) verifier.publishTable(next, operatorNames, operatorWeights);
        vm.stopPrank();
    }

    function decide(uint256 seed) external {
        vm.startPrank(clientOwner);
        if (seed % 5 == 0) responses.setAcceptSuperseded(address(vault), seed % 2 == 0);
        else if (seed % 5 == 1) responses.revokeBefore(address(vault), uint64(currentBlock) - 1);
        else if (seed % 5 == 2 && known.length != 0) {
            responses.revoke(address(vault), known[seed % known.length].response.taskId);
        } else if (clients.isRegisteredClient(address(vault))) {
            if (seed % 7 == 0) clients.deactivateClient(address(vault));
        } else {
            clients.activateClient(address(vault));
        }
        vm.stopPrank();
    }

    // --- The owner changes ---

    function inject(uint256 seed) external {
        IInjectedVerifiers.VerifierKind kind = IInjectedVerifiers.VerifierKind(seed % 3);
        vm.startPrank(owner);
        if (seed % 7 == 0) {
            uint64 at = uint64(seed % 3 == 0 ? currentBlock : currentBlock - seed % currentBlock);
            uint64 blocks = 1 + uint64(seed % CHALLENGE_WINDOW);
            try challenges.suspendVerifierAt(kind, at, blocks) {} catch {}
        } else if (seed % 7 == 1) {
            try challenges.cancelVerifier(kind) {} catch {}
        } else {
            challenges.scheduleVerifier(kind, seed % 2 == 0 ? lying : address(0));
        }
        vm.stopPrank();
    }

    function upgrade(uint256 seed) external {
        vm.startPrank(owner);
        if (scheduledAt == 0 || seed % 4 == 0) {
            challenges.scheduleUpgrade(deployCode("ChallengeVerifier", ""), "");
            scheduledAt = currentBlock;
            vm.stopPrank();
            return;
        }
        try challenges.upgradeToAndCall(challenges.pendingUpgrade().implementation, "") {
            ++upgrades;
            for (uint256 i; i < known.length; ++i) {
                // Everything accepted before the announcement is over.
                if (known[i].acceptedAt <= scheduledAt && _last(known[i]) >= currentBlock) {
                    ++decidedByOtherCode;
                }
            }
            scheduledAt = 0;
        } catch {}
        vm.stopPrank();
    }

    // --- Operators sign ---

    function respond(uint256 seed, bool forged) external {
        Known storage made = known.push();
        uint64 referenceBlock = uint64(currentBlock - 1 - seed % 3);
        Task memory task = taskFor(intentOf(1), referenceBlock);
        PolicyTaskResponse memory response = _honest(task, seed);
        if (response.policyInstanceId == 0) {
            known.pop();
            return;
        }
        if (forged) _forge(response, seed);
        uint32 absent = seed % 2 == 0 ? NOBODY : 3;
        BN254Certificate memory cert = _certify(response, absent);
        try responses.accept(response, cert, task) {
            made.task = task;
            made.response = response;
            made.messageHash = cert.messageHash;
            made.acceptedAt = currentBlock;
            made.absent = absent;
            made.forged = forged;
            made.lying = challenges.verifierAt(
                    IInjectedVerifiers.VerifierKind.Result, currentBlock
                ) == lying;
        } catch {
            known.pop();
        }
    }

    /// @dev What the chain says at the reference block, read from it as an operator does.
    function _honest(Task memory task, uint256 seed)
        private
        view
        returns (PolicyTaskResponse memory response)
    {
        uint256 at = task.referenceBlock;
        bytes32 id = policies.currentInstanceAt(address(vault), at);
        bytes32 dataId = dataRegistry.currentInstanceAt(address(vault), refs[0], at);
        if (id == 0 || dataId == 0) return response;
        bytes32 build = keccak256(abi.encode("build", seed % 3));
        bool named = enclaves.wasPcr0WhitelistedAt(build, at);
        if (policies.enclaveRequiredAt(at) && !named) return response;
        (uint32 table,) = verifier.tableAt(at);
        uint64 expire = policies.getInstance(id).expireAfter;
        uint64 dataExpire = dataRegistry.getInstance(dataId).expireAfter;
        response = honestResponse(task, true, 0);
        response.policyInstanceId = id;
        response.pcr0Commitment = named ? build : bytes32(0);
        response.referenceTimestamp = table;
        response.expirationBlock = uint64(at) + (expire < dataExpire ? expire : dataExpire);
        response.artifactDigest = keccak256(
            _preimage(response, dataId, named ? abi.encodePacked(build) : bytes(""))
        );
    }

    function _preimage(PolicyTaskResponse memory response, bytes32 dataId, bytes memory tail)
        private
        view
        returns (bytes memory)
    {
        bytes32 id = response.policyInstanceId;
        return abi.encodePacked(
            abi.encode(
                block.chainid,
                id,
                templateId,
                hashOf("rego"),
                hashOf("params schema"),
                policies.getInstance(id).paramsHash,
                uint256(response.referenceBlock),
                uint256(response.expirationBlock)
            ),
            abi.encode(
                dataId,
                refs[0],
                keccak256(abi.encode("wasm", uint256(0))),
                hashOf("data params schema"),
                ABSENT,
                dataRegistry.getInstance(dataId).paramsHash
            ),
            tail
        );
    }

    function _forge(PolicyTaskResponse memory response, uint256 seed) private pure {
        if (seed % 4 == 0) response.artifactDigest = keccak256(abi.encode(seed));
        else if (seed % 4 == 1) response.policyInstanceId = ~response.policyInstanceId;
        else if (seed % 4 == 2) response.expirationBlock += 1;
        else response.pcr0Commitment ^= bytes32(uint256(1));
    }

    function _certify(PolicyTaskResponse memory response, uint32 absent)
        private
        view
        returns (BN254Certificate memory cert)
    {
        cert.referenceTimestamp = response.referenceTimestamp;
        cert.messageHash = Messages.messageHash(response);
        cert.apk = apks[absent];
        cert.signature = signWith(
            secrets[absent], PolicyMessages.signable(cert.referenceTimestamp, cert.messageHash)
        );
        if (absent == NOBODY) return cert;
        cert.nonSignerWitnesses = new BN254OperatorInfoWitness[](1);
        cert.nonSignerWitnesses[0] = witnessOf(absent);
    }

    // --- Everybody challenges everything ---

    function challengeDigest(uint256 seed) external {
        if (known.length == 0) return;
        _challengeDigest(known[seed % known.length], (seed / known.length) % (OPERATORS + 1));
    }

    /// @dev One signer, or all of them with the last `named`.
    function _challengeDigest(Known storage it, uint256 named) private returns (bool ok) {
        BN254OperatorInfoWitness[] memory signers;
        if (named < OPERATORS) {
            signers = new BN254OperatorInfoWitness[](1);
            signers[0] = witnessOf(named);
        } else {
            signers = signersBut(it.absent == NOBODY ? everyone() : without(it.absent));
        }
        BN254Certificate memory cert = _certify(it.response, it.absent);
        vm.recordLogs();
        try challenges.challengeAttestationDigest(it.response, cert, signers) {
            ok = true;
        } catch {}
        _account(it, it.forged);
        // The certificate was accepted and the lie is the chain's own word: nothing saves a signer.
        bool signed = named >= OPERATORS || named != it.absent;
        if (
            it.forged && signed && !ok && currentBlock <= _digestLast(it)
                && !_allPaid(it, named)
        ) ++escaped;
    }

    function challengeResult(uint256 seed) external {
        if (known.length == 0) return;
        Known storage it = known[seed % known.length];
        PolicyTaskResponse memory response = it.response;
        if (!policies.isInstanceDeployed(response.policyInstanceId)) return;
        ResultChallenge memory proof;
        proof.values = ResultPublicValues({
            messageHash: it.messageHash,
            taskId: response.taskId,
            intentHash: response.intentHash,
            policyTemplateId: templateId,
            policyInstanceId: response.policyInstanceId,
            artifactDigest: response.artifactDigest,
            paramsHash: policies.getInstance(response.policyInstanceId).paramsHash,
            inputsHash: response.inputsHash,
            referenceBlockHash: response.referenceBlockHash,
            result: abi.encode(uint256(0))
        });
        proof.certificate = _certify(response, it.absent);
        proof.signers = signersBut(it.absent == NOBODY ? everyone() : without(it.absent));
        vm.recordLogs();
        try challenges.challengePolicyResult(response, proof) {} catch {}
        _account(it, it.lying);
    }

    function relay(uint256 seed) external {
        Verdict memory verdict = Verdict({
            sourceChainId: seed % 5 == 0 ? 11 : 10,
            challengeVerifier: seed % 7 == 0 ? owner : stranger,
            messageHash: keccak256(abi.encode("foreign", seed)),
            operators: operatorNames
        });
        // All of them or some, by whoever wants them refused for want of gas.
        (uint256 from, uint256 to) = (0, OPERATORS);
        if (seed % 2 == 0) (from, to) = (seed % OPERATORS, 1 + (seed >> 8) % OPERATORS);
        uint256 gas_ = seed % 3 == 0 ? 5_000_000 : 60_000 + (seed >> 16) % 600_000;
        vm.recordLogs();
        try challenges.slashPartOfRelayedVerdict{gas: gas_}(verdict, "", from, to) {
            for (uint256 i = from; i < to; ++i) {
                uint256 last = relayedAt[operatorNames[i]];
                bool spared = last != 0 && currentBlock < last + CHALLENGE_WINDOW;
                if (!spared && challenges.relayedSlashFrom(operatorNames[i]) <= currentBlock) {
                    ++refused;
                }
            }
        } catch {
            // Logs of what was reverted are recorded, too.
            return;
        }
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != DevnetSlasher.OperatorSlashed.selector) continue;
            address operator = address(uint160(uint256(logs[i].topics[1])));
            uint256 last = relayedAt[operator];
            if (last != 0 && currentBlock < last + CHALLENGE_WINDOW) ++relayedTooOften;
            if (verdict.sourceChainId != 10 || verdict.challengeVerifier != stranger) {
                ++honestSlashed;
            }
            relayedAt[operator] = currentBlock;
        }
    }

    /// @dev Who paid, and whether that was right.
    function _account(Known storage it, bool guilty) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != DevnetSlasher.OperatorSlashed.selector) continue;
            address operator = address(uint160(uint256(logs[i].topics[1])));
            bytes32 messageHash = logs[i].topics[2];
            if (++paid[messageHash][operator] > 1) ++twiceSlashed;
            bool signed = it.absent == NOBODY || operator != operatorNames[it.absent];
            if (messageHash != it.messageHash || !signed || !guilty) ++honestSlashed;
            ++slashes;
        }
    }

    function _allPaid(Known storage it, uint256 named) private view returns (bool) {
        for (uint256 i; i < OPERATORS; ++i) {
            if (i == it.absent || (named < OPERATORS && i != named)) continue;
            if (paid[it.messageHash][operatorNames[i]] == 0) return false;
        }
        return true;
    }

    function _digestLast(Known storage it) private view returns (uint256) {
        return challenges.openUntil(it.response.taskId, it.response.expirationBlock);
    }

    /// @dev The last block in which anything can still be decided about a response.
    function _last(Known storage it) private view returns (uint256) {
        uint256 result = challenges.openUntilFor(
            IInjectedVerifiers.VerifierKind.Result,
            it.response.taskId,
            it.response.expirationBlock
        );
        uint256 document = challenges.openUntilFor(
            IInjectedVerifiers.VerifierKind.Document,
            it.response.taskId,
            it.response.expirationBlock
        );
        return result > document ? result : document;
    }

    // --- Clients use what they got ---

    function consume(uint256 seed, bool otherIntent) external {
        if (known.length == 0) return;
        Known storage it = known[seed % known.length];
        Intent memory intent = it.task.intent;
        if (otherIntent) intent.value += 1;
        (uint64 movedAt,) = policies.lastMove(address(vault));
        bool wanted = clients.isRegisteredClient(address(vault))
            && !responses.isRevoked(address(vault), it.response.taskId)
            && it.response.referenceBlock > responses.revokedBefore(address(vault))
            && (responses.acceptsSuperseded(address(vault))
                || movedAt <= it.response.referenceBlock);
        bytes32 certificateHash = certificateHashOf(_certify(it.response, it.absent));
        vm.prank(user);
        try vault.execute(it.response, certificateHash, intent) {
            ++consumptions;
            if (++it.consumed > 1) ++twiceConsumed;
            if (otherIntent || !wanted || currentBlock >= it.response.expirationBlock) {
                ++consumedAgainstTheOwner;
            }
        } catch {}
    }

    /// @dev At the end of a run: every lie that is open still costs every signer that has not paid.
    function settle() external {
        for (uint256 i; i < known.length; ++i) {
            if (known[i].forged) _challengeDigest(known[i], OPERATORS);
        }
    }
}

/// @notice One campaign over all of it.
contract AttestationInvariantTest is Test {
    AttestationWorld private world;

    function setUp() public {
        world = new AttestationWorld();
        world.start();
        world.inject(2);
        world.respond(0, false);
        world.respond(4, true);
        targetContract(address(world));
        bytes4[] memory selectors = new bytes4[](13);
        selectors[0] = world.advance.selector;
        selectors[1] = world.movePolicy.selector;
        selectors[2] = world.moveData.selector;
        selectors[3] = world.changeBuilds.selector;
        selectors[4] = world.changeTable.selector;
        selectors[5] = world.decide.selector;
        selectors[6] = world.inject.selector;
        selectors[7] = world.upgrade.selector;
        selectors[8] = world.respond.selector;
        selectors[9] = world.challengeDigest.selector;
        selectors[10] = world.challengeResult.selector;
        selectors[11] = world.relay.selector;
        selectors[12] = world.consume.selector;
        targetSelector(FuzzSelector(address(world), selectors));
    }

    function invariant_nobodyHonestPaysAndNobodyDishonestEscapes() public view {
        _check();
    }

    function afterInvariant() public {
        world.settle();
        _check();
    }

    function _check() private view {
        assertEq(world.twiceConsumed(), 0, "consumed twice");
        assertEq(world.consumedAgainstTheOwner(), 0, "consumed against the owner's decision");
        assertEq(world.twiceSlashed(), 0, "slashed twice for one message");
        assertEq(world.honestSlashed(), 0, "an honest operator slashed");
        assertEq(world.escaped(), 0, "a dishonest signer escaped");
        assertEq(world.relayedTooOften(), 0, "a relay took more than its share");
        assertEq(world.refused(), 0, "refused for want of gas");
        assertEq(world.decidedByOtherCode(), 0, "open under other code");
    }

    /// @dev The campaign's parts work at all: a lie is found, a truth is used, code changes.
    function test_theWorldMoves() public {
        world.advance(2);
        world.respond(4, false);
        world.consume(2, false);
        world.challengeDigest(1 + 3 * 5);
        world.upgrade(0);
        world.advance(1300);
        world.upgrade(1);
        assertGt(world.consumptions(), 0);
        assertGt(world.slashes(), 0);
        assertGt(world.upgrades(), 0);
        _check();
    }
}
