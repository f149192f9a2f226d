// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IEnclaveVersionMirror} from "../../src/interfaces/IEnclaveVersionMirror.sol";
import {IEnclaveVersionRegistry} from "../../src/interfaces/IEnclaveVersionRegistry.sol";
import {BlockKind, BlockSource} from "../../src/libraries/BlockSource.sol";
import {EnclaveVersionMirror} from "../../src/registries/EnclaveVersionMirror.sol";
import {Test} from "../base/Test.sol";

/// @notice A registry as deployed elsewhere: it counts by `block.number`, which on some chains is
/// another chain's, and it answers an empty version for a build it does not know.
contract ForeignVersions {
    mapping(bytes32 => IEnclaveVersionRegistry.EnclaveVersion) private _versions;
    bytes32 public rootCertHash = keccak256("root");
    bool private _suspended;

    function activateVersion(bytes32 pcr0Hash, string calldata label) external {
        _versions[pcr0Hash] = IEnclaveVersionRegistry.EnclaveVersion(uint64(block.number), 0, label);
    }

    function deprecateVersion(bytes32 pcr0Hash) external {
        _versions[pcr0Hash].deprecatedAt = uint64(block.number);
    }

    function suspend(bool on) external {
        _suspended = on;
    }

    function isActiveVersion(bytes32 pcr0Hash) external view returns (bool) {
        return !_suspended && _versions[pcr0Hash].activatedAt != 0
            && _versions[pcr0Hash].deprecatedAt == 0;
    }

    function getVersion(bytes32 pcr0Hash)
        external
        view
        returns (IEnclaveVersionRegistry.EnclaveVersion memory)
    {
        return _versions[pcr0Hash];
    }

    function getEnclaveKey(address operator) external pure returns (bytes32) {
        return keccak256(abi.encode(operator));
    }
}

/// @notice Stands in for Arbitrum's precompile.
contract OwnBlocks {
    uint256 public arbBlockNumber;

    function advance(uint256 to) external {
        arbBlockNumber = to;
    }
}

contract EnclaveVersionMirrorTest is Test {
    bytes32 private constant PCR0 = keccak256("pcr0");
    ForeignVersions private foreignVersions;
    EnclaveVersionMirror private mirror;
    OwnBlocks private arb = OwnBlocks(address(0x64));

    function setUp() public {
        vm.etch(address(arb), address(new OwnBlocks()).code);
        vm.roll(5000);
        arb.advance(900_000);
        foreignVersions = new ForeignVersions();
        mirror = new EnclaveVersionMirror(address(foreignVersions), BlockKind.ArbSys);
    }

    function test_countsInBlocksOfItsChain() public {
        foreignVersions.activateVersion(PCR0, "v1");
        assertFalse(mirror.isActiveVersion(PCR0), "not seen yet");
        assertFalse(mirror.wasPcr0WhitelistedAt(PCR0, 5000), "a number of the other chain");
        vm.expectEmit(address(mirror));
        emit IEnclaveVersionRegistry.EnclaveVersionActivated(PCR0, "v1");
        mirror.sync(PCR0);
        assertTrue(mirror.isActiveVersion(PCR0));
        assertEq(mirror.activeVersionCount(), 1);
        assertEq(mirror.getVersion(PCR0).activatedAt, 900_000);
        assertEq(mirror.getVersion(PCR0).label, "v1");

        vm.roll(5001);
        arb.advance(900_050);
        foreignVersions.deprecateVersion(PCR0);
        assertFalse(mirror.isActiveVersion(PCR0), "the source says so at once");
        assertTrue(mirror.wasPcr0WhitelistedAt(PCR0, 900_049));
        arb.advance(900_060);
        vm.expectEmit(address(mirror));
        emit IEnclaveVersionRegistry.EnclaveVersionDeprecated(PCR0);
        mirror.sync(PCR0);
        assertEq(mirror.getVersion(PCR0).deprecatedAt, 900_060);
        assertEq(mirror.activeVersionCount(), 0);
        assertFalse(mirror.wasPcr0WhitelistedAt(PCR0, 899_999));
        assertTrue(mirror.wasPcr0WhitelistedAt(PCR0, 900_000));
        assertTrue(mirror.wasPcr0WhitelistedAt(PCR0, 900_059));
        assertFalse(mirror.wasPcr0WhitelistedAt(PCR0, 900_060));
    }

    /// @dev What was said of a past block is never said differently later.
    function testFuzz_pastBlocksKeepTheirAnswer(uint16 seen, uint16 gone, uint16 asked) public {
        foreignVersions.activateVersion(PCR0, "");
        uint256 activated = 900_000 + uint256(seen);
        arb.advance(activated);
        mirror.sync(PCR0);
        uint256 deprecated = activated + 1 + uint256(gone);
        arb.advance(deprecated);
        uint256 past = 900_000 + uint256(asked);
        vm.assume(past < deprecated);
        bool before = mirror.wasPcr0WhitelistedAt(PCR0, past);
        assertEq(before, past >= activated);
        foreignVersions.deprecateVersion(PCR0);
        assertEq(mirror.wasPcr0WhitelistedAt(PCR0, past), before);
        mirror.sync(PCR0);
        assertEq(mirror.wasPcr0WhitelistedAt(PCR0, past), before);
    }

    function test_sync_refusesWhatTheSourceDoesNotSay() public {
        bytes memory unknown =
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionNotRegistered.selector, PCR0);
        vm.expectRevert(unknown);
        mirror.sync(PCR0);
        assertEq(mirror.getVersion(PCR0).activatedAt, 0);
        foreignVersions.activateVersion(PCR0, "");
        mirror.sync(PCR0);
        bytes memory nothing =
            abi.encodeWithSelector(IEnclaveVersionMirror.NothingToSync.selector, PCR0);
        vm.expectRevert(nothing);
        mirror.sync(PCR0);
        foreignVersions.deprecateVersion(PCR0);
        mirror.sync(PCR0);
        vm.expectRevert(nothing);
        mirror.sync(PCR0);
    }

    function test_sync_neverActivatesWhatIsDeprecated() public {
        foreignVersions.activateVersion(PCR0, "");
        foreignVersions.deprecateVersion(PCR0);
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionAlreadyDeprecated.selector, PCR0)
        );
        mirror.sync(PCR0);
        assertFalse(mirror.wasPcr0WhitelistedAt(PCR0, 900_000));
    }

    /// @dev Nobody whitelists a build that the source never activated.
    function testFuzz_sync_believesOnlyActivations(bytes32 known, bytes32 asked, address caller)
        public
    {
        vm.assume(known != asked);
        foreignVersions.activateVersion(known, "v1");
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionNotRegistered.selector, asked)
        );
        vm.prank(caller);
        mirror.sync(asked);
        assertFalse(mirror.isActiveVersion(asked));
        assertFalse(mirror.wasPcr0WhitelistedAt(asked, type(uint64).max));
        assertEq(mirror.activeVersionCount(), 0);
    }

    /// @dev A row without a deprecation is not enough: the source has to call the build active.
    function test_sync_asksWhetherTheBuildIsActive() public {
        foreignVersions.activateVersion(PCR0, "v1");
        foreignVersions.suspend(true);
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionRegistry.VersionAlreadyDeprecated.selector, PCR0)
        );
        mirror.sync(PCR0);
        foreignVersions.suspend(false);
        mirror.sync(PCR0);
        assertTrue(mirror.isActiveVersion(PCR0));
    }

    function test_writesAreTheSources() public {
        bytes memory refused = abi.encodeWithSelector(
            IEnclaveVersionMirror.WriteAtSource.selector, address(foreignVersions)
        );
        vm.expectRevert(refused);
        mirror.activateVersion(PCR0, "");
        vm.expectRevert(refused);
        mirror.deprecateVersion(PCR0);
        vm.expectRevert(refused);
        mirror.registerEnclaveKey(address(1), PCR0);
        vm.expectRevert(refused);
        mirror.setRootCertHash(PCR0);
    }

    function test_passesTheRestOn() public view {
        assertEq(mirror.source(), address(foreignVersions));
        assertEq(mirror.blockKind(), 2);
        assertEq(mirror.rootCertHash(), keccak256("root"));
        assertEq(mirror.getEnclaveKey(address(1)), keccak256(abi.encode(address(1))));
    }

    function test_constructor_refusesWhatItCannotMirror() public {
        vm.expectRevert(
            abi.encodeWithSelector(IEnclaveVersionMirror.InvalidSource.selector, address(0xdead))
        );
        new EnclaveVersionMirror(address(0xdead), BlockKind.Native);
        vm.expectRevert(BlockSource.InvalidBlockSource.selector);
        new EnclaveVersionMirror(address(foreignVersions), BlockKind.Unset);
    }
}
