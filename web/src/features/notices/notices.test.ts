import { expect, it } from 'vitest'

import { popupsOf, unreadOf, type Notice } from './notices'

const notice = (id: number, notify_mode: string, read_at: string | null = null): Notice =>
  ({ id, title: '', content: '', notify_mode, read_at, starts_at: null, ends_at: null, created_at: '', updated_at: '' })
const notices = [notice(3, 'popup'), notice(2, 'silent'), notice(1, 'popup'), notice(0, 'popup', '2026-01-01T00:00:00Z')]

it('counts what is unread', () => expect(unreadOf(notices).map((one) => one.id)).toEqual([3, 2, 1]))
it('shows what asks for it in the order it was written, and nothing twice', () => expect(popupsOf(notices).map((one) => one.id)).toEqual([1, 3]))
