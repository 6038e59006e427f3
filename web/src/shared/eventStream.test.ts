import { describe, expect, it } from 'vitest'

import { serverEvents, type ServerEvent } from './eventStream'

const TEXT = 'retry: 3\nevent: hello\ndata: {"a":1}\n\n: nothing\n\nevent: me\r\nid: me:1\r\ndata: {"é":2}\r\n\r\nevent: cut\ndata: never'

function body(cut: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(TEXT)
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += cut) controller.enqueue(bytes.slice(at, at + cut))
      controller.close()
    },
  })
}

describe('serverEvents', () => {
  it.each([1, 2, 7, 1000])('are whole events, cut every %i bytes', async (cut) => {
    const found: ServerEvent[] = []
    let signs = 0
    for await (const event of serverEvents(body(cut), () => (signs += 1))) found.push(event)
    expect(found).toEqual([
      { name: 'hello', id: '', data: '{"a":1}' },
      { name: 'me', id: 'me:1', data: '{"é":2}' },
    ])
    expect(signs).toBe(Math.ceil(new TextEncoder().encode(TEXT).length / cut))
  })
})
