import { definePreset } from '@primeuix/themes'
import Aura from '@primeuix/themes/aura'
import { ref, watch } from 'vue'

/** Where the preset's colours are too pale (WCAG 2.2 AA: 4.5 to 1). */
const readable = {
  button: {
    colorScheme: {
      light: {
        text: { danger: { color: '{red.700}' }, secondary: { color: '{zinc.600}' } },
        outlined: { danger: { color: '{red.700}' }, secondary: { color: '{zinc.600}' } },
      },
    },
  },
  message: {
    colorScheme: {
      light: { info: { color: '{blue.700}' }, success: { color: '{green.800}' }, warn: { color: '{yellow.800}' }, error: { color: '{red.700}' } },
      dark: { info: { color: '{blue.300}' }, success: { color: '{green.400}' }, warn: { color: '{yellow.400}' }, error: { color: '{red.300}' } },
    },
  },
  togglebutton: { colorScheme: { light: { root: { color: '{zinc.600}' } } } },
}

export const preset = definePreset(Aura, {
  components: readable,
  semantic: {
    primary: {
      50: '{teal.50}', 100: '{teal.100}', 200: '{teal.200}', 300: '{teal.300}', 400: '{teal.400}',
      500: '{teal.500}', 600: '{teal.600}', 700: '{teal.700}', 800: '{teal.800}', 900: '{teal.900}',
      950: '{teal.950}',
    },
    colorScheme: {
      light: {
        primary: { color: '{teal.700}', hoverColor: '{teal.800}', activeColor: '{teal.900}' },
        surface: {
          0: '#ffffff', 50: '{zinc.50}', 100: '{zinc.100}', 200: '{zinc.200}', 300: '{zinc.300}',
          400: '{zinc.400}', 500: '{zinc.500}', 600: '{zinc.600}', 700: '{zinc.700}', 800: '{zinc.800}',
          900: '{zinc.900}', 950: '{zinc.950}',
        },
        formField: { placeholderColor: '{zinc.500}' },
        text: { mutedColor: '{zinc.600}' },
      },
      dark: {
        formField: { placeholderColor: '{zinc.400}' },
      },
    },
  },
})

export type Theme = 'system' | 'light' | 'dark'
const KEY = 'headgate.theme'

function stored(): Theme {
  const value = localStorage.getItem(KEY)
  return value === 'light' || value === 'dark' ? value : 'system'
}

const media = matchMedia('(prefers-color-scheme: dark)')
export const theme = ref<Theme>(stored())
export const isDark = ref(document.documentElement.classList.contains('dark'))

function apply(): void {
  isDark.value = theme.value === 'dark' || (theme.value === 'system' && media.matches)
  document.documentElement.classList.toggle('dark', isDark.value)
}

watch(theme, (value) => {
  localStorage.setItem(KEY, value)
  apply()
})
media.addEventListener('change', apply)
apply()

/** Of this very page; the browser hides it from everything but scripts of ours. */
export function cspNonce(): string {
  return document.querySelector<HTMLElement>('script[nonce]')?.nonce ?? ''
}
