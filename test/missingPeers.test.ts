/** What an optional peer that is not installed is called in the error of what needs it. */
import { expect, test, vi } from 'vitest'

const absent = (name: string) => (): never => {
  throw new Error(`Cannot find package '${name}'`)
}

test('error: MISSING_PEER from ajvSchemaValidator names ajv', async () => {
  vi.doMock('ajv/dist/2020.js', absent('ajv'))
  const { ajvSchemaValidator } = await import('@newton/policy-sdk/eval/ajv')
  await expect(ajvSchemaValidator()).rejects.toMatchObject({
    code: 'MISSING_PEER',
    message: expect.stringMatching(/ajvSchemaValidator needs the package `ajv`.*npm install ajv/s),
  })
})

test('error: MISSING_PEER from mclBackend names mcl-wasm', async () => {
  vi.doMock('mcl-wasm', absent('mcl-wasm'))
  const { mclBackend } = await import('@newton/policy-sdk/attestation/mcl')
  await expect(mclBackend()).rejects.toMatchObject({
    code: 'MISSING_PEER',
    message: expect.stringMatching(/npm install mcl-wasm/),
  })
})

test('behavior: workers for plugins need the transpiler where a plugin is compiled, and not before', async () => {
  vi.doMock('node:module', async (original) => ({
    ...(await original<typeof import('node:module')>()),
    createRequire: () => ({ resolve: absent('@bytecodealliance/jco-transpile') }),
  }))
  const { nodePluginWorkers } = await import('@newton/policy-sdk/eval/node')
  const workers = nodePluginWorkers()
  expect(() => workers.startCompileWorker()).toThrow(
    expect.objectContaining({
      code: 'MISSING_PEER',
      message: expect.stringContaining('npm install @bytecodealliance/jco-transpile'),
    }),
  )
})

test('error: MISSING_PEER from listenGateway names ws, and how to go without', async () => {
  vi.doMock('ws', absent('ws'))
  const { listenGateway } = await import('@newton/policy-sdk/operator/node')
  const gateway = { rpc: {} as never, subscriptions: {} as never }
  await expect(listenGateway({ gateway })).rejects.toMatchObject({
    code: 'MISSING_PEER',
    message: expect.stringMatching(/`sockets: false`.*npm install ws/s),
  })
  await (await listenGateway({ gateway, sockets: false })).close()
})
