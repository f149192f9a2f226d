import { mockFaultSequences, proxyFaultSequences } from './faultSequences.js'

// The long form is faultSequences.deep.test.ts.
mockFaultSequences(60)
proxyFaultSequences(60)
