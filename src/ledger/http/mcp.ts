/**
 * A ledger as an MCP server (Model Context Protocol, revision 2025-06-18): five tools that read, none
 * that writes. One JSON-RPC message in, one answer out, without a session: over HTTP each is a request
 * of its own, over stdio a line.
 */
import type { Json, JsonObject } from '../../core/jsonText.js'
import { utf8 } from '../../internal/bytes.js'
import {
  type Answer,
  type AnswerContext,
  proofAnswer,
  readAnswer,
  receiptAnswer,
  replayAnswer,
  verifyAnswer,
} from './answers.js'

/** Revisions of the protocol that are spoken, the newest first. */
export const mcpVersions: readonly string[] = ['2025-06-18', '2025-03-26', '2024-11-05']

/** Answers a message; `undefined` for one that has no answer. */
export type McpServer = (text: string, signal: AbortSignal) => Promise<JsonObject | undefined>

type Arguments = { readonly [name: string]: Json | undefined }
type Tool = {
  name: string
  description: string
  properties: JsonObject
  required: readonly string[]
  call(context: AnswerContext, given: Arguments, signal: AbortSignal): Promise<Answer>
}

const text = (description: string): JsonObject => ({ type: 'string', description })
const eventId = text('Id of the event: a UUID of version 7')
/** A text that is required: {@link wrongText} looked at it. */
const textOf = (given: Arguments, name: string): string => given[name] as string

const tools: readonly Tool[] = [
  {
    name: 'read_since',
    description:
      'Events in the order of the chain, from a place on, and the cursor of the next page',
    properties: {
      cursor: text('Place of the first event, in decimal; 0 is the genesis'),
      limit: { type: 'integer', minimum: 1, maximum: 1_000, description: 'Most events (100)' },
    },
    required: ['cursor'],
    call: (context, given, signal) => {
      const { limit = 100 } = given
      const most = typeof limit === 'number' ? limit : Number.NaN
      return readAnswer(context, { cursor: textOf(given, 'cursor'), limit: most }, signal)
    },
  },
  {
    name: 'get_event',
    description: 'An event with its place and a signed checkpoint that covers it',
    properties: { event_id: eventId },
    required: ['event_id'],
    call: (context, given) => receiptAnswer(context, textOf(given, 'event_id')),
  },
  {
    name: 'prove',
    description: 'The bytes of an event, and proofs of them up to the checkpoint of the meta log',
    properties: { event_id: eventId },
    required: ['event_id'],
    call: (context, given) => proofAnswer(context, textOf(given, 'event_id')),
  },
  {
    name: 'verify',
    description: 'A verdict per check, of an event as its canonical JSON (RFC 8785)',
    properties: { entry: text('The event’s bytes, as `prove` gives them') },
    required: ['entry'],
    call: (context, given) => verifyAnswer(context, utf8(textOf(given, 'entry'))),
  },
  {
    name: 'replay',
    description:
      'The state after the events before `to`, its root, and what is wrong from `from` on',
    properties: {
      from: text('Place from which faults are told (0)'),
      to: text('Place of the first event that is left out'),
      domain: text('One part of the state'),
    },
    required: [],
    call: (context, given, signal) => {
      const { from = '0', to, domain } = given as Partial<Record<string, string>>
      return replayAnswer(context, { from, to, domain }, signal)
    },
  },
]

/** Creates the server of one ledger. */
export function createMcpServer(context: AnswerContext): McpServer {
  return async (message, signal) => {
    let request: unknown
    try {
      request = JSON.parse(message)
    } catch {
      return failure(null, -32_700, 'it is no JSON')
    }
    if (!isObject(request) || request['jsonrpc'] !== '2.0') {
      return failure(null, -32_600, 'it is no JSON-RPC 2.0 message')
    }
    const { id, method } = request
    // A notification, or an answer to a question that was never asked.
    if (id === undefined || typeof method !== 'string') return undefined
    if (typeof id !== 'string' && typeof id !== 'number') {
      return failure(null, -32_600, 'its id is neither a text nor a number')
    }
    const params = isObject(request['params']) ? request['params'] : {}
    if (method === 'tools/call') return callTool(context, { id, params, signal })
    const result = resultOf(method, params)
    if (result === undefined) return failure(id, -32_601, `there is no method ${method}`)
    return { jsonrpc: '2.0', id, result }
  }
}

function resultOf(method: string, params: Arguments): JsonObject | undefined {
  if (method === 'ping') return {}
  if (method === 'initialize') {
    const asked = params['protocolVersion']
    const known = typeof asked === 'string' && mcpVersions.includes(asked)
    return {
      protocolVersion: known ? asked : (mcpVersions[0] as string),
      capabilities: { tools: {} },
      serverInfo: { name: 'newton-policy-ledger', version: '1' },
      instructions: 'An append-only record of policy evaluations. Nothing here writes.',
    }
  }
  if (method !== 'tools/list') return undefined
  return {
    tools: tools.map(({ name, description, properties, required }) => ({
      ...{ name, description },
      inputSchema: {
        type: 'object',
        properties,
        required: [...required],
        additionalProperties: false,
      },
      annotations: { readOnlyHint: true, openWorldHint: false },
    })),
  }
}

async function callTool(
  context: AnswerContext,
  { id, params, signal }: { id: string | number; params: Arguments; signal: AbortSignal },
): Promise<JsonObject> {
  const tool = tools.find(({ name }) => name === params['name'])
  if (tool === undefined) return failure(id, -32_602, 'there is no such tool')
  const given = params['arguments'] ?? {}
  if (!isObject(given)) return failure(id, -32_602, 'arguments are an object')
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(tool.properties, name))
  const missing = tool.required.find((name) => given[name] === undefined)
  if (unknown !== undefined) return failure(id, -32_602, `${tool.name} takes no ${unknown}`)
  if (missing !== undefined) return failure(id, -32_602, `${tool.name} needs ${missing}`)
  const wrong = wrongText(tool, given)
  if (wrong !== undefined) return failure(id, -32_602, `${tool.name} takes ${wrong} as text`)
  const { status, body } = await tool.call(context, given, signal)
  const result = {
    content: [{ type: 'text', text: JSON.stringify(body) }],
    structuredContent: body,
    isError: status >= 300 || status === 202,
  }
  return { jsonrpc: '2.0', id, result }
}

/** The text that is none: one that may be left out would be taken for left out. */
function wrongText({ properties }: Tool, given: Arguments): string | undefined {
  return Object.keys(given).find(
    (name) =>
      (properties[name] as JsonObject)['type'] === 'string' && typeof given[name] !== 'string',
  )
}

function failure(id: string | number | null, code: number, message: string): JsonObject {
  return { jsonrpc: '2.0', id, error: { code, message } }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
