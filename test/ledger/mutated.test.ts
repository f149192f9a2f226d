import { mutatedSuite } from './mutatedSuite.js'

mutatedSuite(250)
