import { expect, it } from 'vitest'

import { codesOf, meaning } from './errorRules'

it('reads status codes however they are separated', () => expect(codesOf('400, 529;503  x')).toEqual([400, 529, 503]))

it('says a rule in a sentence', () => {
  const rule = { error_codes: [529], keywords: ['overloaded'], match_mode: 'all', platforms: ['anthropic'], passthrough_code: false, response_code: 503, passthrough_body: false }
  const said = meaning(rule)
  for (const part of ['anthropic', '529', 'overloaded', ' and ', '503']) expect(said).toContain(part)
  expect(meaning({ ...rule, match_mode: 'any' })).toContain(' or ')
})
