import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeWorkFolder, removeLeftFolders } from './workFolder.js'

const directory = mkdtempSync(join(tmpdir(), 'work-folders-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test.skipIf(process.platform !== 'linux')(
  'behavior: what killed processes left goes, and nothing that anybody may have',
  async () => {
    const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
    const gone = child.pid as number
    await once(child, 'exit')
    const own = basename(await makeWorkFolder('build', { directory }))
    const [, head = '', start = ''] = /^(newton-build-\w+\.\d+)\.\d+\.(\d+)-/.exec(own) ?? []
    const [boot = '', namespace = ''] = head.slice('newton-build-'.length).split('.')
    const named = (of: string, pid: number, begin: string): string => `${of}.${pid}.${begin}-abcDE1`
    const left = [
      named(head, gone, start),
      named(head.replace('build', 'toolchain'), gone, start),
      // Its number is another process's by now.
      named(head.replace('build', 'open'), process.pid, `${Number(start) - 1}`),
    ]
    const kept = [
      ...[own, `${head}.${gone}.${start}`, `x${named(head, gone, start)}`, 'newton-build-abcDE1'],
      named(
        `newton-build-${boot === '0'.repeat(8) ? '1'.repeat(8) : '0'.repeat(8)}.${namespace}`,
        gone,
        start,
      ),
      named(`newton-build-${boot}.${Number(namespace) + 1}`, gone, start),
    ]
    for (const name of [...left, ...kept]) {
      mkdirSync(join(directory, name, 'source'), { recursive: true })
      writeFileSync(join(directory, name, 'source', 'file'), 'text')
    }
    // What they link to is somebody's, and so is what only has such a name.
    symlinkSync(join(directory, own), join(directory, left[0] as string, 'link'))
    const link = named(head, gone, '1')
    symlinkSync(join(directory, own), join(directory, link))
    const file = named(head, gone, '2')
    writeFileSync(join(directory, file), 'text')
    expect(await removeLeftFolders({ directory })).toBe(3)
    expect(readdirSync(directory).sort()).toEqual([...kept, link, file].sort())
    expect(readdirSync(join(directory, own, 'source'))).toEqual(['file'])
    expect(await removeLeftFolders({ directory })).toBe(0)
    expect(await removeLeftFolders({ directory: join(directory, 'nowhere') })).toBe(0)
  },
)
