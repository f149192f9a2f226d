// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IPolicyClientRegistry} from "../interfaces/IPolicyClientRegistry.sol";
import {IPolicyDataRegistry} from "../interfaces/IPolicyDataRegistry.sol";
import {
    DeploymentAuthorization,
    IPolicyDeployer,
    PolicyDeployment
} from "../interfaces/IPolicyDeployer.sol";
import {IPolicyRegistry} from "../interfaces/IPolicyRegistry.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {FixedContract} from "../upgrade/FixedContract.sol";

/// @title PolicyDeployer
/// @notice A client's policy in one transaction. Not upgradeable, without an owner: whom it acts
/// for is decided in {deploy} and {deploySigned} and nowhere else.
/// @dev The registries are created after this contract and check at their initialization that it
/// names them; a wrong address given here makes a deployer that no registry accepts.
contract PolicyDeployer is FixedContract, IPolicyDeployer, EIP712 {
    bytes32 private constant DEPLOY_POLICY_TYPEHASH = keccak256(
        "DeployPolicy(address client,bytes32 contentHash,address sponsor,uint256 nonce,uint256 deadline)"
    );

    /// @inheritdoc IPolicyDeployer
    address public immutable clientRegistry;
    /// @inheritdoc IPolicyDeployer
    address public immutable policyDataRegistry;
    /// @inheritdoc IPolicyDeployer
    address public immutable policyRegistry;

    /// @dev One bit a nonce.
    mapping(address signer => mapping(uint256 word => uint256 bits)) private _nonces;

    /// @param clientRegistry_ The registry of clients that both registries use.
    /// @param policyDataRegistry_ The registry of policy data, at the address it will have.
    /// @param policyRegistry_ The registry of policies, at the address it will have.
    constructor(address clientRegistry_, address policyDataRegistry_, address policyRegistry_)
        EIP712("NewtonPolicyDeployer", "1")
    {
        clientRegistry = clientRegistry_;
        policyDataRegistry = policyDataRegistry_;
        policyRegistry = policyRegistry_;
    }

    /// @inheritdoc IPolicyDeployer
    function deploy(PolicyDeployment calldata deployment)
        external
        returns (bytes32 policyInstanceId, bytes32[] memory policyDataInstanceIds)
    {
        bytes calldata encoded;
        assembly ("memory-safe") {
            encoded.offset := deployment
            encoded.length := sub(calldatasize(), deployment)
        }
        return _deployAs(msg.sender, deployment, encoded);
    }

    /// @inheritdoc IPolicyDeployer
    function deploySigned(
        PolicyDeployment calldata deployment,
        DeploymentAuthorization calldata authorization
    ) external returns (bytes32 policyInstanceId, bytes32[] memory policyDataInstanceIds) {
        require(
            block.timestamp <= authorization.deadline, DeploymentExpired(authorization.deadline)
        );
        require(
            authorization.sponsor == address(0) || authorization.sponsor == msg.sender,
            NotSponsor(authorization.sponsor, msg.sender)
        );
        address signer =
            IPolicyClientRegistry(clientRegistry).getClientRecord(deployment.client).owner;
        _useNonce(signer, authorization.nonce);
        // The bytes between the two arguments are hashed as they are and handed on as they are: what
        // the owner signed is the one encoding of the deployment, so that nobody reads other bytes.
        bytes calldata encoded;
        assembly ("memory-safe") {
            encoded.offset := deployment
            encoded.length := mul(gt(authorization, deployment), sub(authorization, deployment))
        }
        bytes32 digest = _digest(
            deployment.client,
            keccak256(abi.encodePacked(uint256(0x20), encoded)),
            authorization.sponsor,
            authorization.nonce,
            authorization.deadline
        );
        require(
            Signatures.isSignedBy(signer, digest, authorization.signature),
            InvalidDeploymentSignature(signer)
        );
        return _deployAs(signer, deployment, encoded);
    }

    /// @inheritdoc IPolicyDeployer
    function cancel(uint256 nonce) external {
        _useNonce(msg.sender, nonce);
        emit DeploymentCancelled(msg.sender, nonce);
    }

    /// @inheritdoc IPolicyDeployer
    function isNonceUsed(address signer, uint256 nonce) external view returns (bool) {
        return _nonces[signer][nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }

    /// @inheritdoc IPolicyDeployer
    function contentHash(PolicyDeployment calldata deployment) public pure returns (bytes32) {
        return keccak256(abi.encode(deployment));
    }

    /// @inheritdoc IPolicyDeployer
    function deploymentDigest(
        PolicyDeployment calldata deployment,
        address sponsor,
        uint256 nonce,
        uint256 deadline
    ) public view returns (bytes32) {
        return _digest(deployment.client, contentHash(deployment), sponsor, nonce, deadline);
    }

    function _digest(
        address client,
        bytes32 content,
        address sponsor,
        uint256 nonce,
        uint256 deadline
    ) private view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(DEPLOY_POLICY_TYPEHASH, client, content, sponsor, nonce, deadline)
            )
        );
    }

    /// @dev The only caller of the registries. `account` is the sender or the owner who signed,
    /// `encoded` the bytes from the deployment's first on.
    function _deployAs(
        address account,
        PolicyDeployment calldata deployment,
        bytes calldata encoded
    ) private returns (bytes32 policyInstanceId, bytes32[] memory policyDataInstanceIds) {
        _checkLists(encoded);
        if (deployment.dataTemplates.length + deployment.dataInstances.length != 0) {
            bytes memory ids = _forward(
                policyDataRegistry, IPolicyDataRegistry.deployAs.selector, account, encoded
            );
            policyDataInstanceIds = abi.decode(ids, (bytes32[]));
        }
        bytes memory id =
            _forward(policyRegistry, IPolicyRegistry.deployAs.selector, account, encoded);
        policyInstanceId = abi.decode(id, (bytes32));
        emit PolicyDeployed(deployment.client, account, policyInstanceId, policyDataInstanceIds);
    }

    /// @dev Offsets may be anything, negative too: with the two lists of the data plugins inside of
    /// what is handed on, the registries find them as long as they are here.
    function _checkLists(bytes calldata encoded) private pure {
        bool inside;
        assembly ("memory-safe") {
            let templates := calldataload(add(encoded.offset, 0x20))
            let instances := calldataload(add(encoded.offset, 0x40))
            inside := and(lt(templates, encoded.length), lt(instances, encoded.length))
        }
        require(inside, MalformedDeployment());
    }

    /// @dev `deployAs(account, clientRegistry, deployment)` with the deployment as it was encoded:
    /// taking it apart and putting it together again would cost as much as a slot.
    function _forward(
        address registry,
        bytes4 selector,
        address account,
        bytes calldata encoded
    ) private returns (bytes memory answer) {
        bool ok;
        (ok, answer) = registry.call(
            abi.encodePacked(
                abi.encodeWithSelector(selector, account, clientRegistry, uint256(0x60)), encoded
            )
        );
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }

    function _identity() internal pure override returns (string memory, bytes4) {
        return ("PolicyDeployer", type(IPolicyDeployer).interfaceId);
    }

    function _useNonce(address signer, uint256 nonce) private {
        mapping(uint256 word => uint256 bits) storage nonces = _nonces[signer];
        uint256 bit = 1 << (nonce & 0xff);
        uint256 bits = nonces[nonce >> 8];
        require(bits & bit == 0, DeploymentNonceUsed(signer, nonce));
        nonces[nonce >> 8] = bits | bit;
    }
}
