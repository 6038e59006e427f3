/** What the gateway tells open pages by itself: `live` and `liveStatus` to show, `startLive` once. */
export { heardAt, isUnreachable, live, liveStatus, type LiveAccount, type LiveStatus } from './state'
export { startLive } from './stream'
