// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {UpgradeTimes} from "../../src/interfaces/IDelayedUpgrade.sol";
import {INewtonPolicyClient} from "../../src/interfaces/INewtonPolicyClient.sol";
import {BlockKind} from "../../src/libraries/BlockSource.sol";
import {EnclaveVersionRegistry} from "../../src/registries/EnclaveVersionRegistry.sol";
import {PolicyClientRegistry} from "../../src/registries/PolicyClientRegistry.sol";
import {PolicyDataRegistry} from "../../src/registries/PolicyDataRegistry.sol";
import {PolicyDeployer} from "../../src/registries/PolicyDeployer.sol";
import {PolicyRegistry} from "../../src/registries/PolicyRegistry.sol";
import {RegistryConfig} from "../../src/registries/RegistryBase.sol";
import {Test} from "./Test.sol";

/// @notice A policy client with nothing but its interface, and a way to call out as itself.
contract MockPolicyClient is INewtonPolicyClient {
    address public getOwner;

    constructor(address owner_) {
        getOwner = owner_;
    }

    function setOwner(address owner_) external {
        getOwner = owner_;
    }

    function getPolicyId() external pure returns (bytes32) {
        return bytes32(0);
    }

    function getPolicyAddress() external pure returns (address) {
        return address(0);
    }

    function getNewtonPolicyTaskManager() external pure returns (address) {
        return address(0);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == type(INewtonPolicyClient).interfaceId;
    }

    function execute(address target, bytes calldata data) external {
        (bool ok, bytes memory returned) = target.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(returned, 0x20), mload(returned))
            }
        }
    }
}

/// @notice Deploys the registries behind proxies, as the deploy script does.
abstract contract RegistryDeployers is Test {
    bytes32 internal constant ABSENT =
        0x385ae9fc2190731ea0b29b2ad75e99f8f0807e267007eac2363c400f7ac7902f;
    uint64 internal constant CHALLENGE_WINDOW = 90;
    uint64 internal constant MAX_EXPIRE = 1000;
    uint64 internal constant UPGRADE_DELAY = 1100;

    PolicyClientRegistry internal clients;
    PolicyDataRegistry internal dataRegistry;
    PolicyRegistry internal policies;
    PolicyDeployer internal policyDeployer;
    EnclaveVersionRegistry internal enclaves;

    address internal owner = makeAddr("registry owner");
    address internal clientOwner = makeAddr("client owner");
    address internal stranger = makeAddr("stranger");
    MockPolicyClient internal client;

    BlockKind internal registryKind;
    bool internal registryOpen;

    bytes[2] internal noLocators;
    bytes[3] internal noDataLocators;

    function deployRegistries(BlockKind kind, bool open) internal {
        clients = PolicyClientRegistry(
            proxy(
                fromArtifact("PolicyClientRegistry"),
                abi.encodeCall(PolicyClientRegistry.initialize, (owner, times(), kind))
            )
        );
        enclaves = EnclaveVersionRegistry(
            proxy(
                fromArtifact("EnclaveVersionRegistry"),
                abi.encodeCall(EnclaveVersionRegistry.initialize, (owner, times(), kind))
            )
        );
        registryKind = kind;
        registryOpen = open;
        // The deployer names the registries before they are there: two implementations and two
        // proxies follow it.
        uint256 nonce = vm.getNonce(address(this));
        policyDeployer = PolicyDeployer(
            fromArtifact(
                "PolicyDeployer",
                abi.encode(
                    clients,
                    vm.computeCreateAddress(address(this), nonce + 2),
                    vm.computeCreateAddress(address(this), nonce + 4)
                )
            )
        );
        RegistryConfig memory config = _config();
        dataRegistry = PolicyDataRegistry(
            proxy(
                fromArtifact("PolicyDataRegistry"),
                abi.encodeCall(PolicyDataRegistry.initialize, (config))
            )
        );
        policies = PolicyRegistry(
            proxy(
                fromArtifact("PolicyRegistry"),
                abi.encodeCall(PolicyRegistry.initialize, (config, address(dataRegistry)))
            )
        );
        vm.label(address(clients), "PolicyClientRegistry");
        vm.label(address(dataRegistry), "PolicyDataRegistry");
        vm.label(address(policies), "PolicyRegistry");
        vm.label(address(enclaves), "EnclaveVersionRegistry");
    }

    function times() internal pure returns (UpgradeTimes memory) {
        return UpgradeTimes(UPGRADE_DELAY, CHALLENGE_WINDOW, MAX_EXPIRE);
    }

    function _config() internal view returns (RegistryConfig memory) {
        return RegistryConfig({
            owner: owner,
            times: times(),
            blockKind: registryKind,
            clientRegistry: address(clients),
            templateRegistrationPermissionless: registryOpen,
            instanceDeploymentPermissionless: registryOpen,
            policyDeployer: address(policyDeployer)
        });
    }

    function registerClient(address owner_) internal returns (MockPolicyClient created) {
        created = new MockPolicyClient(owner_);
        vm.prank(owner_);
        clients.registerClient(address(created));
    }

    function fromArtifact(string memory name) internal returns (address deployed) {
        return fromArtifact(name, "");
    }

    function fromArtifact(string memory name, bytes memory arguments)
        internal
        returns (address deployed)
    {
        deployed = deployCode(name, arguments);
        vm.label(deployed, string.concat(name, " implementation"));
    }

    function hashOf(string memory text) internal pure returns (bytes32) {
        return keccak256(bytes(text));
    }

    /// @dev Bytes of a given length, different at every position.
    function filler(uint256 length) internal pure returns (bytes memory result) {
        result = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            result[i] = bytes1(uint8(0x21 + (i % 93)));
        }
    }
}
