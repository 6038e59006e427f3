import tailwind from '@tailwindcss/vite'
import vue from '@vitejs/plugin-vue'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const gateway = process.env.HEADGATE_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [vue(), tailwind()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: { __VUE_OPTIONS_API__: true, __VUE_PROD_DEVTOOLS__: false, __VUE_I18N_LEGACY_API__: false },
  html: { cspNonce: '__CSP_NONCE__' },
  build: {
    outDir: process.env.HEADGATE_WEB_OUT ?? '../src/headgate/web_dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: 'es2022',
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': gateway, '/v1': gateway, '/v1beta': gateway, '/setup': gateway } },
})
