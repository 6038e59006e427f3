// What the dialog of a key tells each client, as JSON for programs that try it: node e2e/recipes.mjs PLATFORM BASE KEY
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const [platform, base, key] = process.argv.slice(2)
const source = (path) => fileURLToPath(new URL(`../src/${path}`, import.meta.url))
const config = { configFile: false, logLevel: 'error', resolve: { alias: { '@': source('') } } }
const { module } = await runnerImport(source('features/keys/recipes.ts'), config)
console.log(JSON.stringify(module.recipesFor(platform, base, key)))
