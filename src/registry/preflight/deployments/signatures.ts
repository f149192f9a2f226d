/** Checks before sending of what a client's owner signed: its terms, its sponsor, its signature. */

import {
  type Abi,
  type Address,
  type Hex,
  hashTypedData,
  isAddressEqual,
  parseAbi,
  recoverAddress,
  zeroAddress,
} from 'viem'
import * as PolicyDeployer from '../../../core/abi/policyDeployerAbi.js'
import type { BlockReference } from '../../../core/interfaces/registryReader.js'
import type { WriteClient } from '../../chain/client.js'
import {
  ContractNotFoundError,
  ContractRevertError,
  MalformedReturnDataError,
} from '../../chain/errors.js'
import { holds, type PreflightCheck } from '../../chain/preflightCheck.js'
import { readAt, readTag, valueFrom } from '../../chain/read.js'
import { functionOf } from '../../chain/slices.js'
import { type DeploymentTerms, deploymentTypedData } from '../../rows/policyDeployment.js'
import type { DeploymentCheck, Found } from './check.js'

const walletAbi: Abi = parseAbi([
  'function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)',
])
const MAGIC = '0x1626ba7e'

/** Checks the terms of a signature: time and nonce. */
export async function checkTerms(
  client: WriteClient,
  parameters: { deployer: Address; signer: Address; terms: DeploymentTerms },
): Promise<PreflightCheck[]> {
  const { deployer, signer, terms } = parameters
  const block = await readTag(client, 'latest')
  const [used] = await readAt(client, {
    block,
    calls: [
      {
        address: deployer,
        ...functionOf(PolicyDeployer.isNonceUsed),
        args: [signer, terms.nonce],
      },
    ],
  })
  return [
    holds('DeploymentExpired', {
      ok: block.timestamp <= terms.deadline,
      detail: `valid up to ${terms.deadline}, the newest block is of ${block.timestamp}`,
      fix: 'Have the owner sign again with a later deadline.',
    }),
    holds('DeploymentNonceUsed', {
      ok: valueFrom(used) === false,
      detail: `nonce ${terms.nonce} of ${signer} is ${valueFrom(used) === true ? 'used or cancelled' : 'unused'}`,
      fix: 'Nothing to do where it was deployed; else have the owner sign again with another nonce.',
    }),
  ]
}

/** Checks an authorization: its terms, who may send it, and who signed it. */
export async function authorizationChecks(
  client: WriteClient,
  { deployer, prepared, authorization }: DeploymentCheck,
  { sender, owner, block }: Found,
): Promise<PreflightCheck[]> {
  if (authorization === undefined || owner === undefined) return []
  const { sponsor, signature } = authorization
  const open = sponsor === zeroAddress
  const chainId = client.chain.id
  const digest = hashTypedData(
    deploymentTypedData({ prepared, terms: authorization, deployer, chainId }) as never,
  )
  const valid = await signedBy(client, { owner, digest, signature, block })
  return [
    ...(await checkTerms(client, { deployer, signer: owner, terms: authorization })),
    holds('NotSponsor', {
      ok: open || isAddressEqual(sponsor, sender),
      detail: open ? 'anyone may send it' : `the owner named ${sponsor}`,
      fix: `Send it from ${sponsor}, or have the owner sign for ${sender}.`,
    }),
    holds('InvalidDeploymentSignature', {
      ok: valid,
      detail: valid
        ? `${owner} signed it`
        : `it is not a signature of ${owner} over this deployment`,
      fix: 'Pass deployment and authorization as `signDeployment` returned them, signed by the owner of now.',
    }),
  ]
}

/** As the contract asks: the account's own code where it has some, else the key. */
async function signedBy(
  client: WriteClient,
  parameters: { owner: Address; digest: Hex; signature: Hex; block: BlockReference },
): Promise<boolean> {
  const { owner, digest, signature, block } = parameters
  try {
    const [result] = await readAt(client, {
      block,
      calls: [
        {
          address: owner,
          abi: walletAbi,
          functionName: 'isValidSignature',
          args: [digest, signature],
        },
      ],
    })
    return result?.ok === true && result.value === MAGIC
  } catch (error) {
    if (error instanceof ContractRevertError || error instanceof MalformedReturnDataError) {
      return false
    }
    if (!(error instanceof ContractNotFoundError)) throw error
  }
  try {
    return isAddressEqual(await recoverAddress({ hash: digest, signature }), owner)
  } catch {
    return false
  }
}
