import { i18n, t } from '@/i18n'

/** What the gateway said no with: its status, its stable reason, its words, and the fields they are about. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

interface Refusal {
  message?: unknown
  reason?: unknown
  metadata?: unknown
}

export function toApiError(status: number, body: unknown): ApiError {
  const refusal: Refusal = typeof body === 'object' && body !== null ? body : {}
  const message = typeof refusal.message === 'string' ? refusal.message : `HTTP ${status}`
  const reason = typeof refusal.reason === 'string' ? refusal.reason : ''
  return new ApiError(status, reason, message, { ...namedFields(message), ...fieldsOf(refusal.metadata) })
}

/** "Invalid request: email: too short; role: unknown" names its fields in its words. */
export function namedFields(message: string): Record<string, string> {
  const start = 'Invalid request: '
  if (!message.startsWith(start)) return {}
  const found = message.slice(start.length).split('; ').map((part) => /^([a-z_][\w.]*): (.+)$/.exec(part))
  return Object.fromEntries(found.flatMap((match) => (match ? [[match[1], match[2]]] : [])))
}

function fieldsOf(metadata: unknown): Record<string, string> {
  if (typeof metadata !== 'object' || metadata === null) return {}
  return Object.fromEntries(
    Object.entries(metadata).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

/**
 * In the reader's language where the stable reason has a sentence, else in the gateway's own words. `{words}` in a
 * sentence are these: they name what the refusal is about.
 */
export function messageOf(error: unknown): string {
  // What `fetch` throws when nothing answers; every browser has words of its own, none of them for people.
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) return t('common.offline')
  if (error instanceof ApiError && error.reason) {
    const { te } = i18n.global
    if (te(`refusals.management.${error.reason}`)) {
      return t(`refusals.management.${error.reason}`, { ...error.fields, words: error.message })
    }
    if (te(`auth.reason.${error.reason}`)) return t(`auth.reason.${error.reason}`, error.fields)
  }
  if (error instanceof Error) return error.message
  return String(error)
}
