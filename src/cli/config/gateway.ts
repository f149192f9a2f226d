/** The gateway that a command talks to. */
import { createGatewayClient, type GatewayClient } from '../../gateway/index.js'
import { UsageError } from '../errors.js'
import type { Terminal } from '../terminal/output.js'
import type { Profile } from './config.js'
import { apiKeyArgs, apiKeyOf } from './credentials.js'

/** Options of commands that talk to a gateway. */
export const gatewayArgs = {
  gateway: { type: 'string', description: 'URL of the gateway', valueHint: 'url' },
  ...apiKeyArgs,
} as const

/** Arguments of {@link gatewayArgs}, as a command has them. */
export type GatewayArgs = { gateway?: string | undefined; 'api-key'?: string | undefined }

/**
 * Where the gateway is, with the key for it: `--gateway`, `NEWTON_GATEWAY_URL`, the profile.
 *
 * @throws {UsageError} where there is none, naming every way to give one.
 */
export function gatewayOptionsOf(
  terminal: Terminal,
  { args, profile }: { args: GatewayArgs; profile: Profile },
): { url: string; apiKey: string | undefined } {
  const url = args.gateway ?? (terminal.env['NEWTON_GATEWAY_URL'] || profile.gateway_url)
  if (url === undefined) {
    throw new UsageError('There is no gateway to talk to.', {
      metaMessages: [
        'Give --gateway, set NEWTON_GATEWAY_URL, or keep it in the profile:',
        'newton-policy config set gateway_url <url>',
      ],
    })
  }
  return { url, apiKey: apiKeyOf(terminal, { args, profile }) }
}

/** A client of the gateway, found like {@link gatewayOptionsOf}. */
export function gatewayOf(
  terminal: Terminal,
  parameters: { args: GatewayArgs; profile: Profile },
): GatewayClient {
  return createGatewayClient(gatewayOptionsOf(terminal, parameters))
}
