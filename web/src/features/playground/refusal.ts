import { ApiError } from '@/api/errors'

interface Part {
  message?: string
  code?: unknown
  details?: readonly { reason?: string }[]
}

/** What the data plane said no with: each protocol has the stable code at another place of its envelope. */
export function refusalOf(status: number, body: unknown): ApiError {
  const error: Part = (typeof body === 'object' && body !== null && (body as { error?: Part }).error) || {}
  const code = typeof error.code === 'string' ? error.code : error.details?.find((detail) => detail.reason)?.reason
  return new ApiError(status, code ?? '', error.message ?? `HTTP ${status}`)
}
