import admin from './admin.json'
import auth from './auth.json'
import common from './common.json'
import console from './console.json'
import jobs from './jobs.json'
import manage from './manage.json'
import operate from './operate.json'
import refusals from './refusals.json'
import review from './review.json'
import rules from './rules.json'
import setup from './setup.json'
import shell from './shell.json'
import site from './site.json'
import user from './user.json'

export const en = {
  admin,
  auth,
  common,
  console,
  jobs,
  manage,
  operate,
  refusals,
  review,
  rules,
  setup,
  shell,
  site,
  user,
}
