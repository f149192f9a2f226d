// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {INewtonPolicyClient} from "../interfaces/INewtonPolicyClient.sol";
import {IPolicyClientRegistry} from "../interfaces/IPolicyClientRegistry.sol";
import {IPolicyGuard} from "../interfaces/IPolicyGuard.sol";
import {IPolicyRegistry} from "../interfaces/IPolicyRegistry.sol";
import {IResponseRegistry} from "../interfaces/IResponseRegistry.sol";
import {Intent, PolicyTaskResponse} from "../libraries/PolicyMessages.sol";

/// @title PolicyGuard
/// @notice Base of a policy client: consumes a response and itself makes the call the response is
/// about, so that what was evaluated and what is done cannot differ.
/// @dev The client is what calls: give it no rights that an allowed evaluation should not carry,
/// and account for what users may do in {_beforeExecute}.
abstract contract PolicyGuard is Ownable2Step, INewtonPolicyClient, IPolicyGuard, IERC165 {
    /// @notice Where responses land.
    IResponseRegistry public immutable responses;
    /// @notice The policy registry.
    IPolicyRegistry public immutable policyRegistry;
    address private immutable _dataRegistry;
    address private immutable _clientRegistry;
    address private immutable _policyDeployer;

    constructor(address initialOwner, address responseRegistry) Ownable(initialOwner) {
        responses = IResponseRegistry(responseRegistry);
        policyRegistry = IPolicyRegistry(responses.policyRegistry());
        _dataRegistry = policyRegistry.dataRegistry();
        _clientRegistry = responses.clientRegistry();
        _policyDeployer = policyRegistry.policyDeployer();
    }

    /// @inheritdoc IPolicyGuard
    function execute(
        PolicyTaskResponse calldata response,
        bytes32 certificateHash,
        Intent calldata intent
    ) public payable virtual returns (bytes memory result) {
        require(intent.from == msg.sender, NotIntentSender(intent.from, msg.sender));
        _requireTarget(intent.to);
        // A call with data to nobody succeeds and does nothing.
        require(intent.data.length == 0 || intent.to.code.length != 0, NoCode(intent.to));
        responses.consume(response, certificateHash, intent);
        bytes32 taskId = response.taskId;
        if (msg.value != 0) _receiveValue(msg.value);
        _beforeExecute(taskId, intent);
        bool ok;
        (ok, result) = intent.to.call{value: intent.value}(intent.data);
        if (!ok) _bubble(result);
        emit IntentExecuted(taskId, intent.from, intent.to, intent.value);
    }

    /// @dev Called with ether that came with the sender's call, before {_beforeExecute}: the place to
    /// book it. A client that keeps no books refuses it, as nobody could ever get it back.
    function _receiveValue(uint256 value) internal virtual {
        revert ValueNotBooked(value);
    }

    /// @dev Called after the response is consumed and before the call is made: the place for
    /// balances and limits of the client's own.
    function _beforeExecute(bytes32 taskId, Intent calldata intent) internal virtual {}

    /// @notice Takes over what was offered by `transferOwnership`. Where the guard is registered, its
    /// record names the new owner first: whoever owns the record moves the guard's policy.
    function acceptOwnership() public virtual override {
        super.acceptOwnership();
        _requireRecordOf(owner());
    }

    /// @notice Leaves a guard without an owner, which only one that is not registered can be.
    function renounceOwnership() public virtual override {
        super.renounceOwnership();
        _requireRecordOf(address(0));
    }

    function _requireRecordOf(address newOwner) private view {
        try IPolicyClientRegistry(_clientRegistry).getClientRecord(address(this)) returns (
            IPolicyClientRegistry.ClientRecord memory record
        ) {
            require(
                record.registeredAt == 0 || record.owner == newOwner,
                RecordNotMoved(record.owner, newOwner)
            );
        } catch (bytes memory reason) {
            // Nothing but the registry's own word that there is no record counts as that.
            if (bytes4(reason) != IPolicyClientRegistry.ClientNotRegistered.selector) {
                _bubble(reason);
            }
        }
    }

    function _requireTarget(address target) private view {
        bool forbidden = target == address(0) || target == address(this)
            || target == address(responses) || target == address(policyRegistry)
            || target == _dataRegistry || target == _clientRegistry || target == _policyDeployer;
        require(!forbidden, ForbiddenTarget(target));
    }

    function _bubble(bytes memory reason) private pure {
        require(reason.length != 0, CallFailed());
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    /// @inheritdoc INewtonPolicyClient
    function getPolicyId() external view returns (bytes32) {
        return policyRegistry.currentInstance(address(this));
    }

    /// @inheritdoc INewtonPolicyClient
    function getPolicyAddress() external view returns (address) {
        return address(policyRegistry);
    }

    /// @inheritdoc INewtonPolicyClient
    function getNewtonPolicyTaskManager() external view returns (address) {
        return address(responses);
    }

    /// @inheritdoc INewtonPolicyClient
    function getOwner() external view returns (address) {
        return owner();
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view virtual returns (bool) {
        return interfaceId == type(IERC165).interfaceId
            || interfaceId == type(INewtonPolicyClient).interfaceId
            || interfaceId == type(IPolicyGuard).interfaceId;
    }
}
