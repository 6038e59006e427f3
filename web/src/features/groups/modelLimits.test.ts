import { describe, expect, it } from 'vitest'

import { limitRowsOf, limitsOf, sharesOf, usersOf } from './modelLimits'

const row = { pattern: 'claude-opus-*', rpm_limit: 5, tpm_limit: null, user_rpm_limit: null, user_tpm_limit: 900 }

describe('limits of models', () => {
  it('go there and back', () => {
    expect(limitsOf([row])).toEqual({ 'claude-opus-*': { rpm_limit: 5, tpm_limit: 0, user_rpm_limit: 0, user_tpm_limit: 900 } })
    expect(limitRowsOf({ 'claude-opus-*': { rpm_limit: 5, user_tpm_limit: 900 } })).toEqual([row])
  })
  it('that would be kept as none, or by nobody found, are refused', () => {
    expect(limitsOf([{ ...row, pattern: ' ' }])).toBe('empty')
    expect(limitsOf([{ ...row, rpm_limit: 0, user_tpm_limit: null }])).toBe('empty')
    expect(limitsOf([{ ...row, pattern: 'a*b' }])).toBe('star')
    expect(limitsOf([row, { ...row, pattern: 'claude-opus-* ' }])).toBe('twice')
  })
})

it('shares of users go there and back, with null for what the group guarantees', () => {
  const users = { 7: { weight: 3, guaranteed: null }, 8: { weight: 1, guaranteed: 0 } }
  expect(usersOf(sharesOf(users))).toEqual(users)
})
