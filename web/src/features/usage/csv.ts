import { save } from '@/shared/save'

export const download = (name: string, content: string): void => save(name, content, 'text/csv')
