// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {DevnetSlasher} from "../../src/attestation/DevnetSlasher.sol";
import {Test} from "../base/Test.sol";

contract DevnetSlasherTest is Test {
    DevnetSlasher private slasher;
    address private operator = makeAddr("operator");

    function setUp() public {
        slasher = new DevnetSlasher(address(this));
        slasher.setStake(operator, 1000);
    }

    function test_slash() public {
        vm.expectRevert(abi.encodeWithSelector(DevnetSlasher.NotSlasher.selector, address(this)));
        slasher.slash(operator, 1e17, "m");
        slasher.setSlasher(address(this), true);
        vm.expectEmit(address(slasher));
        emit DevnetSlasher.OperatorSlashed(operator, "m", 1e17, 100);
        slasher.slash(operator, 1e17, "m");
        assertEq(slasher.stakeOf(operator), 900);
        vm.expectRevert(abi.encodeWithSelector(DevnetSlasher.InvalidWads.selector, 1e18 + 1));
        slasher.slash(operator, 1e18 + 1, "m");
        slasher.slash(operator, 1e18, "m");
        assertEq(slasher.stakeOf(operator), 0);
        slasher.setSlasher(address(this), false);
        vm.expectRevert();
        slasher.slash(operator, 0, "m");
    }

    function test_fuzz_slash(uint256 stake, uint256 wads) public {
        slasher.setSlasher(address(this), true);
        slasher.setStake(operator, stake);
        wads = bound(wads, 0, 1e18);
        slasher.slash(operator, wads, "m");
        uint256 left = slasher.stakeOf(operator);
        assertLe(left, stake);
        if (wads == 1e18) assertEq(left, 0);
        if (stake < 1e50) assertEq(left, stake - stake * wads / 1e18);
    }

    function test_ownersOnly() public {
        vm.startPrank(operator);
        vm.expectRevert();
        slasher.setStake(operator, 1);
        vm.expectRevert();
        slasher.setSlasher(operator, true);
        vm.stopPrank();
    }
}
