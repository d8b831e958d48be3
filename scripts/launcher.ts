// The file that people start: any Node of the last ten years can read it, and one that is too old for the program says so.

import { readFileSync } from 'node:fs'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly engines: { readonly node: string }
}

/** `main`: the program, relative to the launcher. No newer syntax here than `import()`, and nothing that only a module may have. */
export function launcher(name: string, main: string): string {
  const least = /^>=(\d+)$/.exec(engines.node)?.[1]
  if (least === undefined) throw new Error(`package.json: engines.node "${engines.node}" is not of the form >=26`)
  const text = `${name} needs Node.js ${least} or newer, and this is \${process.version} (\${process.execPath}): install a newer one (npm install node@${least} puts it into node_modules/.bin) and start ${name} with it`
  return `#!/usr/bin/env node
if (Number(process.versions.node.split('.')[0]) < ${least}) {
  console.error(\`${text}\`)
  process.exitCode = 1
} else import('${main}')
`
}
