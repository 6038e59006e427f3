import { computed, ref } from 'vue'

import { api, call, renewSession, whenSessionEnds, type Schemas } from '@/api/client'
import { ApiError } from '@/api/errors'

import { may, type Permission } from './permissions'
import { queryClient } from './queries'

type User = Schemas['UserView'] & { run_mode?: string }
type Login = Schemas['SecondStepView'] | Schemas['CookieLoginView']

export const user = ref<User>()
/** The session ended under an open page: it asks for the password on top of what is being worked on. */
export const hasExpired = ref(false)
export const role = computed(() => user.value?.role)
export const can = (permission: Permission): boolean => may(role.value, permission)

whenSessionEnds(() => {
  hasExpired.value = user.value !== undefined
})

let started: Promise<void> | undefined

/** Who is at this browser, asked once. */
export function startSession(): Promise<void> {
  started ??= load()
  return started
}

async function load(): Promise<void> {
  if (!document.cookie.includes('headgate_csrf=') && !(await renewSession())) return
  try {
    user.value = await call(api.GET('/v1/auth/me'))
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
  }
}

export async function reload(): Promise<void> {
  user.value = await call(api.GET('/v1/auth/me'))
}

export async function logIn(email: string, password: string, turnstile: string): Promise<string | undefined> {
  const body = { email, password, turnstile_token: turnstile }
  return begin((await call(api.POST('/v1/auth/login', { body }))) as Login)
}

export async function secondStep(ticket: string, code: string): Promise<void> {
  const body = { temp_token: ticket, totp_code: code }
  await begin((await call(api.POST('/v1/auth/login/2fa', { body }))) as Login)
}

/** The ticket of the second step where one is needed. */
export async function begin(answer: Login): Promise<string | undefined> {
  if ('temp_token' in answer) return answer.temp_token
  const isOther = user.value !== undefined && user.value.id !== answer.user.id
  if (isOther) queryClient.clear()
  user.value = answer.user
  hasExpired.value = false
  await reload()
  if (!isOther) await queryClient.invalidateQueries()
  return undefined
}

export async function logOut(): Promise<void> {
  await api.POST('/v1/auth/logout', {})
  user.value = undefined
  hasExpired.value = false
  queryClient.clear()
}
