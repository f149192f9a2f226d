/** 10,200 changes. */
import { mutatedSuite } from './mutatedSuite.js'

mutatedSuite(3_400)
