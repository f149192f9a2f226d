// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDelayedUpgrade, UpgradeTimes} from "../../src/interfaces/IDelayedUpgrade.sol";
import {IPolicyRegistry} from "../../src/interfaces/IPolicyRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {PolicyClientRegistry} from "../../src/registries/PolicyClientRegistry.sol";
import {PolicyRegistry} from "../../src/registries/PolicyRegistry.sol";
import {RegistryConfig} from "../../src/registries/RegistryBase.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";

/// @notice An upgrade that keeps everything and adds a function.
contract NextPolicyRegistry is PolicyRegistry {
    function added() external pure returns (uint256) {
        return 7;
    }
}

/// @notice An upgrade that would use another data registry, by writing storage on the way.
contract RewiringPolicyRegistry is PolicyRegistry {
    function rewire(address other) external {
        bytes32 slot = 0xfe20de54ae11991ddbdda12a789f361c628e7c075113cf97f52b295f1da81c00;
        assembly ("memory-safe") {
            sstore(slot, other)
        }
    }

    function changeTimes() external {
        // The word after delay and announcement: 64 bits each of both windows.
        bytes32 slot = 0x4159b148720e79a6a0eec9867630a24937b3f1ba2b4c1d6761b1b550a8d63403;
        assembly ("memory-safe") {
            sstore(slot, add(sload(slot), shl(64, 1)))
        }
    }

    function changeBlockKind() external {
        bytes32 slot = 0x1c80d528806184b9786dde76be265ed7f929466100f75f579032079f75ec2900;
        assembly ("memory-safe") {
            let word := sload(slot)
            let mask := shl(160, 0xff)
            sstore(slot, or(and(word, not(mask)), shl(160, 2)))
        }
    }
}

/// @notice An upgrade whose layout moved: it reads its write-once values elsewhere.
contract MovedPolicyRegistry {
    function proxiableUUID() external pure returns (bytes32) {
        return 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    }

    function writeOnceDigest() external pure returns (bytes32) {
        return keccak256("elsewhere");
    }
}

contract DelayedUpgradeTest is RegistryDeployers {
    function setUp() public {
        vm.roll(1000);
        deployRegistries(BlockKind.Native, true);
    }

    function test_upgrade_waitsAndKeepsState() public {
        client = registerClient(clientOwner);
        bytes32 template =
            policies.registerTemplate(hashOf("r"), ABSENT, new bytes32[](0), noLocators);
        bytes32 instance = policies.deployInstance(template, address(client), "", 1);
        vm.prank(clientOwner);
        policies.setCurrentInstance(address(client), instance);

        address next = address(new NextPolicyRegistry());
        vm.startPrank(owner);
        vm.expectEmit(address(policies));
        emit IDelayedUpgrade.UpgradeScheduled(next, keccak256(""), 2100);
        policies.scheduleUpgrade(next, "");
        assertEq(policies.pendingUpgrade().implementation, next);
        vm.roll(2099);
        vm.expectRevert(
            abi.encodeWithSelector(IDelayedUpgrade.UpgradeNotReady.selector, uint64(2100))
        );
        policies.upgradeToAndCall(next, "");
        vm.roll(2100);
        policies.upgradeToAndCall(next, "");
        vm.stopPrank();
        assertEq(NextPolicyRegistry(address(policies)).added(), 7);
        assertEq(policies.pendingUpgrade().implementation, address(0));
        assertEq(policies.currentInstance(address(client)), instance);
        assertEq(policies.getInstance(instance).templateId, template);
        assertTrue(policies.isTemplateRegistered(template));
    }

    function test_upgrade_failsUnlessAnnounced() public {
        address next = address(new NextPolicyRegistry());
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDelayedUpgrade.UpgradeNotScheduled.selector, next));
        policies.upgradeToAndCall(next, "");
        policies.scheduleUpgrade(next, "");
        vm.roll(2200);
        vm.expectRevert(abi.encodeWithSelector(IDelayedUpgrade.UpgradeNotScheduled.selector, next));
        policies.upgradeToAndCall(next, abi.encodeCall(NextPolicyRegistry.added, ()));
        vm.expectEmit(address(policies));
        emit IDelayedUpgrade.UpgradeCancelled(next);
        policies.cancelUpgrade();
        vm.expectRevert(abi.encodeWithSelector(IDelayedUpgrade.UpgradeNotScheduled.selector, next));
        policies.upgradeToAndCall(next, "");
        vm.expectRevert(
            abi.encodeWithSelector(IDelayedUpgrade.UpgradeNotScheduled.selector, address(0))
        );
        policies.upgradeToAndCall(address(0), "");
    }

    function test_upgrade_failsForOthers() public {
        address next = address(new NextPolicyRegistry());
        vm.prank(owner);
        policies.scheduleUpgrade(next, "");
        vm.roll(2200);
        bytes memory denied =
            abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger);
        vm.startPrank(stranger);
        vm.expectRevert(denied);
        policies.upgradeToAndCall(next, "");
        vm.expectRevert(denied);
        policies.scheduleUpgrade(next, "");
        vm.expectRevert(denied);
        policies.cancelUpgrade();
        vm.expectRevert(denied);
        policies.setUpgradeDelay(1000);
    }

    function test_upgrade_cannotChangeWriteOnceStorage() public {
        address next = address(new RewiringPolicyRegistry());
        _expectRefused(next, abi.encodeCall(RewiringPolicyRegistry.rewire, (stranger)));
        _expectRefused(next, abi.encodeCall(RewiringPolicyRegistry.changeBlockKind, ()));
        assertEq(policies.dataRegistry(), address(dataRegistry));
        assertEq(policies.blockKind(), 1);
    }

    function test_upgrade_cannotMoveWriteOnceStorage() public {
        _expectRefused(address(new MovedPolicyRegistry()), "");
    }

    function test_upgrade_failsForAnotherKindOfContract() public {
        address other = fromArtifact("PolicyDataRegistry");
        _expectRefused(other, "");
    }

    function test_delay_onlyGrows() public {
        vm.startPrank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDelayedUpgrade.UpgradeDelayTooShort.selector, UPGRADE_DELAY, UPGRADE_DELAY - 1
            )
        );
        policies.setUpgradeDelay(UPGRADE_DELAY - 1);
        vm.expectEmit(address(policies));
        emit IDelayedUpgrade.UpgradeDelayChanged(UPGRADE_DELAY + 1);
        policies.setUpgradeDelay(UPGRADE_DELAY + 1);
        assertEq(policies.upgradeDelay(), UPGRADE_DELAY + 1);
    }

    function test_delay_hasALongestOne() public {
        uint64 most = 4 * (CHALLENGE_WINDOW + MAX_EXPIRE);
        vm.startPrank(owner);
        uint64[2] memory beyond = [most + 1, type(uint64).max];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IDelayedUpgrade.UpgradeDelayTooLong.selector, most, beyond[i]
                )
            );
            policies.setUpgradeDelay(beyond[i]);
        }
        policies.setUpgradeDelay(most);
        policies.scheduleUpgrade(address(1), "");
        assertEq(policies.pendingUpgrade().readyAt, 1000 + most);
    }

    /// Not even one block of what may still be challenged is left to another code.
    function test_delay_isLongerThanBothWindowsFromTheStart() public {
        UpgradeTimes memory given = times();
        given.upgradeDelay = CHALLENGE_WINDOW + MAX_EXPIRE;
        bytes memory reason = abi.encodeWithSelector(
            IDelayedUpgrade.UpgradeDelayWithinWindows.selector,
            given.upgradeDelay,
            given.upgradeDelay + 1
        );
        _refusesTimes(given, reason);
        given.upgradeDelay = 0;
        _refusesTimes(
            given,
            abi.encodeWithSelector(
                IDelayedUpgrade.UpgradeDelayWithinWindows.selector,
                uint64(0),
                CHALLENGE_WINDOW + MAX_EXPIRE + 1
            )
        );
        given.upgradeDelay = type(uint64).max;
        _refusesTimes(
            given,
            abi.encodeWithSelector(
                IDelayedUpgrade.UpgradeDelayTooLong.selector,
                4 * (CHALLENGE_WINDOW + MAX_EXPIRE),
                type(uint64).max
            )
        );
    }

    function test_windows_haveBounds() public {
        uint64[3] memory wrong = [uint64(0), uint64(1) << 32, type(uint64).max];
        for (uint256 i; i < wrong.length; ++i) {
            bytes memory reason =
                abi.encodeWithSelector(IDelayedUpgrade.InvalidWindow.selector, wrong[i]);
            _refusesTimes(UpgradeTimes(UPGRADE_DELAY, wrong[i], MAX_EXPIRE), reason);
            _refusesTimes(UpgradeTimes(UPGRADE_DELAY, CHALLENGE_WINDOW, wrong[i]), reason);
        }
    }

    /// Every contract behind a proxy refuses them by the same base.
    function _refusesTimes(UpgradeTimes memory given, bytes memory reason) private {
        address implementation = fromArtifact("PolicyClientRegistry");
        vm.expectRevert(reason);
        proxy(
            implementation,
            abi.encodeCall(PolicyClientRegistry.initialize, (owner, given, BlockKind.Native))
        );
    }

    /// What was announced years ago is announced anew.
    function test_upgrade_lapses() public {
        address next = address(new NextPolicyRegistry());
        vm.startPrank(owner);
        policies.scheduleUpgrade(next, "");
        assertEq(policies.upgradeLapsesAt(), 1000 + 2 * UPGRADE_DELAY);
        vm.roll(1001 + 2 * UPGRADE_DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDelayedUpgrade.UpgradeLapsed.selector, 1000 + 2 * UPGRADE_DELAY
            )
        );
        policies.upgradeToAndCall(next, "");
        vm.roll(1000 + 2 * UPGRADE_DELAY);
        policies.upgradeToAndCall(next, "");
        assertEq(policies.upgradeLapsesAt(), 0);
        policies.scheduleUpgrade(next, "");
        policies.cancelUpgrade();
        assertEq(policies.upgradeLapsesAt(), 0);
    }

    /// What waits is code that everybody can read, not an address that is filled when it is too late.
    function test_upgrade_appliesTheCodeThatWasAnnounced() public {
        address next = address(new NextPolicyRegistry());
        bytes memory code = next.code;
        bytes memory changed =
            abi.encodeWithSelector(IDelayedUpgrade.ImplementationChanged.selector, next);
        vm.startPrank(owner);
        // Nothing yet, other code, and an account that delegates to the code.
        bytes[3] memory first =
            [bytes(""), hex"00", abi.encodePacked(hex"ef0100", address(policyDeployer))];
        for (uint256 i; i < 3; ++i) {
            vm.etch(next, first[i]);
            policies.scheduleUpgrade(next, "");
            vm.roll(vm.getBlockNumber() + UPGRADE_DELAY);
            vm.etch(next, code);
            vm.expectRevert(changed);
            policies.upgradeToAndCall(next, "");
        }
        // Nor is one that delegates applied as it is: tomorrow it delegates elsewhere.
        vm.etch(next, first[2]);
        policies.scheduleUpgrade(next, "");
        vm.roll(vm.getBlockNumber() + UPGRADE_DELAY);
        vm.expectRevert(changed);
        policies.upgradeToAndCall(next, "");
        vm.etch(next, "");
        policies.scheduleUpgrade(next, "");
        vm.roll(vm.getBlockNumber() + UPGRADE_DELAY);
        vm.expectRevert(changed);
        policies.upgradeToAndCall(next, "");
        // Gone in between, it is not applied either; there again, it is.
        vm.etch(next, code);
        policies.scheduleUpgrade(next, "");
        vm.roll(vm.getBlockNumber() + UPGRADE_DELAY);
        vm.etch(next, "");
        vm.expectRevert(changed);
        policies.upgradeToAndCall(next, "");
        vm.etch(next, code);
        policies.upgradeToAndCall(next, "");
        vm.stopPrank();
        assertEq(NextPolicyRegistry(address(policies)).added(), 7);
    }

    /// An upgrade keeps the times, which decide what may still be challenged.
    function test_upgrade_cannotChangeTheTimes() public {
        _expectRefused(
            address(new RewiringPolicyRegistry()),
            abi.encodeCall(RewiringPolicyRegistry.changeTimes, ())
        );
        assertEq(policies.challengeWindow(), CHALLENGE_WINDOW);
        assertEq(policies.maxExpireAfter(), MAX_EXPIRE);
    }

    function test_dataRegistry_isOfTheSameChain() public {
        RegistryConfig memory config = _config();
        config.times.maxExpireAfter = MAX_EXPIRE - 1;
        _expectMismatch(config);
        config = _config();
        config.clientRegistry = address(enclaves);
        _expectMismatch(config);
        config = _config();
        config.blockKind = BlockKind.ArbSys;
        _expectMismatch(config);
    }

    /// @dev The deployer says that it is the next registry's: what is refused is the data registry.
    function _expectMismatch(RegistryConfig memory config) internal {
        address implementation = fromArtifact("PolicyRegistry");
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        address deployer = address(policyDeployer);
        vm.mockCall(deployer, abi.encodeWithSignature("policyRegistry()"), abi.encode(next));
        vm.mockCall(
            deployer, abi.encodeWithSignature("clientRegistry()"), abi.encode(config.clientRegistry)
        );
        vm.expectRevert(
            abi.encodeWithSelector(
                IPolicyRegistry.DataRegistryMismatch.selector, address(dataRegistry)
            )
        );
        proxy(
            implementation,
            abi.encodeCall(PolicyRegistry.initialize, (config, address(dataRegistry)))
        );
        vm.clearMockedCalls();
    }

    function test_implementations_cannotBeInitialized() public {
        PolicyRegistry bare = PolicyRegistry(fromArtifact("PolicyRegistry"));
        vm.expectRevert(abi.encodeWithSignature("InvalidInitialization()"));
        bare.initialize(_config(), address(dataRegistry));
        vm.expectRevert(abi.encodeWithSignature("InvalidInitialization()"));
        policies.initialize(_config(), address(dataRegistry));
    }

    function test_ownership_takesTwoSteps() public {
        vm.prank(owner);
        policies.transferOwnership(stranger);
        assertEq(policies.owner(), owner);
        vm.prank(stranger);
        policies.acceptOwnership();
        assertEq(policies.owner(), stranger);
    }

    function _expectRefused(address next, bytes memory data) private {
        vm.startPrank(owner);
        policies.scheduleUpgrade(next, data);
        vm.roll(vm.getBlockNumber() + UPGRADE_DELAY);
        vm.expectPartialRevert(IDelayedUpgrade.WriteOnceChanged.selector);
        policies.upgradeToAndCall(next, data);
        vm.stopPrank();
    }
}
