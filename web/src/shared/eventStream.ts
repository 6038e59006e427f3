export interface ServerEvent {
  name: string
  id: string
  data: string
}

const MAX_EVENT_CHARS = 4_000_000

/** Server-sent events of a body, however the bytes are cut; `onBytes` hears every sign of life. */
export async function* serverEvents(body: ReadableStream<Uint8Array>, onBytes: () => void = () => undefined): AsyncGenerator<ServerEvent> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      onBytes()
      rest += decoder.decode(value, { stream: true })
      const blocks = rest.split(/\r?\n\r?\n/)
      rest = blocks.pop() ?? ''
      if (rest.length > MAX_EVENT_CHARS) throw new Error('event too large')
      for (const block of blocks) {
        const event = readBlock(block)
        if (event.data !== '') yield event
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

function readBlock(block: string): ServerEvent {
  const event = { name: 'message', id: '', data: '' }
  for (const line of block.split(/\r?\n/)) {
    const at = line.indexOf(':')
    if (at <= 0) continue
    const value = line.slice(at + 1).replace(/^ /, '')
    if (line.startsWith('event:')) event.name = value
    else if (line.startsWith('id:')) event.id = value
    else if (line.startsWith('data:')) event.data += (event.data ? '\n' : '') + value
  }
  return event
}
