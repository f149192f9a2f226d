/**
 * A page that checks a transfer against its policy before it is sent, and verifies what operators
 * signed by itself. Starts a development network and the page.
 *
 * npm run example:dapp
 */
import { startExample } from './server/example.js'

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const { PORT = '5173', BLOCK_TIME = '2000' } = process.env

startExample({ port: Number(PORT), blockTime: Number(BLOCK_TIME), tell })
  .then(({ url, close }) => {
    tell(`\n  ${url}\n\nCtrl-C ends`)
    const end = (): void => {
      close().then(
        () => process.exit(0),
        () => process.exit(1),
      )
    }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
  .catch((error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`\nThe example failed.\n${text}\n`)
    process.exitCode = 1
  })
