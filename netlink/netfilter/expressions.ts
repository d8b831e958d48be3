// The expressions of a rule: NFTA_EXPR_NAME and NFTA_EXPR_DATA. A row says which attribute holds which field; reading and writing both
// go by it. Sources: enum nft_payload_attributes and its like in linux/netfilter/nf_tables.h.

import { InvalidRequest } from '../core/batch.ts'
import { type Attributes } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import type { Expression } from './types.ts'
import { namesOf, readData, writeData } from './values.ts'

type Value = number | string | boolean | Uint8Array

interface Field {
  readonly attribute: number
  readonly write: (writer: MessageWriter, attribute: number, value: Value) => void
  /** Undefined: the field is left out. */
  readonly read: (attributes: Attributes) => Value | undefined
}

const number = (attribute: number): Field => ({
  attribute,
  write: (writer, type, value) => writer.attributeU32be(type, Number(value)),
  read: attributes => attributes.u32be(),
})
const octet = (attribute: number): Field => ({
  attribute,
  write: (writer, type, value) => writer.attributeU8(type, Number(value)),
  read: attributes => attributes.u8(),
})
const text = (attribute: number): Field => ({
  attribute,
  write: (writer, type, value) => writer.attributeText(type, String(value)),
  read: attributes => attributes.text(),
})
/** A flag that the kernel reports as 0 where it was not given. */
const bit = (attribute: number): Field => ({
  attribute,
  write: (writer, type, value) => writer.attributeU32be(type, value === true ? 1 : 0),
  read: attributes => ((attributes.u32be() & 1) === 1 ? true : undefined),
})
const data = (attribute: number): Field => ({
  attribute,
  write: (writer, type, value) => writeData(writer, type, value as Uint8Array),
  read: readData,
})
/** One of these words; a number that is none of them stays a number, and so equals nothing that we write. */
const word = (attribute: number, words: Readonly<Record<string, number>>): Field => {
  const names = namesOf(words)
  return {
    attribute,
    write: (writer, type, value) => {
      const found = words[String(value)]
      if (found === undefined)
        throw new InvalidRequest(`"${String(value)}" is none of ${Object.keys(words).join(', ')}`)
      writer.attributeU32be(type, found)
    },
    read: attributes => names.get(attributes.u32be()) ?? attributes.u32be(),
  }
}

/** NFT_REG_1 to NFT_REG_4: the registers that a dump names so, and NFT_REG32_00 and on that newer kernels may name. */
const register = (attribute: number): Field => ({
  ...number(attribute),
  read: attributes => {
    const value = attributes.u32be()
    return value >= 8 && (value - 8) % 4 === 0 ? (value - 8) / 4 + 1 : value
  },
})

type Plain = Exclude<Expression, { readonly do: 'verdict' | 'unknown' }>
type FieldsOf<D extends Plain['do'], E = Plain> = E extends { readonly do: D } ? Exclude<keyof E, 'do'> : never

const comparisons = { eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 }
const metaKeys = { protocol: 1, mark: 3, iif: 4, oif: 5, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 }

/** By our word: the kernel's name and the fields. */
const rows: {
  readonly [D in Plain['do']]: { readonly name: string; readonly fields: Readonly<Record<FieldsOf<D>, Field>> }
} = {
  payload: {
    name: 'payload',
    fields: {
      to: register(1),
      base: word(2, { link: 0, network: 1, transport: 2 }),
      offset: number(3),
      length: number(4),
    },
  },
  meta: { name: 'meta', fields: { to: register(1), key: word(2, metaKeys) } },
  ct: { name: 'ct', fields: { to: register(1), key: word(2, { state: 0, direction: 1, status: 2, mark: 3 }) } },
  cmp: { name: 'cmp', fields: { from: register(1), is: word(2, comparisons), value: data(3) } },
  lookup: { name: 'lookup', fields: { set: text(1), from: register(2), not: bit(5) } },
  bitwise: {
    name: 'bitwise',
    fields: { from: register(1), to: register(2), length: number(3), mask: data(4), xor: data(5) },
  },
  immediate: { name: 'immediate', fields: { to: register(1), value: data(2) } },
  byteorder: {
    name: 'byteorder',
    fields: {
      from: register(1),
      to: register(2),
      op: word(3, { ntoh: 0, hton: 1 }),
      length: number(4),
      size: number(5),
    },
  },
  fib: {
    name: 'fib',
    fields: { to: register(1), result: word(2, { oif: 1, oifname: 2, addrtype: 3 }), flags: number(3) },
  },
  rt: { name: 'rt', fields: { to: register(1), key: word(2, { nexthop4: 1, nexthop6: 2, tcpmss: 3 }) } },
  exthdr: {
    name: 'exthdr',
    fields: {
      to: register(1),
      type: octet(2),
      offset: number(3),
      length: number(4),
      op: word(6, { ipv6: 0, tcpopt: 1 }),
      from: register(7),
    },
  },
  masquerade: { name: 'masq', fields: {} },
  counter: { name: 'counter', fields: {} },
}

const byName = new Map(
  Object.entries(rows).map(([word, row]) => [row.name, { word, fields: Object.entries(row.fields) }]),
)

/** enum nft_expr_attributes, nft_list_attributes */
const expr = { name: 1, data: 2 } as const
const listElement = 1

/** NF_DROP, NF_ACCEPT, enum nft_verdicts */
const verdicts = { drop: 0, accept: 1, continue: -1, jump: -3, goto: -4, return: -5 } as const
const verdictNames = namesOf(verdicts)
const immediate = { register: 1, data: 2 } as const
const dataVerdict = 2
const verdict = { code: 1, chain: 2 } as const

/** The list of a rule's expressions, within NFTA_RULE_EXPRESSIONS. */
export function writeExpressions(writer: MessageWriter, attribute: number, expressions: readonly Expression[]): void {
  const list = writer.beginNest(attribute)
  for (const expression of expressions) {
    const element = writer.beginNest(listElement)
    writeExpression(writer, expression)
    writer.endNest(element)
  }
  writer.endNest(list)
}

function writeExpression(writer: MessageWriter, expression: Expression): void {
  if (expression.do === 'unknown')
    throw new InvalidRequest(`expression "${expression.name}" is one that can only be read`)
  if (expression.do === 'verdict') return writeVerdict(writer, expression.verdict, expression.chain)
  const { name, fields } = rows[expression.do]
  writer.attributeText(expr.name, name)
  const nest = writer.beginNest(expr.data)
  const values = expression as Readonly<Record<string, Value | undefined>>
  for (const [key, field] of Object.entries<Field>(fields)) {
    const value = values[key]
    if (value !== undefined) field.write(writer, field.attribute, value)
  }
  writer.endNest(nest)
}

/** A verdict is the immediate value of register 0. */
function writeVerdict(writer: MessageWriter, code: keyof typeof verdicts, chain: string | undefined): void {
  writer.attributeText(expr.name, 'immediate')
  const nest = writer.beginNest(expr.data)
  writer.attributeU32be(immediate.register, 0)
  const value = writer.beginNest(immediate.data)
  const inner = writer.beginNest(dataVerdict)
  writer.attributeU32be(verdict.code, verdicts[code] >>> 0)
  if (chain !== undefined) writer.attributeText(verdict.chain, chain)
  writer.endNest(inner)
  writer.endNest(value)
  writer.endNest(nest)
}

/** Of the attribute NFTA_RULE_EXPRESSIONS. */
export function readExpressions(attributes: Attributes): Expression[] {
  const expressions: Expression[] = []
  const list = attributes.nested()
  while (list.next()) if (list.type === listElement) expressions.push(readExpression(list.nested()))
  return expressions
}

function readExpression(attributes: Attributes): Expression {
  let name = ''
  let octets = new Uint8Array()
  let inner: Attributes | undefined
  while (attributes.next()) {
    if (attributes.type === expr.name) name = attributes.text()
    else if (attributes.type === expr.data) {
      inner = attributes.nested()
      octets = Uint8Array.from(attributes.octets())
    }
  }
  const row = byName.get(name)
  if (!row) return { do: 'unknown', name, octets }
  const found: Record<string, Value> = {}
  let code: Expression | undefined
  while (inner?.next()) {
    if (name === 'immediate' && inner.type === immediate.data) code = readVerdict(inner.nested())
    const [key, field] = row.fields.find(([, { attribute }]) => attribute === inner.type) ?? []
    const value = field?.read(inner)
    if (key !== undefined && value !== undefined) found[key] = value
  }
  return code ?? ({ do: row.word, ...found } as Expression)
}

function readVerdict(attributes: Attributes): Expression | undefined {
  while (attributes.next()) {
    if (attributes.type !== dataVerdict) continue
    const inner = attributes.nested()
    let code = 0
    let chain: string | undefined
    while (inner.next()) {
      if (inner.type === verdict.code) code = inner.u32be() | 0
      else if (inner.type === verdict.chain) chain = inner.text()
    }
    const word = verdictNames.get(code)
    if (word) return { do: 'verdict', verdict: word, ...(chain !== undefined && { chain }) }
  }
  return undefined
}
