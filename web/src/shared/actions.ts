import { useQueryClient } from '@tanstack/vue-query'
import { useConfirm } from 'primevue/useconfirm'
import { useToast } from 'primevue/usetoast'
import { useI18n } from 'vue-i18n'

import { messageOf } from '@/api/errors'

/** Doing something: it is said what became of it, and the lists named are read again. */
export function useActions(...lists: readonly string[]) {
  const toast = useToast()
  const confirm = useConfirm()
  const queries = useQueryClient()
  const { t } = useI18n()

  async function done(message: string): Promise<void> {
    toast.add({ severity: 'success', summary: message, life: 3000 })
    await Promise.all(lists.map((name) => queries.invalidateQueries({ queryKey: [name] })))
  }

  function failed(error: unknown): void {
    toast.add({ severity: 'error', summary: t('common.failed'), detail: messageOf(error), life: 10_000 })
  }

  async function run(work: () => Promise<unknown>, message = t('common.saved')): Promise<boolean> {
    try {
      await work()
      await done(message)
      return true
    } catch (error) {
      failed(error)
      return false
    }
  }

  function ask(question: string, work: () => Promise<unknown>, message = t('common.saved')): void {
    confirm.require({
      header: t('common.confirm'),
      message: question,
      acceptProps: { severity: 'danger', label: t('common.yes') },
      rejectProps: { severity: 'secondary', outlined: true, label: t('common.cancel') },
      accept: () => void run(work, message),
    })
  }

  async function copy(text: string): Promise<void> {
    await navigator.clipboard.writeText(text)
    toast.add({ severity: 'success', summary: t('common.copied'), life: 2000 })
  }

  return { run, ask, copy, done, failed }
}
