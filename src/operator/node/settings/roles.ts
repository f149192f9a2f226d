/** The settings of each role. One table serves file, environment, flags and the page of settings. */
import { webhookPorts } from '../../gateway/hooks/urls.js'
import type { Setting } from './values.js'
import {
  addressKind,
  booleanKind,
  choiceKind,
  databaseKind,
  hexKind,
  integerKind,
  listKind,
  pathKind,
  secondsKind,
  tableKind,
  textKind,
  urlKind,
} from './values.js'

/** Gives a setting its type. */
const setting = <value, const rest extends Omit<Setting<value>, 'kind'>>(
  kind: Setting<value>['kind'],
  rest: rest,
): Setting<value> & rest => ({ kind, ...rest })

const port = (value: number) =>
  setting(integerKind(0, 65_535), { description: 'Port; 0 for any free one', default: value })

const chain = {
  'chain.id': setting(integerKind(1, Number.MAX_SAFE_INTEGER), { description: 'Id of the chain' }),
  'chain.rpc_urls': setting(listKind(urlKind, 1), {
    description: 'RPC endpoints, of different providers: what two of them say differently stops it',
  }),
  'chain.from_block': setting(integerKind(0, Number.MAX_SAFE_INTEGER), {
    description: 'Block of the deployment of the contracts',
    default: 0,
  }),
  'chain.finality': setting(choiceKind(['finalized', 'safe', 'latest']), {
    description: 'Which blocks stay; latest on chains of one node only',
    default: 'finalized' as const,
  }),
  'chain.confirmations': setting(integerKind(0, 10_000), {
    description: 'Blocks that the index stays behind the newest one',
    default: 2,
  }),
  'chain.poll_seconds': setting(secondsKind(0.1), {
    description: 'Seconds between two looks at the chain',
    default: 4,
  }),
  'chain.contracts': setting(tableKind(textKind, addressKind), {
    description: 'Addresses of contracts that the package does not know, by name',
    default: {} as Readonly<Record<string, `0x${string}`>>,
  }),
}
const own = {
  'data.directory': setting(pathKind, {
    description: 'Directory of this process alone, which is locked',
  }),
  'listen.host': setting(textKind, { description: 'Address to listen on', default: '127.0.0.1' }),
  'listen.connections': setting(integerKind(1, 1_000_000), {
    description: 'Connections at a time; each costs a file handle',
    default: 4_096,
  }),
  'listen.connections_per_address': setting(integerKind(1, 1_000_000), {
    description: 'Of one address; a proxy on another machine needs as many as it brings',
    default: 256,
  }),
  shutdown_grace: setting(secondsKind(), {
    description: 'Seconds for what is in flight, after SIGTERM',
    default: 10,
  }),
  'log.level': setting(choiceKind(['debug', 'info', 'warn', 'error']), {
    description: 'Least of what is logged',
    default: 'info' as const,
  }),
}
const artifacts = {
  'da.directory': setting(pathKind, {
    description: 'Directory of a file store of artifacts',
    optional: true as const,
  }),
  'da.proxy_url': setting(urlKind, { description: 'EigenDA proxy', optional: true as const }),
  'da.bootnodes': setting(listKind(urlKind), {
    description: 'Bootnodes, which give bytes and snapshots',
    default: [] as readonly string[],
  }),
}
const account = {
  'account.keystore': setting(pathKind, {
    description: 'Encrypted key of the account, as `cast wallet import` writes it',
  }),
  'account.password_file': setting(pathKind, {
    description: 'File with its password',
    optional: true as const,
  }),
}
const operators = {
  operators: setting(tableKind(addressKind, urlKind), {
    description: 'Operators: their accounts with the base URLs of their servers',
  }),
}
const commits = {
  'commits.window_seconds': setting(integerKind(1, 86_400), {
    description: 'Seconds of a commit window; the same for all operators of a network',
    optional: true as const,
  }),
}

const ledger = {
  'ledger.url': setting(urlKind, {
    description: 'Evaluation ledger that is told what happens; nothing is recorded where left out',
    optional: true as const,
  }),
  'ledger.name': setting(textKind, {
    description: 'Name of that ledger, which its origins start with',
    optional: true as const,
  }),
  'ledger.module': setting(textKind, {
    description: 'Its tenant, for X-Module-ID',
    optional: true as const,
  }),
  'ledger.key_file': setting(pathKind, {
    description: 'File with the 32-byte seed that signs events, as `ledger key` writes it',
    optional: true as const,
  }),
}

/** Settings of an operator. */
export const operatorSettings = {
  ...{ ...chain, ...own, ...artifacts, ...account, ...operators, ...commits, ...ledger },
  'listen.port': port(8_700),
  'identity.urls': setting(listKind(urlKind), {
    description: 'Base URLs that others reach it by; its own of `operators` where left out',
    default: [] as readonly string[],
  }),
  gateways: setting(listKind(addressKind), {
    description: 'Accounts of gateways, which may ask for tasks',
  }),
  'key.keystore': setting(pathKind, {
    description: 'Encrypted BLS key',
    optional: true as const,
  }),
  'key.password_file': setting(pathKind, {
    description: 'File with its password',
    optional: true as const,
  }),
  'key.remote_url': setting(urlKind, {
    description: 'Remote signer, in place of a key file',
    optional: true as const,
  }),
  'key.remote_token_file': setting(pathKind, {
    description: 'File with the bearer token of the remote signer',
    optional: true as const,
  }),
  'enclave.kind': setting(choiceKind(['simulator', 'tcp', 'none']), {
    description: 'Where tasks are evaluated: none is for networks without enclaves',
  }),
  'enclave.host': setting(textKind, {
    description: 'Host of the bridge to the enclave',
    default: '127.0.0.1',
  }),
  'enclave.port': setting(integerKind(1, 65_535), {
    description: 'Port of the bridge to the enclave',
    optional: true as const,
  }),
  'enclave.pcr0': setting(hexKind(48), {
    description: 'PCR0 of the build that runs in it',
    optional: true as const,
  }),
  'enclave.secrets_key_file': setting(pathKind, {
    description: 'File with the 32-byte secret of a simulated enclave, as 0x-hex',
    optional: true as const,
  }),
  'enclave.allow_hosts': setting(listKind(textKind), {
    description: 'Hosts that plugins may reach, such as api.example:443; * for every one',
    default: [] as readonly string[],
  }),
  'journal.directory': setting(pathKind, {
    description: 'Directory of the signing journal; in the data directory where left out',
    optional: true as const,
  }),
  'journal.witness': setting(pathKind, {
    description: 'File on another disk that tells an old journal from the newest one',
    optional: true as const,
  }),
  'journal.new': setting(booleanKind, {
    description: 'The key has never signed: make its journal; for the first start alone',
    default: false,
  }),
  'da.renew': setting(booleanKind, {
    description: 'Whether copies that expire are renewed by this operator, which pays for them',
    default: false,
  }),
  'prewarm.always': setting(listKind(hexKind(32)), {
    description: 'Policy-data templates whose plugins stay compiled, whatever else comes',
    default: [],
  }),
  'sign.max_lag': setting(integerKind(0, 10_000), {
    description: 'Blocks that the index may be behind while tasks are signed',
    default: 30,
  }),
}

/** Settings of a gateway. */
export const gatewaySettings = {
  ...{ ...chain, ...own, ...account, ...operators, ...ledger },
  'listen.port': port(8_600),
  'database.url': setting(databaseKind, {
    description: 'Postgres server; PGlite in the data directory where left out',
    optional: true as const,
  }),
  'database.memory': setting(booleanKind, {
    description: 'Tasks in memory only: for tests',
    default: false,
  }),
  'callers.anyone': setting(booleanKind, {
    description: 'Takes whoever calls: for networks of one machine',
    default: false,
  }),
  'callers.keys': setting(tableKind(textKind, hexKind(32)), {
    description: 'Hashes of API keys by caller, as `newton-policy gateway key` prints them',
    default: {} as Readonly<Record<string, `0x${string}`>>,
  }),
  'callers.auditors': setting(listKind(textKind), {
    description: 'Callers that see the tasks of all, such as challengers',
    default: [] as readonly string[],
  }),
  'enclave.pcr0_commitment': setting(hexKind(32), {
    description: 'keccak256 of the PCR0 that operators are asked for; none where left out',
    optional: true as const,
  }),
  land: setting(booleanKind, {
    description: 'Whether answers are landed on chain where clients ask for it',
    default: true,
  }),
  reference_delay: setting(integerKind(0, 10_000), {
    description: 'Blocks that the reference block is behind the newest one; else the chain table’s',
    optional: true as const,
  }),
  keep_hours: setting(integerKind(1, 87_600), {
    description: 'Hours for which tasks that ended are kept; evidence of equivocation stays',
    default: 168,
  }),
  sockets: setting(booleanKind, {
    description: 'Whether callers may stay connected on /ws, to be told of changes',
    default: true,
  }),
  webhooks: setting(booleanKind, {
    description: 'Whether callers that have keys may be told by requests to a URL of theirs',
    default: true,
  }),
  webhook_ports: setting(listKind(integerKind(1, 65_535), 1), {
    description: 'Ports that callers’ URLs of webhooks may name',
    default: webhookPorts,
  }),
  lease_seconds: setting(secondsKind(1), {
    description: 'Seconds after which the tasks of a gateway that died are taken up',
    default: 5,
  }),
}

/** Settings of a challenger. */
export const challengerSettings = {
  ...{ ...chain, ...own, ...artifacts, ...account, ...ledger },
  'listen.port': port(8_800),
  level: setting(choiceKind(['quorum', 'result']), {
    description: 'How far responses are verified; result needs a gateway that gives what travels',
    default: 'quorum' as const,
  }),
  'gateway.url': setting(urlKind, {
    description: 'Gateway that is asked for what travels with a response',
    optional: true as const,
  }),
  'gateway.key_file': setting(pathKind, {
    description: 'File with the API key of an auditor there',
    optional: true as const,
  }),
  'prover.url': setting(urlKind, {
    description: 'Service that proves false results and documents',
    optional: true as const,
  }),
  'file.max_fee_gwei': setting(integerKind(1, 1_000_000), {
    description: 'Most that a unit of gas may cost',
    optional: true as const,
  }),
  'file.finality_depth': setting(integerKind(1, 100_000), {
    description: 'Blocks on top of a challenge after which it stays',
    default: 64,
  }),
}

/** Settings of a replica. */
export const replicaSettings = {
  ...{ ...chain, ...own, ...artifacts, ...commits },
  'listen.port': port(8_900),
  operators: setting(tableKind(addressKind, urlKind), {
    description: 'Operators, which give deltas that nobody else has any more',
    default: {} as Readonly<Record<string, string>>,
  }),
  serve: setting(booleanKind, {
    description: 'Whether others may bootstrap from it',
    default: false,
  }),
}

/** Settings that name keys: who starts a role from code has opened them. */
export type KeySetting =
  | 'account.keystore'
  | 'account.password_file'
  | 'key.keystore'
  | 'key.password_file'
  | 'key.remote_url'
  | 'key.remote_token_file'
