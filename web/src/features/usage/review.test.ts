import { expect, it } from 'vitest'

import { correctedOf, reportedOf, statedOf, type Reviewed } from './review'

const row = {
  input_tokens: 10, output_tokens: 20, cache_read_tokens: 3, cache_creation_5m_tokens: 4, cache_creation_1h_tokens: 5,
  audio_input_tokens: 0, audio_output_tokens: 0, image_count: 0, image_size: null, web_search_calls: 1, quarantined: null,
} as unknown as Reviewed

it('begins a correction with what the record holds', () => {
  expect(correctedOf(statedOf(row))).toEqual({
    input_tokens: 10, output_tokens: 20, cache_read_tokens: 3, cache_write_5m_tokens: 4, cache_write_1h_tokens: 5,
    audio_input_tokens: 0, audio_output_tokens: 0, image_count: 0, image_size: null, web_search_calls: 1,
  })
})

it('takes an emptied field as nothing, and a size only of pictures', () => {
  expect(correctedOf({ input_tokens: null, image_size: '2K', image_count: 0 })).toMatchObject({ input_tokens: 0, image_size: null })
  expect(correctedOf({ image_size: '2K', image_count: 2 })).toMatchObject({ image_count: 2, image_size: '2K' })
})

it('shows what was put aside word for word', () => {
  expect(reportedOf(row)).toBe('')
  expect(reportedOf({ quarantined: { output: 1_000_000_000 } })).toBe('{\n  "output": 1000000000\n}')
})
