/** Checks before signing: everything the contract will assert, in one batch at one block. */
import type { Abi, Address, Hex } from 'viem'
import { getAddress } from 'viem'
import { policyClientRegistryAbi } from '../../core/abi/policyClientRegistryAbi.js'
import { ARTIFACT_ABSENT, namespaces, ZERO_HASH } from '../../core/artifact.js'
import { toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { resolveAddress } from '../chain/addresses.js'
import type { ReadClient, WriteClient } from '../chain/client.js'
import { equal, failed, type PreflightCheck, passed } from '../chain/preflightCheck.js'
import { type ReadCall, type ReadResult, readAt, readTag, valueFrom } from '../chain/read.js'
import type { PreparedInstance } from '../rows/inputs.js'
import type { OffchainChecks } from '../rows/offchain.js'
import { type Registries, type RegistryKind, registryCall, valueOrNull } from '../rows/rows.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import { checkParams, checkSecrets } from './offchain.js'

/** The registries that a client and its options name. */
export function registriesOf(client: WriteClient, options: WriteOptions): Registries {
  const { addresses } = options
  const chainId = client.chain.id
  return {
    chainId: BigInt(chainId),
    policyRegistry: resolveAddress('policyRegistry', { addresses, chainId }),
    policyDataRegistry: resolveAddress('policyDataRegistry', { addresses, chainId }),
  }
}

/** Reads several things at the newest block. */
async function readLatest(client: ReadClient, calls: readonly ReadCall[]): Promise<ReadResult[]> {
  return readAt(client, { calls, block: await readTag(client, 'latest') })
}

/** Checks a template registration. */
export async function checkTemplate(
  client: WriteClient,
  parameters: {
    registries: Registries
    kind: RegistryKind
    id: Hex
    args: readonly unknown[]
    ensure: boolean
  },
): Promise<PreflightCheck[]> {
  const { registries, kind, id, args, ensure } = parameters
  const sender = client.account.address
  const results = await readLatest(client, [
    registryCall(registries, kind, 'isTemplateRegistered', [id]),
    registryCall(registries, kind, 'computeTemplateId', args.slice(0, 3)),
    registryCall(registries, kind, 'templateRegistrationPermissionless'),
    registryCall(registries, kind, 'templateAuthors', [sender]),
  ])
  const [registered, computed, open, listed] = results.map(valueFrom)
  const checks = [idCheck('ComputedIdEqual', id, computed as Hex)]
  checks.push(
    ensure || registered !== true
      ? passed(
          'TemplateAlreadyRegistered',
          registered ? 'registered, nothing to do' : 'not registered yet',
        )
      : failed(
          'TemplateAlreadyRegistered',
          `${id} is registered on chain ${registries.chainId}`,
          'Nothing to do: use this id, or call the ensure action in batches.',
        ),
  )
  if (!(ensure && registered === true)) {
    checks.push(gate('UnauthorizedTemplateAuthor', { sender, open, listed }))
  }
  return checks
}

/** Checks a deployment of an instance. */
export async function checkInstance(
  client: WriteClient,
  parameters: {
    registries: Registries
    kind: RegistryKind
    prepared: PreparedInstance
    ensure: boolean
    checks: OffchainChecks
    options: IoOptions
  },
): Promise<PreflightCheck[]> {
  const { registries, kind, prepared, ensure } = parameters
  const sender = client.account.address
  const block = await readTag(client, 'latest')
  const head = await readAt(client, {
    block,
    calls: [
      registryCall(registries, kind, 'isInstanceDeployed', [prepared.id]),
      registryCall(registries, kind, 'computeInstanceId', [
        prepared.templateId,
        prepared.client,
        toHex(prepared.params),
        prepared.expireAfter,
      ]),
      registryCall(registries, kind, 'instanceDeploymentPermissionless'),
      registryCall(registries, kind, 'instanceDeployers', [sender]),
      registryCall(registries, kind, 'getTemplate', [prepared.templateId]),
      registryCall(registries, kind, 'clientRegistry'),
    ],
  })
  const deployed = valueFrom(head[0])
  const checks = [idCheck('ComputedIdEqual', prepared.id, valueFrom(head[1]) as Hex)]
  checks.push(
    ensure || deployed !== true
      ? passed('InstanceAlreadyDeployed', deployed ? 'deployed, nothing to do' : 'not deployed yet')
      : failed(
          'InstanceAlreadyDeployed',
          `${prepared.id} is deployed on chain ${registries.chainId}`,
          'Nothing to do: use this id, or call the ensure action in batches.',
        ),
  )
  if (ensure && deployed === true) return checks
  checks.push(
    gate('UnauthorizedInstanceDeployer', {
      sender,
      open: valueFrom(head[2]),
      listed: valueFrom(head[3]),
    }),
  )
  const template = valueOrNull(head[4] as ReadResult, 'TemplateNotRegistered') as {
    paramsSchemaHash: Hex
    policyDataTemplateRefs?: readonly Hex[]
  } | null
  const refs = template?.policyDataTemplateRefs ?? []
  const tail = await readAt(client, {
    block,
    calls: [
      clientCall(valueFrom(head[5]) as Address, prepared.client),
      ...refs.map((ref) => registryCall(registries, 'policyData', 'isTemplateRegistered', [ref])),
    ],
  })
  checks.push(...templateChecks(prepared, template, registries))
  refs.forEach((ref, index) => {
    checks.push(
      valueFrom(tail[index + 1]) === true
        ? passed('PolicyDataTemplateNotRegistered', `${ref} is registered`)
        : failed(
            'PolicyDataTemplateNotRegistered',
            `the policy needs ${ref}, which is not registered on chain ${registries.chainId}`,
            'Register that policy-data template on this chain first.',
          ),
    )
  })
  checks.push(clientCheck(tail[0] as ReadResult, prepared.client).check)
  if (template === null) return checks
  const offchain = { checks: parameters.checks, options: parameters.options }
  const namespace =
    kind === 'policy' ? namespaces.policyParamsSchema : namespaces.policyDataParamsSchema
  checks.push(
    await checkParams(
      { params: prepared.params, schemaHash: template.paramsSchemaHash, namespace },
      offchain,
    ),
  )
  if (hasSecrets(template)) {
    checks.push(
      await checkSecrets(
        { client: prepared.client, policyDataInstanceId: prepared.id, required: false },
        offchain,
      ),
    )
  }
  return checks
}

/** Checks a move of a slot. */
export async function checkSlot(
  client: WriteClient,
  parameters: {
    registries: Registries
    kind: RegistryKind
    policyClient: Address
    instanceId: Hex
    templateId?: Hex | undefined
    checks: OffchainChecks
    options: IoOptions
  },
): Promise<PreflightCheck[]> {
  const offchain = { checks: parameters.checks, options: parameters.options }
  const { registries, kind, policyClient, instanceId, templateId } = parameters
  const sender = getAddress(client.account.address)
  const block = await readTag(client, 'latest')
  const head = await readAt(client, {
    block,
    calls: [
      registryCall(registries, kind, 'getInstance', [instanceId]),
      registryCall(registries, kind, 'clientRegistry'),
    ],
  })
  const instance = valueOrNull(head[0] as ReadResult, 'InstanceNotDeployed') as {
    client: Address
    templateId: Hex
  } | null
  const next = await readAt(client, {
    block,
    calls: [
      clientCall(valueFrom(head[1]) as Address, policyClient),
      ...(kind === 'policy' && instance !== null
        ? [registryCall(registries, 'policy', 'getTemplate', [instance.templateId])]
        : []),
    ],
  })
  const { check, owner } = clientCheck(next[0] as ReadResult, policyClient)
  const checks = [check]
  if (owner !== undefined) {
    checks.push(
      owner === sender || sender === getAddress(policyClient)
        ? passed('NotClientOwner', `${sender} may move the slots of ${policyClient}`)
        : failed(
            'NotClientOwner',
            `${sender} is neither the client nor its owner ${owner}`,
            `Send it from ${owner}.`,
          ),
    )
  }
  if (instance === null) {
    checks.push(
      failed(
        'InstanceNotDeployed',
        `${instanceId} is not deployed on chain ${registries.chainId}`,
        'Deploy the instance first.',
      ),
    )
    return checks
  }
  checks.push(
    passed('InstanceNotDeployed', `${instanceId} is deployed`),
    equal('InstanceClientMismatch', {
      found: getAddress(instance.client),
      wanted: getAddress(policyClient),
      fix: 'Deploy an instance for this client.',
    }),
  )
  if (templateId !== undefined) {
    checks.push(
      equal('InstanceTemplateMismatch', {
        found: instance.templateId,
        wanted: templateId,
        fix: 'Name the template of the instance.',
      }),
    )
  }
  if (kind === 'policy') {
    const { policyDataTemplateRefs } = valueFrom(next[1]) as {
      policyDataTemplateRefs: readonly Hex[]
    }
    const slots = await readAt(client, {
      block,
      calls: policyDataTemplateRefs.flatMap((ref) => [
        registryCall(registries, 'policyData', 'currentInstance', [policyClient, ref]),
        registryCall(registries, 'policyData', 'getTemplate', [ref]),
      ]),
    })
    for (const [index, ref] of policyDataTemplateRefs.entries()) {
      const slot = valueFrom(slots[2 * index]) as Hex
      if (slot === ZERO_HASH) {
        checks.push(
          failed(
            'PolicyDataInstanceMissing',
            `the slot of ${policyClient} for ${ref} is empty`,
            'Deploy a policy-data instance for that template and set it first.',
          ),
        )
        continue
      }
      checks.push(passed('PolicyDataInstanceMissing', `the slot for ${ref} holds ${slot}`))
      if (hasSecrets(valueFrom(slots[2 * index + 1]))) {
        const secret = { client: policyClient, policyDataInstanceId: slot, required: true }
        checks.push(await checkSecrets(secret, offchain))
      }
    }
    return checks
  }
  const [template] = await readAt(client, {
    block,
    calls: [registryCall(registries, 'policyData', 'getTemplate', [instance.templateId])],
  })
  if (hasSecrets(valueFrom(template))) {
    const secret = { client: policyClient, policyDataInstanceId: instanceId, required: false }
    checks.push(await checkSecrets(secret, offchain))
  }
  return checks
}

function hasSecrets(template: unknown): boolean {
  const { secretsSchemaHash } = template as { secretsSchemaHash?: Hex | undefined }
  return secretsSchemaHash !== undefined && secretsSchemaHash.toLowerCase() !== ARTIFACT_ABSENT
}

function templateChecks(
  prepared: PreparedInstance,
  template: { paramsSchemaHash: Hex } | null,
  registries: Registries,
): PreflightCheck[] {
  if (template === null) {
    return [
      failed(
        'TemplateNotRegistered',
        `${prepared.templateId} is not registered on chain ${registries.chainId}`,
        'Register the template on this chain first.',
      ),
    ]
  }
  const absent = template.paramsSchemaHash.toLowerCase() === ARTIFACT_ABSENT
  return [
    passed('TemplateNotRegistered', `${prepared.templateId} is registered`),
    absent && prepared.params.length > 0
      ? failed(
          'ParamsNotAllowed',
          'the template has no params schema',
          'Leave `params` out, or use a template with a schema.',
        )
      : passed('ParamsNotAllowed', absent ? 'no params, no schema' : 'the template has a schema'),
  ]
}

function idCheck(rule: string, local: Hex, contract: Hex): PreflightCheck {
  return local === contract
    ? passed(rule, `${local}, here and on chain`)
    : failed(
        rule,
        `computed ${local}, the contract computes ${contract}`,
        'The address is another contract, or its version is not this package’s.',
      )
}

function gate(
  rule: string,
  { sender, open, listed }: { sender: Address; open: unknown; listed: unknown },
): PreflightCheck {
  if (open === true) return passed(rule, 'open to all')
  if (listed === true) return passed(rule, `${sender} is on the list`)
  return failed(
    rule,
    `${sender} is not on the list`,
    'Ask the owner of the registry to add this account, or send it from a listed one.',
  )
}

function clientCall(registry: Address, client: Address): ReadCall {
  return {
    address: registry,
    abi: policyClientRegistryAbi as Abi,
    functionName: 'getClientRecord',
    args: [client],
  }
}

function clientCheck(
  result: ReadResult,
  client: Address,
): { check: PreflightCheck; owner?: Address | undefined } {
  const record = valueOrNull(result, 'ClientNotRegistered') as {
    owner: Address
    active: boolean
  } | null
  if (record === null) {
    return {
      check: failed(
        'ClientNotRegistered',
        `${client} is not registered`,
        'Its owner calls registerClient first.',
      ),
    }
  }
  const owner = getAddress(record.owner)
  if (!record.active) {
    return {
      owner,
      check: failed(
        'ClientNotRegistered',
        `${client} is not active`,
        'Its owner calls activateClient.',
      ),
    }
  }
  return { owner, check: passed('ClientNotRegistered', `${client} is registered and active`) }
}
