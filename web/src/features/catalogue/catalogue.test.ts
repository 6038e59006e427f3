import { describe, expect, it } from 'vitest'

import { platformsOf, search, type Offer } from './catalogue'

const offer = (id: number, platform: string, ...models: string[]): Offer => ({
  group: { id, name: `g${id}`, description: '', platform, subscription_type: 'standard' },
  rate_multiplier: 1,
  models: models.map((model) => ({ model, price: null })),
})
const offers = [offer(1, 'anthropic', 'claude-opus', 'claude-haiku'), offer(2, 'openai', 'gpt-5'), offer(3, 'openai')]

describe('search', () => {
  it('shows every group, empty ones too, while nothing is asked for', () => expect(search(offers, ' ', '')).toEqual(offers))
  it('keeps the models that match in any case and drops groups without one', () =>
    expect(search(offers, 'OPUS', '').map((found) => found.models.map((model) => model.model))).toEqual([['claude-opus']]))
  it('keeps to a platform', () => expect(search(offers, '', 'openai').map((found) => found.group.id)).toEqual([2, 3]))
})

it('names each platform once', () => expect(platformsOf(offers)).toEqual(['anthropic', 'openai']))
