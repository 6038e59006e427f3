export type Platform = 'anthropic' | 'openai' | 'gemini'
export interface Turn {
  role: 'user' | 'assistant'
  text: string
}
export interface Piece {
  text?: string
  input?: number
  output?: number
  cacheRead?: number
  cacheWrite?: number
  error?: string
}

/** The request of one turn, in the protocol of the key's platform. The key travels in a header, never in the address. */
export function requestFor(platform: Platform, key: string, model: string, turns: readonly Turn[]): Request {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  const messages = turns.map(({ role, text }) => ({ role, content: text }))
  if (platform === 'anthropic') {
    const body = { model, max_tokens: 1024, stream: true, messages }
    return post('/v1/messages', { ...headers, 'x-api-key': key, 'anthropic-version': '2023-06-01' }, body)
  }
  if (platform === 'openai') {
    const body = { model, stream: true, stream_options: { include_usage: true }, messages }
    return post('/v1/chat/completions', { ...headers, authorization: `Bearer ${key}` }, body)
  }
  const contents = turns.map(({ role, text }) => ({ role: role === 'user' ? 'user' : 'model', parts: [{ text }] }))
  const path = `/v1beta/models/${encodeURIComponent(model)}:streamGenerateContent?alt=sse`
  return post(path, { ...headers, 'x-goog-api-key': key }, { contents })
}

function post(path: string, headers: Record<string, string>, body: unknown): Request {
  return new Request(new URL(path, location.origin), { method: 'POST', headers, body: JSON.stringify(body), credentials: 'omit' })
}

/* eslint-disable-next-line -- the three protocols are read loosely: what is missing is not shown */
type Loose = Record<string, any>

/** What one event of the stream adds. */
export function readEvent(platform: Platform, event: Loose): Piece {
  if (event.error) return { error: String(event.error.message ?? event.error) }
  if (platform === 'anthropic') {
    const usage: Loose = event.message?.usage ?? event.usage ?? {}
    return { text: event.delta?.text, input: usage.input_tokens, output: usage.output_tokens, cacheRead: usage.cache_read_input_tokens, cacheWrite: usage.cache_creation_input_tokens }
  }
  if (platform === 'openai') {
    const cached: number | undefined = event.usage?.prompt_tokens_details?.cached_tokens
    return { text: event.choices?.[0]?.delta?.content ?? undefined, input: without(event.usage?.prompt_tokens, cached), output: event.usage?.completion_tokens, cacheRead: cached }
  }
  const parts: Loose[] = event.candidates?.[0]?.content?.parts ?? []
  const usage: Loose = event.usageMetadata ?? {}
  const cached: number | undefined = usage.cachedContentTokenCount
  return { text: parts.map((part) => part.text ?? '').join(''), input: without(usage.promptTokenCount, cached), output: usage.candidatesTokenCount, cacheRead: cached }
}

/** Where a protocol counts cached tokens among the input: the rest. */
const without = (all: number | undefined, cached: number | undefined): number | undefined =>
  all === undefined ? undefined : Math.max(0, all - (cached ?? 0))

/** The `data:` of server-sent events, however the bytes are cut. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Loose> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      rest += decoder.decode(value, { stream: !done })
      const lines = rest.split(/\r?\n/)
      rest = done ? '' : (lines.pop() ?? '')
      for (const line of lines) {
        const data = line.startsWith('data:') ? line.slice(5).trim() : ''
        if (data && data !== '[DONE]') yield JSON.parse(data) as Loose
      }
      if (done) return
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
