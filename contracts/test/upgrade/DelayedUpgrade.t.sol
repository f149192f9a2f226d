// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IDelayedUpgrade} from "../../src/interfaces/IDelayedUpgrade.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {PolicyRegistry} from "../../src/registries/PolicyRegistry.sol";
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
        emit IDelayedUpgrade.UpgradeScheduled(next, keccak256(""), 1100);
        policies.scheduleUpgrade(next, "");
        assertEq(policies.pendingUpgrade().implementation, next);
        vm.roll(1099);
        vm.expectRevert(
            abi.encodeWithSelector(IDelayedUpgrade.UpgradeNotReady.selector, uint64(1100))
        );
        policies.upgradeToAndCall(next, "");
        vm.roll(1100);
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
        vm.roll(2000);
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
        vm.roll(2000);
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
