// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Vm} from "./Vm.sol";

/// @notice Base of every test contract: cheatcodes, assertions, bounded fuzz values and the lists
/// by which forge finds the targets of invariant tests.
abstract contract Test {
    /// @notice A contract and the selectors an invariant run may call on it.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// @dev `address(uint160(uint256(keccak256("hevm cheat code"))))`.
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    /// @notice Marks contracts derived from this one as tests.
    bool public constant IS_TEST = true;

    address[] private _targetedContracts;
    address[] private _targetedSenders;
    address[] private _excludedContracts;
    FuzzSelector[] private _targetedSelectors;

    // --- Deployment from artifacts ---

    /// @dev Deploys a contract as it is shipped: `new` would compile it once more inside of every
    /// test, and not as foundry.toml says (see contracts/solc).
    function deployCode(string memory name, bytes memory arguments) internal returns (address) {
        return create(abi.encodePacked(vm.getCode(string.concat(name, ".sol:", name)), arguments));
    }

    function proxy(address implementation, bytes memory data) internal returns (address) {
        return deployCode(type(ERC1967Proxy).name, abi.encode(implementation, data));
    }

    /// @dev Reverts as the constructor does.
    function create(bytes memory code) internal returns (address deployed) {
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
            if iszero(deployed) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }

    // --- Assertions ---

    function assertEq(uint256 a, uint256 b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(uint256 a, uint256 b, string memory why) internal pure {
        vm.assertEq(a, b, why);
    }

    function assertEq(bool a, bool b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(bool a, bool b, string memory why) internal pure {
        vm.assertEq(a, b, why);
    }

    function assertEq(address a, address b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(address a, address b, string memory why) internal pure {
        vm.assertEq(a, b, why);
    }

    function assertEq(bytes32 a, bytes32 b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(bytes32 a, bytes32 b, string memory why) internal pure {
        vm.assertEq(a, b, why);
    }

    function assertEq(bytes memory a, bytes memory b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(string memory a, string memory b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(bytes32[] memory a, bytes32[] memory b) internal pure {
        vm.assertEq(a, b);
    }

    function assertEq(uint256[] memory a, uint256[] memory b) internal pure {
        vm.assertEq(a, b);
    }

    function assertNotEq(bytes32 a, bytes32 b) internal pure {
        vm.assertNotEq(a, b);
    }

    function assertNotEq(uint256 a, uint256 b) internal pure {
        vm.assertNotEq(a, b);
    }

    function assertNotEq(address a, address b) internal pure {
        vm.assertNotEq(a, b);
    }

    function assertTrue(bool ok) internal pure {
        vm.assertTrue(ok);
    }

    function assertTrue(bool ok, string memory why) internal pure {
        vm.assertTrue(ok, why);
    }

    function assertFalse(bool ok) internal pure {
        vm.assertFalse(ok);
    }

    function assertFalse(bool ok, string memory why) internal pure {
        vm.assertFalse(ok, why);
    }

    function assertLt(uint256 a, uint256 b) internal pure {
        vm.assertLt(a, b);
    }

    function assertLt(uint256 a, uint256 b, string memory why) internal pure {
        vm.assertLt(a, b, why);
    }

    function assertLe(uint256 a, uint256 b) internal pure {
        vm.assertLe(a, b);
    }

    function assertLe(uint256 a, uint256 b, string memory why) internal pure {
        vm.assertLe(a, b, why);
    }

    function assertGt(uint256 a, uint256 b) internal pure {
        vm.assertGt(a, b);
    }

    function assertGt(uint256 a, uint256 b, string memory why) internal pure {
        vm.assertGt(a, b, why);
    }

    function assertGe(uint256 a, uint256 b) internal pure {
        vm.assertGe(a, b);
    }

    function fail(string memory why) internal pure {
        vm.assertTrue(false, why);
    }

    // --- Fuzz values ---

    /// @dev Maps `x` into `[low, high]`, keeping values that are inside already.
    function bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        vm.assertLe(low, high, "bound: low > high");
        if (x >= low && x <= high) return x;
        uint256 size = high - low + 1;
        return size == 0 ? x : low + (x % size);
    }

    /// @dev An address with a name in traces.
    function makeAddr(string memory name) internal returns (address account) {
        account = vm.addr(uint256(keccak256(bytes(name))));
        vm.label(account, name);
    }

    /// @dev An address with a name in traces, and its key.
    function makeAddrAndKey(string memory name) internal returns (address account, uint256 key) {
        key = uint256(keccak256(bytes(name)));
        account = vm.addr(key);
        vm.label(account, name);
    }

    // --- Targets of invariant tests ---

    function targetContract(address target) internal {
        _targetedContracts.push(target);
    }

    function targetSender(address sender) internal {
        _targetedSenders.push(sender);
    }

    function excludeContract(address target) internal {
        _excludedContracts.push(target);
    }

    function targetSelector(FuzzSelector memory target) internal {
        _targetedSelectors.push(target);
    }

    function targetContracts() external view returns (address[] memory) {
        return _targetedContracts;
    }

    function targetSenders() external view returns (address[] memory) {
        return _targetedSenders;
    }

    function excludeContracts() external view returns (address[] memory) {
        return _excludedContracts;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory) {
        return _targetedSelectors;
    }
}
