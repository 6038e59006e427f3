import {
  BarChart3, BookOpen, BookOpenCheck, Boxes, CalendarClock, CircleDollarSign, FileCog, Fingerprint, Gauge, Gift,
  HeartPulse, KeyRound, LayoutDashboard, ListChecks, Megaphone, MessageSquare, Network, Rocket, ScrollText, Server,
  Settings, Ticket, TicketPercent, UserCog, Users, Webhook,
} from 'lucide-vue-next'
import type { Component } from 'vue'

import type { Permission } from './permissions'

export interface NavItem {
  path: string
  /** Key below `common.nav`. */
  label: string
  icon: Component
  permission: Permission
  section: 'mine' | 'admin'
}

export const NAV: readonly NavItem[] = [
  { path: '/dashboard', label: 'dashboard', icon: LayoutDashboard, permission: 'user', section: 'mine' },
  { path: '/keys', label: 'keys', icon: KeyRound, permission: 'user', section: 'mine' },
  { path: '/usage', label: 'usage', icon: BarChart3, permission: 'user', section: 'mine' },
  { path: '/catalogue', label: 'models', icon: BookOpen, permission: 'user', section: 'mine' },
  { path: '/playground', label: 'playground', icon: MessageSquare, permission: 'user', section: 'mine' },
  { path: '/subscriptions', label: 'subscriptions', icon: CalendarClock, permission: 'user', section: 'mine' },
  { path: '/redeem', label: 'redeem', icon: Gift, permission: 'user', section: 'mine' },
  { path: '/profile', label: 'profile', icon: UserCog, permission: 'user', section: 'mine' },
  { path: '/admin/dashboard', label: 'overview', icon: Gauge, permission: 'read', section: 'admin' },
  { path: '/admin/degradations', label: 'degradations', icon: HeartPulse, permission: 'read', section: 'admin' },
  { path: '/admin/usage', label: 'usage', icon: BarChart3, permission: 'read', section: 'admin' },
  { path: '/admin/accounts', label: 'accounts', icon: Server, permission: 'read', section: 'admin' },
  { path: '/admin/groups', label: 'groups', icon: Boxes, permission: 'read', section: 'admin' },
  { path: '/admin/users', label: 'users', icon: Users, permission: 'read', section: 'admin' },
  { path: '/admin/subscriptions', label: 'subscriptions', icon: CalendarClock, permission: 'read', section: 'admin' },
  { path: '/admin/codes', label: 'codes', icon: Ticket, permission: 'money', section: 'admin' },
  { path: '/admin/promos', label: 'promos', icon: TicketPercent, permission: 'money', section: 'admin' },
  { path: '/admin/prices', label: 'prices', icon: CircleDollarSign, permission: 'read', section: 'admin' },
  { path: '/admin/ledger', label: 'ledger', icon: BookOpenCheck, permission: 'read', section: 'admin' },
  { path: '/admin/proxies', label: 'proxies', icon: Network, permission: 'read', section: 'admin' },
  { path: '/admin/announcements', label: 'announcements', icon: Megaphone, permission: 'read', section: 'admin' },
  { path: '/admin/rules', label: 'rules', icon: ListChecks, permission: 'read', section: 'admin' },
  { path: '/admin/webhooks', label: 'webhooks', icon: Webhook, permission: 'read', section: 'admin' },
  { path: '/admin/identity', label: 'identity', icon: Fingerprint, permission: 'read', section: 'admin' },
  { path: '/admin/configuration', label: 'configuration', icon: FileCog, permission: 'read', section: 'admin' },
  { path: '/admin/settings', label: 'settings', icon: Settings, permission: 'read', section: 'admin' },
  { path: '/admin/audit', label: 'audit', icon: ScrollText, permission: 'read', section: 'admin' },
  { path: '/admin/start', label: 'start', icon: Rocket, permission: 'admin', section: 'admin' },
]
