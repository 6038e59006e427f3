import { describe, expect, it } from 'vitest'

import { csrfToken } from './client'
import { toApiError } from './errors'

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
