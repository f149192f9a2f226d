// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {IBN254CertificateVerifier} from "../src/interfaces/IBN254CertificateVerifier.sol";
import {OperatorSet} from "../src/interfaces/IBN254CertificateVerifier.sol";
import {IChallengeVerifier} from "../src/interfaces/IChallengeVerifier.sol";
import {UpgradeTimes} from "../src/interfaces/IDelayedUpgrade.sol";
import {IResponseRegistry} from "../src/interfaces/IResponseRegistry.sol";
import {IStateCommitRegistry} from "../src/interfaces/IStateCommitRegistry.sol";
import {BlockKind, IArbSys} from "../src/libraries/BlockSource.sol";
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
    /// @dev EIP-2935's contract, as BlockSource reads it.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @notice A mainnet needs an owner that is not the deployer: a Safe.
    error OwnerRequired(uint256 chainId);
    /// @notice An upgrade has to wait longer than what was accepted may be challenged.
    error UpgradeDelayWithinWindows(uint256 delay, uint256 windows);
    /// @notice Operator tables of a mainnet have to go stale: old tables name withdrawn stake.
    error StalenessRequired(uint256 chainId);
    /// @notice A mainnet has to say after how many seconds stake can be withdrawn.
    error WithdrawalDelayRequired(uint256 chainId);
    /// @notice A dishonest operator could withdraw before the last challenge.
    error WindowsBeyondWithdrawal(uint256 windows, uint256 withdrawalDelay);
    /// @notice A task could not be answered in time: fewer blocks than two reference delays and a minute.
    error ResponseWindowTooShort(uint256 window, uint256 needed);
    /// @notice The hash of a reference block would be out of reach before its response may land.
    error ResponseWindowBeyondHashes(uint256 window, uint256 reach);
    /// @notice A contract could not be created.
    error NotCreated(string name);
    /// @notice A chain with real stake needs a real slasher.
    error SlasherRequired(uint256 chainId);
    /// @notice A mainnet needs an AVS that is not the deployer.
    error AvsRequired(uint256 chainId);
    /// @notice The owner of a mainnet is a contract and cannot sign snapshots: name who does.
    error SnapshotSignersRequired(uint256 chainId);
    /// @notice The config names a contract where there is none.
    error NoCode(string key, address account);
    /// @notice A value of the config file is unknown or out of its range.
    error InvalidValue(string key);
    /// @notice A key of the config file is unknown.
    error UnknownKey(string key);
    /// @notice The named registry of builds counts blocks in another unit than the chain's nodes.
    error BlockKindMismatch(address registry, uint8 expected, uint8 found);

    /// @notice What the config file says.
    struct Config {
        bool mainnet;
        address owner;
        UpgradeTimes times;
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
        uint32 referenceDelay;
        uint32 blockMilliseconds;
        uint32 withdrawalDelay;
        address slasher;
        address policyClientRegistry;
        address enclaveVersionRegistry;
    }

    /// @notice What was deployed.
    struct Deployment {
        address policyClientRegistry;
        address enclaveVersionRegistry;
        address policyDeployer;
        address policyDataRegistry;
        address policyRegistry;
        address certificateVerifier;
        address stateCommitRegistry;
        address artifactProofs;
        address responseRegistry;
        address slasher;
        address challengeVerifier;
        address stateAnchor;
        address checkpointAnchor;
        address buildInfoRegistry;
        address verificationRegistry;
    }

    /// @dev Whether contracts are created by the sender of a broadcast and not by this contract.
    bool private _broadcasting;

    /// @notice Deploys to the chain that the RPC endpoint is of.
    function run() external returns (Deployment memory deployed) {
        string memory name = vm.toString(block.chainid);
        Config memory config = read(vm.readFile(string.concat("contracts/config/", name, ".json")));
        vm.startBroadcast();
        _broadcasting = true;
        deployed = deploy(config, msg.sender);
        vm.stopBroadcast();
        write(deployed, string.concat("contracts/deployments/", name, ".json"));
    }

    /// @notice Reads a config file.
    function read(string memory json) public pure returns (Config memory config) {
        _checkKeys(json);
        config.mainnet = vm.parseJsonBool(json, ".mainnet");
        config.owner = vm.parseJsonAddress(json, ".owner");
        config.times = UpgradeTimes({
            upgradeDelay: uint64(_uint(json, "upgradeDelay", type(uint64).max)),
            challengeWindow: uint64(_uint(json, "challengeWindow", type(uint32).max)),
            maxExpireAfter: uint64(_uint(json, "maxExpireAfter", type(uint32).max))
        });
        config.blockKind = _blockKind(vm.parseJsonString(json, ".blockKind"));
        config.templatesOpen = vm.parseJsonBool(json, ".templateRegistrationPermissionless");
        config.instancesOpen = vm.parseJsonBool(json, ".instanceDeploymentPermissionless");
        config.avs = vm.parseJsonAddress(json, ".avs");
        config.maxStaleness = uint32(_uint(json, "maxStaleness", type(uint32).max));
        config.quorumBps = uint16(_uint(json, "quorumBps", 10_000));
        config.commitVersion = uint8(_uint(json, "commitVersion", type(uint8).max));
        config.snapshotSigners = vm.parseJsonAddressArray(json, ".snapshotSigners");
        config.snapshotThreshold = uint8(_uint(json, "snapshotThreshold", type(uint8).max));
        config.taskResponseWindow = uint64(_uint(json, "taskResponseWindow", type(uint32).max));
        config.referenceDelay = uint32(_uint(json, "referenceDelay", type(uint32).max));
        config.blockMilliseconds = uint32(_uint(json, "blockMilliseconds", type(uint32).max));
        config.withdrawalDelay = uint32(_uint(json, "withdrawalDelay", type(uint32).max));
        config.slasher = vm.parseJsonAddress(json, ".slasher");
        config.policyClientRegistry = vm.parseJsonAddress(json, ".policyClientRegistry");
        config.enclaveVersionRegistry = vm.parseJsonAddress(json, ".enclaveVersionRegistry");
    }

    /// @notice Deploys by a config, for tests without a broadcast too.
    function deploy(Config memory config, address deployer)
        public
        returns (Deployment memory deployed)
    {
        _check(config, deployer);
        address owner = config.owner == address(0) ? deployer : config.owner;
        address avs = config.avs == address(0) ? deployer : config.avs;
        bytes memory plain = abi.encodeWithSignature(
            "initialize(address,(uint64,uint64,uint64),uint8)",
            owner,
            config.times,
            config.blockKind
        );
        // The deployed protocol's own registries are used where the config names them.
        deployed.policyClientRegistry = config.policyClientRegistry != address(0)
            ? config.policyClientRegistry
            : _proxy("PolicyClientRegistry", plain);
        deployed.enclaveVersionRegistry = config.enclaveVersionRegistry != address(0)
            ? _builds(config)
            : _proxy("EnclaveVersionRegistry", plain);
        _deployRegistries(config, deployed, owner, deployer);
        deployed.certificateVerifier = _proxy(
            "BN254CertificateVerifier",
            abi.encodeCall(
                IBN254CertificateVerifier.initialize,
                (IBN254CertificateVerifier.Setup({
                        owner: owner,
                        times: config.times,
                        blockKind: config.blockKind,
                        operatorSet: OperatorSet(avs, 0),
                        maxStaleness: config.maxStaleness,
                        quorumBps: config.quorumBps
                    }))
            )
        );
        _deployCommits(config, deployed, owner, avs);
        _deployResponses(config, deployed, owner, deployer);
        deployed.stateAnchor = _create("StateAnchor", "");
        deployed.checkpointAnchor = _create("CheckpointAnchor", "");
        deployed.buildInfoRegistry = _create("BuildInfoRegistry", abi.encode(owner));
        deployed.verificationRegistry = _create("VerificationRegistry", "");
    }

    /// @notice Writes what was deployed, as JSON.
    function write(Deployment memory deployed, string memory path) public {
        string memory key = "deployment";
        vm.serializeAddress(key, "artifactProofs", deployed.artifactProofs);
        vm.serializeAddress(key, "buildInfoRegistry", deployed.buildInfoRegistry);
        vm.serializeAddress(key, "certificateVerifier", deployed.certificateVerifier);
        vm.serializeAddress(key, "challengeVerifier", deployed.challengeVerifier);
        vm.serializeAddress(key, "checkpointAnchor", deployed.checkpointAnchor);
        vm.serializeAddress(key, "enclaveVersionRegistry", deployed.enclaveVersionRegistry);
        vm.serializeAddress(key, "policyClientRegistry", deployed.policyClientRegistry);
        vm.serializeAddress(key, "policyDataRegistry", deployed.policyDataRegistry);
        vm.serializeAddress(key, "policyDeployer", deployed.policyDeployer);
        vm.serializeAddress(key, "policyRegistry", deployed.policyRegistry);
        vm.serializeAddress(key, "responseRegistry", deployed.responseRegistry);
        vm.serializeAddress(key, "slasher", deployed.slasher);
        vm.serializeAddress(key, "stateAnchor", deployed.stateAnchor);
        vm.serializeAddress(key, "verificationRegistry", deployed.verificationRegistry);
        string memory json =
            vm.serializeAddress(key, "stateCommitRegistry", deployed.stateCommitRegistry);
        vm.writeJson(json, path);
    }

    /// @dev Everything that can be wrong with a config, before the first transaction.
    function _check(Config memory config, address deployer) private view {
        if (config.mainnet) {
            uint256 chainId = block.chainid;
            require(config.owner != address(0), OwnerRequired(chainId));
            require(config.slasher != address(0), SlasherRequired(chainId));
            require(config.avs != address(0) && config.avs != deployer, AvsRequired(chainId));
            require(config.snapshotSigners.length != 0, SnapshotSignersRequired(chainId));
        }
        uint256 windows = uint256(config.times.challengeWindow) + config.times.maxExpireAfter;
        require(
            config.times.upgradeDelay > windows,
            UpgradeDelayWithinWindows(config.times.upgradeDelay, windows)
        );
        if (config.mainnet) _checkWithdrawal(config, windows);
        _checkResponseWindow(config);
        _checkCode("slasher", config.slasher);
        _checkCode("policyClientRegistry", config.policyClientRegistry);
        _checkCode("enclaveVersionRegistry", config.enclaveVersionRegistry);
        if (config.enclaveVersionRegistry != address(0)) {
            uint8 found = _kindOf(config.enclaveVersionRegistry);
            require(
                found == 0 || found == uint8(config.blockKind),
                BlockKindMismatch(config.enclaveVersionRegistry, uint8(config.blockKind), found)
            );
        }
    }

    /// @dev Two reference delays and a minute to answer a task; and the hash of its reference block
    /// has to be known until then, on mainnets for twice as long: a transaction may have to wait.
    function _checkResponseWindow(Config memory config) private view {
        uint256 window = config.taskResponseWindow;
        uint256 time = config.blockMilliseconds;
        require(time != 0, InvalidValue("blockMilliseconds"));
        uint256 needed = 2 * uint256(config.referenceDelay) + (60_000 + time - 1) / time;
        require(window >= needed, ResponseWindowTooShort(window, needed));
        uint256 reach = _reach(config.blockKind);
        require(
            (config.mainnet ? 2 * window : window) <= reach, ResponseWindowBeyondHashes(window, reach)
        );
    }

    /// @dev How many blocks back hashes are known. On chains with ArbSys EIP-2935's contract counts
    /// only where it is Arbitrum's own, which asks ArbSys for the number of the block.
    function _reach(BlockKind kind) private view returns (uint256) {
        bytes memory code = HISTORY.code;
        if (kind == BlockKind.Native) return code.length == 0 ? 256 : 8191;
        bytes4 asked = IArbSys.arbBlockNumber.selector;
        for (uint256 i; i + 4 <= code.length; ++i) {
            bytes4 found;
            assembly ("memory-safe") {
                found := mload(add(add(code, 32), i))
            }
            if (found == asked) return 393_168;
        }
        return 256;
    }

    /// @dev From the table that signs to the last challenge, in seconds, against the time that stake
    /// takes to leave.
    function _checkWithdrawal(Config memory config, uint256 windows) private view {
        require(config.maxStaleness != 0, StalenessRequired(block.chainid));
        require(config.withdrawalDelay != 0, WithdrawalDelayRequired(block.chainid));
        require(config.blockMilliseconds != 0, InvalidValue("blockMilliseconds"));
        uint256 blocks = windows + config.taskResponseWindow;
        uint256 time =
            config.maxStaleness + (blocks * config.blockMilliseconds + 999) / 1000;
        require(
            time < config.withdrawalDelay, WindowsBeyondWithdrawal(time, config.withdrawalDelay)
        );
    }

    function _checkCode(string memory key, address account) private view {
        require(account == address(0) || account.code.length != 0, NoCode(key, account));
    }

    /// @dev The registry of builds that the config names; mirrored where the chain's nodes count
    /// other blocks than `block.number` and the registry does not say that it counts theirs.
    function _builds(Config memory config) private returns (address) {
        if (config.blockKind == BlockKind.Native || _kindOf(config.enclaveVersionRegistry) != 0) {
            return config.enclaveVersionRegistry;
        }
        return _create(
            "EnclaveVersionMirror", abi.encode(config.enclaveVersionRegistry, config.blockKind)
        );
    }

    /// @dev What a registry says of where it reads block numbers; zero where it does not say.
    function _kindOf(address registry) private view returns (uint8) {
        (bool ok, bytes memory answer) = registry.staticcall(abi.encodeWithSignature("blockKind()"));
        if (!ok || answer.length != 32) return 0;
        uint256 kind = abi.decode(answer, (uint256));
        // A number that is no kind is a unit nobody knows: it never equals the chain's.
        return kind > type(uint8).max ? type(uint8).max : uint8(kind);
    }

    /// @dev A number of the config file, no larger than its type or its meaning allows.
    function _uint(string memory json, string memory key, uint256 max)
        private
        pure
        returns (uint256 value)
    {
        value = vm.parseJsonUint(json, string.concat(".", key));
        require(value <= max, InvalidValue(key));
    }

    function _blockKind(string memory name) private pure returns (BlockKind) {
        bytes32 hash = keccak256(bytes(name));
        if (hash == keccak256("native")) return BlockKind.Native;
        require(hash == keccak256("arbsys"), InvalidValue("blockKind"));
        return BlockKind.ArbSys;
    }

    /// @dev A key nobody reads is a mistyped one, or one that its author believes in.
    function _checkKeys(string memory json) private pure {
        string[21] memory known = [
            "mainnet",
            "owner",
            "upgradeDelay",
            "blockKind",
            "templateRegistrationPermissionless",
            "instanceDeploymentPermissionless",
            "avs",
            "maxStaleness",
            "quorumBps",
            "commitVersion",
            "snapshotSigners",
            "snapshotThreshold",
            "taskResponseWindow",
            "referenceDelay",
            "challengeWindow",
            "maxExpireAfter",
            "blockMilliseconds",
            "withdrawalDelay",
            "slasher",
            "policyClientRegistry",
            "enclaveVersionRegistry"
        ];
        string[] memory keys = vm.parseJsonKeys(json, "$");
        for (uint256 i = 0; i < keys.length; ++i) {
            bool found;
            for (uint256 k = 0; k < known.length && !found; ++k) {
                found = keccak256(bytes(keys[i])) == keccak256(bytes(known[k]));
            }
            require(found, UnknownKey(keys[i]));
        }
    }

    /// @dev The deployer of policies names the registries before they are there, by the addresses
    /// that follow its own; they refuse to be initialized where it does not name them.
    function _deployRegistries(
        Config memory config,
        Deployment memory deployed,
        address owner,
        address deployer
    ) private {
        address creator = _broadcasting ? deployer : address(this);
        uint256 nonce = vm.getNonce(creator);
        deployed.policyDeployer = _create(
            "PolicyDeployer",
            abi.encode(
                deployed.policyClientRegistry,
                vm.computeCreateAddress(creator, nonce + 2),
                vm.computeCreateAddress(creator, nonce + 4)
            )
        );
        RegistryConfig memory registry = RegistryConfig({
            owner: owner,
            times: config.times,
            blockKind: config.blockKind,
            clientRegistry: deployed.policyClientRegistry,
            templateRegistrationPermissionless: config.templatesOpen,
            instanceDeploymentPermissionless: config.instancesOpen,
            policyDeployer: deployed.policyDeployer
        });
        deployed.policyDataRegistry = _proxy(
            "PolicyDataRegistry",
            abi.encodeWithSignature(
                "initialize((address,(uint64,uint64,uint64),uint8,address,bool,bool,address))", registry
            )
        );
        deployed.policyRegistry = _proxy(
            "PolicyRegistry",
            abi.encodeWithSignature(
                "initialize((address,(uint64,uint64,uint64),uint8,address,bool,bool,address),address)",
                registry,
                deployed.policyDataRegistry
            )
        );
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
                        times: config.times,
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
                        times: config.times,
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
                        times: config.times,
                        responseRegistry: deployed.responseRegistry,
                        enclaveVersionRegistry: deployed.enclaveVersionRegistry,
                        slasher: deployed.slasher
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
