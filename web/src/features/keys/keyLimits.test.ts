import { describe, expect, it } from 'vitest'

import { limitLines, limitsIn } from './keyLimits'

describe('limits of single models for a key', () => {
  it('are lines and come back as they were', () => {
    const lines = limitLines({ 'claude-opus-*': { rpm_limit: 5 }, 'gpt-5': { tpm_limit: 9000 } })
    expect(lines).toEqual(['claude-opus-* 5 0', 'gpt-5 0 9000'])
    expect(limitsIn(lines)).toEqual({ 'claude-opus-*': { rpm_limit: 5, tpm_limit: 0 }, 'gpt-5': { rpm_limit: 0, tpm_limit: 9000 } })
    expect(limitsIn([' gpt-5   7 '])).toEqual({ 'gpt-5': { rpm_limit: 7, tpm_limit: 0 } })
  })

  it.each([['gpt-5 x'], ['gpt-5 1 2 3'], ['gpt-5 -1'], ['gpt-5 1.5']])('%s cannot be meant', (line) => {
    expect(limitsIn([line])).toBeUndefined()
  })

  it('names no model twice', () => {
    expect(limitsIn(['gpt-5 1', 'gpt-5 2'])).toBeUndefined()
  })
})
