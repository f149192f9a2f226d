// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {IInjectedVerifiers} from "../interfaces/IInjectedVerifiers.sol";
import {DelayedUpgrade} from "../upgrade/DelayedUpgrade.sol";

/// @title InjectedVerifiers
/// @notice The lists of verifiers by the block from which each is in force, their suspensions, and
/// the sources whose verdicts count.
abstract contract InjectedVerifiers is DelayedUpgrade, IInjectedVerifiers {
    /// @dev A verifier, in force from `fromBlock` on. The last one may be of a later block: it is
    /// announced. Blocks ascend strictly.
    struct Checkpoint {
        uint64 fromBlock;
        address verifier;
    }

    /// @dev A source counts from `fromBlock` on, until `untilBlock` where that is not zero.
    struct Listing {
        uint64 fromBlock;
        uint64 untilBlock;
    }

    /// @custom:storage-location erc7201:newton.storage.InjectedVerifiers
    struct InjectedStorage {
        mapping(VerifierKind kind => Checkpoint[]) verifiers;
        mapping(VerifierKind kind => mapping(address verifier => Suspension)) suspensions;
        mapping(uint256 chainId => mapping(address challengeVerifier => Listing)) sources;
        uint64 longestSuspension;
    }

    /// @dev keccak256(abi.encode(uint256(keccak256("newton.storage.InjectedVerifiers")) - 1)) & ~0xff
    bytes32 private constant INJECTED_SLOT =
        0x2b43497ce0d4338697029364e09de3902dbb66b6385fc6774cadfad46e41a800;

    // --- What the owner announces ---

    /// @inheritdoc IInjectedVerifiers
    function scheduleVerifier(VerifierKind kind, address verifier) external onlyOwner {
        require(verifier == address(0) || _hasOwnCode(verifier), VerifierWithoutCode(verifier));
        Checkpoint[] storage list = _injectedStorage().verifiers[kind];
        uint64 current = uint64(_blockNumber());
        _popAnnounced(list, current);
        uint64 fromBlock = current + upgradeDelay();
        list.push(Checkpoint(fromBlock, verifier));
        emit VerifierScheduled(kind, verifier, fromBlock);
    }

    /// @inheritdoc IInjectedVerifiers
    function cancelVerifier(VerifierKind kind) external onlyOwner {
        (bool found, address verifier) =
            _popAnnounced(_injectedStorage().verifiers[kind], uint64(_blockNumber()));
        require(found, NothingAnnounced(kind));
        emit VerifierCancelled(kind, verifier);
    }

    /// @inheritdoc IInjectedVerifiers
    function suspendVerifier(VerifierKind kind, uint64 blocks) external onlyOwner {
        _suspend(kind, _blockNumber(), blocks);
    }

    /// @inheritdoc IInjectedVerifiers
    function suspendVerifierAt(VerifierKind kind, uint64 blockNumber, uint64 blocks)
        external
        onlyOwner
    {
        _suspend(kind, blockNumber, blocks);
    }

    function _suspend(VerifierKind kind, uint256 blockNumber, uint64 blocks) private {
        InjectedStorage storage $ = _injectedStorage();
        uint64 current = uint64(_blockNumber());
        address verifier = _verifierAt($, kind, blockNumber);
        // One that is announced only has slashed nobody, and may be withdrawn.
        require(verifier != address(0) && blockNumber <= current, VerifierNotSet());
        uint64 most = challengeWindow();
        require(blocks != 0 && blocks <= most, InvalidSuspension(blocks, most));
        Suspension storage suspension = $.suspensions[kind][verifier];
        require(suspension.fromBlock == 0, SuspendedBefore(verifier));
        suspension.fromBlock = current;
        suspension.untilBlock = current + blocks;
        if (blocks > $.longestSuspension) $.longestSuspension = blocks;
        emit VerifierSuspended(kind, verifier, current + blocks);
    }

    /// @inheritdoc IInjectedVerifiers
    function scheduleVerdictSource(uint256 chainId, address challengeVerifier, bool listed)
        external
        onlyOwner
    {
        Listing storage listing = _injectedStorage().sources[chainId][challengeVerifier];
        uint64 current = uint64(_blockNumber());
        uint64 fromBlock = current + upgradeDelay();
        bool counts = _isListed(listing, current);
        if (listed == counts) {
            // What is so already stays so: an announcement of the contrary is withdrawn.
            if (counts) listing.untilBlock = 0;
            else listing.fromBlock = 0;
            fromBlock = current;
        } else if (listed) {
            listing.fromBlock = fromBlock;
            listing.untilBlock = 0;
        } else {
            listing.untilBlock = fromBlock;
        }
        emit VerdictSourceScheduled(chainId, challengeVerifier, listed, fromBlock);
    }

    // --- Reads ---

    /// @inheritdoc IInjectedVerifiers
    function verifierAt(VerifierKind kind, uint256 blockNumber) external view returns (address) {
        return _verifierAt(_injectedStorage(), kind, blockNumber);
    }

    /// @inheritdoc IInjectedVerifiers
    function pendingVerifier(VerifierKind kind)
        external
        view
        returns (address verifier, uint64 fromBlock, bool announced)
    {
        Checkpoint[] storage list = _injectedStorage().verifiers[kind];
        if (list.length == 0) return (address(0), 0, false);
        Checkpoint memory last = list[list.length - 1];
        if (last.fromBlock <= _blockNumber()) return (address(0), 0, false);
        return (last.verifier, last.fromBlock, true);
    }

    /// @inheritdoc IInjectedVerifiers
    function suspensionOf(VerifierKind kind, address verifier)
        external
        view
        returns (Suspension memory)
    {
        return _injectedStorage().suspensions[kind][verifier];
    }

    /// @inheritdoc IInjectedVerifiers
    function isVerdictSource(uint256 chainId, address challengeVerifier)
        public
        view
        returns (bool)
    {
        return
            _isListed(_injectedStorage().sources[chainId][challengeVerifier], uint64(_blockNumber()));
    }

    /// @inheritdoc IInjectedVerifiers
    function injected()
        external
        view
        returns (address resultVerifier, address documentVerifier, address verdictRelay)
    {
        InjectedStorage storage $ = _injectedStorage();
        uint256 current = _blockNumber();
        resultVerifier = _verifierAt($, VerifierKind.Result, current);
        documentVerifier = _verifierAt($, VerifierKind.Document, current);
        verdictRelay = _verifierAt($, VerifierKind.Relay, current);
    }

    /// @inheritdoc DelayedUpgrade
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return super.supportsInterface(interfaceId)
            || interfaceId == type(IInjectedVerifiers).interfaceId;
    }

    // --- For the contract itself ---

    /// @dev The verifier in force at a block, which must not rest now.
    function _requireVerifier(VerifierKind kind, uint256 blockNumber)
        internal
        view
        returns (address verifier)
    {
        InjectedStorage storage $ = _injectedStorage();
        verifier = _verifierAt($, kind, blockNumber);
        require(verifier != address(0), VerifierNotSet());
        Suspension memory suspension = $.suspensions[kind][verifier];
        // A suspension begins with its block: whatever comes in the same one waits as well.
        require(
            suspension.untilBlock <= _blockNumber(),
            VerifierResting(verifier, suspension.untilBlock)
        );
    }

    /// @dev Blocks by which a window that ends with `last` grows because the verifier in force at
    /// `acceptedAt` rested in it. What was over before the suspension stays so.
    function _suspendedBlocks(VerifierKind kind, uint256 acceptedAt, uint256 last)
        internal
        view
        returns (uint256)
    {
        InjectedStorage storage $ = _injectedStorage();
        Suspension memory suspension = $.suspensions[kind][_verifierAt($, kind, acceptedAt)];
        if (suspension.fromBlock > last || suspension.untilBlock <= acceptedAt) return 0;
        uint256 start = suspension.fromBlock > acceptedAt ? suspension.fromBlock : acceptedAt;
        return suspension.untilBlock - start;
    }

    /// @dev What suspensions keep open is decided by the code it was accepted under, too.
    function _extraUpgradeDelay() internal view override returns (uint64) {
        return _injectedStorage().longestSuspension;
    }

    function _verifierAt(InjectedStorage storage $, VerifierKind kind, uint256 blockNumber)
        private
        view
        returns (address)
    {
        Checkpoint[] storage list = $.verifiers[kind];
        // The lists are as long as an owner made them, and what is asked of is mostly near their end.
        for (uint256 i = list.length; i != 0; --i) {
            Checkpoint memory found = list[i - 1];
            if (found.fromBlock <= blockNumber) return found.verifier;
        }
        return address(0);
    }

    function _popAnnounced(Checkpoint[] storage list, uint64 current)
        private
        returns (bool found, address verifier)
    {
        if (list.length == 0) return (false, address(0));
        Checkpoint memory last = list[list.length - 1];
        if (last.fromBlock <= current) return (false, address(0));
        list.pop();
        return (true, last.verifier);
    }

    function _isListed(Listing storage listing, uint64 current) private view returns (bool) {
        uint64 fromBlock = listing.fromBlock;
        uint64 untilBlock = listing.untilBlock;
        return fromBlock != 0 && fromBlock <= current && (untilBlock == 0 || current < untilBlock);
    }

    function _injectedStorage() private pure returns (InjectedStorage storage $) {
        assembly ("memory-safe") {
            $.slot := INJECTED_SLOT
        }
    }
}
