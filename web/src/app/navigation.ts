import { LayoutDashboard, Server } from 'lucide-vue-next'
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
  { path: '/admin/accounts', label: 'accounts', icon: Server, permission: 'read', section: 'admin' },
]
