import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

import { arrive, isCarrying } from '@/features/auth/arrival'

import { isUnreachable } from './live/state'
import type { Permission } from './permissions'
import { can, startSession, user } from './session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Absent: anybody may see the page. */
    permission?: Permission
    /** Anybody may see it; who is logged in sees it inside the app. */
    knowsUser?: true
  }
}

/** Every first segment here stands in `public/pages.json` too: the gateway answers 404 for others. */
const mine = (path: string, component: RouteRecordRaw['component']): RouteRecordRaw =>
  ({ path, component, meta: { permission: 'user' } }) as RouteRecordRaw
const open = (path: string, component: RouteRecordRaw['component'], props = {}): RouteRecordRaw =>
  ({ path, component, props, meta: { knowsUser: true } }) as RouteRecordRaw
const admin = (path: string, component: RouteRecordRaw['component'], permission: Permission = 'read'): RouteRecordRaw =>
  ({ path: `/admin/${path}`, component, meta: { permission } }) as RouteRecordRaw

const routes: RouteRecordRaw[] = [
  { path: '/login', component: () => import('@/features/auth/LoginPage.vue') },
  { path: '/register', component: () => import('@/features/auth/RegisterPage.vue') },
  { path: '/forgot-password', component: () => import('@/features/auth/ForgotPage.vue') },
  // The next two are named by the gateway, in letters and in redirects.
  { path: '/reset-password', component: () => import('@/features/auth/ResetPage.vue') },
  { path: '/auth/:provider/callback', component: () => import('@/features/auth/CallbackPage.vue') },
  { path: '/setup', component: () => import('@/features/setup/SetupPage.vue') },
  {
    path: '/',
    component: () => import('@/features/public/PublicFrame.vue'),
    children: [
      open('', () => import('@/features/home/HomePage.vue')),
      open('/key-usage', () => import('@/features/key-usage/KeyUsagePage.vue')),
    ],
  },
  {
    path: '/',
    component: () => import('@/features/public/AdaptiveFrame.vue'),
    children: [
      open('/catalogue', () => import('@/features/catalogue/CataloguePage.vue')),
      open('/status', () => import('@/features/status/StatusPage.vue')),
    ],
  },
  {
    path: '/',
    component: () => import('./shell/AppShell.vue'),
    children: [
      mine('/dashboard', () => import('@/features/dashboard/DashboardPage.vue')),
      mine('/keys', () => import('@/features/keys/KeysPage.vue')),
      mine('/usage', () => import('@/features/usage/OwnUsagePage.vue')),
      mine('/playground', () => import('@/features/playground/PlaygroundPage.vue')),
      mine('/subscriptions', () => import('@/features/subscriptions/SubscriptionsPage.vue')),
      { ...mine('/purchase', () => import('@/features/embed/EmbedPage.vue')), props: { page: 'purchase' } } as RouteRecordRaw,
      { ...mine('/custom/:page', () => import('@/features/embed/EmbedPage.vue')), props: true } as RouteRecordRaw,
      mine('/redeem', () => import('@/features/codes/RedeemPage.vue')),
      mine('/profile', () => import('@/features/profile/ProfilePage.vue')),
      admin('usage', () => import('@/features/usage/UsagePage.vue')),
      admin('usage/review', () => import('@/features/usage/ReviewPage.vue')),
      admin('dashboard', () => import('@/features/admin-dashboard/AdminDashboardPage.vue')),
      admin('degradations', () => import('@/features/degradations/DegradationsPage.vue')),
      admin('ledger', () => import('@/features/ledger/LedgerPage.vue'), 'amounts'),
      { ...admin('requests/:reference', () => import('@/features/requests/ExplainPage.vue')), props: true } as RouteRecordRaw,
      admin('accounts', () => import('@/features/accounts/AccountsPage.vue')),
      { ...admin('accounts/:id(\\d+)', () => import('@/features/accounts/AccountPage.vue')), props: true } as RouteRecordRaw,
      admin('groups', () => import('@/features/groups/GroupsPage.vue')),
      { ...admin('groups/:id(\\d+)', () => import('@/features/groups/GroupPage.vue')), props: true } as RouteRecordRaw,
      admin('users', () => import('@/features/users/UsersPage.vue')),
      { ...admin('users/:id(\\d+)', () => import('@/features/users/UserPage.vue')), props: true } as RouteRecordRaw,
      admin('jobs', () => import('@/features/jobs/JobsPage.vue')),
      { ...admin('jobs/:id(\\d+)', () => import('@/features/jobs/JobPage.vue')), props: true } as RouteRecordRaw,
      admin('attributes', () => import('@/features/attributes/AttributesPage.vue')),
      admin('cleanup', () => import('@/features/cleanup/CleanupPage.vue')),
      admin('subscriptions', () => import('@/features/subscriptions/AdminSubscriptionsPage.vue')),
      admin('codes', () => import('@/features/codes/CodesPage.vue'), 'money'),
      admin('promos', () => import('@/features/promos/PromosPage.vue'), 'money'),
      admin('rules', () => import('@/features/rules/RulesPage.vue')),
      admin('webhooks', () => import('@/features/webhooks/WebhooksPage.vue')),
      admin('identity', () => import('@/features/identity/IdentityPage.vue')),
      admin('configuration', () => import('@/features/configuration/ConfigurationPage.vue'), 'amounts'),
      admin('prices', () => import('@/features/prices/PricesPage.vue'), 'amounts'),
      admin('proxies', () => import('@/features/proxies/ProxiesPage.vue')),
      admin('announcements', () => import('@/features/announcements/AnnouncementsPage.vue')),
      admin('settings', () => import('@/features/settings/SettingsPage.vue')),
      admin('audit', () => import('@/features/audit/AuditPage.vue')),
      admin('start', () => import('@/features/setup/StartPage.vue'), 'admin'),
      { path: '/forbidden', component: () => import('./NoticePage.vue'), props: { kind: 'forbidden' } },
    ],
  },
  { path: '/:rest(.*)*', component: () => import('./NoticePage.vue'), props: { kind: 'notFound' } },
]

arrive(location, history)
addEventListener('hashchange', () => isCarrying(location) && location.reload())

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach(async (to) => {
  const wanted = to.meta.permission
  if (wanted === undefined) {
    if (to.meta.knowsUser) await startSession().catch(() => undefined)
    return true
  }
  await startSession()
  if (user.value === undefined) return { path: '/login', query: { next: to.fullPath } }
  return can(wanted) ? true : { path: '/forbidden' }
})

/** A page's code did not come: after an upgrade its name is another one, so load anew; else nothing answers, which the shell says. */
let reloadedAt = 0
router.onError(async (error, to) => {
  if (!/import|fetch|module/i.test(String(error))) return
  const answers = await fetch('/health', { cache: 'no-store' }).then((answer) => answer.ok, () => false)
  isUnreachable.value = !answers
  if (!answers || Date.now() - reloadedAt < 10_000) return
  reloadedAt = Date.now()
  location.assign(to.fullPath)
})

/** Where to go after logging in: a path of ours, nothing else. */
export function safeNext(value: unknown): string {
  return typeof value === 'string' && /^\/(?![/\\])/.test(value) ? value : '/dashboard'
}
