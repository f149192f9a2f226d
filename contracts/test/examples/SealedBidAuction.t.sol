// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {SealedBidAuction} from "../../src/examples/SealedBidAuction.sol";
import {Test} from "../base/Test.sol";

contract SealedBidAuctionTest is Test {
    SealedBidAuction private auction;
    address private enclave;
    uint256 private key;

    function setUp() public {
        (enclave, key) = makeAddrAndKey("enclave");
        auction = new SealedBidAuction(enclave, 10);
    }

    function test_answersInOrder_toTheWinner() public {
        auction.bid("one");
        auction.bid("two");
        vm.roll(block.number + 11);
        auction.end();
        _answer(1, SealedBidAuction.Answer.Accepted, address(1), 0);
        _answer(2, SealedBidAuction.Answer.Refused, address(0), 0);
        _answer(3, SealedBidAuction.Answer.Winner, address(1), 7);
        assertEq(auction.answers(), 3);
        assertEq(auction.winner(), address(1));
        assertEq(auction.price(), 7);
        // Slot 0 is what the enclave proves.
        assertEq(uint256(vm.load(address(auction), 0)), 3);
    }

    function test_answerOutOfOrder_reverts() public {
        auction.bid("one");
        vm.expectRevert(abi.encodeWithSelector(SealedBidAuction.OutOfOrder.selector, 1));
        auction.answer(2, SealedBidAuction.Answer.Accepted, address(1), 0, "");
        _answer(1, SealedBidAuction.Answer.Accepted, address(1), 0);
        vm.expectRevert(abi.encodeWithSelector(SealedBidAuction.OutOfOrder.selector, 2));
        auction.answer(1, SealedBidAuction.Answer.Accepted, address(1), 0, "");
        // There is no second event yet.
        vm.expectRevert(abi.encodeWithSelector(SealedBidAuction.OutOfOrder.selector, 2));
        auction.answer(2, SealedBidAuction.Answer.Winner, address(1), 0, "");
    }

    function test_answerOfSomebodyElse_reverts() public {
        auction.bid("one");
        bytes memory signature = _sign(1, SealedBidAuction.Answer.Accepted, address(1), 0, key + 1);
        vm.expectRevert(SealedBidAuction.NotSignedByEnclave.selector);
        auction.answer(1, SealedBidAuction.Answer.Accepted, address(1), 0, signature);
        signature = _sign(1, SealedBidAuction.Answer.Accepted, address(1), 0, key);
        vm.expectRevert(SealedBidAuction.NotSignedByEnclave.selector);
        auction.answer(1, SealedBidAuction.Answer.Winner, address(1), 0, signature);
        vm.expectRevert(SealedBidAuction.NotSignedByEnclave.selector);
        auction.answer(1, SealedBidAuction.Answer.Accepted, address(1), 0, "");
    }

    function test_timeOfBidsAndEnd() public {
        uint256 last = auction.lastBlock();
        vm.expectRevert(abi.encodeWithSelector(SealedBidAuction.NotNow.selector, last));
        auction.end();
        vm.roll(last + 1);
        vm.expectRevert(abi.encodeWithSelector(SealedBidAuction.NotNow.selector, last));
        auction.bid("late");
        auction.end();
        vm.expectRevert(abi.encodeWithSelector(SealedBidAuction.NotNow.selector, last));
        auction.end();
    }

    function _answer(uint256 at, SealedBidAuction.Answer kind, address bidder, uint256 amount)
        private
    {
        auction.answer(at, kind, bidder, amount, _sign(at, kind, bidder, amount, key));
    }

    function _sign(
        uint256 at,
        SealedBidAuction.Answer kind,
        address bidder,
        uint256 amount,
        uint256 signer
    ) private view returns (bytes memory) {
        bytes32 hash =
            keccak256(abi.encode(block.chainid, address(auction), at, kind, bidder, amount));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer, hash);
        return abi.encodePacked(r, s, v);
    }
}
