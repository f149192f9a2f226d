/** What a development network is started with. */
import type { DeployConfig } from '../../contracts.js'

/** Options of `createDevnet`. */
export type DevnetOptions = {
  /** @default 4 */
  operators?: number | undefined
  /**
   * Where all of it is kept: chain, artifacts, what each role keeps, tasks, ledger. A network that was
   * there before goes on, with the contracts that it has. A temporary directory, removed at the end,
   * where left out.
   */
  directory?: string | undefined
  chainId?: number | undefined
  port?: number | undefined
  /** Unix seconds of the first block. @default now */
  timestamp?: number | undefined
  contracts?: DeployConfig | undefined
  /** Hosts and ports that plugins may reach from inside the enclaves. @default every one */
  allowHost?: ((target: { host: string; port: number }) => boolean) | undefined
  /** Whether what happens is recorded in an evaluation ledger; needs the optional peer `zod`. @default true */
  ledger?: boolean | undefined
  /** Whether a challenger watches, and files what it finds. @default true */
  challenger?: boolean | undefined
  /** Whether a replica follows, which is a bootnode. @default true */
  replica?: boolean | undefined
  /** Ends the start between two of its steps; what was started by then is stopped. */
  signal?: AbortSignal | undefined
}
