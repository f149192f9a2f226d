// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title SealedBidAuction
/// @notice The contract of `examples/enclave-app`: bids are sealed to an enclave, which answers every
/// event once and in order, and in the end names the winner.
/// @dev Every call of a user emits an event with the contract's own count, from 1 without gaps; answers
/// are counted in slot 0, which the enclave reads through a storage proof.
contract SealedBidAuction {
    /// @notice What an answer says.
    enum Answer {
        Accepted,
        Refused,
        Winner
    }

    /// @notice Answers taken so far. Slot 0: the enclave proves it.
    uint256 public answers;
    /// @notice Events emitted so far.
    uint256 public events;
    /// @notice Bids are taken up to this block.
    uint256 public immutable lastBlock;
    /// @notice The key that the enclave signs answers with.
    address public immutable enclaveKey;
    /// @notice Whether the end was called.
    bool public ended;
    /// @notice Who won, once the enclave said so.
    address public winner;
    /// @notice What the winner pays.
    uint256 public price;

    /// @notice A sealed bid.
    event Bid(uint256 indexed sequence, address indexed bidder, bytes sealedBid);
    /// @notice No bids are taken any more.
    event Ended(uint256 indexed sequence);
    /// @notice The enclave answered an event.
    event Answered(uint256 indexed sequence, Answer answer, address bidder, uint256 price);

    /// @notice Bids are taken up to `lastBlock`, the end only after.
    error NotNow(uint256 lastBlock);
    /// @notice Answers are taken in the order of the events.
    error OutOfOrder(uint256 expected);
    /// @notice The answer is not signed by the enclave.
    error NotSignedByEnclave();

    constructor(address key, uint256 blocks) {
        enclaveKey = key;
        lastBlock = block.number + blocks;
    }

    /// @notice Bids. What is inside only the enclave sees.
    function bid(bytes calldata sealedBid) external {
        require(block.number <= lastBlock && !ended, NotNow(lastBlock));
        emit Bid(++events, msg.sender, sealedBid);
    }

    /// @notice Ends the auction; anybody may, once it is over.
    function end() external {
        require(block.number > lastBlock && !ended, NotNow(lastBlock));
        ended = true;
        emit Ended(++events);
    }

    /// @notice Takes the enclave's answer to one event, from whoever brings it.
    function answer(
        uint256 sequence,
        Answer kind,
        address bidder,
        uint256 amount,
        bytes calldata signature
    ) external {
        require(sequence == answers + 1 && sequence <= events, OutOfOrder(answers + 1));
        bytes32 hash =
            keccak256(abi.encode(block.chainid, address(this), sequence, kind, bidder, amount));
        require(signature.length == 65, NotSignedByEnclave());
        address signer = ecrecover(
            hash, uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64])
        );
        require(signer != address(0) && signer == enclaveKey, NotSignedByEnclave());
        answers = sequence;
        if (kind == Answer.Winner) (winner, price) = (bidder, amount);
        emit Answered(sequence, kind, bidder, amount);
    }
}
