import { describe, expect, it } from 'vitest'

import { costOf, guessTokens, modelsOf, ratesOf } from './cost'

const effective = { input: 3, output: 15, cache_read: 0.3, cache_write_5m: 3.75 }
const offers = [
  { group: { id: 1, name: 'a', description: '', platform: 'anthropic', subscription_type: 'standard' }, rate_multiplier: 1, models: [{ model: 'm', price: null }] },
  { group: { id: 2, name: 'b', description: '', platform: 'anthropic', subscription_type: 'standard' }, rate_multiplier: 1, models: [{ model: 'm', price: { effective } }, { model: 'n', price: null }] },
] as never

describe('what a conversation costs', () => {
  it('sums the four kinds of tokens', () => expect(costOf(effective, { input: 1000, output: 100, cacheRead: 10_000, cacheWrite: 0 })).toBeCloseTo(0.0075, 10))
  it('is unknown without a price', () => expect(ratesOf(offers, 'openai', 'm')).toBeUndefined())
  it('takes the first group that has a price', () => expect(ratesOf(offers, 'anthropic', 'm')?.output).toBe(15))
  it('guesses wide letters as a token each', () => expect([guessTokens('abcdefgh'), guessTokens('你好'), guessTokens('')]).toEqual([2, 2, 0]))
  it('names each model once', () => expect(modelsOf(offers, 'anthropic')).toEqual(['m', 'n']))
})
