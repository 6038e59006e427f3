/** As `control/web/permissions.py`: hides what would be refused; the gateway decides. */
export type Permission = 'user' | 'read' | 'amounts' | 'operate' | 'money' | 'secrets' | 'admin'

const READER: readonly Permission[] = ['user', 'read']
const GRANTS: Readonly<Record<string, readonly Permission[]>> = {
  user: ['user'],
  auditor: [...READER, 'amounts'],
  operator: [...READER, 'operate'],
  admin: [...READER, 'amounts', 'operate', 'money', 'secrets', 'admin'],
}

export function may(role: string | undefined, permission: Permission): boolean {
  return (GRANTS[role ?? ''] ?? []).includes(permission)
}
