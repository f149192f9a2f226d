/** What the network says about sealed secrets: never the secrets. */
import type { Hex } from 'viem'
import type { GatewayClient } from '../../../gateway/index.js'
import type { SecretsStatusSource } from '../../../registry/index.js'
import type { ChainTarget } from '../../config/chain.js'
import { type GatewayArgs, gatewayOf } from '../../config/gateway.js'
import type { Terminal } from '../../terminal/output.js'

/** What is known of the secrets of an instance, as the gateway has it. */
export async function secretsMetadata(
  gateway: GatewayClient,
  parameters: {
    target: Pick<ChainTarget, 'chain'>
    instanceId: Hex
    signal?: AbortSignal | undefined
  },
): Promise<object | undefined> {
  const { target, instanceId, signal } = parameters
  const metadata = await gateway.request(
    {
      method: 'newt_getSecretsMetadata',
      params: { chain_id: target.chain.id, policy_data_instance_id: instanceId },
      retry: 'read',
    },
    { signal },
  )
  return typeof metadata === 'object' && metadata !== null ? metadata : undefined
}

/** Asks the gateway that is configured, if any. Secrets on their way into the tree count as there. */
export function secretsStatus(
  terminal: Terminal,
  { target, args }: { target: ChainTarget; args: GatewayArgs },
): SecretsStatusSource {
  return {
    async getSecretsStatus({ policyDataInstanceId: instanceId }, options = {}) {
      const { profile } = target
      if ((terminal.env['NEWTON_GATEWAY_URL'] || profile.gateway_url) === undefined) {
        return 'unknown'
      }
      const gateway = gatewayOf(terminal, { args, profile })
      const { signal } = options
      const found = (await secretsMetadata(gateway, { target, instanceId, signal })) as
        | { committed?: unknown; pending?: unknown }
        | undefined
      if (found === undefined) return 'unknown'
      return (found.committed ?? found.pending ?? null) === null ? 'missing' : 'present'
    },
  }
}
