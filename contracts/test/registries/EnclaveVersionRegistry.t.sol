// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IEnclaveVersionRegistry} from "../../src/interfaces/IEnclaveVersionRegistry.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {RegistryDeployers} from "../base/RegistryDeployers.sol";

contract EnclaveVersionRegistryTest is RegistryDeployers {
    bytes32 private constant PCR0 = keccak256("pcr0");

    function setUp() public {
        vm.roll(500);
        deployRegistries(BlockKind.Native, true);
    }

    /// @dev The deployed protocol's selectors.
    function test_deployedInterface() public pure {
        _same(IEnclaveVersionRegistry.activateVersion.selector, 0xaf26be05);
        _same(IEnclaveVersionRegistry.deprecateVersion.selector, 0x13c649f7);
        _same(IEnclaveVersionRegistry.isActiveVersion.selector, 0x1802a692);
        _same(IEnclaveVersionRegistry.getVersion.selector, 0x9aaf9f08);
        _same(IEnclaveVersionRegistry.activeVersionCount.selector, 0x02c5f980);
        _same(IEnclaveVersionRegistry.wasPcr0WhitelistedAt.selector, 0xb52526f8);
        _same(IEnclaveVersionRegistry.registerEnclaveKey.selector, 0x50997a0e);
        _same(IEnclaveVersionRegistry.getEnclaveKey.selector, 0x266c034a);
        _same(IEnclaveVersionRegistry.VersionAlreadyRegistered.selector, 0x5e5709a7);
        _same(IEnclaveVersionRegistry.VersionNotRegistered.selector, 0x9119fa2e);
        _same(IEnclaveVersionRegistry.VersionAlreadyDeprecated.selector, 0x530793c2);
        _same(IEnclaveVersionRegistry.InvalidPcr0Hash.selector, 0x4f4f69c6);
        _same(IEnclaveVersionRegistry.NotTaskGenerator.selector, 0x4476f071);
        _same(IEnclaveVersionRegistry.InvalidOperator.selector, 0xccea9e6f);
        _same(IEnclaveVersionRegistry.InvalidPubkey.selector, 0x422cc3b7);
        assertEq(
            IEnclaveVersionRegistry.EnclaveVersionActivated.selector >> 224,
            bytes32(uint256(0x1731fd51))
        );
        assertEq(
            IEnclaveVersionRegistry.EnclaveVersionDeprecated.selector >> 224,
            bytes32(uint256(0xf9185f06))
        );
        assertEq(
            IEnclaveVersionRegistry.EnclaveKeyRegistered.selector >> 224,
            bytes32(uint256(0xf8b3ac46))
        );
        assertEq(
            IEnclaveVersionRegistry.RootCertHashUpdated.selector >> 224,
            bytes32(uint256(0x9291b72b))
        );
    }

    function test_lifecycle() public {
        vm.startPrank(owner);
        vm.expectEmit(address(enclaves));
        emit IEnclaveVersionRegistry.EnclaveVersionActivated(PCR0, "v1");
        enclaves.activateVersion(PCR0, "v1");
        assertTrue(enclaves.isActiveVersion(PCR0));
        assertEq(enclaves.activeVersionCount(), 1);
        vm.roll(510);
        vm.expectEmit(address(enclaves));
        emit IEnclaveVersionRegistry.EnclaveVersionDeprecated(PCR0);
        enclaves.deprecateVersion(PCR0);
        assertFalse(enclaves.isActiveVersion(PCR0));
        assertEq(enclaves.activeVersionCount(), 0);
        IEnclaveVersionRegistry.EnclaveVersion memory version = enclaves.getVersion(PCR0);
        assertEq(version.activatedAt, 500);
        assertEq(version.deprecatedAt, 510);
        assertEq(version.label, "v1");
        assertFalse(enclaves.wasPcr0WhitelistedAt(PCR0, 499));
        assertTrue(enclaves.wasPcr0WhitelistedAt(PCR0, 500));
        assertTrue(enclaves.wasPcr0WhitelistedAt(PCR0, 509));
        assertFalse(enclaves.wasPcr0WhitelistedAt(PCR0, 510));
        assertFalse(enclaves.wasPcr0WhitelistedAt(keccak256("other"), 505));
    }

    function test_failsByRule() public {
        vm.startPrank(stranger);
        vm.expectRevert(IEnclaveVersionRegistry.NotTaskGenerator.selector);
        enclaves.activateVersion(PCR0, "");
        vm.expectRevert(IEnclaveVersionRegistry.NotTaskGenerator.selector);
        enclaves.deprecateVersion(PCR0);
        vm.expectRevert(IEnclaveVersionRegistry.NotTaskGenerator.selector);
        enclaves.registerEnclaveKey(stranger, PCR0);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger));
        enclaves.setTaskGenerator(stranger, true);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger));
        enclaves.setRootCertHash(PCR0);
        vm.stopPrank();

        vm.startPrank(owner);
        vm.expectRevert(IEnclaveVersionRegistry.InvalidPcr0Hash.selector);
        enclaves.activateVersion(bytes32(0), "");
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionNotRegistered.selector, PCR0)
        );
        enclaves.deprecateVersion(PCR0);
        IEnclaveVersionRegistry.EnclaveVersion memory unknown = enclaves.getVersion(PCR0);
        assertEq(unknown.activatedAt, 0, "an unknown build reads as the deployed registry has it");
        assertEq(unknown.deprecatedAt, 0);
        assertEq(unknown.label, "");
        enclaves.activateVersion(PCR0, "");
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionAlreadyRegistered.selector, PCR0)
        );
        enclaves.activateVersion(PCR0, "");
        enclaves.deprecateVersion(PCR0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionAlreadyDeprecated.selector, PCR0)
        );
        enclaves.deprecateVersion(PCR0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionAlreadyRegistered.selector, PCR0)
        );
        enclaves.activateVersion(PCR0, "never again");
        vm.expectRevert(IEnclaveVersionRegistry.InvalidOperator.selector);
        enclaves.registerEnclaveKey(address(0), PCR0);
        vm.expectRevert(IEnclaveVersionRegistry.InvalidPubkey.selector);
        enclaves.registerEnclaveKey(stranger, bytes32(0));
    }

    function test_keysAndRoot() public {
        vm.startPrank(owner);
        enclaves.setTaskGenerator(stranger, true);
        assertTrue(enclaves.isTaskGenerator(stranger));
        vm.expectEmit(address(enclaves));
        emit IEnclaveVersionRegistry.RootCertHashUpdated(PCR0);
        enclaves.setRootCertHash(PCR0);
        assertEq(enclaves.rootCertHash(), PCR0);
        vm.stopPrank();
        vm.expectEmit(address(enclaves));
        emit IEnclaveVersionRegistry.EnclaveKeyRegistered(clientOwner, hashOf("key"));
        vm.prank(stranger);
        enclaves.registerEnclaveKey(clientOwner, hashOf("key"));
        assertEq(enclaves.getEnclaveKey(clientOwner), hashOf("key"));
        assertEq(enclaves.getEnclaveKey(stranger), bytes32(0));
    }

    function _same(bytes4 actual, bytes4 expected) private pure {
        assertEq(bytes32(actual), bytes32(expected));
    }
}
