/** The whole example: a network, the built page, and blocks that go on. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildPage } from './buildPage.js'
import { type Network, startNetwork } from './network.js'
import { startPageServer } from './pageServer.js'

export type Example = { url: string; network: Network; close: () => Promise<void> }

/** Starts it. */
export async function startExample(options: {
  /** Of the page. @default any that is free */
  port?: number | undefined
  /** Milliseconds between blocks. @default 2_000 */
  blockTime?: number | undefined
  tell: (line: string) => void
}): Promise<Example> {
  const { port, blockTime = 2_000, tell } = options
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).reverse()) await each()
  }
  try {
    const directory = await mkdtemp(join(tmpdir(), 'newton-dapp-'))
    closers.push(() => rm(directory, { recursive: true, force: true }))
    tell('building the page')
    await buildPage(directory)
    const network = await startNetwork({ tell })
    closers.push(network.close)
    const page = await startPageServer({ network, directory, port })
    closers.push(page.close)
    closers.push(mineOn(network, blockTime))
    return { url: page.url, network, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A chain that mines nothing by itself would stand still while somebody reads the page. */
function mineOn({ devnet }: Network, blockTime: number): () => Promise<void> {
  let mining: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    mining = mining.then(() => devnet.mine(1)).catch(() => undefined)
  }, blockTime)
  return async () => {
    clearInterval(timer)
    await mining
  }
}
