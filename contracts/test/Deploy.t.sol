// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Deploy} from "../script/Deploy.s.sol";
import {PolicyRegistry} from "../src/registries/PolicyRegistry.sol";
import {Test} from "./base/Test.sol";

/// @notice The deploy script: every config file is read, and what it deploys is wired.
contract DeployTest is Test {
    Deploy private script = new Deploy();

    function test_everyConfigIsSafe() public view {
        string[5] memory chains = ["1", "8453", "84532", "11155111", "31337"];
        for (uint256 i = 0; i < chains.length; ++i) {
            Deploy.Config memory config = script.read(_file(chains[i]));
            assertGt(config.upgradeDelay, config.challengeWindow, chains[i]);
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
        assertEq(registry.owner(), deployer);
        assertEq(registry.upgradeDelay(), 1001);
        assertTrue(registry.templateRegistrationPermissionless());
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
        config.upgradeDelay = config.challengeWindow;
        vm.expectRevert(
            abi.encodeWithSelector(
                Deploy.UpgradeDelayWithinChallengeWindow.selector,
                config.upgradeDelay,
                config.challengeWindow
            )
        );
        script.deploy(config, address(this));
    }

    function _file(string memory chain) private view returns (string memory) {
        return vm.readFile(string.concat("contracts/config/", chain, ".json"));
    }
}
