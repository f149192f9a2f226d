/** Schemas checked by ajv. Needs the optional peer `ajv`. */
export { ajvSchemaValidator } from './backend.js'
