import { reactive, ref } from 'vue'

export type LiveStatus = 'off' | 'connecting' | 'live' | 'reconnecting' | 'polling'

/** What the gateway says of each account, every second at most. */
export interface LiveAccount {
  id: number
  status: string
  schedulable: boolean
  concurrency: number
  rate_limit_reset_at: string | null
  overload_until: string | null
  temp_unschedulable_until: string | null
  error_message: string
  in_use: number
  waiting: number
}
export interface LiveCounters {
  active_requests: number
  waiting: number
  requests_per_minute: number
  tokens_per_minute: number
  /** Milliseconds. */
  average_response_time: number
  error_rate: number
  degradations: number
  last_usage_ms: number
}
export interface LiveQueue {
  waiting: number
  places: { resource: string; waiting: number }[]
}
/** Long work that is open or has just ended. */
export interface LiveJob {
  id: number
  kind: string
  status: string
  total: number
  done: number
  failed: number
  created_by: number | null
}
export interface LiveMe {
  balance: number
  last_usage_ms: number
  in_use: number
  waiting: number
}

export const liveStatus = ref<LiveStatus>('off')
/** `Date.now()` of the last sign of life; 0: never. */
export const heardAt = ref(0)
/** The gateway cannot be reached at all. */
export const isUnreachable = ref(false)
/** As told last; kept while the stream is away, so look at `liveStatus` before calling it live. */
export const live = reactive<{
  me?: LiveMe
  counters?: LiveCounters
  queue?: LiveQueue
  accounts: Map<number, LiveAccount>
  jobs: Map<number, LiveJob>
}>({ accounts: new Map(), jobs: new Map() })

export function forgetLive(): void {
  live.me = live.counters = live.queue = undefined
  live.accounts.clear()
  live.jobs.clear()
}
