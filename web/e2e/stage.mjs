// What all stories need: a browser, a page whose complaints are heard, and words for what holds.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const WAIT_MS = 45_000
const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

/** `expected`: what a browser complains of because a story makes it so. */
export async function openStage(url, screens, expected = /^$/) {
  mkdirSync(screens, { recursive: true })
  const executablePath = BROWSERS.find((path) => existsSync(path))
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const began = Date.now()
  const wrong = []
  const complaints = []
  const stage = { browser, url, screens, wrong, complaints }

  /** A page of a browser of its own. */
  stage.person = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, colorScheme: 'light', locale: 'en-US', ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(WAIT_MS)
    page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
    page.on('console', (message) => {
      const isOurs = message.type() === 'error' && !/status of [45]\d\d|ERR_FAILED|ERR_CONNECTION|ERR_INCOMPLETE|ERR_NETWORK|ERR_INTERNET_DISCONNECTED/.test(message.text()) && !expected.test(message.text())
      if (isOurs) complaints.push(`${page.url()}: ${message.text()}`)
    })
    return page
  }
  stage.ok = (what, holds = true) => {
    if (!holds) throw new Error(what)
    console.log(`ok: ${what}`)
  }
  /** As `ok`, but the run goes on: all that is wrong with the pages is seen at once. */
  stage.note = (what, holds) => {
    if (!holds) wrong.push(what)
    if (!holds || process.env.E2E_ALL) console.log(`${holds ? 'ok' : 'NOT OK'}: ${what}`)
  }
  stage.open = async (page, path) => {
    await page.goto(`${url}/${path}`)
    await page.getByRole('heading', { level: 1 }).first().waitFor({ state: 'attached' })
  }
  /** The form of the login page, sent; where it leads is for the story to see. */
  stage.enter = async (page, who, secret) => {
    await stage.open(page, 'login')
    await page.fill('input[name=email]', who)
    await page.fill('input[name=password]', secret)
    await page.locator('form button[type=submit]').click()
  }
  stage.shot = (page, name) => page.screenshot({ path: `${screens}/${name}.png` })
  stage.took = (what) => console.log(`   ${((Date.now() - began) / 1000).toFixed(1)} s: ${what}`)

  /** axe on the page as it is, all rules or the named ones. Through the debugger, which the page's policy does not bind. */
  stage.accessible = async (page, name, rules) => {
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(`${axe};undefined`)
    const only = rules ? { runOnly: { type: 'rule', values: rules } } : {}
    const found = await page.evaluate((chosen) => window.axe.run(document, { resultTypes: ['violations'], ...chosen }), only)
    const serious = found.violations.filter((item) => ['serious', 'critical'].includes(item.impact))
    stage.note(`${name}: axe finds nothing serious ${serious.map((item) => `${item.id} ${item.nodes[0].html.slice(0, 200)}`).join('; ')}`, serious.length === 0)
  }
  stage.end = async () => {
    stage.ok(`nothing is wrong with the pages ${wrong.join('\n')}`, wrong.length === 0)
    stage.ok(`no error in the console ${complaints.join('\n')}`, complaints.length === 0)
  }
  return stage
}

/** Runs stories in order; the first that fails ends the run with a picture of its page. */
export async function play(stage, page, stories) {
  try {
    for (const [name, story] of stories) {
      await story()
      stage.took(name)
    }
    await stage.end()
  } catch (error) {
    await stage.shot(page, 'failed').catch(() => undefined)
    console.error(`FAILED at ${page.url()}: ${error.stack}`)
    process.exitCode = 1
  } finally {
    await stage.browser.close()
  }
}

export const button = (within, name) => within.getByRole('button', { name, exact: true })

/** Calls of the management API as whoever is logged in on the page. */
export const asking = (page) => (method, path, body) =>
  page.evaluate(
    async ([verb, where, sent]) => {
      const csrf = /headgate_csrf=([^;]+)/.exec(document.cookie)?.[1] ?? ''
      const headers = { 'X-CSRF-Token': csrf, 'X-Headgate-Session': 'cookie', 'Content-Type': 'application/json' }
      const answer = await fetch(`/api/v1/${where}`, { method: verb, headers, body: sent && JSON.stringify(sent) })
      const told = await answer.json()
      if (!answer.ok) throw new Error(`${verb} ${where}: ${answer.status} ${JSON.stringify(told)}`)
      return told.data
    },
    [method, path, body],
  )

/** The page in that colour scheme, its colours at rest. */
export async function themed(page, colorScheme) {
  await page.emulateMedia({ colorScheme })
  await page.waitForFunction((isDark) => document.documentElement.classList.contains('dark') === isDark, colorScheme === 'dark')
  await settled(page)
}

/** What was asked for is shown. The live stream never ends, so the network is never idle. */
export async function settled(page) {
  await page.waitForFunction(() => !document.querySelector('.p-skeleton'))
  await page.evaluate(() => {
    const ending = document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity)
    return Promise.allSettled(ending.map((one) => one.finished))
  })
}
