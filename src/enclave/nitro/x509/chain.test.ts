import { expect, test } from 'vitest'
import { createSimulatorPki } from '../../simulator/pki.js'
import { assertChain } from './chain.js'
import { p384Verifier, type VerifyP384 } from './signature.js'

function setup() {
  const pki = createSimulatorPki({ moduleId: 'i-1' })
  const at = Date.now()
  const { cabundle, certificate } = pki.credentialAt(at)
  let verified = 0
  const verifier = p384Verifier()
  const verify: VerifyP384 = (parameters) => {
    verified++
    return verifier(parameters)
  }
  const judge = (change: Partial<Parameters<typeof assertChain>[0]> = {}) =>
    assertChain({
      ...{ cabundle, certificate, verify, trusted: new Set([pki.root.sha256]) },
      clock: { at, skew: 0, live: true },
      // Nobody's: whether it is genuine is told beside the path.
      signed: { message: Uint8Array.of(1), signature: new Uint8Array(96).fill(1) },
      ...change,
    })
  return { judge, certificate, cabundle, at, count: () => verified }
}

test('default: a link is verified once in a process, whoever comes with it', async () => {
  const { judge, cabundle, count } = setup()
  const first = await judge()
  // A link for each authority, and what the leaf signed.
  expect(count()).toBe(cabundle.length + 1)
  const again = await judge()
  expect(count()).toBe(cabundle.length + 2)
  expect(again).toMatchObject({ fingerprints: first.fingerprints, genuine: false })
})

test('behavior: time, root and every changed byte are judged anew each time', async () => {
  const { judge, certificate, at } = setup()
  await judge()
  await expect(judge({ trusted: new Set() })).rejects.toMatchObject({ code: 'UNTRUSTED_ROOT' })
  const clock = { at: at + 86_400_000, skew: 0, live: true }
  await expect(judge({ clock })).rejects.toMatchObject({ code: 'CERT_EXPIRED' })
  // The signature is what a certificate ends with.
  const forged = certificate.slice()
  forged[forged.length - 1] = (forged.at(-1) as number) ^ 1
  await expect(judge({ certificate: forged })).rejects.toMatchObject({ code: 'CHAIN' })
})

test('behavior: a link that did not verify is asked about again', async () => {
  const { judge, cabundle, count } = setup()
  await expect(judge({ verify: async () => false })).rejects.toMatchObject({ code: 'CHAIN' })
  await judge()
  expect(count()).toBe(cabundle.length + 1)
})
