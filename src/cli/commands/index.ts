import type { CommandDef } from 'citty'
import { group } from '../terminal/command.js'

/** The whole command tree. Every command is loaded only when it is called. */
export const rootCommand: CommandDef = group(
  'newton-policy',
  'Store, evaluate and verify policies on Newton',
  {
    init: () => import('./init.js').then((module) => module.init),
    policy: () => import('./policy/index.js').then((module) => module.policy),
    'policy-data': () => import('./policyData/index.js').then((module) => module.policyData),
    plugin: () => import('./plugin.js').then((module) => module.plugin),
    client: () => import('./client.js').then((module) => module.client),
    task: () => import('./task/index.js').then((module) => module.task),
    devnet: () => import('./devnet/devnet.js').then((module) => module.devnet),
    doctor: () => import('./doctor/doctor.js').then((module) => module.doctor),
    config: () => import('./config.js').then((module) => module.config),
    artifact: () => import('./artifact.js').then((module) => module.artifact),
    state: () => import('./state.js').then((module) => module.state),
    attestation: () => import('./attestation.js').then((module) => module.attestation),
    enclave: () => import('./enclave.js').then((module) => module.enclave),
    ledger: () => import('./ledger/index.js').then((module) => module.ledger),
    provenance: () => import('./provenance/index.js').then((module) => module.provenance),
    operator: () => import('./operator.js').then((module) => module.operator),
    gateway: () => import('./roles.js').then((module) => module.gateway),
    challenger: () => import('./roles.js').then((module) => module.challenger),
    replica: () => import('./roles.js').then((module) => module.replica),
    completions: () => import('./completions.js').then((module) => module.completions(rootCommand)),
  },
)
