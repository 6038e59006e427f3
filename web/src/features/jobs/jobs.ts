import type { Schemas } from '@/api/client'
import { isJobOpen } from '@/app/live/jobs'

export type Job = Schemas['JobView']

export const KINDS = ['account_import', 'account_update', 'account_action', 'account_test', 'usage_export'] as const
export const STATUSES = ['pending', 'running', 'succeeded', 'failed', 'canceled'] as const

/** As the gateway decides it: one's own, administrators any. */
export function mayCancel(job: Pick<Job, 'status' | 'created_by'>, userId: number | undefined, isAdmin: boolean): boolean {
  return isJobOpen(job.status) && (isAdmin || (userId !== undefined && job.created_by === userId))
}

/** What became of the pieces. Of a cancelled or failed job some were never done. */
export function piecesOf(job: Pick<Job, 'status' | 'total' | 'done' | 'failed'>): { well: number; failed: number; left: number } {
  return { well: Math.max(0, job.done - job.failed), failed: job.failed, left: isJobOpen(job.status) ? 0 : Math.max(0, job.total - job.done) }
}

const FILE_KEPT_MS = 24 * 3_600_000

/** Whether its file can be fetched: after the end, for a day. A cancelled export keeps what it had. */
export function hasFile(job: Pick<Job, 'status' | 'file_name' | 'done' | 'finished_at'>, now: number): boolean {
  if (!job.file_name || isJobOpen(job.status)) return false
  // Its end was told by a live event, and when that was is not known yet: just now.
  const endedAt = job.finished_at ? Date.parse(job.finished_at) : now
  return (job.status === 'succeeded' || job.done > 0) && now - endedAt < FILE_KEPT_MS
}

/** From its first step to its end, or until now; undefined: it has not begun. */
export function tookMs(job: Pick<Job, 'started_at' | 'finished_at'>, now: number): number | undefined {
  if (!job.started_at) return undefined
  return Math.max(0, (job.finished_at ? Date.parse(job.finished_at) : now) - Date.parse(job.started_at))
}
