import type { Schemas } from '@/api/client'

export type Line = Schemas['LedgerEntryView']
export const KINDS = ['charge', 'cost', 'key', 'adjustment', 'correction'] as const
export const OWNERS = ['user', 'account', 'key', 'subscription'] as const
export const CHECKS = ['chain', 'line', 'book', 'record', 'entry', 'negative'] as const

/** As the book sees it: what entered it is more, what left it is less; without a book, what moved. */
export function signed(line: Line, book: string): number {
  return book !== '' && line.debit.book === book ? -line.amount : line.amount
}

/** `correction.2` is a correction. */
export const kindOf = (kind: string): string => KINDS.find((known) => kind.startsWith(known)) ?? kind

/** Whose book it is, for the list's filter; system books have no owner. */
export function ownerOf(book: string): { kind: string; id: string } {
  const [kind = '', id = ''] = book.split(':')
  return { kind, id }
}
