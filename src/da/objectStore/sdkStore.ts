/** An S3-compatible store over an instance of `S3` of the AWS SDK. */
import { BaseError } from '../../errors/base.js'
import { DaIntegrityError } from '../errors.js'
import { readBody } from '../internal/http.js'
import type { Store } from './store.js'
import { storeError } from './storeErrors.js'

/** The part of `S3` of `@aws-sdk/client-s3` that is used. Pass an instance as `s3`. */
export type S3Like = {
  putObject(
    input: {
      Bucket: string
      Key: string
      Body: Uint8Array
      IfNoneMatch?: string
      IfMatch?: string
      ContentType: string
    },
    options: { abortSignal: AbortSignal },
  ): Promise<unknown>
  getObject(
    input: { Bucket: string; Key: string },
    options: { abortSignal: AbortSignal },
  ): Promise<{
    Body?:
      | {
          transformToByteArray(): Promise<Uint8Array>
          /** Read where it is there, and no further than the limit. */
          transformToWebStream?(): ReadableStream
        }
      | undefined
    ContentLength?: number | undefined
    ETag?: string | undefined
  }>
  headObject(
    input: { Bucket: string; Key: string },
    options: { abortSignal: AbortSignal },
  ): Promise<{ ContentLength?: number | undefined }>
}

/** Milliseconds without a byte inside a body. */
const STALL_TIMEOUT = 15_000

type SdkFailure = { name?: string; $metadata?: { httpStatusCode?: number } }

/** A store over the AWS SDK. */
export function sdkStore(
  s3: S3Like,
  { bucket, source, maxBytes }: { bucket: string; source: string; maxBytes: number },
): Store {
  async function mapped<value>(
    key: string,
    signal: AbortSignal,
    work: () => Promise<value>,
  ): Promise<value> {
    try {
      return await work()
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof BaseError) throw error
      const { name, $metadata } = error as SdkFailure
      throw storeError(
        { source, key, status: $metadata?.httpStatusCode ?? 0, code: name ?? '' },
        error,
      )
    }
  }
  return {
    put: (key, bytes, { replacing, signal }) =>
      mapped(key, signal, async () => {
        const condition = replacing === undefined ? { IfNoneMatch: '*' } : { IfMatch: replacing }
        const object = { Bucket: bucket, Key: key, Body: bytes, ...condition }
        const input = { ...object, ContentType: 'application/octet-stream' }
        try {
          await s3.putObject(input, { abortSignal: signal })
          return 'written'
        } catch (error) {
          const { name, $metadata } = error as SdkFailure
          if (name === 'PreconditionFailed' || $metadata?.httpStatusCode === 412) return 'refused'
          throw error
        }
      }),
    async get(key, { signal, onProgress }) {
      return mapped(key, signal, async () => {
        const { Body, ContentLength, ETag } = await s3.getObject(
          { Bucket: bucket, Key: key },
          { abortSignal: signal },
        )
        const stream = Body?.transformToWebStream?.()
        if ((ContentLength ?? 0) > maxBytes) {
          // Nobody reads it, and its connection is wanted.
          stream?.cancel().catch(() => undefined)
          throw new DaIntegrityError({
            source,
            reason: `an object of ${ContentLength} bytes, over the limit of ${maxBytes}`,
          })
        }
        const limited = { limit: maxBytes, stallTimeout: STALL_TIMEOUT }
        const bytes = stream
          ? await readBody({ source, signal }, new Response(stream), limited)
          : ((await Body?.transformToByteArray()) ?? new Uint8Array(0))
        onProgress?.({ loaded: bytes.length, total: ContentLength })
        return { bytes, etag: ETag }
      })
    },
    async head(key, signal) {
      return mapped(key, signal, async () => {
        const { ContentLength } = await s3.headObject(
          { Bucket: bucket, Key: key },
          { abortSignal: signal },
        )
        return ContentLength
      })
    },
  }
}
