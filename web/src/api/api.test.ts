import { describe, expect, it } from 'vitest'

import { i18n } from '@/i18n'
import { zh } from '@/i18n/zh'

import { csrfToken } from './client'
import { messageOf, toApiError } from './errors'

describe('csrfToken', () => {
  it('finds the token among other cookies', () => expect(csrfToken('a=b; headgate_csrf=abc; c=d')).toBe('abc'))
  it('is empty without a session', () => expect(csrfToken('xheadgate_csrf=abc')).toBe(''))
})

describe('toApiError', () => {
  it('keeps reason and words', () => {
    const error = toApiError(409, { code: 409, message: 'the name is taken', reason: 'NAME_TAKEN' })
    expect([error.status, error.reason, error.message]).toEqual([409, 'NAME_TAKEN', 'the name is taken'])
  })
  it('finds the fields that a refusal names', () => {
    const error = toApiError(400, { message: 'Invalid request: email: too short; body.credentials.api_key: missing' })
    expect(error.fields).toEqual({ email: 'too short', 'body.credentials.api_key': 'missing' })
  })
  it('survives an answer that is no JSON', () => expect(toApiError(502, '<html>').message).toBe('HTTP 502'))
})

describe('messageOf', () => {
  const spent = toApiError(400, { message: 'the parent has 2.5 USD left', reason: 'CHILD_BUDGET_TOO_LARGE' })
  const taken = toApiError(409, { message: "a group named 'x' exists already", reason: 'GROUP_EXISTS' })
  i18n.global.setLocaleMessage('zh', zh as never)
  it("says it in the reader's language, with the gateway's words where they say more", () => {
    i18n.global.locale.value = 'zh'
    expect(messageOf(spent)).toBe('子密钥的预算超过父密钥的剩余额度（the parent has 2.5 USD left）')
    expect(messageOf(taken)).toBe('已有同名分组。')
    i18n.global.locale.value = 'en'
    expect(messageOf(spent)).toBe('the parent has 2.5 USD left')
    expect(messageOf(taken)).toBe('A group of this name exists already.')
  })
  it('says what it does not know in the words of the gateway', () => {
    expect(messageOf(toApiError(418, { message: 'a teapot {x} @y', reason: 'TEAPOT' }))).toBe('a teapot {x} @y')
    expect(messageOf(toApiError(400, { message: 'a {x} @y | z', reason: 'CONFIG_INVALID' }))).toBe('a {x} @y | z')
  })
})
