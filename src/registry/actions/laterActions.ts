/**
 * Actions that few pages call. `policyActions` knows their names and loads them with the first call, so
 * that a page of a dApp does not download what operators and owners of a network use.
 */
import { ActionNotLoadedError } from '../chain/errors.js'

type Calls = typeof import('./laterCalls.js')
type Name = keyof Calls & string
type Action = (client: unknown, parameters: object) => Promise<unknown>

// Each comes as `x`, `xSync`, `simulateX` and `dryRunX`.
const writes = [
  'acceptGuard',
  'acceptResponse',
  'activateEnclaveVersion',
  'anchorCheckpoint',
  'announceCommit',
  'announceCommitCopy',
  'cancelUpgrade',
  'cancelVerifier',
  'challengeAttestationDigest',
  'commitStateRoot',
  'deprecateEnclaveVersion',
  'executeUpgrade',
  'injectSealedSnapshot',
  'offerGuard',
  'publishOperatorTable',
  'registerOperatorKey',
  'registerOperatorKeyFor',
  'scheduleUpgrade',
  'scheduleVerdictSource',
  'scheduleVerifier',
  'setAcceptSuperseded',
  'setBuildInfoManager',
  'setEnclaveRequired',
  'setInstanceDeployer',
  'setInstanceDeploymentPermissionless',
  'setMaxStaleness',
  'setMinQuorumBps',
  'setQuorumBps',
  'setSnapshotSigners',
  'setTaskGenerator',
  'setTemplateAuthor',
  'setTemplateRegistrationPermissionless',
  'setUpgradeDelay',
  'slashForRelayedVerdict',
  'submitBuildInfo',
  'submitClaim',
  'suspendVerifier',
  'syncEnclaveVersion',
] as const satisfies readonly Name[]

const others = [
  'challengeInvalidTeeAttestation',
  'challengeInvalidTeeAttestationSync',
  'challengePolicyResult',
  'challengePolicyResultSync',
  'handOverGuardSync',
  'importNewtonPolicy',
  'signOperatorKey',
  'simulateChallengeInvalidTeeAttestation',
  'simulateChallengePolicyResult',
] as const satisfies readonly Name[]

const formsOf = (name: (typeof writes)[number]): readonly Name[] => {
  const capital = `${name.slice(0, 1).toUpperCase()}${name.slice(1)}` as Capitalize<typeof name>
  return [name, `${name}Sync`, `simulate${capital}`, `dryRun${capital}`]
}

const actionOf =
  (name: Name): Action =>
  async (client, parameters) => {
    const calls = await import('./laterCalls.js').catch((cause: unknown) => {
      throw new ActionNotLoadedError({ action: name }, { cause: cause as Error })
    })
    return (calls as unknown as Record<Name, Action>)[name](client, parameters)
  }

/** Each of them by its name. */
export const laterActions: Readonly<Record<string, Action>> = Object.fromEntries(
  [...writes.flatMap(formsOf), ...others].map((name) => [name, actionOf(name)]),
)
