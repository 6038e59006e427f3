// Writes .br and .gz beside every text file of the build, so that the gateway compresses nothing while it serves.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const out = process.env.HEADGATE_WEB_OUT ?? new URL('../../src/headgate/web_dist', import.meta.url).pathname
const BUDGET = 250 * 1024

function* walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) yield* walk(path)
    else yield path
  }
}

const sizes = new Map()
for (const path of [...walk(out)]) {
  if (!/\.(js|css|svg|json)$/.test(path) || statSync(path).size < 1024) continue
  const body = readFileSync(path)
  const gz = gzipSync(body, { level: 9 })
  writeFileSync(path + '.gz', gz)
  writeFileSync(path + '.br', brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }))
  sizes.set(path.slice(out.length), gz.length)
}

// What the first page loads before any route: the entry and what it imports at once.
const html = readFileSync(join(out, 'index.html'), 'utf8')
const initial = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map((found) => found[1])
const bytes = initial.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0)
console.log(`initial JavaScript: ${(bytes / 1024).toFixed(0)} KiB gzip (budget ${BUDGET / 1024})`)
if (bytes > BUDGET) process.exit(1)
