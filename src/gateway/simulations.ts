/** Evaluations that the gateway makes without a task. */
import type { Hex } from 'viem'
import type { Json } from '../core/canonicalJson.js'
import type { GatewayClient, SimulatedData, SimulatedPolicy, Simulation } from './clientTypes.js'
import {
  booleanField,
  type Fields,
  type FieldsCall,
  fieldsOf,
  member,
  textField,
  uintField,
} from './fields.js'
import {
  writeAddress,
  writeBytes,
  writeChainId,
  writeSimulatePolicy,
  writeSimulateTask,
} from './requests.js'

/** The simulations, made with `read`. */
export function simulationMethods(
  read: FieldsCall,
): Pick<
  GatewayClient,
  'simulateTask' | 'simulatePolicy' | 'simulatePolicyData' | 'simulatePolicyDataWithClient'
> {
  return {
    simulateTask: async (parameters, io) =>
      readSimulation(
        await read('newt_simulateTask', writeSimulateTask(parameters), io),
        (fields) => {
          return (member(fields, 'result') ?? null) as Json
        },
      ),
    simulatePolicy: async (parameters, io) =>
      readSimulation(
        await read('newt_simulatePolicy', writeSimulatePolicy(parameters), io),
        readPolicy,
      ),
    simulatePolicyData: async ({ policyDataAddress, chainId, secrets, wasmArgs }, io) => {
      const params = {
        policy_data_address: writeAddress(policyDataAddress, 'policyDataAddress'),
        chain_id: writeChainId(chainId),
        ...(secrets === undefined ? {} : { secrets }),
        ...wasm(wasmArgs),
      }
      return readSimulation(await read('newt_simulatePolicyData', params, io), readData)
    },
    simulatePolicyDataWithClient: async ({ policyDataAddress, policyClient, wasmArgs }, io) => {
      const params = {
        policy_data_address: writeAddress(policyDataAddress, 'policyDataAddress'),
        policy_client: writeAddress(policyClient, 'policyClient'),
        ...wasm(wasmArgs),
      }
      return readSimulation(await read('newt_simulatePolicyDataWithClient', params, io), readData)
    },
  }
}

/** A result of the form that says by `success` whether there is a value. */
export function readSimulation<value>(
  fields: Fields,
  read: (fields: Fields) => value,
): Simulation<value> {
  if (booleanField(fields, 'success')) return { success: true, value: read(fields) }
  const details = member(fields, 'errorDetails') ?? member(fields, 'details') ?? null
  return {
    success: false,
    error: textField(fields, 'error') ?? 'no reason given',
    details: details as Json,
  }
}

function readPolicy(fields: Fields): SimulatedPolicy {
  const result = fieldsOf(member(fields, 'evaluationResult'), {
    path: 'result.evaluation_result',
    method: fields.method,
  })
  return {
    result: (member(result, 'result') ?? null) as Json,
    parsedIntent: (member(result, 'parsedIntent') ?? null) as Json,
    policyParamsAndData: (member(result, 'policyParamsAndData') ?? null) as Json,
    entrypoint: textField(result, 'entrypoint'),
  }
}

function readData(fields: Fields): SimulatedData {
  const path = 'result.policy_data'
  const data = fieldsOf(member(fields, 'policyData'), { path, method: fields.method })
  return {
    specifier: textField(data, 'specifier'),
    data: (member(data, 'data') ?? null) as Json,
    timestamp: uintField(data, 'timestamp'),
  }
}

function wasm(wasmArgs: Hex | undefined): { wasm_args?: Hex } {
  const bytes = writeBytes(wasmArgs, 'wasmArgs')
  return bytes === undefined ? {} : { wasm_args: bytes }
}
