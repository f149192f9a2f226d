// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Deploy} from "../script/Deploy.s.sol";
import {IBuildInfoRegistry} from "../src/interfaces/IBuildInfoRegistry.sol";
import {IChainContract} from "../src/interfaces/IChainContract.sol";
import {IEnclaveVersionMirror} from "../src/interfaces/IEnclaveVersionMirror.sol";
import {BlockKind} from "../src/libraries/BlockSource.sol";
import {PolicyRegistry} from "../src/registries/PolicyRegistry.sol";
import {Test} from "./base/Test.sol";

/// @notice A registry of builds as deployed: it does not say in which blocks it counts.
contract SilentVersions {
    bytes32 public rootCertHash = keccak256("root");
}

/// @notice A registry of builds that says in which blocks it counts.
contract ToldVersions {
    uint256 public blockKind;

    constructor(uint256 kind) {
        blockKind = kind;
    }
}

/// @notice Stands in for Arbitrum's precompile.
contract ArbBlocks {
    uint256 public arbBlockNumber = 900_000;
    mapping(uint256 => bytes32) public arbBlockHash;
}

/// @notice The deploy script: every config file is read, and what it deploys is wired.
contract DeployTest is Test {
    Deploy private script;
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @dev From the artifact, which is what `forge script` runs.
    function setUp() public {
        script = Deploy(create(vm.getCode("Deploy.s.sol:Deploy")));
        vm.etch(HISTORY, hex"00");
    }

    function test_everyConfigIsSafe() public view {
        string[5] memory chains = ["1", "8453", "84532", "11155111", "31337"];
        for (uint256 i = 0; i < chains.length; ++i) {
            Deploy.Config memory config = script.read(_file(chains[i]));
            uint256 windows = config.times.challengeWindow + config.times.maxExpireAfter;
            assertGt(config.times.upgradeDelay, windows, chains[i]);
            // A verifier that rests keeps challenges open for as long again: nothing that was not
            // announced at acceptance decides those either.
            if (i != 4) {
                assertGt(
                    config.times.upgradeDelay, windows + config.times.challengeWindow, chains[i]
                );
            }
            uint256 blocks = windows + config.taskResponseWindow;
            uint256 time = config.maxStaleness + blocks * config.blockMilliseconds / 1000;
            if (config.mainnet) {
                assertGt(config.maxStaleness, 0, chains[i]);
                assertLt(time, config.withdrawalDelay, chains[i]);
            }
            uint256 minute = (60_000 + config.blockMilliseconds - 1) / config.blockMilliseconds;
            assertGe(config.taskResponseWindow, 2 * config.referenceDelay + minute);
            assertLe(2 * config.taskResponseWindow, 8191);
            assertEq(config.commitVersion, 2);
            assertEq(config.templatesOpen, !config.mainnet, chains[i]);
            assertEq(config.instancesOpen, !config.mainnet, chains[i]);
            assertGt(config.quorumBps, 5000, chains[i]);
        }
    }

    function test_deploy_wiresEverything() public {
        address deployer = address(script);
        Deploy.Deployment memory deployed = script.deploy(script.read(_file("31337")), deployer);
        PolicyRegistry registry = PolicyRegistry(deployed.policyRegistry);
        assertEq(registry.dataRegistry(), deployed.policyDataRegistry);
        assertEq(registry.clientRegistry(), deployed.policyClientRegistry);
        assertEq(registry.policyDeployer(), deployed.policyDeployer);
        assertEq(registry.owner(), deployer);
        assertEq(registry.upgradeDelay(), 37_001);
        assertEq(registry.maxExpireAfter(), 36_000);
        assertTrue(registry.templateRegistrationPermissionless());
        assertTrue(IBuildInfoRegistry(deployed.buildInfoRegistry).isManager(deployer));
        assertGt(deployed.verificationRegistry.code.length, 0);
        _everythingSaysWhatItIs(deployed);
    }

    /// @dev All but the development slasher, which is a number and an owner.
    function _everythingSaysWhatItIs(Deploy.Deployment memory deployed) private view {
        _says(deployed.policyClientRegistry, "PolicyClientRegistry", 1);
        _says(deployed.enclaveVersionRegistry, "EnclaveVersionRegistry", 1);
        _says(deployed.policyDeployer, "PolicyDeployer", 0);
        _says(deployed.policyDataRegistry, "PolicyDataRegistry", 1);
        _says(deployed.policyRegistry, "PolicyRegistry", 1);
        _says(deployed.certificateVerifier, "BN254CertificateVerifier", 1);
        _says(deployed.stateCommitRegistry, "StateCommitRegistry", 1);
        _says(deployed.artifactProofs, "ArtifactProofs", 1);
        _says(deployed.responseRegistry, "ResponseRegistry", 1);
        _says(deployed.challengeVerifier, "ChallengeVerifier", 1);
        _says(deployed.stateAnchor, "StateAnchor", 0);
        _says(deployed.checkpointAnchor, "CheckpointAnchor", 0);
        _says(deployed.buildInfoRegistry, "BuildInfoRegistry", 0);
        _says(deployed.verificationRegistry, "VerificationRegistry", 0);
    }

    function _says(address target, string memory kind, uint8 blocks) private view {
        IChainContract told = IChainContract(target);
        assertEq(told.contractKind(), kind);
        assertEq(told.version(), "1.0.0");
        assertEq(told.blockKind(), blocks);
        assertTrue(told.supportsInterface(type(IChainContract).interfaceId), kind);
        assertTrue(told.supportsInterface(0x01ffc9a7), kind);
        assertFalse(told.supportsInterface(0xffffffff), kind);
    }

    function test_deploy_failsWithoutOwnerOrSlasherOnMainnet() public {
        Deploy.Config memory config = script.read(_file("1"));
        vm.expectRevert(abi.encodeWithSelector(Deploy.OwnerRequired.selector, block.chainid));
        script.deploy(config, address(this));
        config.owner = makeAddr("safe");
        vm.expectRevert(abi.encodeWithSelector(Deploy.SlasherRequired.selector, block.chainid));
        script.deploy(config, address(this));
    }

    function test_deploy_failsWhereUpgradesAreTooQuick() public {
        Deploy.Config memory config = script.read(_file("31337"));
        config.times.upgradeDelay = 37_000;
        vm.expectRevert(
            abi.encodeWithSelector(
                Deploy.UpgradeDelayWithinWindows.selector, uint256(37_000), uint256(37_000)
            )
        );
        script.deploy(config, address(this));
    }

    /// Whoever signs has its stake there until the last challenge is over.
    function test_deploy_failsOnMainnetsWhereStakeLeavesFirst() public {
        Deploy.Config memory config = script.read(_file("1"));
        config.owner = makeAddr("safe");
        config.slasher = address(script);
        config.avs = makeAddr("avs");
        config.snapshotSigners = new address[](1);
        config.snapshotSigners[0] = makeAddr("signer");
        config.maxStaleness = 0;
        _expect(abi.encodeWithSelector(Deploy.StalenessRequired.selector, block.chainid), config);
        config.maxStaleness = 86_400;
        config.withdrawalDelay = 0;
        _expect(
            abi.encodeWithSelector(Deploy.WithdrawalDelayRequired.selector, block.chainid), config
        );
        // A day of staleness, 200 blocks to answer, 5 days of validity, 7 to challenge.
        uint256 time = 86_400 + (200 + 36_000 + 50_400) * 12;
        config.withdrawalDelay = uint32(time);
        _expect(
            abi.encodeWithSelector(Deploy.WindowsBeyondWithdrawal.selector, time, time), config
        );
        config.blockMilliseconds = 0;
        _expect(
            abi.encodeWithSelector(Deploy.InvalidValue.selector, "blockMilliseconds"), config
        );
        config.blockMilliseconds = 12_000;
        config.withdrawalDelay += 1;
        _expect(
            abi.encodeWithSelector(
                Deploy.NoCode.selector, "policyClientRegistry", config.policyClientRegistry
            ),
            config
        );
    }

    /// Two delays and a minute: at 12 s a block and two blocks of delay, nine blocks.
    function test_deploy_failsWhereTheResponseWindowIsTooShort() public {
        Deploy.Config memory config = script.read(_file("31337"));
        config.referenceDelay = 2;
        config.taskResponseWindow = 8;
        _expect(
            abi.encodeWithSelector(
                Deploy.ResponseWindowTooShort.selector, uint256(8), uint256(9)
            ),
            config
        );
        // Blocks that do not divide a minute are rounded up: 7 s make nine of them.
        config.blockMilliseconds = 7_000;
        config.taskResponseWindow = 12;
        _expect(
            abi.encodeWithSelector(
                Deploy.ResponseWindowTooShort.selector, uint256(12), uint256(13)
            ),
            config
        );
        config.blockMilliseconds = 0;
        _expect(
            abi.encodeWithSelector(Deploy.InvalidValue.selector, "blockMilliseconds"), config
        );
        config.blockMilliseconds = 7_000;
        config.taskResponseWindow = 13;
        script.deploy(config, address(script));
    }

    /// Twice the window on mainnets, the window itself elsewhere.
    function test_deploy_failsWhereHashesOfReferenceBlocksAreOutOfReach() public {
        Deploy.Config memory config = script.read(_file("31337"));
        config.taskResponseWindow = 8192;
        _expect(_beyond(8192, 8191), config);
        config.blockKind = BlockKind.ArbSys;
        config.taskResponseWindow = 257;
        _expect(_beyond(257, 256), config);
        // Arbitrum's contract of EIP-2935 asks ArbSys for the number; any other one is of other blocks.
        vm.etch(HISTORY, hex"6001600260036300000000");
        _expect(_beyond(257, 256), config);
        vm.etch(HISTORY, hex"5f3563a3b1b31d5f52");
        config.taskResponseWindow = 393_169;
        _expect(_beyond(393_169, 393_168), config);
        config.taskResponseWindow = 257;
        config.blockKind = BlockKind.Native;
        vm.etch(HISTORY, "");
        _expect(_beyond(257, 256), config);
        config.taskResponseWindow = 256;
        script.deploy(config, address(script));
        config = script.read(_file("1"));
        config.owner = makeAddr("safe");
        config.slasher = address(script);
        config.avs = makeAddr("avs");
        config.snapshotSigners = new address[](1);
        _expect(_beyond(200, 256), config);
        vm.etch(HISTORY, hex"00");
        config.taskResponseWindow = 4096;
        _expect(_beyond(4096, 8191), config);
    }

    function _beyond(uint256 window, uint256 reach) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Deploy.ResponseWindowBeyondHashes.selector, window, reach);
    }

    function _expect(bytes memory reason, Deploy.Config memory config) private {
        vm.expectRevert(reason);
        script.deploy(config, address(this));
    }

    function test_deploy_failsOnMainnetsWithoutAvsSignersOrCode() public {
        Deploy.Config memory config = script.read(_file("1"));
        config.owner = makeAddr("safe");
        config.slasher = makeAddr("slasher");
        bytes memory avs = abi.encodeWithSelector(Deploy.AvsRequired.selector, block.chainid);
        vm.expectRevert(avs);
        script.deploy(config, address(this));
        config.avs = address(this);
        vm.expectRevert(avs);
        script.deploy(config, address(this));
        config.avs = makeAddr("avs");
        vm.expectRevert(
            abi.encodeWithSelector(Deploy.SnapshotSignersRequired.selector, block.chainid)
        );
        script.deploy(config, address(this));
        config.snapshotSigners = new address[](1);
        config.snapshotSigners[0] = makeAddr("signer");
        _expectNoCode("slasher", config.slasher);
        script.deploy(config, address(this));
        config.slasher = address(script);
        _expectNoCode("policyClientRegistry", config.policyClientRegistry);
        script.deploy(config, address(this));
        config.policyClientRegistry = address(script);
        _expectNoCode("enclaveVersionRegistry", config.enclaveVersionRegistry);
        script.deploy(config, address(this));
    }

    function test_deploy_failsWhereTheNamedRegistryCountsOtherBlocks() public {
        Deploy.Config memory config = script.read(_file("31337"));
        config.enclaveVersionRegistry = address(new ToldVersions(2));
        vm.expectRevert(
            abi.encodeWithSelector(
                Deploy.BlockKindMismatch.selector, config.enclaveVersionRegistry, 1, 2
            )
        );
        script.deploy(config, address(script));
        config.enclaveVersionRegistry = address(new ToldVersions(257));
        vm.expectRevert(
            abi.encodeWithSelector(
                Deploy.BlockKindMismatch.selector, config.enclaveVersionRegistry, 1, 255
            )
        );
        script.deploy(config, address(script));
    }

    /// @dev A deployed registry counts by `block.number`, which on these chains is another's.
    function test_deploy_mirrorsTheNamedRegistryOnArbSys() public {
        vm.etch(address(0x64), address(new ArbBlocks()).code);
        vm.store(address(0x64), bytes32(0), bytes32(uint256(900_000)));
        Deploy.Config memory config = script.read(_file("31337"));
        config.blockKind = BlockKind.ArbSys;
        address named = address(new SilentVersions());
        config.enclaveVersionRegistry = named;
        address used = script.deploy(config, address(script)).enclaveVersionRegistry;
        assertTrue(used != named, "a registry of another unit is wrapped");
        assertEq(IEnclaveVersionMirror(used).source(), named);
        _says(used, "EnclaveVersionMirror", 2);
        config.enclaveVersionRegistry = used;
        assertEq(script.deploy(config, address(script)).enclaveVersionRegistry, used);
    }

    function test_read_failsOnUnknownOrMiscastValues() public {
        _refused("blockKind", '"ArbSys"');
        _refused("blockKind", '""');
        _refused("quorumBps", "72236");
        _refused("quorumBps", "10001");
        _refused("commitVersion", "258");
        _refused("snapshotThreshold", "257");
        _refused("maxStaleness", "4294967296");
        _refused("upgradeDelay", "18446744073709551616");
        _refused("taskResponseWindow", "4294967296");
        _refused("challengeWindow", "4294967296");
        _refused("maxExpireAfter", "4294967296");
        _refused("referenceDelay", "4294967296");
        _refused("blockMilliseconds", "4294967296");
        _refused("withdrawalDelay", "4294967296");
        vm.expectRevert(abi.encodeWithSelector(Deploy.UnknownKey.selector, "quorumbps"));
        script.read('{"quorumbps": 1}');
    }

    function _refused(string memory key, string memory value) private {
        string memory json = _configWith(key, value);
        vm.expectRevert(abi.encodeWithSelector(Deploy.InvalidValue.selector, key));
        script.read(json);
    }

    /// @dev A config of a devnet with one value changed.
    function _configWith(string memory key, string memory value)
        private
        pure
        returns (string memory json)
    {
        string[2][14] memory values = [
            ["owner", '"0x0000000000000000000000000000000000000000"'],
            ["avs", '"0x0000000000000000000000000000000000000000"'],
            ["upgradeDelay", "1001"],
            ["blockKind", '"native"'],
            ["maxStaleness", "0"],
            ["quorumBps", "6700"],
            ["commitVersion", "2"],
            ["snapshotThreshold", "1"],
            ["taskResponseWindow", "200"],
            ["challengeWindow", "1000"],
            ["maxExpireAfter", "1000"],
            ["referenceDelay", "2"],
            ["blockMilliseconds", "12000"],
            ["withdrawalDelay", "0"]
        ];
        json = '{"mainnet": false, "snapshotSigners": [], "templateRegistrationPermissionless": true,'
            '"instanceDeploymentPermissionless": true';
        for (uint256 i = 0; i < values.length; ++i) {
            bool changed = keccak256(bytes(values[i][0])) == keccak256(bytes(key));
            json = string.concat(json, ', "', values[i][0], '": ', changed ? value : values[i][1]);
        }
        json = string.concat(
            json,
            ', "slasher": "0x0000000000000000000000000000000000000000",',
            '"policyClientRegistry": "0x0000000000000000000000000000000000000000",',
            '"enclaveVersionRegistry": "0x0000000000000000000000000000000000000000"}'
        );
    }

    function _expectNoCode(string memory key, address account) private {
        vm.expectRevert(abi.encodeWithSelector(Deploy.NoCode.selector, key, account));
    }

    function _file(string memory chain) private view returns (string memory) {
        return vm.readFile(string.concat("contracts/config/", chain, ".json"));
    }
}
