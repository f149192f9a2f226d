/** Checks before signing that only the client side can make: bytes, schemas, sealed secrets. */
import type { Address, Hex } from 'viem'
import {
  ARTIFACT_ABSENT,
  type ArtifactNamespace,
  computeArtifactHash,
  namespaces,
} from '../../core/artifact.js'
import { canonicalJson } from '../../core/canonicalJson.js'
import type { DaLocator } from '../../core/locator.js'
import { decodeParams } from '../../core/params.js'
import { fromUtf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { failed, type PreflightCheck, passed, warning } from '../chain/preflightCheck.js'
import type { OffchainChecks, SecretsStatus } from '../rows/offchain.js'

/** An artifact that has to be retrievable. */
export type RequiredArtifact = {
  hash: Hex
  namespace: ArtifactNamespace
  locator?: DaLocator | undefined
}

const names: Readonly<Record<ArtifactNamespace, string>> = {
  [namespaces.rego]: 'Rego',
  [namespaces.policyParamsSchema]: 'policy params schema',
  [namespaces.wasm]: 'WASM plugin',
  [namespaces.policyDataParamsSchema]: 'policy-data params schema',
  [namespaces.secretsSchema]: 'secrets schema',
}

/** Fetches every artifact that is not absent and checks its hash. */
export async function checkArtifacts(
  artifacts: readonly RequiredArtifact[],
  { checks, options }: { checks: OffchainChecks; options: IoOptions },
): Promise<PreflightCheck[]> {
  const wanted = artifacts.filter(({ hash }) => hash.toLowerCase() !== ARTIFACT_ABSENT)
  return Promise.all(
    wanted.map(async ({ hash, namespace, locator }) => {
      const rule = 'ArtifactAvailable'
      const what = `the ${names[namespace]} ${hash}`
      const { artifacts: source } = checks
      if (source === undefined) {
        return warning(
          rule,
          `${what} was not looked for`,
          'Pass `checks.artifacts` to have it fetched.',
        )
      }
      try {
        const locators = locator === undefined ? undefined : [locator]
        const bytes = await source.getArtifact({ hash, namespace, locators }, options)
        // The source promises it; a check that trusts its own input would be none.
        if (computeArtifactHash(bytes) !== hash.toLowerCase()) {
          return failed(rule, `${what} came with other bytes`, 'Use another source.')
        }
        return passed(rule, `${what}, ${bytes.length} bytes`)
      } catch (error) {
        options.signal?.throwIfAborted()
        return failed(
          rule,
          `${what} cannot be had: ${error instanceof Error ? error.message.split('\n')[0] : 'unknown'}`,
          'Publish it first: operators could not evaluate.',
        )
      }
    }),
  )
}

/** Validates params against the template's schema, fetched from DA. */
export async function checkParams(
  parameters: { params: Uint8Array; schemaHash: Hex; namespace: ArtifactNamespace },
  { checks, options }: { checks: OffchainChecks; options: IoOptions },
): Promise<PreflightCheck> {
  const { params, schemaHash, namespace } = parameters
  const rule = 'ParamsMatchSchema'
  if (schemaHash.toLowerCase() === ARTIFACT_ABSENT) return passed(rule, 'there is no schema')
  const { artifacts, schemas } = checks
  if (artifacts === undefined || schemas === undefined) {
    return warning(
      rule,
      'the params were not validated',
      'Pass `checks.artifacts` and `checks.schemas` to have them validated.',
    )
  }
  let schemaJson: string
  try {
    schemaJson = fromUtf8(
      await artifacts.getArtifact({ hash: schemaHash, namespace }, options),
      'schema',
    )
  } catch {
    options.signal?.throwIfAborted()
    return failed(rule, `the schema ${schemaHash} cannot be had`, 'Publish it first.')
  }
  const verdict = await schemas.validate({
    schemaJson,
    valueJson: canonicalJson(decodeParams(params)),
  })
  if (verdict.status === 'valid') return passed(rule, 'the params match the schema')
  const issues = verdict.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path === '' ? '/' : path} ${message}`)
    .join('; ')
  return verdict.status === 'invalid'
    ? failed(rule, issues, 'Change the params.')
    : failed(rule, `the schema itself is refused: ${issues}`, 'The template cannot be used.')
}

/** Whether instances of a template need secrets; a policy template has no such schema. */
export function hasSecrets(template: unknown): boolean {
  const { secretsSchemaHash } = template as { secretsSchemaHash?: Hex | undefined }
  return secretsSchemaHash !== undefined && secretsSchemaHash.toLowerCase() !== ARTIFACT_ABSENT
}

/** Whether an instance's sealed secrets are there. Unknown is a warning. */
export async function checkSecrets(
  parameters: { client: Address; policyDataInstanceId: Hex; required: boolean },
  { checks, options }: { checks: OffchainChecks; options: IoOptions },
): Promise<PreflightCheck> {
  const { client, policyDataInstanceId, required } = parameters
  const rule = 'SecretsPresent'
  const upload = 'Seal and upload the secrets of this instance.'
  let status: SecretsStatus = 'unknown'
  try {
    status =
      (await checks.secrets?.getSecretsStatus({ client, policyDataInstanceId }, options)) ??
      'unknown'
  } catch {
    options.signal?.throwIfAborted()
  }
  if (status === 'present') return passed(rule, `secrets of ${policyDataInstanceId} are committed`)
  if (status === 'missing') {
    const detail = `no secrets of ${policyDataInstanceId} are committed`
    return required ? failed(rule, detail, upload) : warning(rule, detail, upload)
  }
  return warning(rule, `secrets of ${policyDataInstanceId} are not known of`, upload)
}
