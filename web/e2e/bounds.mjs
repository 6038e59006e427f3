// What is longer, from right to left, or below nothing: node e2e/bounds.mjs URL EMAIL PASSWORD SCREENS
import { asking, button, openStage, play, settled } from './stage.mjs'

const [url, email, password, screens] = process.argv.slice(2)
const stage = await openStage(url, screens)
const page = await stage.person({ viewport: { width: 1280, height: 860 } })
page.setDefaultTimeout(15_000)
const { ok, note, shot } = stage
const ask = asking(page)
const RUN = Date.now().toString(36)
const LONG = `${'verylongnamewithoutaspace'.repeat(3)}${RUN}`
const RTL = `שלום עולם مرحبا بالعالم \u202e(abc) ${RUN}`
const GUEST = { email: `${'long'.repeat(12)}-${RUN}@example.com`, password: 'a long enough password 5' }
const WIDTHS = [390, 1280]
let groups

async function logIn(who = email, secret = password) {
  await page.context().clearCookies()
  await stage.enter(page, who, secret)
  await page.waitForURL(`${url}/dashboard`)
}

/** A user, two groups and a subscription, and a promo code; every name is hard to show. */
async function prepare() {
  await logIn()
  await ask('PUT', 'admin/settings', { registration_enabled: true, promo_code_enabled: true })
  const { id } = await ask('POST', 'admin/users', { ...GUEST, username: RTL, balance: 1234.5 })
  await ask('POST', 'admin/users', { ...GUEST, email: `r-${GUEST.email}`, username: LONG, balance: 1 })
  const open = await ask('POST', 'admin/groups', { name: RTL, description: LONG })
  const paid = await ask('POST', 'admin/groups', {
    name: LONG, description: RTL, subscription_type: 'subscription', daily_limit_usd: 10, weekly_limit_usd: 50, monthly_limit_usd: 100,
  })
  groups = [open, paid]
  await ask('POST', 'admin/subscriptions/assign', { user_id: id, group_id: paid.id, validity_days: 30 })
  await ask('POST', 'admin/promo-codes', { code: `WELCOME-${RUN}`.toUpperCase(), bonus_amount: 7.25, max_uses: 1 })
}

/** The page at each width: nothing is wider than the window, and on a desk no table scrolls sideways. */
async function fits(path, name) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 860 })
    await stage.open(page, path)
    await page.getByText(RUN).first().waitFor({ state: 'attached' })
    await settled(page)
    await shot(page, `bounds-${name}-${width}`)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    note(`${name} fits ${width} px (${wide} px too wide)`, wide <= 0)
    const hidden = await page.evaluate(() => Math.max(0, ...[...document.querySelectorAll('.p-datatable-table-container')].map((box) => box.scrollWidth - box.clientWidth)))
    note(`no column of ${name} is out of sight at ${width} px (${hidden} px are)`, width < 1000 || hidden <= 0)
    const over = await page.evaluate(() => [...document.querySelectorAll('td button, td a')].filter((one) => one.getBoundingClientRect().right > one.closest('td').getBoundingClientRect().right + 1).length)
    note(`no name of ${name} runs over the column beside it at ${width} px (${over} do)`, over === 0)
    const tall = await page.evaluate(() => Math.max(0, ...[...document.querySelectorAll('tbody tr')].map((row) => row.offsetHeight)))
    note(`rows of ${name} stay rows at ${width} px (${tall} px high)`, tall <= 150)
  }
  await page.setViewportSize({ width: 1280, height: 860 })
}

async function tablesOfTheOperator() {
  await fits('admin/groups', 'groups')
  await fits('admin/users?search=' + RUN, 'users')
  await fits('admin/subscriptions', 'admin-subscriptions')
}

async function pagesOfTheUser() {
  await logIn(GUEST.email, GUEST.password)
  for (const [index, name] of [LONG, RTL].entries()) await ask('POST', 'keys', { name, group_id: groups[index].id, quota: 5, rate_limit_5h: 1 })
  await fits('keys', 'keys')
  await fits('subscriptions', 'subscriptions')
  const shown = await page.locator('main').innerText()
  ok('a subscription tells what is used of each window', shown.includes('$0.00 / $10.00') && shown.includes('$0.00 / $50.00') && shown.includes('$0.00 / $100.00'))
  await fits('profile', 'profile')
  const direction = await page.getByText(RUN).first().evaluate((node) => getComputedStyle(node).direction)
  console.log(`   a name from right to left stands in text of direction ${direction}`)
}

/** What is used of a window, as the gateway would tell it. */
async function progress() {
  await page.route('**/api/v1/subscriptions/progress', async (route) => {
    const answer = await route.fetch()
    const told = await answer.json()
    Object.assign(told.data[0].daily, { used_usd: 9.5, percentage: 95, resets_at: new Date(Date.now() + 3 * 3600e3).toISOString() })
    Object.assign(told.data[0].weekly, { used_usd: 60, percentage: 120 })
    await route.fulfill({ response: answer, json: told })
  })
  await stage.open(page, 'subscriptions')
  const bars = page.getByRole('progressbar')
  await bars.nth(2).waitFor()
  await settled(page)
  const values = await bars.evaluateAll((all) => all.map((bar) => bar.getAttribute('aria-valuenow')))
  await shot(page, 'bounds-progress')
  ok(`bars show how much is used and end at 100 % (${values})`, values.join() === '95,100,0')
  ok('and the hours until a window begins anew', /in 3 hours|in 2 hours/.test(await page.locator('main').innerText()))
  await page.unroute('**/api/v1/subscriptions/progress')
}

/** A balance falls below nothing when an answer costs more than was held for it. */
async function negative() {
  // The live stream would tell the true one.
  await page.route('**/api/v1/events', (route) => route.abort())
  await page.route('**/api/v1/auth/me', async (route) => {
    const answer = await route.fetch()
    const told = await answer.json()
    told.data.balance = -1234.5678
    await route.fulfill({ response: answer, json: told })
  })
  for (const path of ['dashboard', 'profile']) {
    await stage.open(page, path)
    const shown = page.locator('main').getByText(/^[-−]\$1,234\.57/).first()
    await shown.waitFor()
    await settled(page)
    await shot(page, `bounds-negative-${path}`)
    ok(`${path}: a balance below nothing has its sign before the currency (${await shown.innerText()})`)
    const colour = await shown.evaluate((node) => getComputedStyle(node).color)
    const plain = await page.locator('main h1').evaluate((node) => getComputedStyle(node).color)
    note(`${path}: and it stands out (${colour})`, colour !== plain)
  }
  await page.unroute('**/api/v1/auth/me')
  await page.unroute('**/api/v1/events')
}

async function promoCode() {
  await page.context().clearCookies()
  const code = `WELCOME-${RUN}`.toUpperCase()
  const guest = await stage.person({ viewport: { width: 390, height: 800 } })
  await stage.open(guest, `register?promo=${code}`)
  await guest.getByText('$7.25').waitFor()
  ok('a link brings a promo code, and what it is worth is told before anybody registers')
  await guest.fill('input[name=promo]', 'NO-SUCH-CODE')
  await guest.getByText('$7.25').waitFor({ state: 'detached' })
  await shot(guest, 'bounds-promo')
  await guest.fill('input[name=promo]', code)
  await guest.fill('input[name=email]', `promo-${RUN}@example.com`)
  await guest.fill('input[name=password]', 'a long enough password 6')
  await button(guest, await guest.locator('form button[type=submit]').innerText()).click()
  await guest.waitForURL(`${url}/dashboard`)
  await guest.getByText('$7.25').first().waitFor()
  ok('whoever registers with it has it on the balance')
  await stage.open(guest, `register?promo=${code}`)
  await guest.context().clearCookies()
  await stage.open(guest, `register?promo=${code}`)
  await guest.getByText('This promo code does not work.').first().waitFor()
  ok('a code that is used up says so')
}

await play(stage, page, [
  ['names', prepare],
  ['tables of the operator', tablesOfTheOperator],
  ['pages of the user', pagesOfTheUser],
  ['subscription progress', progress],
  ['a balance below nothing', negative],
  ['a promo code', promoCode],
])
