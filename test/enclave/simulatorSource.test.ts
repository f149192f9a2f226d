import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { measureImage } from '../../src/enclave/simulator/index.js'
import { SIMULATOR_SOURCE } from '../../src/enclave/simulator/source.generated.js'
import { generatedFile, generatedText, hashSources, simulatorSources } from '../simulatorSource.js'

const image = [{ name: 'app', bytes: Uint8Array.of(1) }]

describe("the simulator's own bytes", () => {
  test('the generated hash is of the sources: else run npx tsx test/simulatorSource.ts', () => {
    const sources = simulatorSources()
    expect([...sources.keys()]).toContain('device.ts')
    expect([...sources.keys()].filter((name) => /test|generated/.test(name))).toEqual([])
    expect(readFileSync(generatedFile, 'utf8')).toBe(generatedText(sources))
    expect(SIMULATOR_SOURCE).toBe(hashSources(sources))
  })

  test('one changed byte of any source changes PCR0 and PCR1, and leaves the image in PCR2', () => {
    const sources = simulatorSources()
    const honest = measureImage({ image }).pcrs
    expect(measureImage({ image, source: SIMULATOR_SOURCE }).pcrs).toEqual(honest)
    const seen = new Set([honest[0]])
    for (const [name, bytes] of sources) {
      const changed = Uint8Array.from(bytes)
      changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1
      const source = hashSources(new Map([...sources, [name, changed]])) as `0x${string}`
      const { pcrs } = measureImage({ image, source })
      expect(pcrs[1]).not.toBe(honest[1])
      expect(pcrs[2]).toBe(honest[2])
      seen.add(pcrs[0])
    }
    expect(seen.size).toBe(sources.size + 1)
  })

  test('a source hash of another length is refused', () => {
    expect(() => measureImage({ image, source: '0x00' })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })
})
