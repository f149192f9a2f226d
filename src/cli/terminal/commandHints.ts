/** What to run about errors and failed checks: the package names its options, a person types commands. */
import { isPolicySdkError } from '../../errors/index.js'

/** A check or an error of a contract, as far as commands go. */
type Failed = { rule: string; detail: string }
type FailedCheck = Failed & { ok: boolean; level: string; fix: string }

const id = (text: string): string => /0x[\da-f]{64}/i.exec(text)?.[0] ?? '<id>'
const address = (text: string): string => /0x[\da-f]{40}(?![\da-f])/i.exec(text)?.[0] ?? '<address>'
const chain = (text: string): string => {
  const found = /on chain (\d+)/.exec(text)?.[1]
  return found === undefined ? '' : ` --chain-id ${found}`
}
const registerPolicy = 'newton-policy policy template register policy.rego params.schema.json'
const registerData = 'newton-policy policy-data template register plugin.wasm params.schema.json'
const deployPolicy = 'newton-policy policy instance deploy'
const deployData = 'newton-policy policy-data instance deploy'

/** By rule: what to run, from what was found. `isData` where it is about a policy-data instance. */
const commands: Readonly<Record<string, (detail: string, isData: boolean) => string>> = {
  TemplateNotRegistered: (detail, isData) =>
    `${isData ? registerData : registerPolicy}${chain(detail)}`,
  PolicyDataTemplateNotRegistered: (detail) => `${registerData}${chain(detail)}`,
  ClientNotRegistered: (detail) =>
    /not active/.test(detail)
      ? `newton-policy client activate ${address(detail)} # its owner signs`
      : `newton-policy client register ${address(detail)} # its owner signs`,
  ClientAlreadyRegistered: (detail) => `newton-policy client show ${address(detail)}`,
  NotClientOwner: () => 'sign as that account: --keystore <file>, or NEWTON_SIGNER_KEY',
  InstanceNotDeployed: (_detail, isData) =>
    `${isData ? deployData : deployPolicy} --template <id> --client <address> --params <file.json> --expire-after <blocks>`,
  PolicyDataInstanceMissing: (detail) =>
    `${deployData} --template ${id(detail)} --client ${address(detail)} --params <file.json> --expire-after <blocks>`,
  SecretsPresent: (detail) =>
    `newton-policy policy-data instance set-secrets --instance ${id(detail)} --secrets <file.json>`,
  ParamsNotAllowed: () => 'run it again with --no-params',
  ParamsMatchSchema: (detail) =>
    /not validated|cannot be had/.test(detail)
      ? 'name the store that has the schema: --da <directory or URL>'
      : 'change the file of --params, and run it again',
  ArtifactAvailable: () => 'newton-policy artifact publish <file> --da <directory or URL>',
  ExpireAfterTooLarge: (detail) =>
    `run it again with --expire-after ${/allows (\d+)/.exec(detail)?.[1] ?? '<fewer blocks>'}`,
}

/** What to run about a check that did not pass; `undefined` where no command helps. */
export function commandFor({ rule, detail }: Failed, action: string): string | undefined {
  const said = commands[rule]?.(detail, /policyData/i.test(action))
  return said?.startsWith('newton-policy') ? `run: ${said}` : said
}

/** The hints of an error, in words of the command line. */
export function hintsOf(error: unknown): readonly string[] {
  if (!isPolicySdkError(error)) return []
  const { code, metaMessages = [], message } = error
  if (code === 'ADDRESS_REQUIRED') return addressHints(message)
  const { checks } = error as { checks?: readonly FailedCheck[] }
  if (code !== 'PREFLIGHT_FAILED' || !Array.isArray(checks)) {
    const { errorName } = error as { errorName?: unknown }
    const run =
      typeof errorName === 'string' && commandFor({ rule: errorName, detail: message }, message)
    return run ? [...metaMessages, run] : metaMessages
  }
  const lines = checks
    .filter(({ ok, level }) => !ok && level === 'error')
    .flatMap((check) => {
      const run = commandFor(check, message)
      const fix = shownFix(check.fix, run)
      return [...(fix === '' ? [] : [`${check.rule}: ${fix}`]), ...(run === undefined ? [] : [run])]
    })
  return [...new Set(lines)]
}

/** A fix in the words of the package's options says nothing to who types, where there is a command. */
export function shownFix(fix: string, run: string | undefined): string {
  return run !== undefined && /`[a-z][\w.]*`/.test(fix) ? '' : fix
}

function addressHints(message: string): string[] {
  const contract = /`(\w+)`/.exec(message)?.[1] ?? 'policyRegistry'
  return [
    `Name it in a file, {"${contract}":"0x…"}, with --contracts <file.json>, or keep it in the profile:`,
    `newton-policy config set chains.<name>.contracts.${contract} 0x…`,
  ]
}

/** Fields of the package by the options that they come from, where the names differ. */
const fields: Readonly<Record<string, string>> = {
  templateId: 'template',
  instanceId: 'instance',
  policyClient: 'client',
  policyDataTemplateRefs: 'data-templates',
  refs: 'data-templates',
}

/** Which option a value that is refused came from; none where it came from a file. */
export function optionHint(
  error: unknown,
  options: Readonly<
    Record<string, { type?: string | undefined; description?: string | undefined }>
  >,
): string[] {
  if (!isPolicySdkError(error) || error.code !== 'INVALID_INPUT') return []
  const field = /^`(\w+)/.exec(error.shortMessage)?.[1] ?? ''
  const kebab = field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const name = [fields[field], kebab].find(
    (one) => one !== undefined && Object.hasOwn(options, one),
  )
  if (name === undefined) return []
  const { type, description = '' } = options[name] ?? {}
  return [
    `It is what ${type === 'positional' ? name.toUpperCase() : `--${name}`} takes: ${description}`,
  ]
}
