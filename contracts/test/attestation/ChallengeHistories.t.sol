// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {BN254Certificate} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {IChallengeVerifier} from "../../src/interfaces/IChallengeVerifier.sol";
import {PolicyMessages, PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";

/// @notice Random histories of a chain: slots move, enclaves come and go, tables and quorums change
/// while responses are accepted. Honest ones are made from a log kept beside the contracts and must
/// never be found false; forged ones always.
contract ChallengeHistoriesTest is AttestationDeployers {
    /// @dev The end of one block, as somebody who watched would have it.
    struct Seen {
        bytes32 instance;
        uint64 expireAfter;
        bytes32[2] data;
        uint64[2] dataExpireAfter;
        bool enclaveRequired;
        bool buildActive;
        uint32 table;
    }

    mapping(uint256 number => Seen) private log;
    Seen private seen;
    uint256 private seed;
    PolicyTaskResponse[] private accepted;
    bool[] private forged;

    function setUp() public {
        setUpAttestation(2, false);
        seen = Seen({
            instance: instanceId,
            expireAfter: POLICY_EXPIRE,
            data: [dataInstanceIds[0], dataInstanceIds[1]],
            dataExpireAfter: [DATA_EXPIRE, DATA_EXPIRE + 1],
            enclaveRequired: false,
            buildActive: true,
            table: TABLE
        });
        for (uint256 i = 1000; i < 1005; ++i) {
            log[i] = seen;
        }
    }

    /// forge-config: default.fuzz.runs = 48
    function test_fuzz_histories(uint256 random) public {
        seed = random;
        for (uint256 i; i < 24; ++i) {
            for (uint256 changes = _pick(3); changes != 0; --changes) {
                _change();
            }
            log[currentBlock] = seen;
            toBlock(currentBlock + 1);
            if (_pick(2) == 0) _respond();
        }
        // Long after, with everything changed once more, each is still what it was.
        for (uint256 i; i < 6; ++i) {
            _change();
        }
        toBlock(currentBlock + 40);
        assertGt(accepted.length, 0, "nothing was accepted");
        for (uint256 i; i < accepted.length; ++i) {
            bool isFalse = challenges.findMismatch(accepted[i]) != IChallengeVerifier.Mismatch.None;
            assertEq(isFalse, forged[i], forged[i] ? "a lie goes free" : "the honest are accused");
        }
    }

    function _change() private {
        uint256 what = _pick(7);
        if (what == 0) {
            seen.expireAfter = uint64(1 + _pick(1000));
            seen.instance = policies.deployInstance(
                templateId, address(vault), abi.encode(_next()), seen.expireAfter
            );
            vm.prank(clientOwner);
            policies.setCurrentInstance(address(vault), seen.instance);
        } else if (what == 1) {
            uint256 slot = _pick(2);
            seen.dataExpireAfter[slot] = uint64(1 + _pick(1000));
            seen.data[slot] = dataRegistry.deployInstance(
                refs[slot], address(vault), abi.encode(_next()), seen.dataExpireAfter[slot]
            );
            vm.prank(clientOwner);
            dataRegistry.setCurrentInstance(address(vault), refs[slot], seen.data[slot]);
        } else if (what == 2) {
            seen.enclaveRequired = _pick(2) == 0;
            vm.prank(owner);
            policies.setEnclaveRequired(seen.enclaveRequired);
        } else if (what == 3 && seen.buildActive && _pick(4) == 0) {
            seen.buildActive = false;
            vm.prank(owner);
            enclaves.deprecateVersion(PCR0);
        } else if (what == 4) {
            uint16 bps = uint16(1 + _pick(10_000));
            vm.prank(verifierOwner);
            verifier.setQuorumBps(bps);
        } else if (what == 5) {
            seen.table += 1;
            publishTable(seen.table);
        } else {
            bool superseded = _pick(2) == 0;
            vm.prank(clientOwner);
            responses.setAcceptSuperseded(address(vault), superseded);
        }
    }

    function _respond() private {
        uint64 referenceBlock = uint64(currentBlock - 1 - _pick(3));
        Seen memory then = log[referenceBlock];
        bytes32 pcr0 =
            then.buildActive && (then.enclaveRequired || _pick(2) == 0) ? PCR0 : bytes32(0);
        // Honest operators do not answer where an enclave is required and no build is left.
        bool lie = pcr0 == 0 && then.enclaveRequired;
        instanceId = then.instance;
        dataInstanceIds[0] = then.data[0];
        dataInstanceIds[1] = then.data[1];
        if (_pick(3) == 0 && _forgeRows(then)) lie = true;
        Task memory task = taskFor(intentOf(1), referenceBlock);
        PolicyTaskResponse memory response = honestResponse(task, true, pcr0);
        response.referenceTimestamp = then.table;
        response.expirationBlock = referenceBlock + _least(then);
        if (_pick(5) == 0) {
            response.expirationBlock += uint64(1 + _pick(5));
            lie = true;
        }
        response.artifactDigest = digestOf(referenceBlock, response.expirationBlock, pcr0);
        if (_pick(6) == 0) {
            response.artifactDigest = _next();
            lie = true;
        }
        BN254Certificate memory cert = certifyResponse(response, everyone());
        // Expired already, or of an instance the client has left: no response at all.
        try responses.accept(response, cert, task) {
            accepted.push(response);
            forged.push(lie);
        } catch {}
    }

    /// @dev What is current now in place of what was current then, where that differs.
    function _forgeRows(Seen memory then) private returns (bool) {
        if (_pick(2) == 0) {
            instanceId = seen.instance;
            return then.instance != seen.instance;
        }
        dataInstanceIds[0] = seen.data[0];
        return then.data[0] != seen.data[0];
    }

    function _least(Seen memory then) private pure returns (uint64 least) {
        least = then.expireAfter;
        if (then.dataExpireAfter[0] < least) least = then.dataExpireAfter[0];
        if (then.dataExpireAfter[1] < least) least = then.dataExpireAfter[1];
    }

    function _next() private returns (bytes32) {
        seed = uint256(keccak256(abi.encode(seed)));
        return bytes32(seed);
    }

    function _pick(uint256 below) private returns (uint256) {
        return uint256(_next()) % below;
    }
}
