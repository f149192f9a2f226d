/** The interface as OpenAPI 3.1, its events from their schemas. */
import type { Json, JsonObject } from '../../core/jsonText.js'
import { stateParts } from '../audit/reducers.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import { refusalStatus } from '../events/submit.js'

const text = { type: 'string' }
const decimal = { type: 'string', pattern: '^(0|[1-9][0-9]*)$' }
const module = {
  ...{ name: 'X-Module-ID', in: 'header', required: true, schema: text },
  description: 'The tenant that the ledger belongs to.',
}
const eventId = {
  name: 'event_id',
  in: 'path',
  required: true,
  schema: { ...text, format: 'uuid' },
}
const ref = (name: string): JsonObject => ({ $ref: `#/components/schemas/${name}` })
const content = (schema: JsonObject): JsonObject => ({ 'application/json': { schema } })
const answer = (description: string, schema?: JsonObject): JsonObject =>
  schema === undefined ? { description } : { description, content: content(schema) }
const refusal = (description: string): JsonObject => answer(description, ref('Refusal'))

const moduleAnswers = {
  400: refusal('X-Module-ID is missing, or the request is malformed.'),
  403: refusal('Another module’s ledger, or a key that may not say this.'),
}

/** Makes the description of the interface. Without `jsonSchema` payloads are any object. */
export function openApi(
  schemas: EventSchemas & { jsonSchema?: ((version: string) => unknown) | undefined },
): JsonObject {
  const { jsonSchema } = schemas
  const payloads = schemas.versions.map((version) => [
    version.replace(/[^A-Za-z0-9._-]/g, '_'),
    (jsonSchema?.(version) ?? { type: 'object' }) as Json,
  ])
  return {
    openapi: '3.1.0',
    info: { title: 'Evaluation ledger', version: '1' },
    paths,
    components: {
      schemas: {
        ...Object.fromEntries(payloads as [string, Json][]),
        Payload: { oneOf: payloads.map(([name]) => ref(name as string)) },
        ...shapes,
      },
    },
  }
}

const event = {
  type: 'object',
  properties: {
    ...{ event_id: text, payload: ref('Payload'), schema_version: text, key_id: text },
    ...{ public_key: text, previous_hash: text, current_hash: text, signature: text },
    timestamp: { ...text, format: 'date-time' },
  },
  required: [
    ...['event_id', 'payload', 'schema_version', 'key_id', 'public_key', 'previous_hash'],
    ...['current_hash', 'signature', 'timestamp'],
  ],
  additionalProperties: false,
}

const shapes: JsonObject = {
  LedgerEvent: event,
  Submission: {
    type: 'object',
    description: 'The whole body is its own RFC 8785 form.',
    properties: { payload: ref('Payload'), previous_hash: text, public_key: text, signature: text },
    required: ['payload', 'previous_hash', 'public_key', 'signature'],
  },
  Receipt: {
    type: 'object',
    properties: {
      ...{
        event: ref('LedgerEvent'),
        seq: decimal,
        domain: text,
        index: decimal,
        checkpoint: text,
      },
    },
    required: ['event', 'seq', 'domain', 'index'],
  },
  Page: {
    type: 'object',
    properties: {
      cursor: decimal,
      events: {
        type: 'array',
        items: {
          type: 'object',
          properties: { seq: decimal, domain: text, index: decimal, event: ref('LedgerEvent') },
          required: ['seq', 'domain', 'index', 'event'],
        },
      },
    },
    required: ['events', 'cursor'],
  },
  Refusal: {
    type: 'object',
    properties: {
      code: {
        ...text,
        enum: [
          ...Object.keys(refusalStatus),
          ...['module_missing', 'module_foreign', 'not_found', 'unknown_event', 'pending', 'range'],
          ...['replaying', 'empty', 'method', 'busy', 'stopped', 'internal', 'cursor', 'limit'],
          ...['protocol_version', 'query', 'domain', 'late', 'unfinished'],
        ],
      },
      detail: text,
      head: {
        type: 'object',
        properties: { seq: decimal, current_hash: text, event_id: text },
      },
    },
    required: ['code', 'detail'],
  },
  Proof: {
    type: 'object',
    properties: { entry: text, domainProof: text, metaRecord: text, metaProof: text },
    required: ['entry', 'domainProof', 'metaRecord', 'metaProof'],
  },
}

const late = refusal('The body did not come in time.')

const paths: JsonObject = {
  '/mcp': {
    post: {
      description: 'Model Context Protocol: one JSON-RPC message, five tools that read.',
      parameters: [module],
      requestBody: { required: true, content: content({ type: 'object' }) },
      responses: {
        ...moduleAnswers,
        200: answer('The answer.', { type: 'object' }),
        202: answer('A message that has none.'),
        408: late,
        413: refusal('Too large.'),
      },
    },
  },
  '/api/ledger/event': {
    post: {
      parameters: [module],
      requestBody: { required: true, content: content(ref('Submission')) },
      responses: {
        ...moduleAnswers,
        200: answer('The ledger has this event.', ref('Receipt')),
        201: answer('Appended.', ref('Receipt')),
        401: refusal('Hash or signature are wrong.'),
        408: late,
        409: refusal('Another event came first, or has this id.'),
        413: refusal('Too large.'),
        422: refusal('It contradicts what the ledger says.'),
        503: refusal('Send it again.'),
      },
    },
  },
  '/api/ledger/event/{event_id}': {
    get: {
      parameters: [module, eventId],
      responses: {
        ...moduleAnswers,
        200: answer('The event and its place.', ref('Receipt')),
        404: refusal('There is none.'),
      },
    },
  },
  '/api/ledger/events': {
    get: {
      parameters: [
        module,
        { name: 'cursor', in: 'query', schema: decimal },
        { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 1_000 } },
      ],
      responses: { ...moduleAnswers, 200: answer('Events, and the next cursor.', ref('Page')) },
    },
  },
  '/api/ledger/verify': {
    post: {
      parameters: [module],
      requestBody: { required: true, content: content(ref('LedgerEvent')) },
      responses: {
        ...moduleAnswers,
        200: answer('A verdict per check.', { type: 'object' }),
        408: late,
        413: refusal('Too large.'),
      },
    },
  },
  '/api/merkle/proof/{event_id}': {
    get: {
      parameters: [module, eventId],
      responses: {
        ...moduleAnswers,
        200: answer('Both proofs; the tlog-proof alone as text/plain.', ref('Proof')),
        202: refusal('Not published yet: ask again.'),
        404: refusal('There is no such event.'),
      },
    },
  },
  '/api/ledger/replay': {
    get: {
      parameters: [
        module,
        { name: 'from', in: 'query', schema: decimal },
        { name: 'to', in: 'query', schema: decimal },
        { name: 'domain', in: 'query', schema: { ...text, enum: [...stateParts] } },
      ],
      responses: {
        ...moduleAnswers,
        200: answer('State and its root.', { type: 'object' }),
        429: refusal('Another replay is running.'),
      },
    },
  },
}
