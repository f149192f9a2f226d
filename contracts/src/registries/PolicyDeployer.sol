// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IPolicyClientRegistry} from "../interfaces/IPolicyClientRegistry.sol";
import {IPolicyDataRegistry} from "../interfaces/IPolicyDataRegistry.sol";
import {
    DeploymentAuthorization,
    IPolicyDeployer,
    PolicyDeployment
} from "../interfaces/IPolicyDeployer.sol";
import {IPolicyRegistry} from "../interfaces/IPolicyRegistry.sol";

/// @title PolicyDeployer
/// @notice A client's policy in one transaction. Not upgradeable, without an owner: whom it acts
/// for is decided in {deploy} and {deploySigned} and nowhere else.
/// @dev The registries are created after this contract and check at their initialization that it
/// names them; a wrong address given here makes a deployer that no registry accepts.
contract PolicyDeployer is IPolicyDeployer, EIP712 {
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
        return _deployAs(msg.sender, deployment);
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
        bytes32 digest = deploymentDigest(
            deployment, authorization.sponsor, authorization.nonce, authorization.deadline
        );
        require(
            SignatureChecker.isValidSignatureNowCalldata(signer, digest, authorization.signature),
            InvalidDeploymentSignature(signer)
        );
        return _deployAs(signer, deployment);
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
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    DEPLOY_POLICY_TYPEHASH,
                    deployment.client,
                    contentHash(deployment),
                    sponsor,
                    nonce,
                    deadline
                )
            )
        );
    }

    /// @inheritdoc IPolicyDeployer
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev The only caller of the registries. `account` is the sender or the owner who signed.
    function _deployAs(address account, PolicyDeployment calldata deployment)
        private
        returns (bytes32 policyInstanceId, bytes32[] memory policyDataInstanceIds)
    {
        address client = deployment.client;
        if (deployment.dataTemplates.length + deployment.dataInstances.length != 0) {
            policyDataInstanceIds = IPolicyDataRegistry(policyDataRegistry)
                .deployAs(account, client, deployment.dataTemplates, deployment.dataInstances);
        }
        policyInstanceId = IPolicyRegistry(policyRegistry)
            .deployAs(account, client, deployment.policyTemplates, deployment.policyInstance);
        emit PolicyDeployed(client, account, policyInstanceId, policyDataInstanceIds);
    }

    function _useNonce(address signer, uint256 nonce) private {
        uint256 bit = 1 << (nonce & 0xff);
        uint256 bits = _nonces[signer][nonce >> 8];
        require(bits & bit == 0, DeploymentNonceUsed(signer, nonce));
        _nonces[signer][nonce >> 8] = bits | bit;
    }
}
