/** Who is slashed for a message, as the contract has it. */
import type { Address } from 'viem'
import * as ChallengeVerifier from '../../../core/abi/challengeVerifierAbi.js'
import type { CertificateReader } from '../../../core/interfaces/certificates.js'
import type { ChallengeSink } from '../../../core/interfaces/sinks.js'
import { InvalidInputError } from '../../../errors/common.js'
import type { PolicyAddressesInput } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import { readAt, readTag, valueFrom } from '../../chain/read.js'
import { functionOf } from '../../chain/slices.js'
import { createCertificateReader, readOperatorTable } from './certificates.js'

/** Creates the reader of slashed signers. Accounts of a table are read once; tables never change. */
export function createSlashingReader(parameters: {
  client: ReadClient
  addresses?: PolicyAddressesInput | undefined
}): NonNullable<ChallengeSink['slashedSigners']> {
  const { client, addresses } = parameters
  const tables = new Map<number, readonly Address[]>()
  let certificates: CertificateReader | undefined
  return async ({ messageHash, referenceBlock, operatorIndices }, options = {}) => {
    certificates ??= await createCertificateReader({ client, addresses }, options)
    const inForce = await certificates.tableAt(referenceBlock, options)
    if (inForce === null) throw new RpcInconsistentError(`no table at block ${referenceBlock}`)
    const { referenceTimestamp } = inForce
    let operators = tables.get(referenceTimestamp)
    if (operators === undefined) {
      const table = { ...options, referenceTimestamp, addresses }
      operators = (await readOperatorTable(client, table)).operators
      tables.set(referenceTimestamp, operators)
    }
    const accounts = operatorIndices.map((index) => {
      const account = (operators as readonly Address[])[index]
      if (account === undefined) {
        throw new InvalidInputError({ field: 'operatorIndices', reason: `there is no ${index}` })
      }
      return account
    })
    return withClient('slashedSigners', { client, options }, async (bound) => {
      const chainId = await chainIdOf(bound)
      const address = resolveAddress('challengeVerifier', { addresses, chainId })
      const call = { address, ...functionOf(ChallengeVerifier.isSlashed) }
      const block = await readTag(bound, 'latest')
      const calls = accounts.map((account) => ({ ...call, args: [messageHash, account] }))
      const slashed = (await readAt(bound, { block, calls })).map(valueFrom)
      return { block, slashed: operatorIndices.filter((_, at) => slashed[at] === true) }
    })
  }
}
