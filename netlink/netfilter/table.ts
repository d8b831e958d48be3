// Tables, chains and rules as messages: NFT_MSG_NEWTABLE, NEWCHAIN, NEWRULE.

import { InvalidRequest } from '../core/batch.ts'
import { Attributes, type Message } from '../core/reader.ts'
import type { MessageWriter } from '../core/writer.ts'
import { readExpressions, writeExpressions } from './expressions.ts'
import type { Hook, NetfilterChain, NetfilterRule, NetfilterTable, TableId } from './types.ts'
import { bodyLength, families, familyNames, namesOf, readComment, writeBody, writeComment } from './values.ts'

/** enum nft_table_attributes, nft_chain_attributes, nft_hook_attributes, nft_rule_attributes */
const tableAttribute = { name: 1, flags: 2, userData: 6 } as const
const chainAttribute = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const
const hookAttribute = { number: 1, priority: 2 } as const
const ruleAttribute = { table: 1, chain: 2, expressions: 4, userData: 7 } as const

/** enum nf_inet_hooks */
const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const
const hookNames = namesOf(hooks)
/** NFT_TABLE_F_DORMANT */
const dormant = 1
/** NF_DROP, NF_ACCEPT */
const policies = { drop: 0, accept: 1 } as const

/** NFT_MSG_NEWTABLE; without its second half the table as it is, if it is there. */
export function writeTable(writer: MessageWriter, table: TableId, more: Omit<TableRow, keyof TableId> = {}): void {
  writeBody(writer, families[table.family])
  writer.attributeText(tableAttribute.name, table.name)
  if (more.dormant) writer.attributeU32be(tableAttribute.flags, dormant)
  writeComment(writer, tableAttribute.userData, more.comment)
}

export function writeChain(writer: MessageWriter, table: TableId, chain: Omit<NetfilterChain, 'rules'>): void {
  writeBody(writer, families[table.family])
  writer.attributeText(chainAttribute.table, table.name)
  writer.attributeText(chainAttribute.name, chain.name)
  if (!chain.hook) return
  const { at, type, priority, policy } = chain.hook
  const nest = writer.beginNest(chainAttribute.hook)
  writer.attributeU32be(hookAttribute.number, hooks[at])
  writer.attributeU32be(hookAttribute.priority, priority >>> 0)
  writer.endNest(nest)
  writer.attributeU32be(chainAttribute.policy, policies[policy])
  writer.attributeText(chainAttribute.type, type)
}

export function writeRule(writer: MessageWriter, table: TableId, chain: string, rule: NetfilterRule): void {
  if (rule.expressions.length === 0)
    throw new InvalidRequest(`chain "${chain}": a rule without expressions does nothing`)
  writeBody(writer, families[table.family])
  writer.attributeText(ruleAttribute.table, table.name)
  writer.attributeText(ruleAttribute.chain, chain)
  writeExpressions(writer, ruleAttribute.expressions, rule.expressions)
  writeComment(writer, ruleAttribute.userData, rule.comment)
}

/** Every table, chain and set of a family but these is left to the reader: GET… take the table's name where there is one. */
export function writeTableQuery(writer: MessageWriter, table?: TableId): void {
  writeBody(writer, table ? families[table.family] : 0)
  if (table) writer.attributeText(tableAttribute.name, table.name)
}

export type TableRow = TableId & Pick<NetfilterTable, 'comment' | 'dormant'>

export function readTable(message: Message): TableRow | undefined {
  const id = idOf(message)
  if (!id) return undefined
  let comment: string | undefined
  let flags = 0
  const a = new Attributes(message, message.from + bodyLength, message.to)
  while (a.next()) {
    if (a.type === tableAttribute.userData) comment = readComment(a.octets())
    else if (a.type === tableAttribute.flags) flags = a.u32be()
  }
  return { ...id, ...(comment !== undefined && { comment }), ...((flags & dormant) !== 0 && { dormant: true }) }
}

export type ChainRow = TableId & { readonly chain: Omit<NetfilterChain, 'rules'> }

export function readChain(message: Message): ChainRow | undefined {
  const id = idOf(message)
  if (!id) return undefined
  let name = ''
  let type = ''
  let policy = 1
  let hook: Pick<Hook, 'at' | 'priority'> | undefined
  const a = new Attributes(message, message.from + bodyLength, message.to)
  while (a.next()) {
    if (a.type === chainAttribute.name) name = a.text()
    else if (a.type === chainAttribute.type) type = a.text()
    else if (a.type === chainAttribute.policy) policy = a.u32be()
    else if (a.type === chainAttribute.hook) hook = readHook(a.nested())
  }
  if (!hook || id.family === 'netdev' || id.family === 'arp') return { ...id, chain: { name } }
  return {
    ...id,
    chain: {
      name,
      hook: { ...hook, type: type as Hook['type'], policy: policy === policies.drop ? 'drop' : 'accept' },
    },
  }
}

function readHook(attributes: Attributes): Pick<Hook, 'at' | 'priority'> {
  let number = 0
  let priority = 0
  while (attributes.next()) {
    if (attributes.type === hookAttribute.number) number = attributes.u32be()
    else if (attributes.type === hookAttribute.priority) priority = attributes.u32be() | 0
  }
  return { at: hookNames.get(number) ?? 'prerouting', priority }
}

export type RuleRow = TableId & { readonly chain: string; readonly rule: NetfilterRule }

export function readRule(message: Message): RuleRow | undefined {
  const id = idOf(message)
  if (!id) return undefined
  let chain = ''
  let comment: string | undefined
  let expressions: NetfilterRule['expressions'] = []
  const a = new Attributes(message, message.from + bodyLength, message.to)
  while (a.next()) {
    if (a.type === ruleAttribute.chain) chain = a.text()
    else if (a.type === ruleAttribute.userData) comment = readComment(a.octets())
    else if (a.type === ruleAttribute.expressions) expressions = readExpressions(a)
  }
  return { ...id, chain, rule: { ...(comment !== undefined && { comment }), expressions } }
}

/** Family out of struct nfgenmsg, the table's name out of attribute 1, which it is in all three. */
function idOf(message: Message): TableId | undefined {
  if (message.to - message.from < bodyLength) return undefined
  const family = familyNames.get(message.view.getUint8(message.from))
  const a = new Attributes(message, message.from + bodyLength, message.to)
  if (!family) return undefined
  while (a.next()) if (a.type === tableAttribute.name) return { family, name: a.text() }
  return undefined
}
