// Every page of the router, whoever added it: node e2e/tour.mjs URL EMAIL PASSWORD SCREENS pages|people
// axe and pictures in both themes, a phone in Chinese, what each role sees, and the budgets.
import { openStage, play, settled, themed } from './stage.mjs'

const [url, email, password, screens, part] = process.argv.slice(2)
const stage = await openStage(url, screens)
const page = await stage.person()
const { ok, note } = stage
const RUN = Date.now().toString(36)
const PASSWORD = 'a long enough password 9'
/** As docs/operations/roles.md has it; written down again, so that neither side can drift alone. */
const GRANTS = {
  user: ['user'],
  auditor: ['user', 'read', 'amounts'],
  operator: ['user', 'read', 'operate'],
  admin: ['user', 'read', 'amounts', 'operate', 'money', 'secrets', 'admin'],
}
/** Pages whose addresses have parts: what to fill in. Filled by `prepare`. */
const parts = { provider: 'company', id: '1', reference: 'none' }

const routesOf = (where) =>
  where.evaluate(() =>
    document.querySelector('#app').__vue_app__.config.globalProperties.$router.getRoutes()
      .filter((route) => route.components && !route.redirect && !route.path.includes('(.*)'))
      .map((route) => ({ path: route.path, permission: route.meta.permission ?? null }))
      .filter(({ path }, at, all) => path !== '/' && all.findIndex((other) => other.path === path) === at),
  )
const filled = (path) => path.replace(/:(\w+)(\([^)]*\))?\??/g, (_, name) => parts[name] ?? '1')
const named = (path) => (path === '/' ? 'home' : filled(path).slice(1).replaceAll('/', '-'))
/** Without loading the app anew. */
async function go(where, path) {
  await where.evaluate((to) => document.querySelector('#app').__vue_app__.config.globalProperties.$router.push(to), path)
  await where.getByRole('heading', { level: 1 }).first().waitFor()
  await settled(where)
  return where.evaluate(() => location.pathname)
}

/** Logs in as the page would, in its browser. */
async function enter(where, who, secret) {
  await where.goto(`${url}/login`)
  const status = await where.evaluate(async (body) => {
    const headers = { 'Content-Type': 'application/json', 'X-Headgate-Session': 'cookie' }
    return (await fetch('/api/v1/auth/login', { method: 'POST', headers, body: JSON.stringify(body) })).status
  }, { email: who, password: secret })
  ok(`${who} logs in`, status === 200)
}
const api = (where, method, path, body) =>
  where.evaluate(async ([how, what, sent]) => {
    const csrf = /headgate_csrf=([^;]+)/.exec(document.cookie)[1]
    const headers = { 'X-CSRF-Token': csrf, 'Content-Type': 'application/json' }
    const answer = await fetch(`/api/v1/${what}`, { method: how, headers, body: sent && JSON.stringify(sent) })
    const said = await answer.json()
    if (!answer.ok) throw new Error(`${how} ${what}: ${answer.status} ${JSON.stringify(said)}`)
    return said.data
  }, [method, path, body])

async function budgets() {
  const guest = await stage.person()
  await guest.goto(`${url}/login`)
  await guest.locator('input[name=email]').waitFor()
  const ms = await guest.evaluate(() => Math.round(performance.now()))
  const bytes = await guest.evaluate(() => performance.getEntriesByType('resource').filter((one) => one.name.endsWith('.js')).reduce((sum, one) => sum + one.encodedBodySize, 0))
  ok(`the first page loads ${Math.round(bytes / 1024)} KiB of JavaScript (budget 250)`, bytes > 0 && bytes < 250 * 1024)
  console.log(`   the first page takes input after ${ms} ms (budget 1500 on a quiet machine)`)
  await guest.context().close()
}

async function publicPages() {
  await page.goto(`${url}/login`)
  await page.locator('input[name=email]').waitFor()
  await look('/')
  for (const { path, permission } of await routesOf(page)) {
    if (permission === null) await look(path)
  }
}

async function prepare() {
  await enter(page, email, password)
  await page.goto(`${url}/dashboard`)
  const used = await api(page, 'GET', 'admin/usage?page_size=1')
  parts.reference = used.items[0]?.request_id ?? parts.reference
  await page.locator('[data-test=live][data-status=live]').waitFor()
}

/** One page in both themes; what moves after it was shown, and what the gateway refused. */
async function look(path) {
  const refused = []
  const hear = (answer) => answer.url().includes('/api/') && [403, 500].includes(answer.status()) && refused.push(`${answer.status()} ${answer.url()}`)
  page.on('response', hear)
  const shift = await moved(() => go(page, filled(path)))
  await stage.shot(page, `${named(path)}-light`)
  await stage.accessible(page, path)
  await themed(page, 'dark')
  await stage.shot(page, `${named(path)}-dark`)
  await stage.accessible(page, `${path} in the dark`, ['color-contrast'])
  await themed(page, 'light')
  page.off('response', hear)
  note(`${path} asks for nothing that is refused ${refused.join(' ')}`, refused.length === 0)
  if (shift >= 0.1) console.log(`   ${path} moves after it is shown: ${shift.toFixed(3)} (good is below 0.1)`)
  note(`${path} does not jump after it is shown (${shift.toFixed(3)})`, shift < 0.25)
}
async function moved(act) {
  await page.evaluate(() => {
    window.shifted = 0
    window.watching ??= new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shifted += entry.value)))
    window.watching.observe({ type: 'layout-shift' })
  })
  await act()
  return page.evaluate(() => window.shifted)
}

async function everyPage() {
  const routes = (await routesOf(page)).filter(({ permission }) => permission !== null)
  for (const { path } of routes) await look(path)
  ok(`${routes.length} pages behind the login`, routes.length > 15)
}

async function phone() {
  const small = await stage.person({ viewport: { width: 390, height: 800 }, colorScheme: 'dark', locale: 'zh-CN' })
  await enter(small, email, password)
  await small.goto(`${url}/dashboard`)
  for (const { path } of await routesOf(small)) {
    await go(small, filled(path))
    await stage.shot(small, `${named(path)}-zh-phone`)
    const wide = await small.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    note(`${path} fits a phone in Chinese (${wide} px too wide)`, wide <= 0)
  }
  await small.context().close()
}

async function roles() {
  for (const role of ['user', 'auditor', 'operator']) {
    const who = `${role}-${RUN}@example.com`
    await api(page, 'POST', 'admin/users', { email: who, password: PASSWORD, role })
    const person = await stage.person()
    const refused = []
    person.on('response', (answer) => answer.status() === 403 && refused.push(answer.url()))
    await enter(person, who, PASSWORD)
    await person.goto(`${url}/dashboard`)
    let seen = 0
    for (const { path, permission } of await routesOf(person)) {
      if (permission === null) continue
      const may = GRANTS[role].includes(permission)
      const at = await go(person, filled(path))
      note(`${role} ${may ? 'sees' : 'does not see'} ${path} (${at})`, may ? at === filled(path) : at === '/forbidden')
      seen += Number(may)
    }
    const links = await person.locator('nav a').evaluateAll((all) => all.map((link) => link.getAttribute('href')))
    note(`${role} has the administration in the menu or not`, links.some((href) => href.startsWith('/admin')) === (role !== 'user'))
    note(`${role}: no page asks for what the role may not see ${[...new Set(refused)].join(' ')}`, refused.length === 0)
    console.log(`   ${role} sees ${seen} pages`)
    await person.context().close()
  }
}

const pages = [
  ['budgets', budgets],
  ['public pages', publicPages],
  ['logging in', prepare],
  ['every page in both themes', everyPage],
]
const people = [
  ['logging in', prepare],
  ['every page on a phone', phone],
  ['roles', roles],
]
await play(stage, page, part === 'people' ? people : pages)
