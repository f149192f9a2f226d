/** Functions fit a screen: a longer one is split where its steps have names. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../src/', import.meta.url))

/**
 * Lines of a function, without those of the functions with a name in it: a handle of several small
 * functions over one state is as long as what it does itself.
 */
const MOST_LINES = 80

/** The name of a function's node, where it has one. */
function nameOf(node: ts.Node): ts.Node | undefined {
  if (!ts.isFunctionLike(node) || !('body' in node)) return undefined
  const { parent } = node
  const holds = ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)
  return node.name ?? (holds ? parent.name : undefined)
}

function longFunctions(path: string): string[] {
  const source = ts.createSourceFile(
    path,
    readFileSync(join(root, path), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  )
  const found: string[] = []
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line
  const linesOf = (node: ts.Node): number => lineOf(node.end) - lineOf(node.getStart(source)) + 1
  const declared = (node: ts.Node): number => {
    let lines = 0
    ts.forEachChild(node, (child) => {
      lines += nameOf(child) ? linesOf(child) : declared(child)
    })
    return lines
  }
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const lines = linesOf(node) - declared(node)
      const name = nameOf(node)?.getText(source) ?? 'a function without a name'
      if (lines > MOST_LINES) found.push(`${path} ${name}: ${lines} lines`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

test(`behavior: no function has more than ${MOST_LINES} lines`, () => {
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.ts$/.test(path) && !/\.(?:test|test-d|generated)\.ts$/.test(path))
    // Generated, and data only.
    .filter((path) => !/^(?:core\/abi|testing\/artifacts)\//.test(path))
  expect(sources.length).toBeGreaterThan(300)
  expect(sources.flatMap(longFunctions)).toEqual([])
})
