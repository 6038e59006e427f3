import { VueQueryPlugin } from '@tanstack/vue-query'
import PrimeVue from 'primevue/config'
import ConfirmationService from 'primevue/confirmationservice'
import ToastService from 'primevue/toastservice'
import Tooltip from 'primevue/tooltip'
import { createApp } from 'vue'

import App from '@/app/App.vue'
import { startLive } from '@/app/live'
import { queryClient } from '@/app/queries'
import { router } from '@/app/router'
import { cspNonce, preset } from '@/app/theme'
import { i18n, startLanguage } from '@/i18n'

import './app/style.css'

await startLanguage()
startLive(queryClient)
createApp(App)
  .use(i18n)
  .use(router)
  .use(VueQueryPlugin, { queryClient })
  .use(PrimeVue, {
    csp: { nonce: cspNonce() },
    // Without the meter there is nothing to expand; the attributes are wrong on a plain password field.
    pt: { password: { pcInputText: { root: { 'aria-expanded': null, 'aria-haspopup': null } } } },
    theme: {
      preset,
      options: {
        darkModeSelector: '.dark',
        cssLayer: { name: 'primevue', order: 'theme, base, primevue, components, utilities' },
      },
    },
  })
  .use(ToastService)
  .use(ConfirmationService)
  .directive('tooltip', Tooltip)
  .mount('#app')
