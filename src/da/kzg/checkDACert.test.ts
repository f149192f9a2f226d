import { readFileSync } from 'node:fs'
import { decodeAbiParameters, type Hex, parseAbiParameters, slice } from 'viem'
import { describe, expect, test } from 'vitest'
import { publicVectors } from '../../../test/publicVectors.js'
import {
  decodeEigenDaCommitment,
  type EigenDaCert,
  standardFromOpCommitment,
} from '../eigenda/cert/cert.js'
import { verifyEigenDaCert } from './certificate.js'
import { checkDACertWith, encodeCertAbi } from './checkDACert.js'

const folder = publicVectors('eigenda')
const certs: EigenDaCert[] =
  folder === undefined
    ? []
    : (
        JSON.parse(readFileSync(`${folder}/live_sepolia_certs.json`, 'utf8')) as {
          altdaCommitment: Hex
        }[]
      ).map(({ altdaCommitment }) =>
        decodeEigenDaCommitment(standardFromOpCommitment(altdaCommitment)),
      )

describe.skipIf(folder === undefined)('checkDACert', () => {
  test('a certificate is one dynamic tuple that the router finds its reference block in', () => {
    for (const cert of certs) {
      const abi = encodeCertAbi(cert)
      const length = (abi.length - 2) / 2
      // Published sizes of certificates in this form.
      expect(length).toBeGreaterThanOrEqual(2_144)
      expect(length).toBeLessThanOrEqual(2_752)
      const [offset, root, block] = decodeAbiParameters(
        parseAbiParameters('uint256, bytes32, uint256'),
        slice(abi, 0, 96),
      )
      expect([offset, root, block]).toEqual([
        32n,
        cert.batchHeader.batchRoot,
        BigInt(cert.batchHeader.referenceBlockNumber),
      ])
      const v4 = encodeCertAbi({ ...cert, version: 4, offchainDerivationVersion: 0 })
      expect(v4.length - abi.length).toBe(64)
    }
    expect(() => encodeCertAbi({ ...(certs[0] as EigenDaCert), version: 2 })).toThrow(/V3 and V4/)
  })
  test('the contract is asked, and its answer decides', async () => {
    const router = `0x${'17'.repeat(20)}` as const
    const [cert] = certs as [EigenDaCert]
    const answers = (answer: Hex | undefined) =>
      verifyEigenDaCert(cert, {
        checkDACert: checkDACertWith({
          router,
          call: async ({ to, data }) => {
            expect(to).toBe(router)
            expect(data.includes(encodeCertAbi(cert).slice(2))).toBe(true)
            return answer
          },
        }),
      })
    const word = (value: number): Hex => `0x${value.toString(16).padStart(64, '0')}`
    expect((await answers(word(1))).status).toBe('verified')
    expect(await answers(word(6))).toMatchObject({ status: 'refused', fault: 'REFUSED_ON_CHAIN' })
    for (const odd of [word(7), '0x', undefined] as const)
      expect((await answers(odd)).status).toBe('unknown')
  })
})
