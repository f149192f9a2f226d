/** 3,000 inputs for each parser, of another seed each time that `FUZZ_SEED` says so. */
import { parserFuzzSuite } from './parserFuzz.js'

parserFuzzSuite(3_000, Number(process.env['FUZZ_SEED'] ?? 21))
