// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {StateAnchor} from "../../src/enclave/StateAnchor.sol";
import {IStateAnchor} from "../../src/interfaces/IStateAnchor.sol";
import {Test} from "../base/Test.sol";

contract StateAnchorTest is Test {
    StateAnchor private anchor;
    address private line;
    uint256 private key;
    address private other;
    uint256 private otherKey;

    function setUp() public {
        anchor = new StateAnchor();
        (line, key) = makeAddrAndKey("line");
        (other, otherKey) = makeAddrAndKey("other");
    }

    function test_steps_inOrder() public {
        _assertLatest(line, line, 0, 0);
        vm.expectEmit(true, true, true, true, address(anchor));
        emit IStateAnchor.StateAdvanced(line, 1, "a");
        _advance(1, "a", 0, key);
        _advance(2, "b", "a", key);
        _assertLatest(line, line, 2, "b");
        _assertLatest(other, other, 0, 0);
    }

    function test_sameStepAgain_changesNothing() public {
        _advance(1, "a", 0, key);
        _advance(1, "a", 0, key);
        _assertLatest(line, line, 1, "a");
        IStateAnchor.Step memory last = _step(2, "b", "a", other);
        // By the key that signed it, which moves the line no more.
        for (uint256 i; i < 2; ++i) {
            anchor.advance(last, _sign(last, key));
            _assertLatest(line, other, 2, "b");
        }
    }

    /// Another step to the same state is not the one that was taken, whatever it differs in.
    function test_sameStateByAnotherStep_reverts() public {
        _advance(1, "a", 0, key);
        _advance(2, "b", "a", key);
        _expectAnother(_step(2, "b", "z", address(0)), key);
        _expectAnother(_step(2, "b", 0, address(0)), key);
        _expectAnother(_step(2, "b", "a", other), key);
        _expectAnother(_step(2, "b", "a", line), key);
        _expectAnother(_step(2, "b", "a", address(0)), otherKey);
        vm.expectRevert(
            abi.encodeWithSelector(IStateAnchor.AnotherStep.selector, line, uint64(2))
        );
        anchor.advance(_step(2, "b", "a", address(0)), "");
        // Nor does the key that took over speak for the step that named it.
        IStateAnchor.Step memory last = _step(3, "c", "b", other);
        anchor.advance(last, _sign(last, key));
        _expectAnotherAt(last, otherKey, 3);
        _expectAnotherAt(_step(3, "c", "b", address(0)), key, 3);
        _expectAnotherAt(_step(3, "c", "b", address(0)), otherKey, 3);
        anchor.advance(last, _sign(last, key));
        _assertLatest(line, other, 3, "c");
    }

    function test_fuzz_sameStateByAnotherStep(
        bytes32 previous,
        address successor,
        uint256 signer
    ) public {
        signer = bound(signer, 1, type(uint128).max);
        IStateAnchor.Step memory step = _step(1, "a", 0, other);
        anchor.advance(step, _sign(step, key));
        IStateAnchor.Step memory given = _step(1, "a", previous, successor);
        if (previous != 0 || successor != other) _expectAnotherAt(given, key, 1);
        _expectAnotherAt(given, signer, 1);
        _assertLatest(line, other, 1, "a");
    }

    function _expectAnother(IStateAnchor.Step memory step, uint256 signer) private {
        _expectAnotherAt(step, signer, 2);
    }

    function _expectAnotherAt(IStateAnchor.Step memory step, uint256 signer, uint64 sequence)
        private
    {
        bytes memory signature = _sign(step, signer);
        vm.expectRevert(
            abi.encodeWithSelector(IStateAnchor.AnotherStep.selector, line, sequence)
        );
        anchor.advance(step, signature);
    }

    function test_stepOutOfOrder_reverts() public {
        _expectOutOfOrder(_step(0, "a", 0, address(0)), 0, 0);
        _expectOutOfOrder(_step(2, "a", 0, address(0)), 0, 0);
        _expectOutOfOrder(_step(1, "a", "z", address(0)), 0, 0);
        _advance(1, "a", 0, key);
        _advance(2, "b", "a", key);
        _expectOutOfOrder(_step(1, "a", 0, address(0)), 2, "b");
        _expectOutOfOrder(_step(2, "c", "a", address(0)), 2, "b");
        _expectOutOfOrder(_step(3, "c", "a", address(0)), 2, "b");
        _expectOutOfOrder(_step(4, "c", "b", address(0)), 2, "b");
    }

    function test_emptyState_reverts() public {
        IStateAnchor.Step memory step = _step(1, 0, 0, address(0));
        bytes memory signature = _sign(step, key);
        vm.expectRevert(IStateAnchor.EmptyState.selector);
        anchor.advance(step, signature);
    }

    function test_fuzz_onlyTheKeyMovesItsLine(uint256 stranger) public {
        stranger = bound(stranger, 1, type(uint128).max);
        IStateAnchor.Step memory step = _step(1, "a", 0, address(0));
        _expectNotSigned(step, _sign(step, stranger), line);
        _expectNotSigned(step, "", line);
        _expectNotSigned(step, new bytes(65), line);
        _expectNotSigned(step, abi.encodePacked(_sign(step, key), bytes1(0)), line);
        // Nobody signs for nobody.
        step.line = address(0);
        _expectNotSigned(step, new bytes(65), address(0));
    }

    function test_signatureOfAnotherContractOrChain_reverts() public {
        IStateAnchor.Step memory step = _step(1, "a", 0, address(0));
        bytes memory signature = _sign(step, key);
        StateAnchor second = new StateAnchor();
        vm.expectRevert(
            abi.encodeWithSelector(IStateAnchor.NotSignedByKey.selector, line, line)
        );
        second.advance(step, signature);
        vm.chainId(99);
        _expectNotSigned(step, signature, line);
    }

    function test_everyFieldIsSigned() public {
        IStateAnchor.Step memory step = _step(1, "a", 0, address(0));
        bytes memory signature = _sign(step, key);
        step.stateHash = "b";
        _expectNotSigned(step, signature, line);
        step = _step(1, "a", 0, other);
        _expectNotSigned(step, signature, line);
    }

    function test_successor_takesOver() public {
        _advance(1, "a", 0, key);
        IStateAnchor.Step memory last = _step(2, "end", "a", other);
        bytes memory signature = _sign(last, key);
        vm.expectEmit(true, true, true, true, address(anchor));
        emit IStateAnchor.KeyChanged(line, line, other);
        anchor.advance(last, signature);
        _assertLatest(line, other, 2, "end");
        // The old key is worth nothing from here on.
        IStateAnchor.Step memory next = _step(3, "c", "end", address(0));
        _expectNotSigned(next, _sign(next, key), other);
        _advance(3, "c", "end", otherKey);
        _assertLatest(line, other, 3, "c");
    }

    function test_storageLayout_isWhatProofsRead() public {
        _advance(1, "a", 0, key);
        bytes32 slot = keccak256(abi.encode(line, uint256(0)));
        uint256 first = uint256(vm.load(address(anchor), slot));
        assertEq(address(uint160(first)), line);
        assertEq(first >> 160, 1);
        assertEq(vm.load(address(anchor), bytes32(uint256(slot) + 1)), bytes32("a"));
    }

    function _step(uint64 sequence, bytes32 hash, bytes32 previous, address successor)
        private
        view
        returns (IStateAnchor.Step memory)
    {
        return IStateAnchor.Step(line, sequence, hash, previous, successor);
    }

    function _advance(uint64 sequence, bytes32 hash, bytes32 previous, uint256 signer) private {
        IStateAnchor.Step memory step = _step(sequence, hash, previous, address(0));
        anchor.advance(step, _sign(step, signer));
    }

    function _sign(IStateAnchor.Step memory step, uint256 signer)
        private
        view
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer, anchor.hashStep(step));
        return abi.encodePacked(r, s, v);
    }

    function _expectOutOfOrder(IStateAnchor.Step memory step, uint64 sequence, bytes32 hash)
        private
    {
        bytes memory signature = _sign(step, key);
        vm.expectRevert(
            abi.encodeWithSelector(IStateAnchor.StepOutOfOrder.selector, line, sequence, hash)
        );
        anchor.advance(step, signature);
    }

    function _expectNotSigned(IStateAnchor.Step memory step, bytes memory signature, address by)
        private
    {
        vm.expectRevert(
            abi.encodeWithSelector(IStateAnchor.NotSignedByKey.selector, step.line, by)
        );
        anchor.advance(step, signature);
    }

    function _assertLatest(address of_, address by, uint64 sequence, bytes32 hash) private view {
        (address knownKey, uint64 knownSequence, bytes32 knownHash) = anchor.latest(of_);
        assertEq(knownKey, by);
        assertEq(knownSequence, sequence);
        assertEq(knownHash, hash);
    }
}
