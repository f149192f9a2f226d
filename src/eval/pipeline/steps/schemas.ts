/**
 * Params and secrets against the schemas their templates name.
 */
import { ARTIFACT_ABSENT, namespaces } from '../../../core/artifact.js'
import type { SchemaVerdict } from '../../../core/interfaces/schemaValidator.js'
import { fromUtf8 } from '../../../internal/bytes.js'
import { assertChoice, assertList, assertMembers, assertObject } from '../../../internal/options.js'
import { SchemaViolationError } from '../errors.js'
import { type ArtifactName, fetchArtifact } from './artifacts.js'
import type { Step } from './step.js'

/** Checks the params of the policy and of each of its plugins. */
export async function checkParams(step: Step): Promise<void> {
  const { plan } = step
  await Promise.all([
    checkSchema(step, {
      name: {
        hash: plan.paramsSchemaHash,
        namespace: namespaces.policyParamsSchema,
        kind: 'policy params schema',
      },
      valueJson: plan.params.text,
      subject: 'policy params',
    }),
    ...plan.data.map(({ template, params }) =>
      checkSchema(step, {
        name: {
          hash: template.paramsSchemaHash,
          namespace: namespaces.policyDataParamsSchema,
          kind: 'data params schema',
        },
        valueJson: params.text,
        subject: 'data params',
      }),
    ),
  ])
}

/** A validator of somebody's own that answers with none of the verdicts has not accepted anything. */
function assertVerdict(verdict: Exclude<SchemaVerdict, { status: 'valid' }>): void {
  assertMembers('schemas.validate(…)', verdict, ['status', 'issues'])
  assertChoice('schemas.validate(…).status', verdict.status, ['invalid', 'unusable-schema'])
  assertList('schemas.validate(…).issues', verdict.issues)
}

/** Checks one value. An absent schema accepts everything. */
export async function checkSchema(
  step: Step,
  check: { name: ArtifactName; valueJson: string; subject: string; secret?: boolean | undefined },
): Promise<void> {
  const { name, valueJson, subject, secret } = check
  if (name.hash.toLowerCase() === ARTIFACT_ABSENT) return
  if (!secret && step.accepted.has(name.hash, valueJson)) return
  const schemaJson = fromUtf8(await fetchArtifact(step, name), name.kind)
  const verdict = await step.schemas.validate({ schemaJson, valueJson })
  assertObject('schemas.validate(…)', verdict)
  if (verdict.status === 'valid') {
    if (!secret) step.accepted.add(name.hash, valueJson)
    return
  }
  assertVerdict(verdict)
  // What a validator says about a secret may quote it.
  const issues = secret
    ? verdict.issues.map((issue) => ({ ...issue, message: 'does not fit' }))
    : verdict.issues
  throw new SchemaViolationError({ subject, status: verdict.status, issues })
}
