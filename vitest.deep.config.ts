/** The long suites, named `*.deep.test.ts`: many kills, soaks, browsers. `npm run test:deep`. */
import { configDefaults, defineConfig } from 'vitest/config'
import base from './vitest.config.js'

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['src/**/*.deep.test.ts', 'test/**/*.deep.test.ts'],
    exclude: configDefaults.exclude,
  },
})
