// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @notice A data template to register where it is missing.
/// @param wasmHash The plugin.
/// @param paramsSchemaHash Schema of its params, or `ARTIFACT_ABSENT`.
/// @param secretsSchemaHash Schema of its secrets, or `ARTIFACT_ABSENT`.
/// @param locators Where the three artifacts can be found; told only where this registers them.
struct DataTemplateSpec {
    bytes32 wasmHash;
    bytes32 paramsSchemaHash;
    bytes32 secretsSchemaHash;
    bytes[3] locators;
}

/// @notice A policy template to register where it is missing.
/// @param regoHash The Rego module.
/// @param paramsSchemaHash Schema of the policy's params, or `ARTIFACT_ABSENT`.
/// @param refs Ids of data templates, strictly ascending.
/// @param locators Where the two artifacts can be found; told only where this registers them.
struct PolicyTemplateSpec {
    bytes32 regoHash;
    bytes32 paramsSchemaHash;
    bytes32[] refs;
    bytes[2] locators;
}

/// @notice An instance to deploy where it is missing, and the slot it goes into.
/// @param templateId Its template.
/// @param params Canonical JSON bytes, or none.
/// @param expireAfter Blocks a result stays valid.
/// @param replaces What the slot holds before, zero where it is empty: anything else there means
/// that somebody moved it since the deployment was written.
struct InstanceSpec {
    bytes32 templateId;
    bytes params;
    uint64 expireAfter;
    bytes32 replaces;
}

/// @notice A client's policy, whole.
/// @param client The policy client.
/// @param dataTemplates Data templates that may be missing.
/// @param dataInstances Instances for the client's data slots, before its policy slot moves.
/// @param policyTemplates Policy templates that may be missing.
/// @param policyInstance The instance for the client's policy slot.
struct PolicyDeployment {
    address client;
    DataTemplateSpec[] dataTemplates;
    InstanceSpec[] dataInstances;
    PolicyTemplateSpec[] policyTemplates;
    InstanceSpec policyInstance;
}

/// @notice What a client's owner signed so that somebody else may send a deployment.
/// @param sponsor Who may send it; zero is anyone.
/// @param nonce Any number that the owner has neither used nor cancelled, in any order.
/// @param deadline Last second of validity, Unix time.
/// @param signature The owner's, over {IPolicyDeployer.deploymentDigest}; EIP-1271 too.
struct DeploymentAuthorization {
    address sponsor;
    uint256 nonce;
    uint256 deadline;
    bytes signature;
}

/// @title IPolicyDeployer
/// @notice Sets a client's policy up in one transaction, all of it or nothing: registers the
/// templates that are missing, deploys the instances, moves the slots. The registries judge and
/// record everything for the account it acts for, which is its caller or the client's owner who
/// signed; of its own it may do nothing.
interface IPolicyDeployer {
    /// @notice The signature's time is over.
    /// @param deadline Its last second.
    error DeploymentExpired(uint256 deadline);
    /// @notice The owner named another sponsor.
    /// @param sponsor Who was named.
    /// @param caller The sender.
    error NotSponsor(address sponsor, address caller);
    /// @notice The nonce was used or cancelled.
    /// @param signer The client's owner.
    /// @param nonce The number.
    error DeploymentNonceUsed(address signer, uint256 nonce);
    /// @notice The deployment is not encoded as it has to be: its lists lie outside of it.
    error MalformedDeployment();
    /// @notice The signature is not that of the client's owner over this deployment.
    /// @param signer The client's owner, now.
    error InvalidDeploymentSignature(address signer);

    /// @notice A client's policy was deployed.
    /// @param client The client.
    /// @param account For whom: the caller, or the owner who signed.
    /// @param policyInstanceId What the policy slot holds now.
    /// @param policyDataInstanceIds What the data slots of the deployment hold now.
    event PolicyDeployed(
        address indexed client,
        address indexed account,
        bytes32 indexed policyInstanceId,
        bytes32[] policyDataInstanceIds
    );
    /// @notice A nonce was cancelled.
    /// @param signer Whose.
    /// @param nonce The number.
    event DeploymentCancelled(address indexed signer, uint256 nonce);

    /// @notice Deploys for the caller: the client's owner, or the client itself.
    /// @param deployment The client's policy.
    /// @return policyInstanceId What the policy slot holds now.
    /// @return policyDataInstanceIds What the data slots of the deployment hold now.
    function deploy(PolicyDeployment calldata deployment)
        external
        returns (bytes32 policyInstanceId, bytes32[] memory policyDataInstanceIds);

    /// @notice Deploys for the client's owner, who signed it.
    /// @param deployment The client's policy.
    /// @param authorization What the owner signed.
    /// @return policyInstanceId What the policy slot holds now.
    /// @return policyDataInstanceIds What the data slots of the deployment hold now.
    function deploySigned(
        PolicyDeployment calldata deployment,
        DeploymentAuthorization calldata authorization
    ) external returns (bytes32 policyInstanceId, bytes32[] memory policyDataInstanceIds);

    /// @notice Makes a nonce of the caller useless.
    /// @param nonce The number.
    function cancel(uint256 nonce) external;

    /// @notice Whether a nonce was used or cancelled.
    /// @param signer Whose.
    /// @param nonce The number.
    function isNonceUsed(address signer, uint256 nonce) external view returns (bool);

    /// @notice `keccak256(abi.encode(deployment))`.
    /// @param deployment The client's policy.
    function contentHash(PolicyDeployment calldata deployment) external pure returns (bytes32);

    /// @notice What the owner signs: the EIP-712 hash of `DeployPolicy(address client,bytes32
    /// contentHash,address sponsor,uint256 nonce,uint256 deadline)` in the domain
    /// `NewtonPolicyDeployer`, version 1, this chain, this contract.
    /// @param deployment The client's policy.
    /// @param sponsor Who may send it; zero is anyone.
    /// @param nonce Any unused number.
    /// @param deadline Last second of validity.
    function deploymentDigest(
        PolicyDeployment calldata deployment,
        address sponsor,
        uint256 nonce,
        uint256 deadline
    ) external view returns (bytes32);

    /// @notice The registry of policies that names this contract.
    function policyRegistry() external view returns (address);

    /// @notice The registry of policy data that names this contract.
    function policyDataRegistry() external view returns (address);

    /// @notice The registry of clients that both registries use.
    function clientRegistry() external view returns (address);
}
