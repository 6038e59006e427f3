// What visitors and users see: node e2e/user.mjs URL EMAIL PASSWORD KEY SIMULATOR SCREENS visitors|users
// Prints one line a check and fails at the first that does not hold.
import { readFileSync } from 'node:fs'

import { asking, button, openStage, play } from './stage.mjs'

const [url, email, password, , , screens, part] = process.argv.slice(2)
/** What people have written into free text to make it run. */
const XSS = [
  `<script>window.hacked=1</script>`, `<img src=x onerror="window.hacked=1">`, `<svg/onload=window.hacked=1>`,
  `<iframe srcdoc="<script>parent.hacked=1</script>"></iframe>`, `[click](javascript:window.hacked=1)`, `<a href="javascript:window.hacked=1">x</a>`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hacked=1&gt;">`,
  `<form action="javascript:window.hacked=1"><button>x</button></form>`, `<details open ontoggle=window.hacked=1>`, `{{constructor.constructor('window.hacked=1')()}}`,
  `"'><body onload=window.hacked=1>`, `<object data="javascript:window.hacked=1">`, `<input autofocus onfocus=window.hacked=1>`, `\u202eתוֹרָה \u200f<b style="position:fixed;inset:0">over</b>`,
].join('\n\n')

// What is blocked of the attacks is complained of by the browser.
const stage = await openStage(url, screens, /inline event handler|Applying inline style/)
const page = await stage.person()
page.setDefaultTimeout(15_000)
const { ok, note } = stage
const open = (path) => stage.open(page, path)
/** The picture of a page that is at rest, and what axe says of it. */
async function looked(name) {
  await page.waitForLoadState('networkidle', { timeout: 1000 }).catch(() => undefined)
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((moving) => moving.finished)))
  await stage.shot(page, `user-${name}`)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  note(`${name} is not wider than the window`, wide <= 0)
  await stage.accessible(page, name)
}
const ask = asking(page)
async function looks(language, theme, width) {
  await page.setViewportSize({ width, height: 860 })
  await page.evaluate(([code, name]) => {
    localStorage.setItem('headgate.language', code)
    localStorage.setItem('headgate.theme', name)
  }, [language, theme])
}
async function logIn(who = email, secret = password) {
  await stage.enter(page, who, secret)
  await page.waitForURL(`${url}/dashboard`)
}
const leave = () => page.context().clearCookies()

async function visitor() {
  await open('')
  await page.getByText('One door to every model').waitFor()
  await looked('home')
  await button(page, 'Codex').click()
  ok('the landing page tells how each client is set up', (await page.locator('pre').innerText()).includes('model_provider'))
  await open('catalogue')
  await page.getByText('for people who are logged in').waitFor()
  ok('strangers see no prices until somebody opens them')
  await open('key-usage')
  await looked('key-usage')
}

async function openedToVisitors() {
  await logIn()
  await ask('PUT', 'admin/settings', {
    public_models_enabled: true, status_page_enabled: true, site_subtitle: 'Models for the whole company', contact_info: XSS.slice(0, 900),
    doc_url: 'https://docs.example/', site_name: 'Example AI',
  })
  await leave()
  await open('')
  await page.getByText('Models for the whole company').waitFor()
  ok('the landing page has the name and the words of the settings', (await page.title()) === 'Example AI')
  await page.getByRole('link', { name: 'Models', exact: true }).click()
  await page.getByRole('heading', { name: 'anthropic-demo' }).waitFor()
  await looked('catalogue')
  await page.getByLabel('Find a model').fill('OPUS')
  ok('models are found by a part of their name', (await page.locator('tbody tr').count()) > 0 && !(await page.locator('tbody').first().innerText()).includes('haiku'))
  await looks('zh', 'dark', 390)
  await open('catalogue')
  await page.getByRole('heading', { name: 'anthropic-demo' }).waitFor()
  await looked('catalogue-zh-dark-390')
  await open('')
  await looked('home-zh-dark-390')
  await looks('en', 'light', 1360)
}

async function ownHome() {
  await logIn()
  await ask('PUT', 'admin/settings', { home_content: `# Welcome to us\n\n**Bold** and a [link](https://example.com/).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n${XSS}` })
  await leave()
  await open('')
  await page.locator('[data-test=own-home] strong').waitFor()
  const own = page.locator('[data-test=own-home]')
  await page.waitForTimeout(300)
  ok('foreign markup runs nothing and covers nothing', (await own.locator('script,iframe,form,input,button,style,object,[style],[onerror],[onload],[href^="javascript"]').count()) === 0)
  ok('its links open apart and tell nothing', (await own.locator('a[href="https://example.com/"]').getAttribute('rel')).includes('noopener'))
  await looked('home-own')
  await logIn()
  await ask('PUT', 'admin/settings', { home_content: '' })
}

/** Somebody whose every free text is an attack, as long as it may be. */
const RUN = Date.now().toString(36)
const GUEST = { email: `guest-${RUN}@example.com`, password: 'a long enough password 9' }
const NAME = `${'verylongname'.repeat(5)} <img src=x onerror=window.hacked=1> \u202eתוֹרָה`
async function people() {
  await logIn()
  await ask('PUT', 'admin/settings', { status_page_enabled: true })
  const groups = await ask('GET', 'groups/available')
  const { id } = await ask('POST', 'admin/users', { ...GUEST, username: NAME.slice(0, 90), notes: XSS.slice(0, 500), balance: 5 })
  ok('a user whose name is an attack is made', id > 0)
  await ask('PUT', `admin/groups/${groups[0].id}`, { ...groups[0], description: XSS.slice(0, 400) }).catch(() => undefined)
  await ask('POST', 'admin/announcements', { title: `Quiet ${NAME.slice(0, 120)}`, content: XSS, status: 'active', notify_mode: 'silent' })
  await ask('POST', 'admin/announcements', { title: 'Please read', content: `**Maintenance** on Sunday.\n\n${XSS}`, status: 'active', notify_mode: 'popup' })
  await leave()
}

async function notices() {
  await logIn(GUEST.email, GUEST.password)
  const popup = page.getByRole('dialog').filter({ hasText: 'Please read' })
  await popup.locator('strong').first().waitFor()
  await looked('announcement-popup')
  await button(page, 'Got it').click()
  await popup.waitFor({ state: 'detached' })
  ok('an announcement that asks for it is shown at once', (await page.locator('[data-test=unread]').innerText()) === '1')
  await page.getByRole('button', { name: 'Announcements, 1 unread' }).click()
  await page.getByRole('button', { name: /Quiet/ }).click()
  await page.locator('.rich-text').first().waitFor()
  await looked('announcements')
  ok('the bell lists them, and what is opened is read', (await page.locator('[data-test=unread]').count()) === 0)
  await page.keyboard.press('Escape')
  await page.reload()
  await page.getByRole('heading', { level: 1 }).waitFor()
  await page.waitForLoadState('networkidle', { timeout: 1000 }).catch(() => undefined)
  ok('what was read stays read', (await page.getByRole('dialog').count()) === 0 && (await page.locator('[data-test=unread]').count()) === 0)
}

async function firstSteps() {
  await page.locator('[data-test=first-steps]').waitFor()
  await looked('dashboard-empty')
  await open('usage')
  await page.getByText('Create a key and send the first request').waitFor()
  await looked('usage-empty')
  const { key, id } = await ask('POST', 'keys', { name: NAME.slice(0, 100), group_id: (await ask('GET', 'groups/available'))[0].id, quota: 2, rate_limit_5h: 1, rate_limit_1d: 3 })
  ok('a key with a long name is made', id > 0)
  return key
}

async function tried(key) {
  await open('playground')
  await page.fill('#play-key', key)
  await page.getByText('per million tokens').waitFor()
  await page.fill('textarea', 'Tell me something, please.')
  await button(page, 'Send').click()
  await page.locator('[data-test=cost]').filter({ hasText: '$' }).waitFor()
  ok('what an answer costs is shown while it comes', (await page.locator('[data-test=cost]').innerText()).includes('$'))
  await page.getByText('Charged', { exact: true }).waitFor()
  await looked('playground')
  const told = Number((await page.locator('[data-test=cost]').innerText()).replace(/[^0-9.]/g, ''))
  const { items } = await ask('GET', 'usage?page_size=1')
  ok(`the charge shown is the one in the books (${told})`, Math.abs(items[0].actual_cost - told) < 1e-4 && told > 0)
}

async function usagePages() {
  await open('dashboard')
  await page.getByText('resets in').first().waitFor()
  await looked('dashboard')
  await open('usage')
  await page.locator('tbody button').first().waitFor()
  await looked('usage')
  await button(page, 'By model').click()
  await page.getByRole('button', { name: /claude/ }).first().waitFor()
  await button(page, 'By key').click()
  await page.getByRole('button', { name: /verylongname/ }).first().waitFor()
  await looked('usage-by-key')
  const waiting = page.waitForEvent('download')
  await button(page, 'Export as CSV').click()
  const file = readFileSync(await (await waiting).path(), 'utf8')
  ok('the records are taken away as a file', file.split('\n').length >= 2 && file.includes('claude'))
  await page.locator('tbody button').first().click()
  await page.getByRole('dialog').getByText('Attempts').waitFor()
  const shown = await page.getByRole('dialog').innerText()
  ok('a user is told why it cost what it cost, and not by whose account', shown.includes('×') && !shown.includes('Candidates'))
  await looked('explanation')
  await page.keyboard.press('Escape')
}

async function security() {
  await open('profile')
  await button(page, 'Switch on').click()
  await page.locator('#field-password').fill(GUEST.password)
  await button(page, 'Continue').click()
  await page.locator('[data-test=qr] path').waitFor({ state: 'attached' })
  await page.getByText('Enter this secret by hand').waitFor()
  await looked('two-factor')
  ok('the QR code is drawn here', (await page.locator('[data-test=qr] path').getAttribute('d')).length > 500)
  await button(page, 'Cancel').click()
  await looked('profile')
  await open('keys')
  await page.getByText(/verylongname/).first().waitFor()
  await looked('keys')
  await page.getByRole('button', { name: 'Use', exact: true }).click()
  for (const name of ['Claude Code', 'opencode', 'Cherry Studio', 'CC-Switch', 'SDK', 'curl']) await page.getByRole('tab', { name, exact: true }).click()
  ok('a key is explained for every client')
  await looked('use-key')
  await page.keyboard.press('Escape')
}

async function serviceStatus() {
  await open('status')
  await page.getByText('Everything works').waitFor()
  await looked('status-user')
  await leave()
  await open('status')
  await page.getByText('Everything works').waitFor()
  await looked('status')
  await logIn(GUEST.email, GUEST.password)
}

async function phone() {
  await looks('zh', 'dark', 390)
  for (const path of ['dashboard', 'usage', 'playground']) {
    await open(path)
    await looked(`${path}-zh-dark-390`)
  }
  await looks('en', 'light', 1360)
}

async function nothingRan() {
  ok('foreign text ran nowhere', !(await page.evaluate(() => 'hacked' in window)))
}

const visitors = [
  ['visitor', visitor],
  ['opened to visitors', openedToVisitors],
  ['own home page', ownHome],
  ['foreign text', nothingRan],
]
const users = [
  ['people', people],
  ['notices', notices],
  ['first steps', async () => tried(await firstSteps())],
  ['usage', usagePages],
  ['security', security],
  ['status', serviceStatus],
  ['phone', phone],
  ['foreign text', nothingRan],
]
await play(stage, page, part === 'visitors' ? visitors : users)
