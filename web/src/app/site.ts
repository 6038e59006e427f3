import { computed, watchEffect } from 'vue'

import { usePublicSettings } from '@/features/auth/publicSettings'

/** What this installation calls itself, and its mark. */
export function useSite() {
  const settings = usePublicSettings()
  const name = computed(() => settings.data.value?.site_name || 'Headgate')
  const logo = computed(() => settings.data.value?.site_logo || '/favicon.svg')
  return { settings, name, logo }
}

/** The page's title beside the site's name. */
export function useTitle(title: () => string): void {
  const { name } = useSite()
  watchEffect(() => {
    document.title = title() ? `${title()} · ${name.value}` : name.value
  })
}
