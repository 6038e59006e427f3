import createClient from 'openapi-fetch'

import { toApiError } from './errors'
import type { components, paths } from './schema'

export type Schemas = components['schemas']

/** Told when the session is over; the page stays as it is, and the work in it is kept. */
let onSessionEnd: () => void = () => undefined
export function whenSessionEnds(handler: () => void): void {
  onSessionEnd = handler
}

const SAFE = new Set(['GET', 'HEAD'])
const WITHOUT_RENEWAL = /\/v1\/auth\/(login|refresh|logout|register|forgot|reset|send|oauth|validate)/

export function csrfToken(cookies: string): string {
  const found = cookies.split(';').map((pair) => pair.trim()).find((pair) => pair.startsWith('headgate_csrf='))
  return found?.slice('headgate_csrf='.length) ?? ''
}

function prepared(request: Request): Request {
  const headers = new Headers(request.headers)
  headers.set('X-Headgate-Session', 'cookie')
  if (!SAFE.has(request.method)) headers.set('X-CSRF-Token', csrfToken(document.cookie))
  return new Request(request, { headers })
}

let renewal: Promise<boolean> | undefined

/** One renewal at a time; another tab may have been quicker, which is as good. */
export function renewSession(): Promise<boolean> {
  renewal ??= fetch('/api/v1/auth/refresh', {
    method: 'POST',
    headers: { 'X-Headgate-Session': 'cookie', 'Content-Type': 'application/json' },
  })
    .then(async (answer) => {
      await answer.text() // unread, it would keep the connection
      return answer.ok || answer.status === 409
    })
    .finally(() => {
      renewal = undefined
    })
  return renewal
}

async function send(request: Request): Promise<Response> {
  const spare = request.clone()
  const answer = await fetch(prepared(request))
  if (answer.status !== 401 || WITHOUT_RENEWAL.test(request.url)) return answer
  if (await renewSession()) {
    const second = await fetch(prepared(spare))
    if (second.status !== 401) return second
  }
  onSessionEnd()
  return answer
}

export const api = createClient<paths>({ baseUrl: '/api', fetch: send })

interface Answer<E> {
  data?: E
  error?: unknown
  response: Response
}

/** The data of the envelope, or an `ApiError`. */
export async function call<E>(answering: Promise<Answer<E>>): Promise<E extends { data: infer D } ? D : never> {
  const { data, error, response } = await answering
  if (!response.ok || data === undefined) throw toApiError(response.status, error)
  return (data as { data: never }).data
}
