// When things go wrong: node e2e/trouble.mjs URL EMAIL PASSWORD SCREENS
import { button, openStage, play, settled } from './stage.mjs'

const [url, email, password, screens] = process.argv.slice(2)
const stage = await openStage(url, screens)
const page = await stage.person()
const { ok } = stage
const RUN = Date.now().toString(36)
const dialog = () => page.getByRole('dialog').first()
const open = (path) => stage.open(page, path)
async function logIn() {
  await open('admin/groups')
  await page.fill('input[name=email]', email)
  await page.fill('input[name=password]', password)
  await button(page, 'Log in').click()
  await page.waitForURL(`${url}/admin/groups`)
}
async function draft(name) {
  await open('admin/groups')
  await button(page, 'Create').click()
  await page.fill('#field-name', name)
}
const answer = (status, body) => (route) => route.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) })
const GROUPS = '**/api/v1/admin/groups'

/** The gateway says no: it is said where it belongs, and the form stays. */
async function refusals() {
  await draft(`group ${RUN}`)
  await page.route(GROUPS, answer(422, { code: 422, message: 'Invalid request: name: too strange', reason: 'INVALID_INPUT' }))
  await button(dialog(), 'Save').click()
  const field = dialog().locator('div:has(> #field-name)')
  await field.getByRole('alert').filter({ hasText: 'too strange' }).waitFor()
  ok('422 is shown at its field')
  await page.unroute(GROUPS)
  await page.route(GROUPS, answer(409, { code: 409, message: 'a group of this name is there already', reason: 'GROUP_EXISTS' }))
  await button(dialog(), 'Save').click()
  await dialog().getByRole('alert').filter({ hasText: 'exists already' }).last().waitFor()
  await page.unroute(GROUPS)
  await page.route(GROUPS, (route) => route.abort())
  await button(dialog(), 'Save').click()
  await dialog().getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor()
  await stage.shot(page, 'trouble-api-down-in-form')
  ok('409 and a gateway that is away are said, and the work stays', (await page.inputValue('#field-name')) === `group ${RUN}`)
  await page.unroute(GROUPS)
  await button(dialog(), 'Save').click()
  await page.getByText(`group ${RUN}`).first().waitFor()
  ok('the same form is saved once it goes')
}

/** The session ends in mid-work: the password is asked for on top, and nothing is lost. */
async function expiredSession() {
  await draft(`late ${RUN}`)
  await page.context().clearCookies()
  await button(dialog(), 'Save').click()
  await page.locator('input[name=password]').waitFor()
  await stage.shot(page, 'trouble-expired')
  await stage.accessible(page, 'the session that is over')
  await page.fill('input[name=password]', password)
  await button(page, 'Log in').click()
  await page.locator('input[name=password]').waitFor({ state: 'detached' })
  ok('after logging in again the work is still there', (await page.inputValue('#field-name')) === `late ${RUN}`)
  await button(dialog(), 'Save').click()
  await page.getByText(`late ${RUN}`).first().waitFor()
  ok('and is saved')
}

/** Everything is away, then slow, then back. */
async function away() {
  await open('admin/groups')
  await page.locator('[data-test=live][data-status=live]').waitFor()
  await page.context().setOffline(true)
  await page.route('**/api/**', (route) => route.abort())
  const leave = () => page.evaluate(() => document.querySelector('#app').__vue_app__.config.globalProperties.$router.push('/admin/users').catch(() => undefined))
  await leave()
  await page.locator('[data-test=unreachable]').waitFor()
  ok('a page whose code does not come leaves the one that is open, and it is said why')
  await page.context().setOffline(false)
  await leave()
  await page.getByRole('alert').filter({ hasText: 'could not be loaded' }).waitFor()
  ok('a list that cannot be read says so and offers to try again')
  await stage.shot(page, 'trouble-api-down')
  await page.unroute('**/api/**')
  await button(page, 'Try again').click()
  await page.getByText(email).first().waitFor()
  ok('and is there once the gateway is back')
  await page.route('**/api/v1/events', (route) => route.abort())
  await open('admin/users')
  await page.locator('[data-test=live][data-status=polling]').waitFor({ timeout: 40_000 })
  await page.locator('[data-test=unreachable]').waitFor()
  await stage.shot(page, 'trouble-polling')
  ok('without a stream the page says that it asks every 10 seconds')
  await page.unroute('**/api/v1/events')
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  await page.locator('[data-test=live][data-status=live]').waitFor()
  ok('and is live again by itself')
  await page.route('**/api/v1/admin/users?*', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await route.continue()
  })
  await open('admin/users')
  await page.locator('.p-skeleton').first().waitFor()
  await settled(page)
  await page.unroute('**/api/v1/admin/users?*')
  ok('a slow list shows its place first')
}

async function wrongClock() {
  const late = await stage.person()
  await late.context().addCookies(await page.context().cookies())
  await late.addInitScript(() => {
    const now = Date.now
    Date.now = () => now() + 3_600_000
  })
  await late.goto(`${url}/dashboard`)
  await late.locator('[data-test=wrong-clock]').filter({ hasText: '60 minutes fast' }).waitFor()
  await stage.shot(late, 'trouble-clock')
  ok('a computer whose clock is wrong is told so')
  await late.context().close()
}

/** 0 and 10,000 rows, by keyboard. The rows are made here: the list is what is looked at. */
async function manyRows() {
  const rows = Array.from({ length: 10_000 }, (_, index) => ({
    id: index + 1, email: `person-${index + 1}@example.com`, username: `Person ${index + 1}`, role: 'user', status: 'active', balance: index / 100,
    concurrency: 5, current_concurrency: 0, created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:00Z', notes: '', allowed_groups: [],
  }))
  await page.route('**/api/v1/admin/users?*', (route) => {
    const query = new URL(route.request().url()).searchParams
    const [at, size] = [Number(query.get('page')), Number(query.get('page_size'))]
    const found = query.get('search') ? [] : rows
    const data = { items: found.slice((at - 1) * size, at * size), total: found.length, page: at, page_size: size, pages: 1 }
    return route.fulfill({ contentType: 'application/json', body: JSON.stringify({ code: 0, message: 'success', data }) })
  })
  await open('admin/users?search=nobody')
  await page.getByText('Nothing matches these filters').waitFor()
  await button(page, 'Clear filters').click()
  await page.getByText('person-1@example.com').waitFor()
  ok('no rows say so, and lead back')
  await open('admin/users?page_size=10000')
  await page.getByText('person-1@example.com').waitFor()
  const drawn = await page.locator('tbody tr').count()
  ok(`10,000 rows are one list, of which ${drawn} are drawn`, drawn < 120)
  const frames = await page.evaluate(async () => {
    const scroller = document.querySelector('.p-virtualscroller')
    const gaps = []
    let last = performance.now()
    const began = last
    for (let step = 0; step < 40 && last - began < 20_000; step += 1) {
      scroller.scrollTop += 900
      await new Promise(requestAnimationFrame)
      gaps.push(performance.now() - last)
      last = performance.now()
    }
    return gaps.sort((a, b) => a - b)
  })
  console.log(`   scrolling: median ${frames[frames.length >> 1].toFixed(0)} ms, p95 ${frames[Math.floor(frames.length * 0.95)].toFixed(0)} ms a frame`)
  await page.locator('tbody tr').first().focus()
  await page.keyboard.press('End')
  await page.waitForFunction(() => document.activeElement?.textContent?.includes('person-10000@'))
  await page.keyboard.press('ArrowUp')
  await page.waitForFunction(() => document.activeElement?.textContent?.includes('person-9999@'))
  ok('the keyboard goes to the last of them and back')
  await stage.shot(page, 'rows-10000')
  await page.keyboard.press('Enter')
  await dialog().waitFor()
  ok('and opens a row')
  await page.keyboard.press('Escape')
  await page.unroute('**/api/v1/admin/users?*')
}

async function palette() {
  await open('dashboard')
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').waitFor()
  await page.keyboard.type('audit')
  await page.getByRole('option', { name: /Audit/ }).first().waitFor()
  await stage.accessible(page, 'the command palette')
  await page.keyboard.press('Enter')
  await page.waitForURL(`${url}/admin/audit`)
  ok('the command palette jumps by keyboard alone')
}

await play(stage, page, [
  ['logging in', logIn],
  ['refusals', refusals],
  ['the session ends', expiredSession],
  ['the gateway is away', away],
  ['the clock is wrong', wrongClock],
  ['many rows', manyRows],
  ['command palette', palette],
])
