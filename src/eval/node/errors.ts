import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** A plugin's source does not build into a component. */
export class PluginBuildError extends BaseError {
  override readonly name = 'PluginBuildError'
  override readonly code = 'PLUGIN_BUILD_FAILED'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The plugin does not build: ${reason}.`, {
      metaMessages: [
        'A plugin is one JavaScript module without npm imports that exports `run(input)`.',
      ],
      ...options,
    })
  }
}
