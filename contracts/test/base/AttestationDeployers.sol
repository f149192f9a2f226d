// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ChallengeVerifier} from "../../src/attestation/ChallengeVerifier.sol";
import {DevnetSlasher} from "../../src/attestation/DevnetSlasher.sol";
import {ResponseRegistry} from "../../src/attestation/ResponseRegistry.sol";
import {GuardedTransfer} from "../../src/examples/GuardedTransfer.sol";
import {
    BN254Certificate,
    BN254OperatorInfoWitness
} from "../../src/interfaces/IBN254CertificateVerifier.sol";
import {IChallengeVerifier} from "../../src/interfaces/IChallengeVerifier.sol";
import {IInjectedVerifiers} from "../../src/interfaces/IInjectedVerifiers.sol";
import {IPolicyDataRegistry} from "../../src/interfaces/IPolicyDataRegistry.sol";
import {IPolicyRegistry} from "../../src/interfaces/IPolicyRegistry.sol";
import {IResponseRegistry} from "../../src/interfaces/IResponseRegistry.sol";
import {BlockKind, IArbSys} from "../../src/libraries/BlockSource.sol";
import {Intent, PolicyTaskResponse, Task} from "../../src/libraries/PolicyMessages.sol";
import {Messages} from "./Messages.sol";
import {Operators} from "./Operators.sol";
import {RegistryDeployers} from "./RegistryDeployers.sol";

/// @notice The whole chain side with one guarded client, its policy and two data instances, and
/// what honest operators would sign for it.
abstract contract AttestationDeployers is RegistryDeployers, Operators {
    uint64 internal constant RESPONSE_WINDOW = 30;
    uint64 internal constant POLICY_EXPIRE = 600;
    uint64 internal constant DATA_EXPIRE = 300;
    uint256 internal constant STAKE = 1000 ether;
    bytes32 internal constant PCR0 = keccak256("pcr0");

    ResponseRegistry internal responses;
    ChallengeVerifier internal challenges;
    DevnetSlasher internal slasher;
    GuardedTransfer internal vault;

    address internal user = makeAddr("user");
    address internal recipient = makeAddr("recipient");
    address internal challenger = makeAddr("challenger");

    bytes32[] internal refs;
    bytes32 internal templateId;
    bytes32 internal instanceId;
    bytes32[] internal dataInstanceIds;
    uint64 internal nextNonce;
    /// @dev Hashes of the certificates that {accept} had accepted.
    mapping(bytes32 taskId => bytes32) internal certificateHashes;
    /// @dev Where the contracts read block numbers; the native number stands still under ArbSys.
    BlockKind internal blockKind = BlockKind.Native;
    uint64 internal responseWindow = RESPONSE_WINDOW;
    uint256 internal currentBlock;

    /// @dev Deploys everything at block 1000; slots are filled at block 1000, so that 1001 is the
    /// first reference block; the current block is 1005.
    function setUpAttestation(uint256 dataInstances, bool secrets) internal {
        if (blockKind == BlockKind.ArbSys) vm.roll(50);
        vm.warp(TABLE + 1000);
        toBlock(1000);
        deployRegistries(blockKind, true);
        loadOperators();
        deployVerifier(blockKind, 0);
        publishTable(TABLE);
        responses = ResponseRegistry(
            proxy(
                deployCode("ResponseRegistry", ""),
                abi.encodeCall(
                    ResponseRegistry.initialize,
                    (IResponseRegistry.Setup({
                            owner: owner,
                            times: times(),
                            policyRegistry: address(policies),
                            certificateVerifier: address(verifier),
                            taskResponseWindow: responseWindow
                        }))
                )
            )
        );
        slasher = DevnetSlasher(deployCode("DevnetSlasher", abi.encode(owner)));
        challenges = ChallengeVerifier(
            proxy(
                deployCode("ChallengeVerifier", ""),
                abi.encodeCall(
                    ChallengeVerifier.initialize,
                    (IChallengeVerifier.Setup({
                            owner: owner,
                            times: times(),
                            responseRegistry: address(responses),
                            enclaveVersionRegistry: address(enclaves),
                            slasher: address(slasher)
                        }))
                )
            )
        );
        vm.startPrank(owner);
        slasher.setSlasher(address(challenges), true);
        for (uint256 i; i < OPERATORS; ++i) {
            slasher.setStake(operatorNames[i], STAKE);
        }
        enclaves.activateVersion(PCR0, "build 1");
        vm.stopPrank();

        vault = GuardedTransfer(
            payable(deployCode("GuardedTransfer", abi.encode(clientOwner, address(responses))))
        );
        vm.prank(clientOwner);
        clients.registerClient(address(vault));
        deployPolicy(dataInstances, secrets);
        vm.deal(user, 100 ether);
        vm.prank(user);
        vault.deposit{value: 10 ether}();
        toBlock(1005);
    }

    function deployPolicy(uint256 dataInstances, bool secrets) internal {
        delete refs;
        delete dataInstanceIds;
        bytes32[] memory found = new bytes32[](dataInstances);
        for (uint256 i; i < dataInstances; ++i) {
            found[i] = dataRegistry.registerTemplate(
                keccak256(abi.encode("wasm", i)),
                hashOf("data params schema"),
                secrets ? hashOf("secrets schema") : ABSENT,
                noDataLocators
            );
        }
        for (uint256 i = 1; i < dataInstances; ++i) {
            for (uint256 j = i; j > 0 && found[j] < found[j - 1]; --j) {
                (found[j], found[j - 1]) = (found[j - 1], found[j]);
            }
        }
        refs = found;
        templateId =
            policies.registerTemplate(hashOf("rego"), hashOf("params schema"), found, noLocators);
        vm.startPrank(clientOwner);
        for (uint256 i; i < dataInstances; ++i) {
            dataInstanceIds.push(
                dataRegistry.deployInstance(
                    found[i], address(vault), bytes('{"k":1}'), DATA_EXPIRE + uint64(i)
                )
            );
            dataRegistry.setCurrentInstance(address(vault), found[i], dataInstanceIds[i]);
        }
        instanceId = policies.deployInstance(
            templateId, address(vault), bytes('{"limit":5}'), POLICY_EXPIRE
        );
        policies.setCurrentInstance(address(vault), instanceId);
        vm.stopPrank();
    }

    /// @dev Goes to a block whose predecessors have the hashes of {blockHashOf}.
    function toBlock(uint256 number) internal {
        currentBlock = number;
        uint256 first = number > 40 ? number - 40 : 0;
        if (blockKind == BlockKind.ArbSys) {
            address arbSys = address(0x64);
            vm.mockCall(arbSys, abi.encodeCall(IArbSys.arbBlockNumber, ()), abi.encode(number));
            for (uint256 i = first; i < number; ++i) {
                vm.mockCall(
                    arbSys, abi.encodeCall(IArbSys.arbBlockHash, (i)), abi.encode(blockHashOf(i))
                );
            }
            return;
        }
        vm.roll(number);
        for (uint256 i = first; i < number; ++i) {
            vm.setBlockhash(i, blockHashOf(i));
        }
    }

    function blockHashOf(uint256 number) internal pure returns (bytes32) {
        return keccak256(abi.encode("block", number));
    }

    /// @dev Announces one contract as all verifiers: in force one upgrade delay from now on.
    function injectVerifiers(address verifier_) internal {
        vm.startPrank(owner);
        challenges.scheduleVerifier(IInjectedVerifiers.VerifierKind.Result, verifier_);
        challenges.scheduleVerifier(IInjectedVerifiers.VerifierKind.Document, verifier_);
        challenges.scheduleVerifier(IInjectedVerifiers.VerifierKind.Relay, verifier_);
        vm.stopPrank();
    }

    // --- What honest operators do ---

    function intentOf(uint256 value) internal view returns (Intent memory) {
        return Intent(user, recipient, value, "", block.chainid, "");
    }

    function taskFor(Intent memory intent, uint64 referenceBlock) internal returns (Task memory) {
        return Task({
            chainId: block.chainid,
            policyRegistry: address(policies),
            policyClient: address(vault),
            intent: intent,
            wasmArgs: "",
            referenceBlock: referenceBlock,
            referenceBlockHash: blockHashOf(referenceBlock),
            nonce: nextNonce++
        });
    }

    /// @dev The preimage of the digest, put together with `abi.encodePacked` from the rows rather
    /// than with the library under test.
    function digestOf(uint64 referenceBlock, uint64 expirationBlock, bytes32 pcr0)
        internal
        view
        returns (bytes32)
    {
        IPolicyRegistry.PolicyTemplate memory template = policies.getTemplate(templateId);
        bytes memory preimage = abi.encodePacked(
            block.chainid,
            instanceId,
            templateId,
            template.regoHash,
            template.paramsSchemaHash,
            policies.getInstance(instanceId).paramsHash,
            uint256(referenceBlock),
            uint256(expirationBlock)
        );
        for (uint256 i; i < refs.length; ++i) {
            IPolicyDataRegistry.PolicyDataTemplate memory data = dataRegistry.getTemplate(refs[i]);
            preimage = abi.encodePacked(
                preimage,
                dataInstanceIds[i],
                refs[i],
                data.wasmHash,
                data.paramsSchemaHash,
                data.secretsSchemaHash,
                dataRegistry.getInstance(dataInstanceIds[i]).paramsHash
            );
        }
        if (pcr0 != 0) preimage = abi.encodePacked(preimage, pcr0);
        return keccak256(preimage);
    }

    function honestResponse(Task memory task, bool allow, bytes32 pcr0)
        internal
        view
        returns (PolicyTaskResponse memory)
    {
        uint64 expiration =
            task.referenceBlock + (refs.length == 0 ? POLICY_EXPIRE : DATA_EXPIRE);
        return PolicyTaskResponse({
            chainId: block.chainid,
            policyRegistry: address(policies),
            taskId: Messages.taskId(task),
            policyClient: address(vault),
            intentHash: Messages.intentHash(task.intent),
            policyInstanceId: instanceId,
            artifactDigest: digestOf(task.referenceBlock, expiration, pcr0),
            inputsHash: hashOf("inputs"),
            pcr0Commitment: pcr0,
            evaluationResult: abi.encode(allow ? uint256(1) : uint256(0)),
            referenceBlock: task.referenceBlock,
            referenceBlockHash: task.referenceBlockHash,
            referenceTimestamp: TABLE,
            expirationBlock: expiration
        });
    }

    function certifyResponse(PolicyTaskResponse memory response, uint256[] memory absent)
        internal
        view
        returns (BN254Certificate memory)
    {
        return certify(Messages.messageHash(response), response.referenceTimestamp, absent);
    }

    function everyone() internal pure returns (uint256[] memory none) {}

    function accept(PolicyTaskResponse memory response, Task memory task) internal {
        BN254Certificate memory cert = certifyResponse(response, everyone());
        certificateHashes[response.taskId] = certificateHashOf(cert);
        responses.accept(response, cert, task);
    }

    function certificateHashOf(BN254Certificate memory cert) internal pure returns (bytes32) {
        return keccak256(abi.encode(cert));
    }

    /// @dev Has a response accepted and returns it with its task.
    function acceptHonest(bool allow, bytes32 pcr0)
        internal
        returns (Task memory task, PolicyTaskResponse memory response)
    {
        task = taskFor(intentOf(1 ether), uint64(currentBlock - 2));
        response = honestResponse(task, allow, pcr0);
        accept(response, task);
    }

    function challenge(PolicyTaskResponse memory response, uint256[] memory absent) internal {
        BN254Certificate memory cert = certifyResponse(response, absent);
        BN254OperatorInfoWitness[] memory signers = signersBut(absent);
        vm.prank(challenger);
        challenges.challengeAttestationDigest(response, cert, signers);
    }
}
