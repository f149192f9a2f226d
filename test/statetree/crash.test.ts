import { crashSuite } from './crashSuite.js'

// The long form is crash.deep.test.ts.
crashSuite(9)
