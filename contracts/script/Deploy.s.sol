// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {IBN254CertificateVerifier} from "../src/interfaces/IBN254CertificateVerifier.sol";
import {OperatorSet} from "../src/interfaces/IBN254CertificateVerifier.sol";
import {IChallengeVerifier} from "../src/interfaces/IChallengeVerifier.sol";
import {IResponseRegistry} from "../src/interfaces/IResponseRegistry.sol";
import {IStateCommitRegistry} from "../src/interfaces/IStateCommitRegistry.sol";
import {BlockKind} from "../src/libraries/BlockSource.sol";
import {RegistryConfig} from "../src/registries/RegistryBase.sol";
import {Vm} from "../test/base/Vm.sol";

interface ISlasherAdmin {
    function setSlasher(address account, bool allowed) external;
}

/// @notice Deploys everything to one chain from `contracts/config/<chain id>.json` and writes
/// `contracts/deployments/<chain id>.json`; `contracts/generate-deployments.ts` makes the SDK's
/// typed addresses from those files.
/// @dev `forge script contracts/script/Deploy.s.sol --rpc-url <url> --broadcast --account <name>`.
contract Deploy {
    /// @notice Marks this contract as a script.
    bool public constant IS_SCRIPT = true;
    Vm private constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    /// @notice A mainnet needs an owner that is not the deployer: a Safe.
    error OwnerRequired(uint256 chainId);
    /// @notice An upgrade has to wait longer than a challenge may be raised.
    error UpgradeDelayWithinChallengeWindow(uint256 delay, uint256 window);
    /// @notice A contract could not be created.
    error NotCreated(string name);
    /// @notice A chain with real stake needs a real slasher.
    error SlasherRequired(uint256 chainId);

    /// @notice What the config file says.
    struct Config {
        bool mainnet;
        address owner;
        uint64 upgradeDelay;
        BlockKind blockKind;
        bool templatesOpen;
        bool instancesOpen;
        address avs;
        uint32 maxStaleness;
        uint16 quorumBps;
        uint8 commitVersion;
        address[] snapshotSigners;
        uint8 snapshotThreshold;
        uint64 taskResponseWindow;
        uint64 challengeWindow;
        address slasher;
        address policyClientRegistry;
        address enclaveVersionRegistry;
    }

    /// @notice What was deployed.
    struct Deployment {
        address policyClientRegistry;
        address enclaveVersionRegistry;
        address policyDataRegistry;
        address policyRegistry;
        address certificateVerifier;
        address stateCommitRegistry;
        address artifactProofs;
        address responseRegistry;
        address slasher;
        address challengeVerifier;
    }

    /// @notice Deploys to the chain that the RPC endpoint is of.
    function run() external returns (Deployment memory deployed) {
        string memory name = vm.toString(block.chainid);
        Config memory config = read(vm.readFile(string.concat("contracts/config/", name, ".json")));
        vm.startBroadcast();
        deployed = deploy(config, msg.sender);
        vm.stopBroadcast();
        write(deployed, string.concat("contracts/deployments/", name, ".json"));
    }

    /// @notice Reads a config file.
    function read(string memory json) public pure returns (Config memory config) {
        config.mainnet = vm.parseJsonBool(json, ".mainnet");
        config.owner = vm.parseJsonAddress(json, ".owner");
        config.upgradeDelay = uint64(vm.parseJsonUint(json, ".upgradeDelay"));
        config.blockKind = keccak256(bytes(vm.parseJsonString(json, ".blockKind")))
            == keccak256("arbsys")
            ? BlockKind.ArbSys
            : BlockKind.Native;
        config.templatesOpen = vm.parseJsonBool(json, ".templateRegistrationPermissionless");
        config.instancesOpen = vm.parseJsonBool(json, ".instanceDeploymentPermissionless");
        config.avs = vm.parseJsonAddress(json, ".avs");
        config.maxStaleness = uint32(vm.parseJsonUint(json, ".maxStaleness"));
        config.quorumBps = uint16(vm.parseJsonUint(json, ".quorumBps"));
        config.commitVersion = uint8(vm.parseJsonUint(json, ".commitVersion"));
        config.snapshotSigners = vm.parseJsonAddressArray(json, ".snapshotSigners");
        config.snapshotThreshold = uint8(vm.parseJsonUint(json, ".snapshotThreshold"));
        config.taskResponseWindow = uint64(vm.parseJsonUint(json, ".taskResponseWindow"));
        config.challengeWindow = uint64(vm.parseJsonUint(json, ".challengeWindow"));
        config.slasher = vm.parseJsonAddress(json, ".slasher");
        config.policyClientRegistry = vm.parseJsonAddress(json, ".policyClientRegistry");
        config.enclaveVersionRegistry = vm.parseJsonAddress(json, ".enclaveVersionRegistry");
    }

    /// @notice Deploys by a config, for tests without a broadcast too.
    function deploy(Config memory config, address deployer)
        public
        returns (Deployment memory deployed)
    {
        require(!config.mainnet || config.owner != address(0), OwnerRequired(block.chainid));
        require(!config.mainnet || config.slasher != address(0), SlasherRequired(block.chainid));
        require(
            config.upgradeDelay > config.challengeWindow,
            UpgradeDelayWithinChallengeWindow(config.upgradeDelay, config.challengeWindow)
        );
        address owner = config.owner == address(0) ? deployer : config.owner;
        address avs = config.avs == address(0) ? deployer : config.avs;
        bytes memory plain = abi.encodeWithSignature(
            "initialize(address,uint64,uint8)", owner, config.upgradeDelay, config.blockKind
        );
        // The deployed protocol's own registries are used where the config names them.
        deployed.policyClientRegistry = config.policyClientRegistry != address(0)
            ? config.policyClientRegistry
            : _proxy("PolicyClientRegistry", plain);
        deployed.enclaveVersionRegistry = config.enclaveVersionRegistry != address(0)
            ? config.enclaveVersionRegistry
            : _proxy("EnclaveVersionRegistry", plain);
        RegistryConfig memory registry = RegistryConfig({
            owner: owner,
            upgradeDelay: config.upgradeDelay,
            blockKind: config.blockKind,
            clientRegistry: deployed.policyClientRegistry,
            templateRegistrationPermissionless: config.templatesOpen,
            instanceDeploymentPermissionless: config.instancesOpen
        });
        deployed.policyDataRegistry = _proxy(
            "PolicyDataRegistry",
            abi.encodeWithSignature(
                "initialize((address,uint64,uint8,address,bool,bool))", registry
            )
        );
        deployed.policyRegistry = _proxy(
            "PolicyRegistry",
            abi.encodeWithSignature(
                "initialize((address,uint64,uint8,address,bool,bool),address)",
                registry,
                deployed.policyDataRegistry
            )
        );
        deployed.certificateVerifier = _proxy(
            "BN254CertificateVerifier",
            abi.encodeCall(
                IBN254CertificateVerifier.initialize,
                (IBN254CertificateVerifier.Setup({
                        owner: owner,
                        upgradeDelay: config.upgradeDelay,
                        blockKind: config.blockKind,
                        operatorSet: OperatorSet(avs, 0),
                        maxStaleness: config.maxStaleness,
                        quorumBps: config.quorumBps
                    }))
            )
        );
        _deployCommits(config, deployed, owner, avs);
        _deployResponses(config, deployed, owner, deployer);
    }

    /// @notice Writes what was deployed, as JSON.
    function write(Deployment memory deployed, string memory path) public {
        string memory key = "deployment";
        vm.serializeAddress(key, "artifactProofs", deployed.artifactProofs);
        vm.serializeAddress(key, "certificateVerifier", deployed.certificateVerifier);
        vm.serializeAddress(key, "challengeVerifier", deployed.challengeVerifier);
        vm.serializeAddress(key, "enclaveVersionRegistry", deployed.enclaveVersionRegistry);
        vm.serializeAddress(key, "policyClientRegistry", deployed.policyClientRegistry);
        vm.serializeAddress(key, "policyDataRegistry", deployed.policyDataRegistry);
        vm.serializeAddress(key, "policyRegistry", deployed.policyRegistry);
        vm.serializeAddress(key, "responseRegistry", deployed.responseRegistry);
        vm.serializeAddress(key, "slasher", deployed.slasher);
        string memory json =
            vm.serializeAddress(key, "stateCommitRegistry", deployed.stateCommitRegistry);
        vm.writeJson(json, path);
    }

    function _deployCommits(
        Config memory config,
        Deployment memory deployed,
        address owner,
        address avs
    ) private {
        address[] memory signers = config.snapshotSigners;
        if (signers.length == 0) {
            signers = new address[](1);
            signers[0] = owner;
        }
        deployed.stateCommitRegistry = _proxy(
            "StateCommitRegistry",
            abi.encodeCall(
                IStateCommitRegistry.initialize,
                (IStateCommitRegistry.Setup({
                        owner: owner,
                        upgradeDelay: config.upgradeDelay,
                        blockKind: config.blockKind,
                        certificateVerifier: deployed.certificateVerifier,
                        avs: avs,
                        commitVersion: config.commitVersion,
                        minQuorumBps: config.quorumBps,
                        snapshotSigners: signers,
                        snapshotThreshold: config.snapshotThreshold
                    }))
            )
        );
        deployed.artifactProofs =
            _create("ArtifactProofs", abi.encode(deployed.stateCommitRegistry));
    }

    function _deployResponses(
        Config memory config,
        Deployment memory deployed,
        address owner,
        address deployer
    ) private {
        deployed.responseRegistry = _proxy(
            "ResponseRegistry",
            abi.encodeCall(
                IResponseRegistry.initialize,
                (IResponseRegistry.Setup({
                        owner: owner,
                        upgradeDelay: config.upgradeDelay,
                        policyRegistry: deployed.policyRegistry,
                        certificateVerifier: deployed.certificateVerifier,
                        taskResponseWindow: config.taskResponseWindow
                    }))
            )
        );
        deployed.slasher = config.slasher != address(0)
            ? config.slasher
            : _create("DevnetSlasher", abi.encode(deployer));
        deployed.challengeVerifier = _proxy(
            "ChallengeVerifier",
            abi.encodeCall(
                IChallengeVerifier.initialize,
                (IChallengeVerifier.Setup({
                        owner: owner,
                        upgradeDelay: config.upgradeDelay,
                        responseRegistry: deployed.responseRegistry,
                        enclaveVersionRegistry: deployed.enclaveVersionRegistry,
                        slasher: deployed.slasher,
                        challengeWindow: config.challengeWindow
                    }))
            )
        );
        // A slasher that is there already is wired by whoever owns it.
        if (config.slasher == address(0)) {
            ISlasherAdmin(deployed.slasher).setSlasher(deployed.challengeVerifier, true);
        }
    }

    function _proxy(string memory name, bytes memory data) private returns (address) {
        return address(new ERC1967Proxy(_create(name, ""), data));
    }

    function _create(string memory name, bytes memory arguments) private returns (address created) {
        bytes memory code =
            abi.encodePacked(vm.getCode(string.concat(name, ".sol:", name)), arguments);
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
        }
        require(created != address(0), NotCreated(name));
    }
}
