import { live, type LiveJob } from './state'

export const isJobOpen = (status: string): boolean => status === 'pending' || status === 'running'

/** The rows of any page of jobs (or the one job), as they stand now; the same object where nothing changed. */
export function withJobs(data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return data
  if (!('items' in data) || !Array.isArray(data.items)) return withJob(data as LiveJob)
  const items = data.items.map(withJob)
  return items.some((row, at) => row !== (data.items as unknown[])[at]) ? { ...data, items } : data
}

/** What was told may be a second older than an answer: a job that has ended stays so, and its counts only grow. */
function withJob(row: LiveJob): LiveJob {
  const told = live.jobs.get(row.id)
  if (!told || !isJobOpen(row.status) || told.done < row.done) return row
  const isSame = told.status === row.status && told.total === row.total && told.done === row.done && told.failed === row.failed
  return isSame ? row : { ...row, status: told.status, total: told.total, done: told.done, failed: told.failed }
}

/** What must be read again after a telling: the jobs when there is another one or one has ended, the pieces when some were done. */
export function newsOfJobs(before: ReadonlyMap<number, LiveJob>, now: readonly LiveJob[]): ('jobs' | 'job-items')[] {
  const changed = now.some((job) => before.get(job.id)?.status !== job.status)
  const further = now.some((job) => before.get(job.id)?.done !== job.done)
  return [...(changed ? (['jobs'] as const) : []), ...(further ? (['job-items'] as const) : [])]
}
