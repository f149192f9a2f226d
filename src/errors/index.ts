export { BaseError, type BaseErrorOptions, isPolicySdkError } from './base.js'
export { InvalidInputError, MissingPeerError, TimeoutError } from './common.js'
