import type { QueryClient } from '@tanstack/vue-query'
import { watch } from 'vue'

import { api } from '@/api/client'
import { hasExpired, user } from '@/app/session'
import { serverEvents } from '@/shared/eventStream'

import { forgetLive, heardAt, isUnreachable, liveStatus } from './state'
import { forgetMarks, hear, makeStale, STALE_AFTER } from './telling'

/** The gateway beats every 15 s: a stream that is silent for longer than this is dead, whatever the socket says. */
const SILENCE_MS = 40_000
const HIDDEN_MS = 10_000
const POLL_MS = 10_000
/** So often in vain before the page says that it polls. */
const IN_VAIN = 4

/** Full jitter below a ceiling that doubles, 1 s to 30 s: a gateway that comes back is not stormed by its pages. */
export function backoffMs(failures: number, random = Math.random()): number {
  return Math.round((0.3 + 0.7 * random) * Math.min(30_000, 1_000 * 2 ** Math.max(0, failures - 1)))
}

let lastId = ''

/** One stream per page while somebody is logged in and the page is in sight. */
export function startLive(queries: QueryClient): void {
  let stop: AbortController | undefined
  watch(
    () => [user.value?.id, hasExpired.value] as const,
    ([id, isOver], before) => {
      if (before?.[0] !== id) forgetAll()
      stop?.abort()
      stop = undefined
      liveStatus.value = 'off'
      if (id === undefined || isOver) return
      stop = new AbortController()
      void keep(queries, stop.signal)
    },
    { immediate: true },
  )
}

function forgetAll(): void {
  lastId = ''
  forgetLive()
  forgetMarks()
}

async function keep(queries: QueryClient, signal: AbortSignal): Promise<void> {
  let failures = 0
  let poll: ReturnType<typeof setInterval> | undefined
  const endPolling = (): void => {
    clearInterval(poll)
    poll = undefined
  }
  while (!signal.aborted) {
    await untilSeen(signal)
    if (signal.aborted) break
    lost()
    const heard = await once(queries, signal, () => {
      failures = 0
      endPolling()
      liveStatus.value = 'live'
    })
    if (signal.aborted) break
    failures = heard === 'heard' ? 1 : failures + 1
    isUnreachable.value = heard === 'unreachable'
    if (failures >= IN_VAIN && poll === undefined) {
      liveStatus.value = 'polling'
      poll = setInterval(() => makeStale(queries, Object.values(STALE_AFTER).flat()), POLL_MS)
    }
    lost()
    await pause(backoffMs(failures), signal)
  }
  endPolling()
}

/** Said at once, unless it is known that nothing gets through. */
function lost(): void {
  if (liveStatus.value !== 'polling') liveStatus.value = heardAt.value === 0 ? 'connecting' : 'reconnecting'
}

type Ending = 'heard' | 'refused' | 'unreachable'

async function once(queries: QueryClient, signal: AbortSignal, onHello: () => void): Promise<Ending> {
  const inner = new AbortController()
  const end = (): void => inner.abort()
  signal.addEventListener('abort', end)
  const unwatch = whenHidden(end)
  let silence = setTimeout(end, SILENCE_MS)
  const alive = (): void => {
    heardAt.value = Date.now()
    clearTimeout(silence)
    silence = setTimeout(end, SILENCE_MS)
  }
  let ending: Ending = 'unreachable'
  try {
    const headers = { accept: 'text/event-stream', ...(lastId ? { 'last-event-id': lastId } : {}) }
    const { data, response } = await api.GET('/v1/events', { parseAs: 'stream', headers, signal: inner.signal })
    ending = 'refused'
    if (!response.ok || !response.headers.get('content-type')?.startsWith('text/event-stream') || !data) return ending
    for await (const event of serverEvents(data as unknown as ReadableStream<Uint8Array>, alive)) {
      if (event.name === 'bye') return ending
      if (event.id) lastId = event.id
      if (event.name === 'hello') {
        ending = 'heard'
        isUnreachable.value = false
        onHello()
      }
      hear(queries, event.name, JSON.parse(event.data))
    }
  } catch {
    return ending
  } finally {
    clearTimeout(silence)
    unwatch()
    signal.removeEventListener('abort', end)
  }
  return ending
}

/** Browsers open six connections to a host: a page that nobody sees gives its own back. */
function whenHidden(act: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = (): void => {
    clearTimeout(timer)
    if (document.visibilityState === 'hidden') timer = setTimeout(act, HIDDEN_MS)
  }
  document.addEventListener('visibilitychange', look)
  look()
  return () => {
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', look)
  }
}

function untilSeen(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (document.visibilityState === 'hidden' && !signal.aborted) return
      document.removeEventListener('visibilitychange', look)
      signal.removeEventListener('abort', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
    signal.addEventListener('abort', look)
    look()
  })
}

/** Ends early when the network is back. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      window.removeEventListener('online', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    window.addEventListener('online', done)
    signal.addEventListener('abort', done)
  })
}
