/** The long suites, named `*.deep.test.ts`: many kills, soaks, browsers. `npm run test:deep`. */
import { configDefaults, defineConfig } from 'vitest/config'
import base from './vitest.config.js'

const { projects: _, ...test } = base.test ?? {}

export default defineConfig({
  ...base,
  test: {
    ...test,
    include: ['src/**/*.deep.test.ts', 'test/**/*.deep.test.ts'],
    exclude: configDefaults.exclude,
    // Most of their time is waiting: for kills, for windows, for browsers.
    maxWorkers: 2,
  },
})
