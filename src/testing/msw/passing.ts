/** Handlers that hand requests to a fake of this package. */
import type { RequestHandler } from 'msw'
import { MissingPeerError } from '../../errors/common.js'

/**
 * Answers every request below a base with a `fetch`; what that throws is a connection that failed.
 *
 * @throws {MissingPeerError} when the optional peer `msw` is not installed.
 */
export async function passingHandlers(
  needed: string,
  { base, fetch }: { base: string; fetch: (request: Request) => Promise<Response> },
): Promise<RequestHandler[]> {
  const { HttpResponse, http } = await loadMsw(needed)
  const answer = async ({ request }: { request: Request }): Promise<Response> => {
    try {
      const response = await fetch(request)
      return new HttpResponse(response.body, {
        status: response.status,
        headers: response.headers,
      })
    } catch {
      return HttpResponse.error()
    }
  }
  const trimmed = base.replace(/\/+$/, '')
  return [http.all(trimmed, answer), http.all(`${trimmed}/*`, answer)]
}

async function loadMsw(needed: string): Promise<typeof import('msw')> {
  try {
    return await import('msw')
  } catch (cause) {
    throw new MissingPeerError({ peer: 'msw', needed }, { cause })
  }
}
