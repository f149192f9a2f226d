import { expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { assertNitroAttestation } from '../index.js'
import { signingKey } from '../simulator/certificates.js'
import { createSimulator } from '../simulator/index.js'
import { nodeP384Signer } from './p384Signer.js'

test('nodeP384Signer: documents that it signs verify, by WebCrypto and by noble', async () => {
  const image = [{ name: 'app', bytes: Uint8Array.of(1) }]
  const simulator = createSimulator({ image, sign: nodeP384Signer() })
  for (const backend of ['webcrypto', 'noble'] as const) {
    const attestation = await assertNitroAttestation(await simulator.nsm.attest({}), {
      ...{ ...simulator.policy, backend },
      freshness: { kind: 'maxAge', maxAge: 60_000 },
      binding: { userData: 'absent', publicKey: 'absent' },
    })
    expect(attestation.assurance).toBe('simulator')
  }
})

test('nodeP384Signer: each key signs by itself, whatever its leading bytes are', () => {
  const sign = nodeP384Signer()
  for (let seed = 0; seed < 20; seed++) {
    expect(sign(signingKey(utf8(`seed ${seed}`)), utf8('message'))).toHaveLength(96)
  }
})
