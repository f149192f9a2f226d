import { afterAll, describe, expect, test } from 'vitest'
import { component } from '../../../test/fixtures/pluginComponents.js'
import { computeArtifactHash } from '../../core/artifact.js'
import type { PluginProvenance, ProvenanceVerdict } from '../../core/interfaces/provenance.js'
import { UnverifiedWasmError } from '../errors.js'
import { nodePluginWorkers } from '../node/index.js'
import { createPluginRuntime } from '../plugins/runtime/runtime.js'
import { type SimulationRequest, simulate } from './simulate.js'
import { checkWasmProvenance } from './verifiedWasm.js'

const wasm = await component({})
const wasmHash = computeArtifactHash(wasm)
const request: SimulationRequest = {
  rego: new TextEncoder().encode('package p\ndefault allow := true\n'),
  plugins: [{ wasm }],
  intent: {
    from: `0x${'11'.repeat(20)}`,
    to: `0x${'22'.repeat(20)}`,
    ...{ value: 1n, data: '0x', chainId: 1n, functionSignature: '0x' },
  },
}
const plugins = createPluginRuntime({ workers: nodePluginWorkers() })
afterAll(() => plugins.close())

const saying = (verdict: Partial<ProvenanceVerdict>): PluginProvenance => ({
  getProvenance: async (asked) => ({
    ...{ wasmHash: asked, status: 'unverified', image: 'unknown', agreeing: [], disagreeing: [] },
    ...verdict,
  }),
})

describe('verified plugins in a simulation', () => {
  test('behavior: a verified plugin runs without a warning', async () => {
    const provenance = saying({ status: 'verified' })
    const tools = { plugins, provenance, requireVerifiedWasm: true }
    const { allow, warnings } = await simulate(request, tools)
    expect(allow).toBe(true)
    expect(warnings.filter((warning) => warning.includes(wasmHash))).toEqual([])
  })

  test('behavior: one that is not is a warning, and with `requireVerifiedWasm` an error', async () => {
    for (const status of ['unverified', 'disputed', 'mismatched'] as const) {
      const provenance = saying({ status, reason: 'nobody rebuilt it' })
      const { warnings } = await simulate(request, { plugins, provenance })
      expect(warnings).toContain(`plugin ${wasmHash} is ${status}: nobody rebuilt it`)
      const refused = simulate(request, { plugins, provenance, requireVerifiedWasm: true })
      await expect(refused).rejects.toThrow(UnverifiedWasmError)
      await expect(refused).rejects.toMatchObject({ code: 'WASM_UNVERIFIED', wasmHash, status })
    }
  })

  test('behavior: what is no verdict about this plugin is none', async () => {
    const wrong: PluginProvenance[] = [
      saying({ status: 'verified', wasmHash: `0x${'33'.repeat(32)}` }),
      saying({ status: 'VERIFIED' as 'verified' }),
      saying({ status: true as unknown as 'verified' }),
      { getProvenance: async () => undefined as unknown as ProvenanceVerdict },
    ]
    for (const provenance of wrong) {
      await expect(
        checkWasmProvenance([wasmHash], { provenance, requireVerifiedWasm: true }, {}),
      ).rejects.toMatchObject({ code: 'WASM_UNVERIFIED', status: 'unverified' })
    }
  })

  test('behavior: nobody to ask, an answer that fails and an option of another type are errors', async () => {
    await expect(simulate(request, { plugins, requireVerifiedWasm: true })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'tools.provenance',
    })
    const failing: PluginProvenance = { getProvenance: () => Promise.reject(new Error('down')) }
    for (const requireVerifiedWasm of [true, false]) {
      await expect(
        simulate(request, { plugins, provenance: failing, requireVerifiedWasm }),
      ).rejects.toThrow('down')
    }
    const odd = { provenance: saying({}), requireVerifiedWasm: 'yes' as unknown as boolean }
    await expect(checkWasmProvenance([wasmHash], odd, {})).rejects.toMatchObject({
      field: 'requireVerifiedWasm',
    })
  })
})
