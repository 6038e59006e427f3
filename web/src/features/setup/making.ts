import { api, call, type Schemas } from '@/api/client'
import { toApiError } from '@/api/errors'
import { events, type Platform } from '@/features/playground/stream'

export const PLATFORMS: readonly Platform[] = ['anthropic', 'openai', 'gemini']

export interface Made {
  platform: Platform
  groupId: number
  accountId: number
}
export interface AccountDraft {
  platform: Platform
  type: 'apikey' | 'bearer'
  secret: string
  base_url: string
}

/** The group of this platform that is there already, else a new one. */
async function groupOf(platform: Platform): Promise<number> {
  const groups = await call(api.GET('/v1/admin/groups/all'))
  const known = groups.find((group) => group.platform === platform && group.status === 'active')
  if (known) return known.id
  const body = { name: `${platform}-main`, platform } as Schemas['GroupCreate']
  return (await call(api.POST('/v1/admin/groups', { body }))).id
}

/** A new account in a group of its platform; one that was made before is given the new secret. */
export async function makeAccount(draft: AccountDraft, before: number | undefined): Promise<Made> {
  const secret = draft.secret.trim()
  const credentials = { [draft.type === 'bearer' ? 'access_token' : 'api_key']: secret, ...(draft.base_url ? { base_url: draft.base_url.trim() } : {}) }
  const groupId = await groupOf(draft.platform)
  if (before !== undefined) await call(api.DELETE('/v1/admin/accounts/{account_id}', { params: { path: { account_id: before } } }))
  const body = { name: `${draft.platform}-1`, platform: draft.platform, type: draft.type, credentials, group_ids: [groupId] } as Schemas['AccountCreate']
  const account = await call(api.POST('/v1/admin/accounts', { body }))
  return { platform: draft.platform, groupId, accountId: account.id }
}

/** Whether the account answers; `say` hears what it answers. Throws what it answered instead. */
export async function testAccount(accountId: number, say: (text: string) => void): Promise<void> {
  const params = { path: { account_id: accountId } }
  const { response } = await api.POST('/v1/admin/accounts/{account_id}/test', { params, body: { model_id: '', prompt: '' }, parseAs: 'stream' })
  if (!response.ok || !response.body) throw toApiError(response.status, await response.json().catch(() => undefined))
  for await (const event of events(response.body)) {
    if (event.error) throw new Error(String(event.error))
    if (event.text) say(String(event.text))
    if (event.type === 'test_complete' && event.success !== true) throw new Error('✗')
  }
}

export async function makeKey(name: string, groupId: number): Promise<string> {
  const made = await call(api.POST('/v1/keys', { body: { name, group_id: groupId } as Schemas['KeyCreate'] }))
  return made.key
}

export async function addBalance(userId: number, amount: number): Promise<void> {
  const body = { balance: amount, operation: 'add', notes: 'first steps' } as Schemas['BalanceBody']
  await call(api.POST('/v1/admin/users/{user_id}/balance', { params: { path: { user_id: userId } }, body }))
}
