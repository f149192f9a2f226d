import { journalCrashSuite } from './journalCrashSuite.js'

journalCrashSuite(5)
