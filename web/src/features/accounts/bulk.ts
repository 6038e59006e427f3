/** So many are changed at once, in the page's own call: that is over before a bar could be drawn. More become a job. */
const FEW = 20

export const isLong = (ids: readonly number[]): boolean => ids.length > FEW
