import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, ref, watch, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, call } from '@/api/client'
import { liveStatus } from '@/app/live'
import { isJobOpen } from '@/app/live/jobs'
import { can, user } from '@/app/session'
import { useActions } from '@/shared/actions'

import { mayCancel, type Job } from './jobs'

/** The live events bring every change; this often it is asked for besides, in case they do not come. */
const LIVE_MS = 10_000
const ALONE_MS = 1_500

/** One job as it goes. `onEnd` hears once that it is over, if it was open when it was first seen. */
export function useJob(id: Ref<number>, onEnd: (job: Job) => void = () => undefined) {
  const found = useQuery({
    queryKey: computed(() => ['jobs', id.value]),
    queryFn: () => call(api.GET('/v1/admin/jobs/{job_id}', { params: { path: { job_id: id.value } } })),
    retry: false,
    refetchInterval: ({ state }) => (state.data && isJobOpen(state.data.status) ? (liveStatus.value === 'live' ? LIVE_MS : ALONE_MS) : false),
  })
  watch(() => [found.data.value?.id, found.data.value?.status] as const, ([now, status], [before, was]) => {
    const job = found.data.value
    if (job && now === before && was && isJobOpen(was) && status && !isJobOpen(status)) onEnd(job)
  })
  return found
}

export function useJobActions() {
  const { t } = useI18n()
  const { run, failed } = useActions('jobs')
  const queries = useQueryClient()
  const cancelling = ref<number>()
  async function cancel(job: Job): Promise<void> {
    cancelling.value = job.id
    await run(async () => {
      const now = await call(api.POST('/v1/admin/jobs/{job_id}/cancel', { params: { path: { job_id: job.id } } }))
      queries.setQueryData(['jobs', job.id], now)
    }, t('jobs.stopped'))
    cancelling.value = undefined
  }
  /** Asked for first, which renews the session where that is due; the browser then streams the file to its disk. */
  async function download(job: Job): Promise<void> {
    try {
      await call(api.GET('/v1/admin/jobs/{job_id}', { params: { path: { job_id: job.id } } }))
      const link = document.createElement('a')
      link.href = `/api/v1/admin/jobs/${job.id}/file`
      link.download = job.file_name
      link.click()
    } catch (error) {
      failed(error)
    }
  }
  const cancellable = (job: Job): boolean => mayCancel(job, user.value?.id, can('admin'))
  return { cancel, cancelling, download, cancellable }
}

/** Begins a job: `begin` is the call that makes it, and what it answers is shown before anything else is heard of it. */
export function useBegin() {
  const queries = useQueryClient()
  return async (begin: Promise<Job>): Promise<Job> => {
    const job = await begin
    queries.setQueryData(['jobs', job.id], job)
    void queries.invalidateQueries({ queryKey: ['jobs', 'list'] })
    return job
  }
}
