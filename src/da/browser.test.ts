import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'

describe('in a browser', () => {
  test.each([
    'src/da/index.ts',
    'src/da/kzg/index.ts',
    'src/da/ipfs/index.ts',
    'src/da/conformance/index.ts',
    'src/testing/eigenDaProxy/fakeProxy.ts',
  ])('%s builds without node:', async (entry) => {
    const { errors, metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'esm',
      metafile: true,
      logLevel: 'silent',
    })
    expect(errors).toEqual([])
    const external = Object.values(metafile.outputs).flatMap(({ imports }) =>
      imports.map(({ path }) => path),
    )
    expect(external).toEqual([])
    expect(Object.keys(metafile.inputs).filter((path) => path.includes('/node/'))).toEqual([])
  })
})
