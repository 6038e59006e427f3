import DOMPurify from 'dompurify'
import { marked } from 'marked'

/** No tag that takes input, no frame, no look of its own: foreign words cannot pass for parts of this page. */
const RULES = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: ['style', 'form', 'input', 'button', 'textarea', 'select', 'option', 'dialog', 'audio', 'video', 'link', 'meta', 'base'],
  FORBID_ATTR: ['style', 'class', 'id', 'name', 'tabindex', 'popover', 'popovertarget', 'srcset', 'background'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|\/(?!\/)|#|data:image\/(?:png|jpeg|webp|gif);)/i,
  RETURN_DOM_FRAGMENT: true,
} as const

const cleaner = DOMPurify()
cleaner.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A' && node.hasAttribute('href')) {
    node.setAttribute('rel', 'noopener noreferrer nofollow')
    node.setAttribute('target', '_blank')
  }
  if (node.tagName === 'IMG' && !node.hasAttribute('alt')) node.setAttribute('alt', '')
  // Pages load nothing from foreign hosts: such a picture would only be a broken one.
  if (node.tagName === 'IMG' && !/^(?:data:|\/(?!\/))/.test(node.getAttribute('src') ?? '')) node.removeAttribute('src')
})

/** Markdown or HTML of operators as nodes that run nothing. The only place where words become markup. */
export function toSafeNodes(text: string): DocumentFragment {
  const html = marked.parse(text, { async: false, gfm: true, breaks: true })
  return cleaner.sanitize(html, RULES as never) as unknown as DocumentFragment
}
