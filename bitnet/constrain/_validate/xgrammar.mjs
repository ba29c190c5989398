// Reads {"tokens": […], "cases": [{"grammar": …, "walk": [ids]}]} from standard input
// and writes for each case and each step of the walk the ids that XGrammar allows.
// It runs beside a node_modules with @mlc-ai/web-xgrammar.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(pathToFileURL(process.argv[2] + '/').href)
const entry = require.resolve('@mlc-ai/web-xgrammar')
Object.assign(globalThis, { require, __filename: entry, __dirname: dirname(entry) }) // it is made for bundlers
await import(pathToFileURL(entry).href)
const { xgrammar } = globalThis
const { tokens, stop, cases } = JSON.parse(readFileSync(0, 'utf8'))
const info = await xgrammar.TokenizerInfo.createTokenizerInfo(tokens, 'byte_level', false, tokens.length, [stop])
const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info)
const out = []
for (const c of cases) {
  const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(await compiler.compileGrammar(c.grammar))
  const masks = []
  for (let step = 0; ; step++) {
    const words = await matcher.getNextTokenBitmask()
    const allowed = []
    for (let id = 0; id < tokens.length; id++) if ((words[id >> 5] >>> (id & 31)) & 1) allowed.push(id)
    masks.push(allowed)
    if (step >= c.walk.length) break
    if (!matcher.acceptToken(c.walk[step])) { masks.push(null); break }
  }
  out.push(masks)
}
process.stdout.write(JSON.stringify(out))
