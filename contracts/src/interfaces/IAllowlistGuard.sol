// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.27;

/// @title IAllowlistGuard
/// @notice Two independent gates in front of a registry: who may register templates, and who may
/// deploy instances. Each is open to all, or to the members of a list.
interface IAllowlistGuard {
    /// @notice The sender may not register templates.
    /// @param author The sender.
    error UnauthorizedTemplateAuthor(address author);
    /// @notice The sender may not deploy instances.
    /// @param deployer The sender.
    error UnauthorizedInstanceDeployer(address deployer);

    /// @notice The gate of template registration was opened to all or closed to its list.
    /// @param permissionless Whether anyone may register templates now.
    event TemplateRegistrationPermissionChanged(bool permissionless);
    /// @notice The gate of instance deployment was opened to all or closed to its list.
    /// @param permissionless Whether anyone may deploy instances now.
    event InstanceDeploymentPermissionChanged(bool permissionless);
    /// @notice An account was put on the list of template authors or taken off.
    /// @param author The account.
    /// @param allowed Whether it is on the list now.
    event TemplateAuthorSet(address indexed author, bool allowed);
    /// @notice An account was put on the list of instance deployers or taken off.
    /// @param deployer The account.
    /// @param allowed Whether it is on the list now.
    event InstanceDeployerSet(address indexed deployer, bool allowed);

    /// @notice Opens template registration to all, or closes it to the list. Owner only.
    /// @param permissionless Whether anyone may register templates.
    function setTemplateRegistrationPermissionless(bool permissionless) external;

    /// @notice Opens instance deployment to all, or closes it to the list. Owner only.
    /// @param permissionless Whether anyone may deploy instances.
    function setInstanceDeploymentPermissionless(bool permissionless) external;

    /// @notice Puts an account on the list of template authors, or takes it off. Owner only.
    /// @param author The account.
    /// @param allowed Whether it shall be on the list.
    function setTemplateAuthor(address author, bool allowed) external;

    /// @notice Puts an account on the list of instance deployers, or takes it off. Owner only.
    /// @param deployer The account.
    /// @param allowed Whether it shall be on the list.
    function setInstanceDeployer(address deployer, bool allowed) external;

    /// @notice Whether anyone may register templates.
    function templateRegistrationPermissionless() external view returns (bool);

    /// @notice Whether anyone may deploy instances.
    function instanceDeploymentPermissionless() external view returns (bool);

    /// @notice Whether an account is on the list of template authors.
    /// @param author The account.
    function templateAuthors(address author) external view returns (bool);

    /// @notice Whether an account is on the list of instance deployers.
    /// @param deployer The account.
    function instanceDeployers(address deployer) external view returns (bool);
}
