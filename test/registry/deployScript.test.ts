import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { createClient, http } from 'viem'
import { foundry } from 'viem/chains'
import { expect, test } from 'vitest'
import type { PolicyAddresses } from '../../src/registry/index.js'
import { createRegistryReader } from '../../src/registry/index.js'
import { startAnvil } from '../../src/testing/node/anvil.js'

const built = existsSync('contracts/out/PolicyRegistry.sol/PolicyRegistry.json')
const out = 'contracts/deployments/31337.json'
// The script compiles once; on a cold tree that alone takes minutes.
const run = process.env['CI_REQUIRE_ALL'] === '1' || (built && process.env['DEPLOY_SCRIPT'] === '1')
if (!run) console.log('skipped: the deploy script runs with DEPLOY_SCRIPT=1 after `forge build`')

test.runIf(run)(
  'one command deploys everything and writes the addresses',
  async () => {
    const anvil = await startAnvil()
    try {
      await promisify(execFile)(
        'npx',
        [
          'forge',
          'script',
          'contracts/script/Deploy.s.sol',
          '--rpc-url',
          anvil.url,
          '--broadcast',
          '--slow',
          '--private-key',
          '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
        ],
        { maxBuffer: 1e8 },
      )
      const addresses = JSON.parse(readFileSync(out, 'utf8')) as PolicyAddresses
      const client = createClient({ chain: foundry, transport: http(anvil.url) })
      const reader = await createRegistryReader({ client, addresses })
      expect(await reader.getPolicyTemplate(`0x${'11'.repeat(32)}`)).toBe(null)
      // Everything that callers name, and what they are deployed through and anchored at.
      expect(Object.keys(addresses).sort()).toEqual([
        'artifactProofs',
        'buildInfoRegistry',
        'certificateVerifier',
        'challengeVerifier',
        'checkpointAnchor',
        'enclaveVersionRegistry',
        'policyClientRegistry',
        'policyDataRegistry',
        'policyDeployer',
        'policyRegistry',
        'responseRegistry',
        'slasher',
        'stateAnchor',
        'stateCommitRegistry',
        'verificationRegistry',
      ])
    } finally {
      await anvil.stop()
      rmSync(out, { force: true })
    }
  },
  600_000,
)
