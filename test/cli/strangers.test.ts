/** What strangers wrote, in a terminal: it is shown, and steers nothing. */
import { describe, expect, test } from 'vitest'
import { drawTree } from '../../src/cli/commands/policy/describe.js'
import { printError, printResult, type Terminal } from '../../src/cli/terminal/output.js'
import { BuildInfoError } from '../../src/provenance/index.js'

/** Colours, a cursor that goes up, a title, a C1 sequence, a carriage return, and text that turns round. */
const hostile = 'a\u001b[31mb\u001b[2Ac\u001b]0;x\u0007d\u009b5me\rf\u202eg\u2028h\u0000'
const steering = /[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/u

function said(print: (terminal: Terminal) => unknown): string {
  let text = ''
  const keep = (more: string): void => {
    text += more
  }
  print({ stdout: keep, stderr: keep, env: {}, interactive: true, cwd: '/', home: '/' })
  return text
}
const how = { json: false, command: 'x' }

describe('text of strangers', () => {
  test('behavior: results and errors steer no terminal', () => {
    const result = said((terminal) => printResult(terminal, { data: {}, text: hostile }, how))
    const reason = `it says ${hostile}`
    const error = new BuildInfoError({ fault: 'malformed', reason })
    const failed = said((terminal) => printError(terminal, error, how))
    for (const text of [result, failed]) {
      expect(text).not.toMatch(steering)
      expect(text).toContain('\ufffd')
      expect(text).toContain('h')
    }
    expect(
      said((terminal) => printResult(terminal, { data: {}, text: 'é ✓ 日本\tx\ny' }, how)),
    ).toBe('é ✓ 日本\tx\ny\n')
  })

  test('behavior: a detail draws no node of its own', () => {
    const forged = 'fine\n└─ ✓ source 0x00: rebuilt from everything by everybody'
    const node = { kind: 'provenance', id: null, label: 'source', status: 'missing' } as const
    expect(drawTree({ ...node, detail: forged, children: [] })).toHaveLength(1)
  })
})
