/**
 * What the package says to mistakes that everybody makes once, kept word for word: a message that gets
 * worse is seen in review. Each says what is wrong by the caller's own name for it, and what to do.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ARTIFACT_ABSENT,
  canonicalJson,
  computeArtifactHash,
  computeParamsHash,
  computePolicyTemplateId,
} from '@newton/policy-sdk'
import { verifyTaskAttestation } from '@newton/policy-sdk/attestation'
import { eigenDa } from '@newton/policy-sdk/da'
import { ipfs } from '@newton/policy-sdk/da/ipfs'
import {
  createSchemaValidator,
  lintPolicy,
  setEngineModule,
  simulate,
} from '@newton/policy-sdk/eval'
import { createGatewayClient } from '@newton/policy-sdk/gateway'
import {
  createRegistryReader,
  deployPolicyInstance,
  getCurrentPolicyInstance,
  getPolicyTemplate,
  registerPolicyTemplate,
} from '@newton/policy-sdk/registry'
import { createClient, custom, http } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, expect, test } from 'vitest'
import { session } from './cli/runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-mistakes-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const account = `0x${'a1'.repeat(20)}` as const
const contract = `0x${'c0'.repeat(20)}` as const
const addresses = { policyRegistry: contract, policyDataRegistry: contract }
const word = `0x${'12'.repeat(32)}` as const
const template = { regoHash: word, paramsSchemaHash: ARTIFACT_ABSENT, policyDataTemplateRefs: [] }
const intent = {
  from: account,
  to: contract,
  value: 7n,
  data: '0x',
  chainId: 1n,
  functionSignature: '0x',
} as const
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const rego = utf8('package p\ndefault allow := false\n')

/** A node with nothing on it. */
const block = {
  number: '0x10',
  hash: word,
  timestamp: '0x1',
  baseFeePerGas: '0x1',
  transactions: [],
}
const answers: Readonly<Record<string, unknown>> = {
  eth_chainId: '0x7a69',
  eth_blockNumber: '0x10',
  eth_getBlockByNumber: block,
  eth_getBlockByHash: block,
  eth_call: '0x',
  eth_getCode: '0x',
}
const transport = custom(
  { request: async ({ method }) => answers[method] ?? null },
  { retryCount: 0 },
)
const client = createClient({ chain: foundry, transport })
const wallet = createClient({ account, chain: foundry, transport })
const away = createClient({
  chain: foundry,
  transport: http('http://127.0.0.1:9', { retryCount: 0, timeout: 2_000 }),
})

type Mistake = () => unknown

const mistakes: Readonly<Record<string, Mistake>> = {
  'a text where bytes are wanted': () => computeArtifactHash('package p' as never),
  'no refs': () => computePolicyTemplateId({ regoHash: word, paramsSchemaHash: word } as never),
  'a short hash': () => computePolicyTemplateId({ ...template, regoHash: '0x1234' }),
  'refs out of order': () =>
    computePolicyTemplateId({
      ...template,
      policyDataTemplateRefs: [`0x${'ff'.repeat(32)}`, word],
    }),
  'a result that never expires': () => computeParamsHash({ expireAfter: 0n, params: rego }),
  'undefined in JSON': () => canonicalJson({ max: undefined } as never),
  'a fraction that JSON cannot keep': () => canonicalJson({ max: Number.NaN }),
  'a policy as text': () => simulate({ rego: 'package p', intent } as never),
  'a misspelled option': () => simulate({ rego, parms: { max: 5 }, intent } as never),
  'a number where a bigint is wanted': () =>
    simulate({ rego, intent: { ...intent, value: 7 as never } }),
  'Rego that does not parse': () =>
    simulate({ rego: utf8('package p\nallow if {'), regoFile: 'limit.rego', intent }),
  'an allow that is a text': () => lintPolicy({ rego: utf8('package p\nallow := "yes"\n') }),
  'a plugin without a runtime': () => simulate({ rego, intent, plugins: [{ wasm: rego }] }),
  'a profile that is none': () => createSchemaValidator({ profiles: 'operator' as never }),
  'a module that is no module': () => setEngineModule({} as never),
  'a short id': () => getPolicyTemplate(client, { id: '0x1234', addresses }),
  'a short address': () => getCurrentPolicyInstance(client, { client: '0x22', addresses }),
  'a chain without known addresses': () => getPolicyTemplate(client, { id: word }),
  'nothing at the address': () => createRegistryReader({ client, addresses }),
  'a node that is away': () => getPolicyTemplate(away, { id: word, addresses }),
  'a wallet without an account': () =>
    registerPolicyTemplate(client as never, { ...template, addresses }),
  'a client without a chain': () =>
    registerPolicyTemplate(createClient({ account, transport }) as never, {
      ...template,
      addresses,
    }),
  'a wallet on another chain': () =>
    registerPolicyTemplate(createClient({ account, chain: { ...foundry, id: 1 }, transport }), {
      ...template,
      addresses,
    }),
  'an instance without its lifetime': () =>
    deployPolicyInstance(wallet, { client: account, templateId: word, addresses } as never),
  'an attestation of nothing': () => verifyTaskAttestation({} as never),
  'a gateway that is no URL': () => createGatewayClient({ url: 'gateway.example' }),
  'no IPFS gateway': () => ipfs({ gateways: [] }),
  'no EigenDA proxy': () => eigenDa({} as never),
  'a command that is none': () => typed('polcy', 'lint'),
  'an option that is none': () => typed('policy', 'simulate', '--regoo', 'p.rego'),
  'an address that is too short': () =>
    typed('policy', 'simulate', '--rego', 'p.rego', '--to', '0x22'),
  'a file that is not there': () => typed('artifact', 'hash', 'nowhere.rego'),
  'a policy that does not parse, by a command': () =>
    typed('policy', 'simulate', '--rego', 'limit.rego', '--to', contract),
}

async function typed(...words: string[]): Promise<string> {
  writeFileSync(join(home, 'limit.rego'), 'package p\nallow if {')
  writeFileSync(join(home, 'p.rego'), rego)
  const { code, stdout, stderr } = await session(home)(...words)
  return `exit ${code}\n${stdout}${stderr}`.replaceAll(home, '~').trimEnd()
}

/** What a user reads: the message, or the answer that says no. */
async function said(mistake: Mistake): Promise<string> {
  try {
    const value = await mistake()
    if (typeof value === 'string') return value
    return JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one))
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return `${code ?? 'NO CODE'}\n${message}`
  }
}

test('behavior: what is said to mistakes', async () => {
  const lines: string[] = []
  for (const [name, mistake] of Object.entries(mistakes)) {
    const words = await said(mistake)
    expect(words, name).not.toMatch(/NO CODE|Cannot read properties|undefined is not/)
    lines.push(`## ${name}\n\n${words}\n`)
  }
  expect(Object.keys(mistakes).length).toBeGreaterThanOrEqual(20)
  await expect(lines.join('\n')).toMatchFileSnapshot('fixtures/mistakes.md')
}, 60_000)
