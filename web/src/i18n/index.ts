import { createI18n } from 'vue-i18n'

import { en } from './en'

export type Language = 'en' | 'zh'
export const LANGUAGES: readonly { code: Language; name: string }[] = [
  { code: 'en', name: 'English' },
  { code: 'zh', name: '中文' },
]
const KEY = 'headgate.language'

export const i18n = createI18n({ legacy: false, locale: 'en', fallbackLocale: 'en', messages: { en } as Record<string, typeof en> })

export function language(): Language {
  return i18n.global.locale.value === 'zh' ? 'zh' : 'en'
}

export async function useLanguage(code: Language): Promise<void> {
  if (code === 'zh' && !i18n.global.availableLocales.includes('zh')) {
    i18n.global.setLocaleMessage('zh', (await import('./zh')).zh as typeof en)
  }
  i18n.global.locale.value = code
  document.documentElement.lang = code === 'zh' ? 'zh-CN' : 'en'
}

export async function changeLanguage(code: Language): Promise<void> {
  localStorage.setItem(KEY, code)
  await useLanguage(code)
}

/** What was chosen here before, else what the browser asks for. */
export async function startLanguage(): Promise<void> {
  const stored = localStorage.getItem(KEY)
  const wanted = stored ?? navigator.language
  await useLanguage(wanted.startsWith('zh') ? 'zh' : 'en')
}

export const t = i18n.global.t
