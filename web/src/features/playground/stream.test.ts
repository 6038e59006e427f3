import { describe, expect, it } from 'vitest'

import { events, readEvent } from './stream'

async function all(...pieces: string[]): Promise<unknown[]> {
  const bytes = new TextEncoder().encode(pieces.join(''))
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  const found: unknown[] = []
  for await (const event of events(body)) found.push(event)
  return found
}

describe('events', () => {
  it('reads events that arrive byte by byte, letters of several bytes included', async () =>
    expect(await all('event: x\r\ndata: {"a":"水"}\r\n\r\n', ': ping\n\ndata: {"b":2}\n\ndata: [DONE]\n\n')).toEqual([{ a: '水' }, { b: 2 }]))
})

describe('readEvent', () => {
  it('reads text and usage of each protocol', () => {
    expect(readEvent('anthropic', { delta: { text: 'a' } }).text).toBe('a')
    expect(readEvent('anthropic', { message: { usage: { input_tokens: 3 } } }).input).toBe(3)
    expect(readEvent('openai', { choices: [{ delta: { content: 'b' } }] }).text).toBe('b')
    expect(readEvent('gemini', { candidates: [{ content: { parts: [{ text: 'c' }] } }], usageMetadata: { candidatesTokenCount: 4 } })).toEqual({ text: 'c', input: undefined, output: 4, cacheRead: undefined })
  })
  it('counts cached input once', () => {
    expect(readEvent('openai', { usage: { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 8 } } })).toMatchObject({ input: 2, cacheRead: 8 })
    expect(readEvent('anthropic', { message: { usage: { input_tokens: 3, cache_read_input_tokens: 9, cache_creation_input_tokens: 5 } } })).toMatchObject({ input: 3, cacheRead: 9, cacheWrite: 5 })
  })
  it('shows an error inside a stream', () => expect(readEvent('openai', { error: { message: 'no' } }).error).toBe('no'))
})
