import { mockFaultSequences, proxyFaultSequences } from './faultSequences.js'

const sequences = Number(process.env['DA_SEQUENCES'] ?? 2_000)
mockFaultSequences(sequences)
proxyFaultSequences(sequences)
