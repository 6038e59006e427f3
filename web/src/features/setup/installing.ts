import { toApiError } from '@/api/errors'

/** As `setup/drafts.py`. */
export interface DatabaseDraft {
  type: 'sqlite' | 'postgresql'
  host: string
  port: number
  user: string
  password: string
  dbname: string
  sslmode: 'disable' | 'require' | 'verify-ca' | 'verify-full'
}
export interface RedisDraft {
  host: string
  port: number
  password: string
  db: number
  enable_tls: boolean
}
export interface AdminDraft {
  email: string
  password: string
}

/** Calls of the set-up; the token travels in a header and lives in this page's memory only. */
async function ask(path: string, token: string, body: unknown): Promise<string> {
  const answer = await fetch(`/setup/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-setup-token': token },
    body: JSON.stringify(body),
  })
  const said = (await answer.json().catch(() => undefined)) as { data?: { message?: string } } | undefined
  if (!answer.ok) throw toApiError(answer.status, said)
  return said?.data?.message ?? ''
}

export const testDatabase = (token: string, draft: DatabaseDraft): Promise<string> => ask('test-db', token, draft)
export const testRedis = (token: string, draft: RedisDraft): Promise<string> => ask('test-redis', token, draft)
export const install = (token: string, draft: { database: DatabaseDraft; redis?: RedisDraft; admin: AdminDraft }): Promise<string> =>
  ask('install', token, draft)

export async function needsSetup(): Promise<boolean> {
  const answer = await fetch('/setup/status')
  const said = (await answer.json()) as { data?: { needs_setup?: boolean } }
  return said.data?.needs_setup === true
}

/** The set-up's server ends and the gateway begins on the same port; it is there when it says that it is ready. */
export async function untilServing(timeoutMs = 60_000, pauseMs = 400): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const isReady = await fetch('/ready', { cache: 'no-store' }).then((answer) => answer.ok, () => false)
    if (isReady && !(await needsSetup().catch(() => true))) return
    if (Date.now() > deadline) throw new Error('the gateway does not answer')
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
