/** 200 inputs for each parser; 3,000 in `parserFuzz.deep.test.ts`. */
import { parserFuzzSuite } from './parserFuzz.js'

parserFuzzSuite(200)
