// The documentation of a kind, out of its schema: what docs/resources.md holds and document.test.ts keeps in step.

import * as v from 'valibot'
import { formOf, schemaAt } from './explain.ts'
import type { KindDefinition } from './kind.ts'

/** A section of Markdown: summary, example, table of fields, and Calico's fields that are not taken. */
export function documentKind(kind: KindDefinition): string {
  const foreign = Object.entries(kind.foreign).map(
    ([name, field]) => `| \`${name}\` | ${field.why} ${field.fix ?? ''} |`,
  )
  const names = [kind.plural, ...kind.short].map(name => `\`${name}\``).join(', ')
  return `## ${kind.kind}

${kind.summary} \`margayctl get\` knows it as ${names}.

\`\`\`yaml
${kind.example.trimEnd()}
\`\`\`

| field of \`spec\` | takes | default | meaning |
|---|---|---|---|
${fieldRows(kind.spec, '').join('\n')}
${foreign.length === 0 ? '' : refusedFields(kind.kind, foreign)}`
}

function refusedFields(kind: string, rows: readonly string[]): string {
  return `
Fields of Calico's ${kind} that are refused:

| field | why |
|---|---|
${rows.map(row => row.replace(/\s+\|$/, ' |')).join('\n')}
`
}

function fieldRows(schema: v.GenericSchema, prefix: string): string[] {
  const entries = 'entries' in schema ? (schema.entries as Record<string, v.GenericSchema>) : {}
  return Object.entries(entries).flatMap(([name, entry]) => {
    const field = schemaAt(entry, [])
    if (!field) return []
    const path = `${prefix}${name}`
    const row = `| \`${path}\` | ${takes(field)} | ${defaultOf(entry)} | ${v.getDescription(field) ?? ''} |`
    return [row, ...fieldRows(field, `${path}.`)]
  })
}

function takes(field: v.GenericSchema): string {
  return formOf(field) ?? ('entries' in field ? 'mapping' : '')
}

function defaultOf(entry: v.GenericSchema): string {
  if (entry.type !== 'optional') return 'required'
  const value = v.getDefault(entry)
  return value === undefined ? '' : `\`${String(value)}\``
}
