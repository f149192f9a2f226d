// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IChallengeVerifier, Verdict} from "../../src/interfaces/IChallengeVerifier.sol";
import {ISlasher} from "../../src/interfaces/ISlasher.sol";
import {AttestationDeployers} from "../base/AttestationDeployers.sol";
import {AlwaysYes} from "./ChallengeInjected.t.sol";

/// @notice A slasher in the ways in which one can fail.
contract OddSlasher is ISlasher {
    enum Way {
        Pays,
        Refuses,
        Silent,
        Burns,
        Bombs
    }

    /// @notice The operator has nothing to take.
    error NoStake(address operator);
    /// @notice A call further in failed, for whatever reason.
    error InnerCallFailed();

    mapping(address operator => Way) public ways;
    mapping(address operator => uint256) public paid;
    mapping(uint256 slot => uint256) private _work;
    uint256 private _worked;

    function set(address operator, Way way) external {
        ways[operator] = way;
    }

    /// @dev Two calls deep, and the outer one has its own word for every failure of the inner one.
    function slash(address operator, uint256, bytes32) external {
        try this.outer(operator) {}
        catch (bytes memory reason) {
            if (reason.length == 0) revert InnerCallFailed();
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }

    function outer(address operator) external {
        Way way = ways[operator];
        if (way == Way.Refuses) revert NoStake(operator);
        this.inner(operator);
    }

    function inner(address operator) external {
        for (uint256 i; i < 5; ++i) {
            _work[_worked++] = 1;
        }
        ++paid[operator];
    }
}

/// @notice A slasher that fails itself, not in a call further in.
contract BareSlasher is ISlasher {
    error NoStake(address operator);

    mapping(address operator => OddSlasher.Way) public ways;
    mapping(address operator => uint256) public paid;

    function set(address operator, OddSlasher.Way way) external {
        ways[operator] = way;
    }

    function slash(address operator, uint256, bytes32) external {
        OddSlasher.Way way = ways[operator];
        if (way == OddSlasher.Way.Refuses) revert NoStake(operator);
        if (way == OddSlasher.Way.Silent) {
            assembly ("memory-safe") {
                revert(0, 0)
            }
        }
        if (way == OddSlasher.Way.Burns) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (way == OddSlasher.Way.Bombs) {
            assembly {
                revert(0, 2100000)
            }
        }
        ++paid[operator];
    }
}

/// @notice Verdicts of other chains, before a slasher that fails: nobody who could pay is taken for one
/// who cannot, whoever sends how much gas, and nobody who cannot shields those who can.
contract RelayedVerdictsTest is AttestationDeployers {
    /// @dev EIP-7825's cap.
    uint256 private constant MOST_GAS = 16_777_216;

    address private first;
    address private second;

    function setUp() public {
        setUpAttestation(1, false);
        injectVerifiers(address(new AlwaysYes()));
        vm.prank(owner);
        challenges.scheduleVerdictSource(10, stranger, true);
        toBlock(currentBlock + UPGRADE_DELAY);
        (first, second) = (operatorNames[1], operatorNames[4]);
    }

    function _verdict(string memory message) private view returns (Verdict memory verdict) {
        verdict.sourceChainId = 10;
        verdict.challengeVerifier = stranger;
        verdict.messageHash = hashOf(message);
        verdict.operators = new address[](2);
        (verdict.operators[0], verdict.operators[1]) = (first, second);
    }

    function _slash(Verdict memory verdict, uint256 gas_)
        private
        returns (bool ok, bytes memory answer)
    {
        return address(challenges).call{gas: gas_}(
            abi.encodeCall(challenges.slashForRelayedVerdict, (verdict, ""))
        );
    }

    function _failed(address operator) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IChallengeVerifier.SlasherFailed.selector, operator);
    }

    function _bare() private returns (BareSlasher) {
        vm.etch(address(slasher), address(new BareSlasher()).code);
        return BareSlasher(address(slasher));
    }

    /// With any amount of gas both pay or the call fails, and never by what the slasher answers to a
    /// call that ran dry.
    function test_verdict_littleGasIsNoRefusal() public {
        vm.etch(address(slasher), address(new OddSlasher()).code);
        OddSlasher odd = OddSlasher(address(slasher));
        Verdict memory verdict = _verdict("little gas");
        uint256 passed;
        uint256 failed;
        for (uint256 gas_ = 60_000; gas_ < 900_000; gas_ += 1777) {
            uint256 state = vm.snapshotState();
            (bool ok, bytes memory answer) = _slash(verdict, gas_);
            uint256 paid = odd.paid(first) + odd.paid(second);
            vm.revertToState(state);
            assertEq(paid, ok ? 2 : 0);
            if (ok) {
                ++passed;
                continue;
            }
            // Its own word, or none where not even that could be said.
            bool own = bytes4(answer) == IChallengeVerifier.SlasherFailed.selector;
            assertTrue(own || answer.length == 0);
            if (own) ++failed;
        }
        assertGt(passed, 10);
        assertGt(failed, 10);
    }

    /// Nor is it taken for nothing to do where the other one has paid.
    function test_verdict_littleGasIsNotNothingToSlash() public {
        Verdict memory verdict = _verdict("the second first");
        challenges.slashPartOfRelayedVerdict(verdict, "", 1, 2);
        vm.etch(address(slasher), address(new OddSlasher()).code);
        OddSlasher odd = OddSlasher(address(slasher));
        for (uint256 gas_ = 60_000; gas_ < 500_000; gas_ += 1777) {
            uint256 state = vm.snapshotState();
            (bool ok, bytes memory answer) = _slash(verdict, gas_);
            uint256 paid = odd.paid(first);
            vm.revertToState(state);
            assertEq(paid, ok ? 1 : 0);
            assertTrue(
                ok || answer.length == 0
                    || keccak256(answer) == keccak256(_failed(first))
            );
        }
        assertFalse(
            challenges.isSlashedForVerdict(10, stranger, verdict.messageHash, first)
        );
        assertEq(challenges.relayedSlashFrom(first), 0);
    }

    /// A word from further in is a refusal like one of the slasher's own.
    function test_verdict_refusalsMayComeFromFurtherIn() public {
        vm.etch(address(slasher), address(new OddSlasher()).code);
        OddSlasher odd = OddSlasher(address(slasher));
        Verdict memory verdict = _verdict("further in");
        odd.set(first, OddSlasher.Way.Refuses);
        (bool ok,) = _slash(verdict, 1_000_000);
        assertTrue(ok);
        assertEq(odd.paid(second), 1);
        vm.expectRevert(abi.encodeWithSelector(OddSlasher.NoStake.selector, first));
        challenges.slashForRelayedVerdict(verdict, "");
    }

    /// Who fails without a word refuses nothing; the others are named without it.
    function test_verdict_silenceIsNoRefusal() public {
        BareSlasher bare = _bare();
        Verdict memory verdict = _verdict("silence");
        OddSlasher.Way[2] memory ways = [OddSlasher.Way.Silent, OddSlasher.Way.Burns];
        for (uint256 i; i < 2; ++i) {
            bare.set(first, ways[i]);
            (bool ok, bytes memory answer) = _slash(verdict, 5_000_000);
            assertFalse(ok);
            assertEq(answer, _failed(first));
        }
        address[] memory paid = new address[](1);
        paid[0] = second;
        vm.expectEmit(address(challenges));
        emit IChallengeVerifier.VerdictRelayed(verdict.messageHash, 10, paid);
        challenges.slashPartOfRelayedVerdict(verdict, "", 1, 2);
        assertEq(bare.paid(second), 1);
        // The other one is done, and still nobody says that nothing is left.
        (, bytes memory last) = _slash(verdict, 5_000_000);
        assertEq(last, _failed(first));
        bare.set(first, OddSlasher.Way.Pays);
        challenges.slashForRelayedVerdict(verdict, "");
        assertEq(bare.paid(first), 1);
        assertEq(bare.paid(second), 1);
    }

    function test_verdict_failsWhereTheSlasherIsGone() public {
        vm.etch(address(slasher), "");
        vm.expectRevert(_failed(first));
        challenges.slashForRelayedVerdict(_verdict("gone"), "");
    }

    /// A refusal of megabytes costs the slasher its gas, and the verdict nothing.
    function test_verdict_longRefusalsShieldNobody() public {
        BareSlasher bare = _bare();
        Verdict memory verdict = _verdict("a bomb");
        bare.set(first, OddSlasher.Way.Bombs);
        (bool ok,) = _slash(verdict, MOST_GAS);
        assertTrue(ok);
        assertEq(bare.paid(second), 1);
        assertFalse(
            challenges.isSlashedForVerdict(10, stranger, verdict.messageHash, first)
        );
        bytes memory answer;
        (ok, answer) = _slash(verdict, MOST_GAS);
        assertFalse(ok);
        assertEq(answer.length, 1024);
    }

    /// What fits one transaction where it was reached need not fit one here.
    function test_verdict_ofManyIsSlashedInParts() public {
        Verdict memory verdict = _verdict("many");
        verdict.operators = new address[](512);
        for (uint256 i; i < 512; ++i) {
            verdict.operators[i] = vm.addr(i + 1000);
        }
        (bool ok,) = _slash(verdict, MOST_GAS);
        assertFalse(ok);
        for (uint256 i; i < 512; i += 128) {
            (ok,) = address(challenges).call{gas: MOST_GAS}(
                abi.encodeCall(
                    challenges.slashPartOfRelayedVerdict, (verdict, "", i, i + 128)
                )
            );
            assertTrue(ok);
        }
        for (uint256 i; i < 512; ++i) {
            assertTrue(
                challenges.isSlashedForVerdict(
                    10, stranger, verdict.messageHash, verdict.operators[i]
                )
            );
        }
        vm.expectRevert(
            abi.encodeWithSelector(IChallengeVerifier.NothingToSlash.selector, verdict.messageHash)
        );
        challenges.slashForRelayedVerdict(verdict, "");
    }

    function test_verdict_partsAreOfTheVerdict() public {
        Verdict memory verdict = _verdict("parts");
        uint256[2][5] memory wrong =
            [[uint256(0), 0], [uint256(2), 2], [uint256(1), 3], [uint256(2), 1], [uint256(3), 4]];
        for (uint256 i; i < wrong.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IChallengeVerifier.InvalidPart.selector, wrong[i][0], wrong[i][1], 2
                )
            );
            challenges.slashPartOfRelayedVerdict(verdict, "", wrong[i][0], wrong[i][1]);
        }
        challenges.slashPartOfRelayedVerdict(verdict, "", 0, 1);
        assertEq(slasher.stakeOf(first), STAKE / 10 * 9);
        assertEq(slasher.stakeOf(second), STAKE);
        challenges.slashPartOfRelayedVerdict(verdict, "", 0, 2);
        assertEq(slasher.stakeOf(first), STAKE / 10 * 9);
        assertEq(slasher.stakeOf(second), STAKE / 10 * 9);
    }
}
