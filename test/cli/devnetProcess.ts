/** A devnet of the built command line, as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { freePort } from '@newton/policy-sdk/testing/node'
import type { Hex } from 'viem'
import { bin } from './runner.js'

/** What `devnet --json` says. */
export type DevnetReady = {
  client: Hex
  rpcUrl: string
  gatewayUrl: string
  artifactsUrl: string
  replicaUrl: string
  contracts: Record<string, Hex>
  accounts: { address: Hex; privateKey: Hex }[]
  ledger: { url: string; name: string; module: string; logKey: string }
}

/** A network that runs. */
export type DevnetProcess = { ready: DevnetReady; said: () => string; end: () => Promise<void> }

/** Starts one whose profile goes into the home directory. */
export async function startDevnetProcess(home: string): Promise<DevnetProcess> {
  const port = String(await freePort())
  const words = [bin, 'devnet', '--json', '--port', port, '--window', '1']
  const env = { PATH: process.env['PATH'], HOME: home }
  const child: ChildProcess = spawn(process.execPath, words, { cwd: home, env })
  let [output, errors] = ['', '']
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (!output.endsWith('\n')) return
      if ((JSON.parse(output) as { ok: boolean }).ok) resolve()
      else reject(new Error(output))
    })
    child.on('close', (code) => reject(new Error(`it ended with ${code}: ${errors}`)))
  })
  return {
    ready: (JSON.parse(output) as { data: DevnetReady }).data,
    said: () => errors,
    end: async () => {
      if (child.exitCode !== null) return
      child.removeAllListeners('close')
      const closed = new Promise((resolve) => child.on('close', resolve))
      child.kill('SIGINT')
      await closed
    },
  }
}
