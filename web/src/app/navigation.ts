import {
  BarChart3, BookOpen, BookOpenCheck, Boxes, CalendarClock, CircleDollarSign, Eraser, FileCog, Fingerprint, Gauge, Gift,
  HeartPulse, KeyRound, LayoutDashboard, ListChecks, ListTodo, Megaphone, MessageSquare, Network, Rocket, ScrollText, Server,
  Settings, Tags, Ticket, TicketPercent, UserCog, Users, Webhook,
} from 'lucide-vue-next'
import type { Component } from 'vue'

import type { Permission } from './permissions'

/** As they stand in the menu. All but the first are the administration. */
export const GROUPS = ['mine', 'overview', 'traffic', 'supply', 'people', 'money', 'safety', 'system'] as const
export type NavGroup = (typeof GROUPS)[number]

export interface NavItem {
  path: string
  /** Key below `common.nav`. */
  label: string
  icon: Component
  permission: Permission
  group: NavGroup
  /** Pages below this path belong to the entry too. */
  also?: string
}

export const NAV: readonly NavItem[] = [
  { path: '/dashboard', label: 'dashboard', icon: LayoutDashboard, permission: 'user', group: 'mine' },
  { path: '/keys', label: 'keys', icon: KeyRound, permission: 'user', group: 'mine' },
  { path: '/usage', label: 'usage', icon: BarChart3, permission: 'user', group: 'mine' },
  { path: '/catalogue', label: 'models', icon: BookOpen, permission: 'user', group: 'mine' },
  { path: '/playground', label: 'playground', icon: MessageSquare, permission: 'user', group: 'mine' },
  { path: '/subscriptions', label: 'subscriptions', icon: CalendarClock, permission: 'user', group: 'mine' },
  { path: '/redeem', label: 'redeem', icon: Gift, permission: 'user', group: 'mine' },
  { path: '/profile', label: 'profile', icon: UserCog, permission: 'user', group: 'mine' },
  { path: '/admin/dashboard', label: 'overview', icon: Gauge, permission: 'read', group: 'overview' },
  { path: '/admin/degradations', label: 'degradations', icon: HeartPulse, permission: 'read', group: 'overview' },
  { path: '/admin/start', label: 'start', icon: Rocket, permission: 'admin', group: 'overview' },
  { path: '/admin/usage', label: 'usage', icon: BarChart3, permission: 'read', group: 'traffic', also: '/admin/requests' },
  { path: '/admin/rules', label: 'rules', icon: ListChecks, permission: 'read', group: 'traffic' },
  { path: '/admin/accounts', label: 'accounts', icon: Server, permission: 'read', group: 'supply' },
  { path: '/admin/groups', label: 'groups', icon: Boxes, permission: 'read', group: 'supply' },
  { path: '/admin/proxies', label: 'proxies', icon: Network, permission: 'read', group: 'supply' },
  { path: '/admin/users', label: 'users', icon: Users, permission: 'read', group: 'people' },
  { path: '/admin/attributes', label: 'attributes', icon: Tags, permission: 'read', group: 'people' },
  { path: '/admin/subscriptions', label: 'subscriptions', icon: CalendarClock, permission: 'read', group: 'people' },
  { path: '/admin/announcements', label: 'announcements', icon: Megaphone, permission: 'read', group: 'people' },
  { path: '/admin/prices', label: 'prices', icon: CircleDollarSign, permission: 'amounts', group: 'money' },
  { path: '/admin/ledger', label: 'ledger', icon: BookOpenCheck, permission: 'amounts', group: 'money' },
  { path: '/admin/codes', label: 'codes', icon: Ticket, permission: 'money', group: 'money' },
  { path: '/admin/promos', label: 'promos', icon: TicketPercent, permission: 'money', group: 'money' },
  { path: '/admin/audit', label: 'audit', icon: ScrollText, permission: 'read', group: 'safety' },
  { path: '/admin/identity', label: 'identity', icon: Fingerprint, permission: 'read', group: 'safety' },
  { path: '/admin/settings', label: 'settings', icon: Settings, permission: 'read', group: 'system' },
  { path: '/admin/jobs', label: 'jobs', icon: ListTodo, permission: 'read', group: 'system' },
  { path: '/admin/cleanup', label: 'cleanup', icon: Eraser, permission: 'read', group: 'system' },
  { path: '/admin/configuration', label: 'configuration', icon: FileCog, permission: 'amounts', group: 'system' },
  { path: '/admin/webhooks', label: 'webhooks', icon: Webhook, permission: 'read', group: 'system' },
]

const isBelow = (path: string, top: string | undefined): boolean => top !== undefined && (path === top || path.startsWith(`${top}/`))

/** The entry that a page belongs to: `/admin/accounts/7` is one of the accounts. */
export function entryOf(path: string): NavItem | undefined {
  return NAV.find((item) => isBelow(path, item.path) || isBelow(path, item.also))
}
