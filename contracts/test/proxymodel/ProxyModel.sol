// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {
    TransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {INewtonPolicyClient} from "../../src/interfaces/INewtonPolicyClient.sol";

/// @notice The proxy-per-policy model, written from the current protocol's public interface: what
/// the registries are measured against, and what the importer is tested with.
/// @dev Leaner than the deployed one where in doubt: no version gates, no legacy slots. With plain
/// ERC-1967 proxies numbers are a lower bound; with transparent proxies, of which today's library
/// gives each an admin contract of its own, an upper one: the deployed factory shares the admin.
struct PolicyConfig {
    bytes policyParams;
    uint32 expireAfter;
}

struct PolicyInfo {
    address policyAddress;
    address owner;
    string metadataCid;
    string policyCid;
    string schemaCid;
    string entrypoint;
    address[] policyData;
    bytes32 policyCodeHash;
}

struct PolicyDataInfo {
    address policyDataAddress;
    address owner;
    string metadataCid;
    string wasmCid;
    string secretsSchemaCid;
    uint32 expireAfter;
}

struct SetPolicyInfo {
    bytes32 policyId;
    address policyAddress;
    address owner;
    string policyCid;
    string schemaCid;
    string entrypoint;
    PolicyConfig policyConfig;
    address[] policyData;
    bytes32 policyCodeHash;
    string version;
}

/// @notice A policy: a contract of its own for each deployment.
contract ProxyModelPolicy {
    error AlreadyInitialized();

    event PolicySet(address indexed client, bytes32 indexed policyId, SetPolicyInfo policy);

    address public factory;
    address public owner;
    bytes32 private _policyCodeHash;
    string private _metadataCid;
    string private _policyCid;
    string private _schemaCid;
    string private _entrypoint;
    address[] private _policyData;
    mapping(bytes32 policyId => PolicyConfig) private _configs;
    mapping(address client => bytes32) public clientToPolicyId;

    function initialize(address factory_, PolicyInfo calldata info) external {
        require(factory == address(0), AlreadyInitialized());
        factory = factory_;
        owner = info.owner;
        _metadataCid = info.metadataCid;
        _policyCid = info.policyCid;
        _schemaCid = info.schemaCid;
        _entrypoint = info.entrypoint;
        _policyData = info.policyData;
        _policyCodeHash = info.policyCodeHash;
    }

    function setPolicy(PolicyConfig calldata config) external returns (bytes32 policyId) {
        policyId = keccak256(
            abi.encode(
                msg.sender,
                address(this),
                owner,
                _policyCid,
                _schemaCid,
                _entrypoint,
                config,
                _policyData,
                block.timestamp,
                version()
            )
        );
        _configs[policyId] = config;
        clientToPolicyId[msg.sender] = policyId;
        emit PolicySet(
            msg.sender,
            policyId,
            SetPolicyInfo(
                policyId,
                address(this),
                owner,
                _policyCid,
                _schemaCid,
                _entrypoint,
                config,
                _policyData,
                _policyCodeHash,
                version()
            )
        );
    }

    function getMetadataCid() external view returns (string memory) {
        return _metadataCid;
    }

    function getPolicyId(address client) external view returns (bytes32) {
        return clientToPolicyId[client];
    }

    function getEntrypoint() external view returns (string memory) {
        return _entrypoint;
    }

    function getSchemaCid() external view returns (string memory) {
        return _schemaCid;
    }

    function getPolicyCid() external view returns (string memory) {
        return _policyCid;
    }

    function getPolicyCodeHash() external view returns (bytes32) {
        return _policyCodeHash;
    }

    function getPolicyConfig(bytes32 policyId) external view returns (PolicyConfig memory) {
        return _configs[policyId];
    }

    function getPolicyData() external view returns (address[] memory) {
        return _policyData;
    }

    function isPolicyVerified() external pure returns (bool) {
        return true;
    }

    function version() public pure returns (string memory) {
        return "0.5.0";
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x9d541eba;
    }
}

/// @notice A data plugin: a contract of its own for each deployment.
contract ProxyModelPolicyData {
    error AlreadyInitialized();

    address public factory;
    address public owner;
    uint32 private _expireAfter;
    string private _metadataCid;
    string private _wasmCid;
    string private _secretsSchemaCid;

    function initialize(address factory_, PolicyDataInfo calldata info) external {
        require(factory == address(0), AlreadyInitialized());
        factory = factory_;
        owner = info.owner;
        _metadataCid = info.metadataCid;
        _wasmCid = info.wasmCid;
        _secretsSchemaCid = info.secretsSchemaCid;
        _expireAfter = info.expireAfter;
    }

    function getMetadataCid() external view returns (string memory) {
        return _metadataCid;
    }

    function getWasmCid() external view returns (string memory) {
        return _wasmCid;
    }

    function getSecretsSchemaCid() external view returns (string memory) {
        return _secretsSchemaCid;
    }

    function getExpireAfter() external view returns (uint32) {
        return _expireAfter;
    }

    function isPolicyDataVerified() external pure returns (bool) {
        return true;
    }

    function version() external pure returns (string memory) {
        return "0.5.0";
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0xa46d130c;
    }
}

/// @notice Deploys both kinds and lists them by owner.
contract ProxyModelFactory {
    event PolicyDeployed(address policy, PolicyInfo info, string implementationVersion);
    event PolicyDataDeployed(address policyData, PolicyDataInfo info, string implementationVersion);

    address private immutable _policy = address(new ProxyModelPolicy());
    address private immutable _policyData = address(new ProxyModelPolicyData());
    mapping(address owner => address[]) private _policies;
    mapping(address owner => address[]) private _datas;
    address[] private _owners;
    mapping(address owner => bool) private _known;
    bool private immutable _transparent;

    constructor(bool transparent) {
        _transparent = transparent;
    }

    function deployPolicy(
        string calldata entrypoint,
        string calldata policyCid,
        string calldata schemaCid,
        address[] calldata policyData,
        string calldata metadataCid,
        address owner,
        bytes32 policyCodeHash
    ) external returns (address policy) {
        bytes32 salt = keccak256(
            abi.encodePacked(
                address(this),
                entrypoint,
                policyCid,
                schemaCid,
                policyData,
                metadataCid,
                owner,
                policyCodeHash
            )
        );
        PolicyInfo memory info = PolicyInfo(
            address(0),
            owner,
            metadataCid,
            policyCid,
            schemaCid,
            entrypoint,
            policyData,
            policyCodeHash
        );
        policy = _proxy(
            salt, _policy, abi.encodeCall(ProxyModelPolicy.initialize, (address(this), info))
        );
        info.policyAddress = policy;
        _policies[owner].push(policy);
        _note(owner);
        emit PolicyDeployed(policy, info, "0.5.0");
    }

    function deployPolicyData(
        string calldata wasmCid,
        string calldata secretsSchemaCid,
        uint32 expireAfter,
        string calldata metadataCid,
        address owner
    ) external returns (address policyData) {
        bytes32 salt = keccak256(
            abi.encodePacked(
                address(this), wasmCid, secretsSchemaCid, expireAfter, metadataCid, owner
            )
        );
        PolicyDataInfo memory info =
            PolicyDataInfo(address(0), owner, metadataCid, wasmCid, secretsSchemaCid, expireAfter);
        policyData = _proxy(
            salt,
            _policyData,
            abi.encodeCall(ProxyModelPolicyData.initialize, (address(this), info))
        );
        info.policyDataAddress = policyData;
        _datas[owner].push(policyData);
        _note(owner);
        emit PolicyDataDeployed(policyData, info, "0.5.0");
    }

    function getAllPoliciesByOwner(address owner) external view returns (address[] memory) {
        return _policies[owner];
    }

    function _proxy(bytes32 salt, address implementation, bytes memory data)
        private
        returns (address)
    {
        return _transparent
            ? address(
                new TransparentUpgradeableProxy{salt: salt}(implementation, address(this), data)
            )
            : address(new ERC1967Proxy{salt: salt}(implementation, data));
    }

    function _note(address owner) private {
        if (_known[owner]) return;
        _known[owner] = true;
        _owners.push(owner);
    }
}

/// @notice A policy client of the proxy model.
contract ProxyModelClient is INewtonPolicyClient {
    event PolicyAddressUpdated(address policyAddress);
    event PolicyIdUpdated(bytes32 policyId);

    address public getOwner;
    address public getPolicyAddress;
    bytes32 public getPolicyId;

    constructor(address owner) {
        getOwner = owner;
    }

    function setPolicyAddress(address policy) external {
        getPolicyAddress = policy;
        emit PolicyAddressUpdated(policy);
    }

    function setPolicy(PolicyConfig calldata config) external returns (bytes32) {
        getPolicyId = ProxyModelPolicy(getPolicyAddress).setPolicy(config);
        emit PolicyIdUpdated(getPolicyId);
        return getPolicyId;
    }

    function getNewtonPolicyTaskManager() external pure returns (address) {
        return address(0);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == type(INewtonPolicyClient).interfaceId;
    }
}
