/** The document of the enclave that the first signer answers for. */

import { computeTeeUserData } from '@newton/policy-sdk/attestation'
import { verifyArchivedNitroAttestation } from '@newton/policy-sdk/enclave'
import type { UnverifiedAnswer } from '@newton/policy-sdk/operator'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useNetwork } from './config.js'
import { short } from './format.js'
import { Fact, Facts, Hash, Panel } from './ui.js'

export function EnclaveDocument({ answer }: { answer: UnverifiedAnswer }): ReactNode {
  const { roots } = useNetwork()
  const { response, document, taskId } = answer
  const { data } = useQuery({
    queryKey: ['document', taskId, response.pcr0Commitment],
    enabled: document !== undefined,
    structuralSharing: false,
    queryFn: () =>
      verifyArchivedNitroAttestation(document?.bytes ?? new Uint8Array(), {
        ...{ roots, insecureTrustRoot: true, at: 'document' },
        measurements: { pcr0Commitment: response.pcr0Commitment },
        binding: { userData: computeTeeUserData(response), publicKey: 'any' },
      }),
  })
  const title = 'Enclave document'
  if (document === undefined) {
    return <Panel title={title}>No document came with the answer.</Panel>
  }
  if (data === undefined) return <Panel title={title}>Verifying…</Panel>
  if (data.status === 'reject') {
    return (
      <Panel title={title}>
        <p>
          Refused at <code>{data.stage}</code>: it is not a document for what was signed.
        </p>
        <p className="code">
          <code>{data.code}</code>
        </p>
      </Panel>
    )
  }
  const { attestation } = data
  return (
    <Panel
      title={title}
      note={
        attestation.assurance === 'simulator'
          ? 'Of a simulated enclave: it follows every rule and protects nothing.'
          : 'Of an AWS Nitro enclave.'
      }
    >
      <Facts>
        <Fact name="Measurement">
          <Hash value={attestation.pcr0Commitment} name="measurement" />
        </Fact>
        {([0, 1, 2] as const).map((index) => (
          <Fact key={index} name={`PCR${index}`}>
            <Hash value={attestation.pcrs[index] ?? '0x'} name={`PCR${index}`} />
          </Fact>
        ))}
        <Fact name="Made at">
          <time dateTime={new Date(attestation.timestamp).toISOString()}>
            {new Date(attestation.timestamp).toUTCString()}
          </time>
        </Fact>
        <Fact name="Certificates">
          {attestation.certificateFingerprints.map((print) => short(print)).join(' → ')}
        </Fact>
      </Facts>
    </Panel>
  )
}
