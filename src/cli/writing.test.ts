import { expect, test } from 'vitest'
import { chains } from '../core/chains.js'
import type { ChainTarget } from './config/chain.js'
import type { Terminal } from './terminal/output.js'
import { confirmMainnet, mainnets, testNetworks } from './writing.js'

const target = (id: number, network?: 'mainnet' | 'testnet' | 'devnet' | 'local') =>
  ({ name: `chain ${id}`, chain: { id }, profile: { network } }) as unknown as ChainTarget

function terminal(answer?: boolean): Terminal & { asked: string[] } {
  const asked: string[] = []
  const confirm = async (question: string): Promise<boolean> => {
    asked.push(question)
    return answer === true
  }
  return {
    ...{ stdout: () => undefined, stderr: () => undefined, env: {}, cwd: '/', home: '/', asked },
    interactive: answer !== undefined,
    prompt: { confirm, secret: async () => undefined },
  }
}

test('every chain that the package knows is a mainnet or a test network, and not both', () => {
  for (const id of Object.keys(chains).map(Number)) {
    expect([id, mainnets.has(id), testNetworks.has(id)]).toContain(true)
    expect(mainnets.has(id) && testNetworks.has(id)).toBe(false)
  }
})

test.each([
  [1, 'devnet', 'mainnet'],
  [8453, undefined, 'mainnet'],
  [31_337, 'mainnet', 'mainnet'],
  [137, undefined, 'may be'],
  [56, undefined, 'may be'],
] as const)(
  'behavior: a write to chain %i of a profile that says %s is asked about',
  async (id, network, what) => {
    const targets = [target(31_337), target(id, network)]
    const silent = confirmMainnet(terminal(), { targets, args: {} })
    await expect(silent).rejects.toMatchObject({
      code: 'USAGE',
      shortMessage: expect.stringContaining(`chain ${id}`) as string,
      message: expect.stringContaining('--yes') as string,
    })
    const no = terminal(false)
    await expect(confirmMainnet(no, { targets, args: {} })).rejects.toThrow('Nothing was written')
    expect(no.asked).toEqual([expect.stringContaining(what)])
    await confirmMainnet(terminal(true), { targets, args: {} })
    for (const args of [{ yes: true }, { 'dry-run': true }]) {
      await confirmMainnet(terminal(), { targets, args })
    }
  },
)

test.each([
  [31_337, undefined],
  [11_155_111, undefined],
  [137, 'devnet'],
  [999, 'local'],
] as const)(
  'behavior: a write to chain %i of a profile that says %s is not',
  async (id, network) => {
    const quiet = terminal(false)
    await confirmMainnet(quiet, { targets: [target(id, network)], args: {} })
    expect(quiet.asked).toEqual([])
  },
)
