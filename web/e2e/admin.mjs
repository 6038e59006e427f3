// What administrators do with many things at once: node e2e/admin.mjs URL EMAIL PASSWORD SCREENS
import { asking, button, openStage, play, settled, themed } from './stage.mjs'

const [url, email, password, screens] = process.argv.slice(2)
const stage = await openStage(url, screens)
const { ok, shot, accessible } = stage
const page = await stage.person()
page.setDefaultTimeout(20_000)
const ask = asking(page)
const dialog = () => page.getByRole('dialog')
const RUN = Date.now().toString(36)
const MANY = 30

async function open(path) {
  await page.goto(`${url}/${path}`)
  await page.getByRole('heading', { level: 1 }).first().waitFor()
  await settled(page)
}
/** Both themes and axe. */
async function look(name) {
  await settled(page)
  await shot(page, `admin-${name}-light`)
  await accessible(page, name)
  await themed(page, 'dark')
  await shot(page, `admin-${name}-dark`)
  await accessible(page, `${name} in the dark`, ['color-contrast'])
  await themed(page, 'light')
}

async function prepare() {
  await open('login')
  await page.fill('input[name=email]', email)
  await page.fill('input[name=password]', password)
  await button(page, 'Log in').click()
  await page.waitForURL(`${url}/dashboard`)
  await page.locator('[data-test=live][data-status=live]').waitFor()
}

const file = () => ({
  type: 'sub2api-data', version: 1, proxies: [],
  accounts: [
    ...Array.from({ length: MANY }, (_, n) => ({ name: `${RUN} account ${n}`, platform: 'anthropic', type: 'apikey', credentials: { api_key: `sk-test-${RUN}-${n}` }, concurrency: 3 })),
    { name: `${RUN} broken`, platform: 'nowhere', type: 'apikey', credentials: {} },
  ],
})
async function importFile() {
  await open('admin/accounts')
  await button(page, 'Import').click()
  await page.setInputFiles('input[type=file]', { name: 'accounts.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file())) })
  await dialog().getByText(`${MANY + 1} accounts`).waitFor()
  await button(dialog(), 'Import').click()
  await dialog().locator('[data-test=task]').waitFor()
  await dialog().locator('[data-test=task][data-status=succeeded]').waitFor()
  ok('an import says how far it is and when it has ended')
  await dialog().locator('[data-test=job-problems]').getByText(`${RUN} broken`).waitFor()
  ok('and names what did not work', await dialog().getByText(`${MANY} done well · 1 failed`).isVisible())
  await look('import')
  await button(dialog(), 'Close').last().click()
}

async function changeMany() {
  await open(`admin/accounts?search=${RUN}&page_size=100`)
  await page.getByRole('row').nth(MANY).waitFor()
  await page.getByRole('checkbox').first().check()
  const bar = page.getByRole('toolbar')
  await bar.getByText(`${MANY} selected`).waitFor()
  await button(bar, 'Edit').click()
  await page.fill('#field-concurrency', '7')
  await button(dialog(), 'Save').click()
  await bar.locator('[data-test=task][data-status=succeeded]').waitFor()
  await page.getByText('0 / 7').nth(MANY - 1).waitFor()
  ok(`${MANY} accounts are changed by a job, and the list shows it`)
  await look('bulk')
  await button(bar, 'Pause').click()
  await page.getByText('Paused').nth(MANY - 1).waitFor()
  await button(bar, `Undo (${MANY})`).click()
  await page.getByText('Paused').first().waitFor({ state: 'detached' })
  ok('what was paused together goes on together')
  await button(bar, 'Delete').click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Yes' }).click()
  await button(page.locator('[data-test=list]'), 'Clear filters').waitFor()
  ok('and they are deleted')
}

async function jobs() {
  await open('admin/jobs')
  await page.getByRole('link', { name: 'Import of accounts' }).first().waitFor()
  await look('jobs')
  await page.getByRole('link', { name: 'Import of accounts' }).first().click()
  await page.getByText(`${RUN} account 0`).waitFor()
  await look('job')
  await page.getByLabel('Outcome').first().click()
  await page.getByRole('option', { name: 'Failed' }).click()
  await page.getByText(`${RUN} account 0`).waitFor({ state: 'detached' })
  ok('a job lists what became of its pieces', await page.getByText(`${RUN} broken`).isVisible())
}

async function exportUsage() {
  await open('admin/usage?period=month')
  const fetched = page.waitForEvent('download')
  await button(page, 'Export as CSV').click()
  await page.locator('[data-test=task][data-status=succeeded]').waitFor()
  ok(`the usage is exported as ${(await fetched).suggestedFilename()}`)
  await look('export')
}

async function phone() {
  const small = await stage.person({ viewport: { width: 390, height: 800 }, colorScheme: 'dark', locale: 'zh-CN' })
  await small.context().addCookies(await page.context().cookies())
  for (const path of ['jobs', 'jobs/1', 'usage', 'usage/review']) {
    await small.goto(`${url}/admin/${path}`)
    await small.getByRole('heading', { level: 1 }).first().waitFor()
    await small.locator('[data-test=list], [data-test=job]').first().waitFor()
    await settled(small)
    await shot(small, `admin-${path.replace('/', '-')}-zh-phone`)
    const wide = await small.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    stage.note(`${path} fits a phone in Chinese (${wide} px too wide)`, wide <= 0)
  }
  await small.context().close()
}

await play(stage, page, [
  ['prepared', prepare],
  ['a file imported', importFile],
  ['many changed', changeMany],
  ['jobs', jobs],
  ['usage exported', exportUsage],
  ['on a phone', phone],
])
