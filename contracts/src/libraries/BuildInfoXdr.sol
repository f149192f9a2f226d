// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title BuildInfoXdr
/// @notice The one form of build information: XDR (RFC 4506), so that equal information has an
/// equal hash. Anything that a strict decoder would not give back byte for byte is refused.
library BuildInfoXdr {
    /// @notice The encoding ends early, goes on, has a padding that is not zero or an empty key.
    error MalformedBuildInfo(uint256 offset);
    /// @notice A field does not come after the one before it, by key and then by value.
    error FieldOutOfOrder(uint256 index);
    /// @notice A field that has a place of its own outside the list.
    error MisplacedField(uint256 index);

    /// @dev Two hashes and two counts.
    uint256 private constant HEAD = 64;

    /// @notice Refuses everything but the canonical form.
    function check(bytes calldata xdr) internal pure {
        (uint256 fields, uint256 at) = _count(xdr, HEAD);
        bytes calldata key = xdr[0:0];
        bytes calldata value = key;
        for (uint256 i; i < fields; ++i) {
            bytes calldata nextKey;
            bytes calldata nextValue;
            uint256 start = at;
            (nextKey, at) = _text(xdr, at);
            require(nextKey.length != 0, MalformedBuildInfo(start));
            (nextValue, at) = _text(xdr, at);
            require(!_isMisplaced(nextKey), MisplacedField(i));
            int256 order = _compare(key, nextKey);
            if (order == 0) order = _compare(value, nextValue);
            require(i == 0 || order < 0, FieldOutOfOrder(i));
            (key, value) = (nextKey, nextValue);
        }
        uint256 arguments;
        (arguments, at) = _count(xdr, at);
        for (uint256 i; i < arguments; ++i) {
            (, at) = _text(xdr, at);
        }
        require(at == xdr.length, MalformedBuildInfo(at));
    }

    function _count(bytes calldata xdr, uint256 at) private pure returns (uint256, uint256) {
        require(at + 4 <= xdr.length, MalformedBuildInfo(at));
        return (uint32(bytes4(xdr[at:at + 4])), at + 4);
    }

    function _text(bytes calldata xdr, uint256 at)
        private
        pure
        returns (bytes calldata text, uint256 next)
    {
        uint256 length;
        uint256 start;
        (length, start) = _count(xdr, at);
        next = start + ((length + 3) & ~uint256(3));
        require(next <= xdr.length, MalformedBuildInfo(at));
        text = xdr[start:start + length];
        for (uint256 i = start + length; i < next; ++i) {
            require(xdr[i] == 0, MalformedBuildInfo(i));
        }
    }

    /// @dev Arguments are ordered, and the source's hash is in the head.
    function _isMisplaced(bytes calldata key) private pure returns (bool) {
        bytes32 hash = keccak256(key);
        return hash == keccak256("bldarg") || hash == keccak256("source_sha256");
    }

    /// @dev As unsigned bytes; what another begins with comes before it.
    function _compare(bytes calldata a, bytes calldata b) private pure returns (int256) {
        uint256 shorter = a.length < b.length ? a.length : b.length;
        for (uint256 i; i < shorter; i += 32) {
            uint256 left;
            uint256 right;
            assembly ("memory-safe") {
                left := calldataload(add(a.offset, i))
                right := calldataload(add(b.offset, i))
            }
            uint256 rest = shorter - i;
            if (rest < 32) {
                uint256 beyond = 256 - 8 * rest;
                left >>= beyond;
                right >>= beyond;
            }
            if (left != right) return left < right ? int256(-1) : int256(1);
        }
        if (a.length == b.length) return 0;
        return a.length < b.length ? int256(-1) : int256(1);
    }
}
