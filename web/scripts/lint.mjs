// Rules that no type check knows: languages are complete, files are small, no raw HTML, no token in storage.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../src', import.meta.url))
const MAX_LINES = 300
const STORED = /(?:local|session)Storage\.(?:setItem|getItem)\(([^,)]+)/g
const problems = []

function* walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) yield* walk(path)
    else if (!path.endsWith('schema.ts')) yield path
  }
}

function flat(node, prefix = '') {
  return Object.entries(node).flatMap(([key, value]) =>
    typeof value === 'string' ? [[prefix + key, value]] : flat(value, `${prefix}${key}.`),
  )
}

function messages(language) {
  const folder = join(root, 'i18n', language)
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return new Map(files.flatMap((name) => flat(JSON.parse(readFileSync(join(folder, name), 'utf8')), `${name.slice(0, -5)}.`)))
}

const english = messages('en')
const chinese = messages('zh')
const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort().join()
for (const [key, text] of english) {
  const other = chinese.get(key)
  if (other === undefined) problems.push(`i18n: ${key} is missing in Chinese`)
  else if (places(text) !== places(other)) problems.push(`i18n: ${key} has other placeholders in Chinese`)
}
for (const key of chinese.keys()) if (!english.has(key)) problems.push(`i18n: ${key} is missing in English`)

const sources = [...walk(root)]
const used = new Set()
const dynamic = []
for (const path of sources) {
  const text = readFileSync(path, 'utf8')
  const name = relative(root, path)
  if (text.split('\n').length > MAX_LINES) problems.push(`${name}: longer than ${MAX_LINES} lines`)
  if (name.endsWith('.json') || name.endsWith('.test.ts')) continue
  for (const [, key] of text.matchAll(/\bt\(\s*'([^']+)'/g)) {
    used.add(key)
    if (!english.has(key)) problems.push(`${name}: no message ${key}`)
  }
  for (const [, start] of text.matchAll(/\bte?\(\s*`([^`$]+)\$\{/g)) dynamic.push(start)
  if (/\bv-html\b|\.innerHTML\b|insertAdjacentHTML/.test(text)) problems.push(`${name}: raw HTML; text only`)
  if (/from '(?:marked|dompurify)'/.test(text) && name !== 'shared/richText.ts') problems.push(`${name}: markup is made in shared/richText.ts only`)
  for (const [, key] of text.matchAll(STORED)) {
    if (!/^(KEY|'headgate\.(theme|language)')$/.test(key.trim())) problems.push(`${name}: stores ${key} in the browser`)
  }
  if (/sessionStorage/.test(text) && !/auth\/proof(\.test)?\.ts$/.test(name)) problems.push(`${name}: sessionStorage is for what a proof is for`)
  if (/\beval\(|new Function\(/.test(text)) problems.push(`${name}: eval`)
}
for (const key of english.keys()) {
  if (!used.has(key) && !dynamic.some((start) => key.startsWith(start))) problems.push(`i18n: ${key} is used nowhere`)
}

// Every first segment of the router is one that the gateway serves a page for.
const pages = new Set(JSON.parse(readFileSync(join(root, '../public/pages.json'), 'utf8')))
const router = readFileSync(join(root, 'app/router.ts'), 'utf8')
for (const [, first] of router.matchAll(/(?:path: |mine\(|open\()'\/([a-z-]+)/g)) {
  if (!pages.has(first)) problems.push(`public/pages.json: /${first} is missing`)
}

for (const problem of problems) console.error(problem)
console.log(`lint: ${sources.length} files, ${english.size} messages in 2 languages, ${problems.length} problems`)
if (problems.length > 0) process.exit(1)
