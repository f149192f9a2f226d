import { basename } from 'node:path'
import type { CommandDef } from 'citty'
import { lintPolicy, runPolicyTests } from '../../../eval/index.js'
import { fromUtf8 } from '../../../internal/bytes.js'
import { UsageError } from '../../errors.js'
import { oneOf, readBytes } from '../../files.js'
import { type ProjectFiles, requireProject, sayTaken } from '../../project.js'
import { command } from '../../terminal/command.js'
import { exitCodes } from '../../terminal/output.js'

/** `policy lint`. */
export const lint: CommandDef = command({
  name: 'lint',
  example: 'newton-policy policy lint policy.rego --params-schema params.schema.json',
  description: 'Check a policy for what has gone wrong in real ones; exit code 3 for errors',
  args: {
    rego: {
      type: 'string',
      description: 'Rego source; also the first word; without it, that of the project',
      valueHint: 'file',
    },
    'params-schema': {
      type: 'string',
      description: 'JSON Schema of the params',
      valueHint: 'file',
    },
  },
  extra: 1,
  run: async ({ args, terminal }) => {
    const named = oneOf(args, { option: 'rego', position: 0 })
    const project = named === undefined ? await requireProject(terminal, '--rego') : undefined
    const rego = named ?? (project as ProjectFiles).rego
    const schema = args['params-schema'] ?? project?.paramsSchema
    if (project !== undefined) sayTaken(terminal, [rego, schema])
    const findings = await lintPolicy({
      rego: await readBytes(terminal, rego),
      file: basename(rego),
      paramsSchema:
        schema === undefined ? undefined : fromUtf8(await readBytes(terminal, schema), schema),
    })
    const lines = findings.map(({ rule, severity, message, fix, location }) => {
      const place = location === undefined ? rego : `${rego}:${location.line}:${location.column}`
      return `${place} ${severity} ${rule}: ${message}\n  fix: ${fix}`
    })
    const errors = findings.filter(({ severity }) => severity === 'error').length
    return {
      data: { findings },
      text: lines.length === 0 ? 'no findings' : lines.join('\n'),
      exitCode: errors > 0 ? exitCodes.denied : exitCodes.done,
    }
  },
})

/** `policy test`. */
export const testPolicy: CommandDef = command({
  name: 'test',
  example: 'newton-policy policy test policy.rego policy_test.rego',
  description:
    'Run *_test.rego files with the operators’ engine and print coverage; exit code 3 for a failure',
  args: {
    files: {
      type: 'positional',
      description: 'Rego files, policies and tests; without any, those of the project',
      required: false,
    },
  },
  extra: Number.POSITIVE_INFINITY,
  run: async ({ args, terminal }) => {
    const project = args._.length === 0 ? await requireProject(terminal, 'FILES') : undefined
    const files = project?.modules ?? args._
    if (project !== undefined) sayTaken(terminal, files)
    if (!files.some((file) => file.endsWith('_test.rego'))) {
      throw new UsageError('None of the files is named *_test.rego.', {
        metaMessages: [
          'Name the policy and its tests: newton-policy policy test policy.rego policy_test.rego',
        ],
      })
    }
    const modules = await Promise.all(
      files.map(async (file) => ({
        name: basename(file),
        source: fromUtf8(await readBytes(terminal, file), file),
      })),
    )
    const report = await runPolicyTests({ modules })
    if (report.results.length === 0) {
      throw new UsageError(`There is no test in ${files.join(', ')}.`, {
        metaMessages: ['A test is a rule whose name begins with test_.'],
      })
    }
    const lines = report.results.map(
      ({ name, status, message }) =>
        `${status.padEnd(5)} ${name}${message === undefined ? '' : `\n      ${message}`}`,
    )
    lines.push(
      `${report.passed} passed, ${report.failed} failed, coverage ${(report.coverageRatio * 100).toFixed(1)} %`,
    )
    return {
      data: report,
      text: lines.join('\n'),
      exitCode: report.failed > 0 ? exitCodes.denied : exitCodes.done,
    }
  },
})
