import { onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

/** Unix milliseconds that run while the page is looked at. */
export function useNow(everyMs = 1000): Ref<number> {
  const now = ref(Date.now())
  let timer: ReturnType<typeof setInterval> | undefined
  const tick = (): void => {
    if (!document.hidden) now.value = Date.now()
  }
  onMounted(() => {
    timer = setInterval(tick, everyMs)
    document.addEventListener('visibilitychange', tick)
  })
  onBeforeUnmount(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', tick)
  })
  return now
}
