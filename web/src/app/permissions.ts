/** As `control/web/permissions.py`: hides what would be refused; the gateway decides. */
export type Permission = 'user' | 'read' | 'operate' | 'money' | 'secrets' | 'admin'

const AUDITOR: readonly Permission[] = ['user', 'read']
const GRANTS: Readonly<Record<string, readonly Permission[]>> = {
  user: ['user'],
  auditor: AUDITOR,
  operator: [...AUDITOR, 'operate'],
  admin: [...AUDITOR, 'operate', 'money', 'secrets', 'admin'],
}

export function may(role: string | undefined, permission: Permission): boolean {
  return (GRANTS[role ?? ''] ?? []).includes(permission)
}
